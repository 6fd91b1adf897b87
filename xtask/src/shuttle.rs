//! `cargo xtask shuttle`: the engine under shuttle, which runs it in random schedules.

use crate::cargo::{cargo, configure, run_some_tests};
use anyhow::Result;
use clap::Args;

/// Run the engine under shuttle's random schedules.
#[derive(Args, Default)]
pub(crate) struct Shuttle {
    /// How many schedules each test runs (the tests read it as `ESE_SHUTTLE_BUDGET`)
    #[arg(long, value_name = "SCHEDULES")]
    budget: Option<u64>,
}

impl Shuttle {
    /// Runs it.
    ///
    /// # Errors
    /// When a schedule fails, or no test was found.
    pub(crate) fn run(&self) -> Result<()> {
        let mut command = cargo(["test", "--locked", "--release", "--package", "ese-sim", "shuttle"]);
        configure(&mut command, "shuttle")?;
        if let Some(budget) = self.budget {
            command.env("ESE_SHUTTLE_BUDGET", budget.to_string());
        }
        run_some_tests(&mut command)
    }
}
