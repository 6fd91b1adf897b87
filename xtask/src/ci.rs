//! `cargo xtask ci`: everything that must hold. There is no check that may be skipped; the tests may have run before.

use crate::{
    cargo::{cargo, run},
    loom::Loom,
    shuttle::Shuttle,
    test::Test,
    tidy,
};
use anyhow::{Result, bail};
use clap::Args;
use std::time::{Duration, Instant};

/// Run everything that must hold.
#[derive(Args)]
pub(crate) struct Ci {
    /// Leave out the tests, for a caller that has just run `cargo xtask test`
    #[arg(long)]
    no_test: bool,
}

/// One check: what it is called, and how it is done.
type Check = (&'static str, fn() -> Result<()>);

/// In the order in which they are done: the quick ones first.
const CHECKS: &[Check] = &[
    ("format", || run(&mut cargo(["fmt", "--all", "--check"]))),
    ("tidy", tidy::run),
    ("test", || Test::default().run()),
    ("clippy", || {
        run(&mut cargo([
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ]))
    }),
    (
        "doc",
        || run(cargo(["doc", "--locked", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings")),
    ),
    ("loom", || Loom::default().run()),
    ("shuttle", || Shuttle::default().run()),
];

impl Ci {
    /// Runs all checks, also after one has failed, and ends with a line for each.
    ///
    /// # Errors
    /// When a check failed.
    pub(crate) fn run(&self) -> Result<()> {
        let mut results = Vec::new();
        for (name, check) in CHECKS.iter().filter(|(name, _)| !(self.no_test && *name == "test")) {
            let (outcome, took) = timed(check);
            if let Err(error) = &outcome {
                eprintln!("{name}: {error:#}");
            }
            results.push((name, outcome.is_ok(), took));
        }
        for (name, passed, took) in &results {
            let word = if *passed { "ok" } else { "FAILED" };
            println!("ci {name}: {word} in {:.0} s", took.as_secs_f64());
        }
        let failed = results.iter().filter(|(_, passed, _)| !passed).count();
        if failed > 0 {
            bail!("{failed} of {} checks failed", results.len());
        }
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a check took is shown to a person, nothing hangs on it"
)]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}
