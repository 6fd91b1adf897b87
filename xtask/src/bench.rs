//! `cargo xtask bench`: the face of `ese-bench`.

use crate::cargo::{cargo, run};
use anyhow::Result;
use clap::Args;

/// Measure ese beside its peers.
#[derive(Args)]
pub(crate) struct Bench {
    /// Passed on to the bench; `-- --help` lists them
    #[arg(last = true)]
    options: Vec<String>,
}

impl Bench {
    /// Runs it.
    ///
    /// # Errors
    /// When the bench does not compile or reports a failure.
    pub(crate) fn run(&self) -> Result<()> {
        run(cargo(["run", "--locked", "--release", "--package", "ese-bench", "--"]).args(&self.options))
    }
}
