//! `cargo xtask sim`: lives of the durable engine on a simulated disk, from `ese-sim`.

use crate::cargo::{cargo, run};
use anyhow::Result;
use clap::Args;

/// Run lives of the durable engine on a simulated disk.
#[derive(Args)]
pub(crate) struct Sim {
    /// How many seeds to run
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long)]
    from: Option<u64>,
    /// Begin no seed after so many minutes
    #[arg(long)]
    minutes: Option<u64>,
}

impl Sim {
    /// Runs it.
    ///
    /// # Errors
    /// When a promise was broken.
    pub(crate) fn run(&self) -> Result<()> {
        run(cargo(["run", "--locked", "--release", "--package", "ese-sim", "--example", "sim", "--"])
            .args(self.options()))
    }

    /// What the program is given. Time alone bounds a run that is given no number of seeds.
    fn options(&self) -> Vec<String> {
        let seeds = self.seeds.or(self.minutes.map(|_| u64::MAX / 2));
        let all = [("--seeds", seeds), ("--from", self.from), ("--minutes", self.minutes)];
        let given = all.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?.to_string()]));
        given.flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_are_given_are_passed_on() {
        assert_eq!(Sim { seeds: None, from: None, minutes: None }.options(), Vec::<String>::new());
        let all = Sim { seeds: Some(5), from: Some(7), minutes: Some(1) };
        assert_eq!(all.options().join(" "), "--seeds 5 --from 7 --minutes 1");
    }

    #[test]
    fn minutes_alone_bound_a_run() {
        let options = Sim { seeds: None, from: None, minutes: Some(1) }.options();
        assert_eq!(options[1], (u64::MAX / 2).to_string());
    }
}
