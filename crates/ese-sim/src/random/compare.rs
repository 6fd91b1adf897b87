//! An engine against the reference, statement by statement, and the shortest run that still differs.

use super::{plan::Plan, side::Side, statement::Statement};
use crate::{backends, rows, scenario::Factory};
use ese_base::{Result, clock::ManualClock};
use ese_core::Engine;
use std::{fmt, sync::Arc};

/// How an engine differs from the reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The plan's seed.
    pub seed: u64,
    /// The statements that show it, as a scenario.
    pub statements: Vec<String>,
    /// What differs.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}\n{}\n{}", self.seed, self.statements.join("\n"), self.what)
    }
}

/// Runs a plan on an engine and on the reference.
///
/// # Errors
/// The difference, with as few statements as still show it.
pub fn compare(plan: &Plan, start: Factory<'_>) -> Result<(), Box<Difference>> {
    let Err((at, _)) = attempt(plan, start) else { return Ok(()) };
    let mut small = Plan { statements: plan.statements[..at].to_vec(), ..plan.clone() };
    shrink(&mut small, start);
    let what = match attempt(&small, start) {
        Err((_, what)) => what,
        Ok(()) => "it does not show again: the engine does not follow from the statements".to_owned(),
    };
    let statements = small.statements.iter().map(|statement| statement.line(&small)).collect();
    Err(Box::new(Difference { seed: plan.seed, statements, what }))
}

/// Leaves out ever smaller parts, for as long as the rest still differs.
fn shrink(plan: &mut Plan, start: Factory<'_>) {
    let mut part = plan.statements.len().div_ceil(2);
    loop {
        let mut from = 0;
        while from < plan.statements.len() {
            let to = plan.statements.len().min(from + part);
            let mut less: Vec<Statement> = plan.statements.clone();
            less.drain(from..to);
            let trial = Plan { statements: less, ..plan.clone() };
            match attempt(&trial, start) {
                Err((at, _)) => {
                    plan.statements = trial.statements[..at].to_vec();
                }
                Ok(()) => from = to,
            }
        }
        if part <= 1 {
            return;
        }
        part = part.div_ceil(2);
    }
}

/// Runs once; an error says how many statements it took, and what differs.
fn attempt(plan: &Plan, start: Factory<'_>) -> Result<(), (usize, String)> {
    let all = plan.statements.len();
    let side = |start: Factory<'_>| {
        let engine = start(plan.options.clone(), Arc::new(ManualClock::default()))?;
        Side::new(engine, plan)
    };
    let begun = |error: ese_base::Error| (0, format!("it does not start: {error}"));
    let mut tested = side(start).map_err(begun)?;
    let mut reference = side(&backends::reference).map_err(begun)?;
    for (index, statement) in plan.statements.iter().enumerate() {
        let (got, want) = (tested.run(statement, plan), reference.run(statement, plan));
        if got != want {
            let line = statement.line(plan);
            return Err((
                index + 1,
                format!("{line}\n(answer, level, conflict recorded)\ngot  {got:?}\nwant {want:?}"),
            ));
        }
    }
    let (tested_engine, reference_engine) = (Arc::clone(&tested.engine), Arc::clone(&reference.engine));
    drop((tested, reference));
    match at_the_end(&*tested_engine, &*reference_engine) {
        Ok(None) => Ok(()),
        Ok(Some(what)) => Err((all, what)),
        Err(error) => Err((all, format!("at the end: {error}"))),
    }
}

/// The state when every session has ended: before and after a merge, by scans both ways, and `check`.
fn at_the_end(tested: &dyn Engine, reference: &dyn Engine) -> Result<Option<String>> {
    let want = rows::all(reference)?;
    for when in ["before the merge", "after the merge"] {
        let got = rows::all(tested)?;
        if got != want {
            return Ok(Some(format!("rows {when}\ngot  {got:?}\nwant {want:?}")));
        }
        let faults = tested.check()?;
        if !faults.is_empty() {
            return Ok(Some(format!("check {when}: {}", faults.join("; "))));
        }
        tested.merge()?;
    }
    tested.close()?;
    Ok(None)
}
