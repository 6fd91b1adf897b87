//! Runs the random-schedule model of the engine's rules: `cargo run --release -p ese-sim --example model -- --table`.
#![expect(clippy::print_stdout, reason = "a program that prints what it found")]

use clap::Parser;
use ese_sim::model::{Counts, Off, Rule, Violation, run_counted};
use std::{collections::BTreeMap, ops::Range, process::ExitCode};

/// The random-schedule model of the engine's rules.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 2000)]
    runs: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A rule to switch off; may be given again.
    #[arg(long, value_name = "RULE")]
    without: Vec<Rule>,
    /// Print the names of the rules.
    #[arg(long)]
    list: bool,
    /// All rules on, ten times as many runs; then each one off.
    #[arg(long)]
    table: bool,
}

fn many(seeds: Range<u64>, off: &Off) -> (Vec<Violation>, Counts) {
    let mut counts = Counts::default();
    let bad = seeds.filter_map(|seed| run_counted(seed, off, &mut counts)).collect();
    (bad, counts)
}

fn table(arguments: &Arguments) -> ExitCode {
    let (first, runs) = (arguments.seed, arguments.runs);
    let (bad, _) = many(first..first + 10 * runs, &Off::none());
    println!(
        "all rules on: {} of {} runs with a violation; with one rule off, of {runs} runs each:",
        bad.len(),
        10 * runs
    );
    for &rule in Rule::ALL {
        let (bad, _) = many(first..first + runs, &Off::from_iter([rule]));
        let shown = bad.first().map_or_else(String::new, |violation| format!("  {violation}"));
        println!("{:<17}{:>6}{shown}", rule.name(), bad.len());
    }
    if bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for rule in Rule::ALL {
            println!("{:<17}{}", rule.name(), rule.sentence());
        }
        return ExitCode::SUCCESS;
    }
    if arguments.table {
        return table(&arguments);
    }
    let seeds = arguments.seed..arguments.seed + arguments.runs;
    let (bad, counts) = many(seeds, &arguments.without.iter().copied().collect());
    let mut kinds = BTreeMap::<&str, usize>::new();
    for violation in &bad {
        *kinds.entry(violation.kind()).or_default() += 1;
    }
    println!("seed {}, {} runs, {} bad {kinds:?} {counts:?}", arguments.seed, arguments.runs, bad.len());
    match bad.first() {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("first: {violation}");
            ExitCode::FAILURE
        }
    }
}
