//! The command: arguments in, tables out, and a code that says whose fault it was.

use super::{
    error::{Error, Result},
    figures::Figures,
    kill::Kill,
    load::{Loaded, load},
    query, report,
    tables::Tables,
};
use clap::{Parser, ValueEnum};
use ese::Instance;
use indicatif::{ProgressBar, ProgressStyle};
use std::{ffi::OsString, fs, io::Write, num::NonZeroUsize, path::PathBuf, time::Duration};

/// Loads every flight that left New York in 2013 into ordered trees, by several writers at once, and asks questions.
///
/// What is loaded stays in a folder: another run finds it there, loads what is missing, and answers again. That holds for
/// a run that was killed, too (try --kill-after 100000).
#[derive(Debug, Parser)]
#[command(name = "flights", version)]
struct Arguments {
    /// Where the trees rest.
    #[arg(long, value_enum, default_value_t = Backend::Durable)]
    backend: Backend,
    /// The folder of the durable backend, made if absent; remove it to begin anew.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/flights"))]
    dir: PathBuf,
    /// How many sessions write at once, each on a thread of its own.
    #[arg(long, default_value = "4")]
    threads: NonZeroUsize,
    /// Load only the first N flights.
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// Kill this process, as kill -9 does, when it has written N flights.
    #[arg(long, value_name = "N")]
    kill_after: Option<usize>,
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
    /// In a folder: what is committed outlives the program, however it ends.
    Durable,
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
    let db = open(arguments, out)?;
    let bar = bar(tables.flights.rows.len());
    let kill = Kill::after(arguments.kill_after);
    let (took, loaded) =
        timed(|| load(&db, &tables, arguments.threads, &|rows| bar.inc(rows as u64), &kill))?;
    bar.finish_and_clear();
    let (asked, figures) = timed(|| Ok(query::figures(&db, &loaded.trees, &arguments.plane)?))?;
    let airlines =
        tables.airlines.rows.iter().map(|line| (line.carrier.clone(), line.name.clone())).collect();
    writeln!(out, "{}", report::text(&figures, &airlines))?;
    writeln!(out, "{}", told(&figures, &loaded, took, arguments.threads))?;
    writeln!(out, "All questions answered in {:.2} s", asked.as_secs_f64())?;
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

/// Opens what the arguments name, and tells what had to be done again.
fn open(arguments: &Arguments, out: &mut dyn Write) -> Result<Instance> {
    if arguments.backend == Backend::Memory {
        return Ok(Instance::in_memory()?);
    }
    let dir = &arguments.dir;
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)
            .map_err(|error| Error::File { file: parent.into(), what: error.to_string() })?;
    }
    let db = Instance::open(dir)?;
    let recovered = db.stats().recovered;
    if recovered.transactions > 0 {
        let seconds = recovered.took.as_secs_f64().max(1e-9);
        writeln!(
            out,
            "The last run did not close {}. Recovered {} transactions with {} rows from {} bytes of log in {seconds:.3} s \
             ({:.0} rows/s)",
            dir.display(),
            report::grouped(recovered.transactions),
            report::grouped(recovered.rows),
            report::grouped(recovered.bytes),
            recovered.rows as f64 / seconds
        )?;
    }
    Ok(db)
}

/// What was loaded, and how fast.
fn told(figures: &Figures, loaded: &Loaded, took: Duration, writers: NonZeroUsize) -> String {
    let seconds = took.as_secs_f64().max(1e-9);
    let number = |rows: usize| report::grouped(rows as u64);
    if loaded.loaded == 0 {
        return format!("All {} rows of the files were there already", number(loaded.found));
    }
    let retries = loaded.retries;
    if loaded.found > 0 {
        return format!(
            "{} rows of the files were there already; {} loaded by {writers} writers in {seconds:.2} s, {retries} \
             transactions run again after a conflict",
            number(loaded.found),
            number(loaded.loaded)
        );
    }
    let rows: u64 = figures.rows.values().sum();
    format!(
        "{} rows in {} trees loaded by {writers} writers in {seconds:.2} s ({:.0} rows/s), {retries} transactions run \
         again after a conflict",
        report::grouped(rows),
        figures.rows.len(),
        rows as f64 / seconds,
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
