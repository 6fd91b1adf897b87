//! Runs the benchmarks, prints the table, writes the JSON file.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is what it is for")]

use anyhow::{Context, Result, bail};
use clap::Parser;
use ese_bench::{
    row::Row,
    run::{ENGINES_DEFAULT, Plan, run},
};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// Measures ese beside LMDB, redb, SQLite and a locked BTreeMap, verified, interleaved.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Rows of a load.
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// How often everything is repeated; the table shows medians.
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// What keys, values and choices come from.
    #[arg(long, default_value_t = 20_261_121)]
    seed: u64,
    /// Measure only these rows (see --list).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Run only these engines.
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// Where to write the figures; the folder is made. Default: target/bench/seed-SEED-rows-ROWS.json.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where stores with files go. Default: /dev/shm where there is one, else the directory for temporary files.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// List the rows and the engines and stop.
    #[arg(long)]
    list: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.list {
        for row in Row::ALL {
            println!("{:14} {}", row.name(), row.title());
        }
        println!("engines: {}, redb-file", ENGINES_DEFAULT.join(", "));
        return Ok(());
    }
    let json = arguments.json.clone().unwrap_or_else(|| {
        format!("target/bench/seed-{}-rows-{}.json", arguments.seed, arguments.rows).into()
    });
    let outcome = run(plan(arguments)?, |next| eprintln!("{next}"))?;
    println!("{}", outcome.text());
    write(&json, &outcome.json()?).with_context(|| format!("writing {}", json.display()))?;
    println!("figures: {}", json.display());
    Ok(())
}

fn plan(arguments: Arguments) -> Result<Plan> {
    let mut only = Vec::new();
    for name in &arguments.only {
        match Row::named(name) {
            Some(row) => only.push(row),
            None => bail!("there is no row {name:?}; see --list"),
        }
    }
    if only.is_empty() {
        only = Row::ALL.to_vec();
    }
    let mut engines = arguments.engines;
    if engines.is_empty() {
        engines = ENGINES_DEFAULT.iter().map(|&name| name.to_owned()).collect();
    }
    let shared_memory = Path::new("/dev/shm");
    let directory = arguments
        .directory
        .unwrap_or_else(|| if shared_memory.is_dir() { shared_memory.into() } else { std::env::temp_dir() });
    Ok(Plan {
        rows: arguments.rows,
        rounds: arguments.rounds,
        seed: arguments.seed,
        only,
        engines,
        directory,
    })
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Whole or not at all: a report of a run that was cut off is none.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
