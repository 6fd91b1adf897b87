//! `cargo xtask test`: every test of the default members, exactly as `cargo test` prints them.

use crate::cargo::{cargo, run};
use anyhow::Result;
use clap::Args;

/// Run every test of the default members.
#[derive(Args, Default)]
pub(crate) struct Test {
    /// Passed on to `cargo test`, for example `-p ese-core overlay`
    #[arg(last = true)]
    options: Vec<String>,
}

impl Test {
    /// Runs it.
    ///
    /// # Errors
    /// When a test fails or does not compile.
    pub(crate) fn run(&self) -> Result<()> {
        run(cargo(["test", "--locked"]).args(&self.options))
    }
}
