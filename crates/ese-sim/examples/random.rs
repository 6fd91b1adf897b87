//! Compares the memory backend with the reference for as many seeds as one likes:
//! `cargo run --release -p ese-sim --example random -- --runs 100000`.
#![expect(clippy::print_stdout, reason = "a program that prints what it found")]

use clap::Parser;
use ese_sim::{
    backends,
    random::{Plan, Trees, compare},
};
use std::process::ExitCode;

/// Random statements on the memory backend, compared with the reference.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 10_000)]
    runs: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Statements of each run.
    #[arg(long, default_value_t = 100)]
    statements: usize,
    /// Create, drop and rename trees, too.
    #[arg(long)]
    trees: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let trees = if arguments.trees { Trees::ComeAndGo } else { Trees::Stay };
    for seed in arguments.seed..arguments.seed + arguments.runs {
        let plan = Plan::new(seed, arguments.statements, trees);
        if let Err(difference) = compare(&plan, &backends::memory) {
            println!("{difference}");
            return ExitCode::FAILURE;
        }
    }
    println!("{} runs of {} statements, no difference", arguments.runs, arguments.statements);
    ExitCode::SUCCESS
}
