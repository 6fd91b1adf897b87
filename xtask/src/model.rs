//! `cargo xtask model`: random schedules against the executable model of the engine's rules in `ese-sim`.

use crate::cargo::{cargo, run};
use anyhow::Result;
use clap::Args;

/// Run the random-schedule model.
#[derive(Args)]
pub(crate) struct Model {
    /// How many schedules to run
    #[arg(long)]
    runs: Option<u64>,
    /// The seed of the first schedule
    #[arg(long)]
    seed: Option<u64>,
    /// Leave a rule out, which the model should notice; may be given again
    #[arg(long, value_name = "RULE")]
    without: Vec<String>,
    /// Print the names of the rules
    #[arg(long)]
    list: bool,
    /// Leave each rule out in turn and print which were caught
    #[arg(long)]
    table: bool,
}

impl Model {
    /// Runs it.
    ///
    /// # Errors
    /// When the model reports a violation.
    pub(crate) fn run(&self) -> Result<()> {
        run(cargo(["run", "--locked", "--release", "--package", "ese-sim", "--example", "model", "--"])
            .args(self.options()))
    }

    /// What the model's program is given.
    fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        let runs = self.runs.map(|runs| ("--runs", runs.to_string()));
        let seed = self.seed.map(|seed| ("--seed", seed.to_string()));
        let without = self.without.iter().map(|rule| ("--without", rule.clone()));
        for (name, value) in runs.into_iter().chain(seed).chain(without) {
            options.extend([name.to_owned(), value]);
        }
        let switches = [("--list", self.list), ("--table", self.table)];
        options.extend(switches.into_iter().filter(|(_, on)| *on).map(|(name, _)| name.to_owned()));
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_are_given_are_passed_on() {
        let none = Model { runs: None, seed: None, without: Vec::new(), list: false, table: false };
        assert_eq!(none.options(), Vec::<String>::new());
        let without = vec!["skip".to_owned(), "pin".to_owned()];
        let all = Model { runs: Some(5), seed: Some(7), without, list: false, table: true };
        assert_eq!(all.options().join(" "), "--runs 5 --seed 7 --without skip --without pin --table");
    }
}
