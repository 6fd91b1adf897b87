//! `cargo xtask crash`: real processes, killed at random moments, and whether what they acknowledged is there.

use crate::cargo::{cargo, run};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// Kill processes at random moments.
#[derive(Args)]
pub(crate) struct Crash {
    /// How many rounds, each with a look at everything; all in one folder
    #[arg(long, default_value_t = 200)]
    rounds: u64,
    /// No round begins after so many minutes
    #[arg(long)]
    minutes: Option<u64>,
    /// What plans and settings follow from; the moments of the kills are the machine's
    #[arg(long)]
    seed: Option<u64>,
    /// Where to make the folder; default: in memory (/dev/shm), where there is such a place
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Crash {
    /// Runs it.
    ///
    /// # Errors
    /// When a promise was not kept.
    pub(crate) fn run(&self) -> Result<()> {
        run(cargo(["run", "--locked", "--release", "--package", "ese-sim", "--example", "crash", "--"])
            .args(self.options()))
    }

    /// What the program is given.
    fn options(&self) -> Vec<String> {
        let mut options = vec!["--rounds".to_owned(), self.rounds.to_string()];
        let minutes = self.minutes.map(|minutes| ("--minutes", minutes.to_string()));
        let seed = self.seed.map(|seed| ("--seed", seed.to_string()));
        let dir = self.dir.as_ref().map(|dir| ("--dir", dir.display().to_string()));
        for (name, value) in minutes.into_iter().chain(seed).chain(dir) {
            options.extend([name.to_owned(), value]);
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_are_given_are_passed_on() {
        let few = Crash { rounds: 5, minutes: None, seed: None, dir: None };
        assert_eq!(few.options().join(" "), "--rounds 5");
        let all = Crash { rounds: 5, minutes: Some(2), seed: Some(7), dir: Some("here".into()) };
        assert_eq!(all.options().join(" "), "--rounds 5 --minutes 2 --seed 7 --dir here");
    }
}
