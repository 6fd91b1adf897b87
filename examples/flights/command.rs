//! The command: arguments in, tables out, and a code that says whose fault it was.

use super::{
    error::{Error, Result},
    figures::Figures,
    load::load,
    query, report,
    tables::Tables,
};
use clap::{Parser, ValueEnum};
use ese::Instance;
use indicatif::{ProgressBar, ProgressStyle};
use std::{ffi::OsString, io::Write, num::NonZeroUsize, path::PathBuf, time::Duration};

/// Loads every flight that left New York in 2013 into ordered trees, by several writers at once, and asks questions.
#[derive(Debug, Parser)]
#[command(name = "flights", version)]
struct Arguments {
    /// Where the trees rest.
    #[arg(long, value_enum, default_value_t = Backend::Memory)]
    backend: Backend,
    /// How many sessions write at once, each on a thread of its own.
    #[arg(long, default_value = "4")]
    threads: NonZeroUsize,
    /// Load only the first N flights.
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// The tail number of the plane whose year is told.
    #[arg(long, default_value = query::PLANE_DEFAULT)]
    plane: String,
    /// The folder with the five tables, each as .csv or .csv.zst.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/data/nycflights13"))]
    data: PathBuf,
}

/// Where the trees rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// In memory; nothing is left when the program ends.
    Memory,
}

/// Runs the command and returns the code to end with: 0 well, 1 a failure, 2 the arguments or the data are wrong.
pub fn run(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(refusal) => {
            let message = refusal.render();
            // Nothing is left to do when even the message cannot be written.
            let _ = if refusal.use_stderr() { write!(err, "{message}") } else { write!(out, "{message}") };
            return u8::try_from(refusal.exit_code()).unwrap_or(1);
        }
    };
    match execute(&arguments, out) {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(err, "error: {error}");
            if error.is_input() { 2 } else { 1 }
        }
    }
}

fn execute(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    let tables = Tables::read(&arguments.data, arguments.rows)?;
    let db = match arguments.backend {
        Backend::Memory => Instance::in_memory()?,
    };
    let bar = bar(tables.flights.rows.len());
    let (took, loaded) = timed(|| load(&db, &tables, arguments.threads, &|rows| bar.inc(rows as u64)))?;
    bar.finish_and_clear();
    let (asked, figures) = timed(|| Ok(query::figures(&db, &loaded.trees, &arguments.plane)?))?;
    let airlines =
        tables.airlines.rows.iter().map(|line| (line.carrier.clone(), line.name.clone())).collect();
    writeln!(out, "{}", report::text(&figures, &airlines))?;
    let writers = arguments.threads;
    writeln!(out, "{}", summary(&figures, took, asked, loaded.retries, writers))?;
    // What readers held a moment ago is given back by the next merge.
    db.merge()?;
    writeln!(out, "{:#?}", db.stats())?;
    let faults = db.check()?;
    if !faults.is_empty() {
        return Err(Error::Check(faults));
    }
    writeln!(out, "check: no fault")?;
    db.close()?;
    Ok(())
}

fn summary(
    figures: &Figures,
    took: Duration,
    asked: Duration,
    retries: u64,
    writers: NonZeroUsize,
) -> String {
    let rows: u64 = figures.rows.values().sum();
    let seconds = took.as_secs_f64().max(1e-9);
    format!(
        "{} rows in {} trees loaded by {writers} writers in {seconds:.2} s ({:.0} rows/s), {retries} transactions run \
         again after a conflict; all questions answered in {:.2} s",
        report::grouped(rows),
        figures.rows.len(),
        rows as f64 / seconds,
        asked.as_secs_f64()
    )
}

/// A bar that is only drawn on a terminal.
fn bar(rows: usize) -> ProgressBar {
    let bar = ProgressBar::new(rows as u64);
    match ProgressStyle::with_template(
        "{elapsed:>4} {wide_bar} {human_pos} of {human_len} flights, {per_sec}",
    ) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[expect(clippy::disallowed_methods, reason = "the seconds that the program prints are what the user waited")]
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let start = std::time::Instant::now();
    let answer = work()?;
    Ok((start.elapsed(), answer))
}
