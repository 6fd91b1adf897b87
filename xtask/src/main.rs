//! The project's own commands: `cargo xtask <command>`, one file a command.
//!
//! Reading order: [`ci`] (what must hold), [`mod@test`], [`tidy`] (the house rules), then the lanes ([`loom`],
//! [`shuttle`], [`model`], [`sim`], [`mod@crash`]) and [`mod@bench`]. [`cargo`] runs cargo for all of them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to a person")]

mod bench;
mod cargo;
mod ci;
mod crash;
mod loom;
mod model;
mod shuttle;
mod sim;
mod test;
mod tidy;
mod unsafe_list;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The project's own commands", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test of the default members: unit, integration and documentation tests
    Test(test::Test),
    /// Run everything that must hold: format, house rules, clippy, tests, documentation, model checkers
    Ci(ci::Ci),
    /// Check the house rules: layers, heads, lengths, names, lists and words
    Tidy,
    /// Measure ese beside its peers; options after `--` go to the bench
    Bench(bench::Bench),
    /// Run the random-schedule model of the engine's rules
    Model(model::Model),
    /// Kill processes at random moments, and look at what they leave
    Crash(crash::Crash),
    /// Run lives of the durable engine on a simulated disk
    Sim(sim::Sim),
    /// Check the leaf protocols under loom
    Loom(loom::Loom),
    /// Run the engine under shuttle's random schedules
    Shuttle(shuttle::Shuttle),
    /// Print what docs/UNSAFE.md has to list
    UnsafeList,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Test(test) => test.run(),
        Command::Ci(ci) => ci.run(),
        Command::Tidy => tidy::run(),
        Command::Bench(bench) => bench.run(),
        Command::Model(model) => model.run(),
        Command::Crash(crash) => crash.run(),
        Command::Sim(sim) => sim.run(),
        Command::Loom(loom) => loom.run(),
        Command::Shuttle(shuttle) => shuttle.run(),
        Command::UnsafeList => unsafe_list::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
