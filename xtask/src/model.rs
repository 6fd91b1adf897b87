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
    /// Leave one rule out; the model should then find a violation
    #[arg(long, value_name = "RULE")]
    without: Option<String>,
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
        let mut give = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                options.extend([name.to_owned(), value]);
            }
        };
        give("--runs", self.runs.map(|runs| runs.to_string()));
        give("--seed", self.seed.map(|seed| seed.to_string()));
        give("--without", self.without.clone());
        if self.table {
            options.push("--table".into());
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_are_given_are_passed_on() {
        let none = Model { runs: None, seed: None, without: None, table: false };
        assert_eq!(none.options(), Vec::<String>::new());
        let all = Model { runs: Some(5), seed: Some(7), without: Some("skip".into()), table: true };
        assert_eq!(all.options(), ["--runs", "5", "--seed", "7", "--without", "skip", "--table"]);
    }
}
