//! Runs the benchmarks, prints the table, writes the JSON file and the artefact; compares two artefacts.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is what it is for")]

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use ese_bench::{
    artefact::Artefact,
    compare,
    row::Row,
    run::{ENGINES_DEFAULT, ENGINES_DURABLE, Plan, lane, run},
    work::recover::Fill,
};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// What the name of an artefact ends with.
const ARTEFACT: &str = "rkyv";

/// Measures ese beside LMDB, redb, SQLite and a locked BTreeMap, verified, interleaved.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Command {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    measure: Arguments,
}

/// What it does beside measuring.
#[derive(Debug, Subcommand)]
enum Other {
    /// Compare two runs by their artefacts: the ratio of each row, new against old.
    Compare {
        /// The artefact of the old run; copy it away before the next run replaces it.
        old: PathBuf,
        /// The artefact of the new run. Default: where a run with the seed and the rows of the old one leaves it.
        new: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
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
    /// Measure what is durable: other engines and other rows, on a disk.
    #[arg(long)]
    durable: bool,
    /// Where to write the figures; the folder is made. Default: target/bench/seed-SEED-rows-ROWS.json. The artefact, all
    /// samples in binary for `compare`, goes beside it, with `rkyv` for `json`.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where stores with files go. Default: /dev/shm where there is one, else the directory for temporary files.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Where stores go whose durability is measured: on a disk. The folder is made.
    #[arg(long, default_value = "target/bench")]
    disk: PathBuf,
    /// List the rows and the engines and stop.
    #[arg(long)]
    list: bool,
}

fn main() -> Result<()> {
    if let Some(fill) = Fill::given() {
        return lane(&fill.engine)?.fill(&fill);
    }
    let command = Command::parse();
    match command.other {
        Some(Other::Compare { old, new }) => compare_files(&old, new),
        None => measure(command.measure),
    }
}

fn measure(arguments: Arguments) -> Result<()> {
    if arguments.list {
        for row in Row::ALL {
            println!("{:14} {}", row.name(), row.title());
        }
        println!("engines: {}, redb-file", ENGINES_DEFAULT.join(", "));
        println!("with --durable: {}", ENGINES_DURABLE.join(", "));
        return Ok(());
    }
    let json = arguments.json.clone().unwrap_or_else(|| {
        let kind = if arguments.durable { "-durable" } else { "" };
        format!("target/bench/seed-{}-rows-{}{kind}.json", arguments.seed, arguments.rows).into()
    });
    let outcome = run(plan(arguments)?, |next| eprintln!("{next}"))?;
    println!("{}", outcome.text());
    let artefact = json.with_extension(ARTEFACT);
    write(&json, outcome.json()?.as_bytes())?;
    write(&artefact, &Artefact::of(&outcome).to_bytes()?)?;
    println!("figures: {}, artefact: {}", json.display(), artefact.display());
    Ok(())
}

fn compare_files(old: &Path, new: Option<PathBuf>) -> Result<()> {
    let before = Artefact::read(old)?;
    let new = new.unwrap_or_else(|| json_default(before.seed, before.rows).with_extension(ARTEFACT));
    println!("{}", compare::text(&before, &Artefact::read(&new)?));
    Ok(())
}

fn json_default(seed: u64, rows: u64) -> PathBuf {
    format!("target/bench/seed-{seed}-rows-{rows}.json").into()
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
        only = if arguments.durable { Row::durable() } else { Row::memory() };
    }
    let mut engines = arguments.engines;
    if engines.is_empty() {
        let default = if arguments.durable { ENGINES_DURABLE } else { ENGINES_DEFAULT };
        engines = default.iter().map(|&name| name.to_owned()).collect();
    }
    let shared_memory = Path::new("/dev/shm");
    let directory = arguments
        .directory
        .unwrap_or_else(|| if shared_memory.is_dir() { shared_memory.into() } else { std::env::temp_dir() });
    fs::create_dir_all(&arguments.disk).with_context(|| format!("making {}", arguments.disk.display()))?;
    Ok(Plan {
        rows: arguments.rows,
        rounds: arguments.rounds,
        seed: arguments.seed,
        only,
        engines,
        directory,
        disk: arguments.disk,
        program: Some(std::env::current_exe()?),
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, bytes).with_context(|| format!("writing {}", path.display()))
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Whole or not at all: a report of a run that was cut off is none.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
