//! `cargo xtask loom`: the leaf protocols of `ese-core` under loom, which tries every order within its bounds.

use crate::cargo::{cargo, configure, run_some_tests};
use anyhow::Result;
use clap::Args;

/// How many times loom may take the processor from a thread that could go on, in the short form.
const PREEMPTIONS_SHORT: &str = "2";

/// Check the leaf protocols under loom.
#[derive(Args, Default)]
pub(crate) struct Loom {
    /// Without a bound on preemptions: every order there is
    #[arg(long)]
    long: bool,
}

impl Loom {
    /// Runs it.
    ///
    /// # Errors
    /// When a protocol fails in some order, or no test was found.
    pub(crate) fn run(&self) -> Result<()> {
        let mut command = cargo(["test", "--locked", "--release", "--package", "ese-core", "--lib", "loom"]);
        configure(&mut command, "loom")?;
        if !self.long {
            command.env("LOOM_MAX_PREEMPTIONS", PREEMPTIONS_SHORT);
        }
        run_some_tests(&mut command)
    }
}
