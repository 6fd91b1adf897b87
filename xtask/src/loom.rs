//! `cargo xtask loom`: the leaf protocols of `ese-core` under loom, which tries every order within its bounds.

use crate::cargo::{cargo, configure, run_some_tests};
use anyhow::Result;
use clap::Args;
use std::process::Command;

/// How many times loom may take the processor from a thread that could go on, in the short form.
///
/// Every test has a bound of its own, two to five, which holds where the environment names none.
const PREEMPTIONS_SHORT: &str = "2";

/// Check the leaf protocols under loom.
#[derive(Args, Default)]
pub(crate) struct Loom {
    /// With each test's own bound on preemptions, two to five, instead of two for all
    #[arg(long)]
    long: bool,
}

impl Loom {
    /// Runs it.
    ///
    /// # Errors
    /// When a protocol fails in some order, or no test was found.
    pub(crate) fn run(&self) -> Result<()> {
        let mut command = self.command();
        configure(&mut command, "loom")?;
        run_some_tests(&mut command)
    }

    fn command(&self) -> Command {
        let mut command = cargo(["test", "--locked", "--release", "--package", "ese-core", "--lib", "loom"]);
        if self.long {
            // Also where the caller's environment has one.
            command.env_remove("LOOM_MAX_PREEMPTIONS");
        } else {
            command.env("LOOM_MAX_PREEMPTIONS", PREEMPTIONS_SHORT);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_short_form_names_a_bound_for_all() {
        let bound = |long| {
            let command = Loom { long }.command();
            let set = command.get_envs().find(|(name, _)| *name == "LOOM_MAX_PREEMPTIONS");
            set.expect("both forms say something of it").1.map(std::ffi::OsStr::to_owned)
        };
        assert_eq!(bound(false), Some("2".into()));
        assert_eq!(bound(true), None);
    }
}
