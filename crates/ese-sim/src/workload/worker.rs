//! A thread's session and its transactions: levels, commit, rollback.

use super::Shared;
use crate::{
    history::{Event, Outcome, Times, TxnRecord},
    seed::Dice,
};
use ese_base::Result;
use ese_core::{Durability, Mode, Session, SessionOptions};
use std::sync::atomic::Ordering;

/// One thread's session.
pub(super) struct Worker<'s> {
    pub(super) shared: &'s Shared,
    number: usize,
    pub(super) session: Box<dyn Session>,
    pub(super) dice: Dice,
}

/// A transaction that is running.
#[derive(Default)]
pub(super) struct Running {
    pub(super) events: Vec<Event>,
    /// What it added to the counter, per level.
    added: Vec<i64>,
}

impl Running {
    /// It added to the counter.
    pub(super) fn added(&mut self, by: i64) {
        *self.added.last_mut().expect("the outermost level stays") += by;
    }
}

impl<'s> Worker<'s> {
    pub(super) fn new(shared: &'s Shared, number: usize, seed: u64) -> Result<Self> {
        let session = shared.engine.session(SessionOptions::default())?;
        Ok(Worker { shared, number, session, dice: Dice::new(seed) })
    }

    /// All its transactions.
    pub(super) fn run(mut self) -> Result<()> {
        for _ in 0..self.shared.size.txns {
            self.transaction()?;
        }
        Ok(())
    }

    fn transaction(&mut self) -> Result<()> {
        let reads_only = self.dice.percent(25);
        let begun = self.shared.recorder.moment();
        self.session.begin(if reads_only { Mode::ReadOnly } else { Mode::ReadWrite })?;
        let snapshot = self.session.snapshot().expect("a transaction has a snapshot");
        let mut running = Running { events: Vec::new(), added: vec![0] };
        let mut goes_on = true;
        for _ in 0..self.dice.between(1, 8) {
            goes_on = goes_on && self.step(&mut running, reads_only)?;
        }
        let (outcome, commit) = if goes_on && self.dice.percent(90) {
            let durability = self.dice.pick(&[Durability::Sync, Durability::Lazy]);
            // Levels that the outermost commit finds open are kept.
            while self.session.level() > 0 {
                self.session.commit(durability)?;
            }
            self.shared.added.fetch_add(running.added.iter().sum(), Ordering::Relaxed);
            (Outcome::Committed, self.session.last_commit())
        } else {
            self.session.rollback_to(0)?;
            (Outcome::RolledBack, None)
        };
        self.shared.recorder.note(TxnRecord {
            session: self.number,
            begun,
            ended: self.shared.recorder.moment(),
            outcome,
            times: Some(Times { snapshot, commit }),
            events: running.events,
        });
        Ok(())
    }

    /// A level or a statement; false: a conflict, and the transaction is better given up.
    fn step(&mut self, running: &mut Running, reads_only: bool) -> Result<bool> {
        let thrown = self.dice.below(100);
        match thrown {
            _ if reads_only => self.read(running)?,
            0..30 => self.read(running)?,
            30..40 => {
                self.session.begin(Mode::ReadWrite)?;
                running.events.push(Event::Level);
                running.added.push(0);
            }
            40..46 if running.added.len() > 1 => {
                self.session.commit(Durability::Lazy)?;
                running.events.push(Event::KeepLevel);
                let inner = running.added.pop().unwrap_or(0);
                running.added(inner);
            }
            46..52 if running.added.len() > 1 => {
                let level = self.session.level() - 1;
                self.session.rollback_to(level)?;
                running.events.push(Event::DropLevel(self.shared.recorder.moment()));
                running.added.pop();
            }
            _ => return self.write(running, thrown),
        }
        Ok(true)
    }
}
