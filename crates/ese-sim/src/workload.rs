//! Sessions on real threads that read, write, nest, fail and begin again, and note what they saw.
//!
//! Every value names what it replaced (see [`crate::history`]), so the notes alone tell whether it was snapshot
//! isolation. A counter beside the rows is added to by everybody; its last value must be the sum of what was committed.

use crate::{
    history::{Event, History, Outcome, Recorder, TxnRecord, Written},
    seed::Dice,
};
use ese_base::{ErrorKind, Result, TreeId, sync::thread};
use ese_core::{Delta, Durability, Engine, LockMode, Mode, Put, Session, SessionOptions};
use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

/// The key of the counter; the rows' keys sort before it.
const COUNTER: &[u8] = b"~counter";

/// How much is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Threads, each with a session.
    pub threads: usize,
    /// Transactions of each.
    pub txns: usize,
    /// Rows.
    pub keys: u64,
    /// Bytes added to each value, so that generations fill up.
    pub padding: usize,
}

/// What a run shares.
struct Shared {
    engine: Arc<dyn Engine>,
    tree: TreeId,
    recorder: Recorder,
    added: AtomicI64,
    size: Size,
}

/// Runs a workload to its end and returns what was noted.
///
/// # Errors
/// What the engine reports beyond conflicts and a full version store.
///
/// # Panics
/// When a thread panics, when the counter is not the sum of what was committed, and when a row is not what it must be.
pub fn run(engine: &Arc<dyn Engine>, size: Size, seed: u64) -> Result<History> {
    let mut session = engine.session(SessionOptions::default())?;
    let tree = session.create_tree(engine.main_database(), "workload")?;
    session.put(tree, COUNTER, &0_i64.to_le_bytes(), Put::Insert)?;
    let (recorder, added) = (Recorder::default(), AtomicI64::new(0));
    let shared = Arc::new(Shared { engine: Arc::clone(engine), tree, recorder, added, size });
    let threads: Vec<_> = (0..size.threads)
        .map(|number| {
            let shared = Arc::clone(&shared);
            let dice = seed.wrapping_mul(1009).wrapping_add(u64::try_from(number).unwrap_or(0));
            thread::Builder::new()
                .name(format!("session {number}"))
                .spawn(move || Worker::new(&shared, number, dice)?.run())
                .expect("a thread can be started")
        })
        .collect();
    for thread in threads {
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    }
    let counter = session.get(tree, COUNTER)?.map(|value| value.to_vec());
    let added = shared.added.load(Ordering::Relaxed);
    assert_eq!(counter.as_deref(), Some(&added.to_le_bytes()[..]), "seed {seed}: the counter is not the sum");
    Ok(shared.recorder.history())
}

/// One thread's session.
struct Worker<'s> {
    shared: &'s Shared,
    number: usize,
    session: Box<dyn Session>,
    dice: Dice,
}

/// A transaction that is running.
#[derive(Default)]
struct Running {
    events: Vec<Event>,
    /// What it added to the counter, per level.
    added: Vec<i64>,
}

impl<'s> Worker<'s> {
    fn new(shared: &'s Shared, number: usize, seed: u64) -> Result<Self> {
        let session = shared.engine.session(SessionOptions::default())?;
        Ok(Worker { shared, number, session, dice: Dice::new(seed) })
    }

    fn run(mut self) -> Result<()> {
        for _ in 0..self.shared.size.txns {
            self.transaction()?;
        }
        Ok(())
    }

    fn transaction(&mut self) -> Result<()> {
        let reads_only = self.dice.percent(25);
        let begun = self.shared.recorder.moment();
        self.session.begin(if reads_only { Mode::ReadOnly } else { Mode::ReadWrite })?;
        let mut running = Running { events: Vec::new(), added: vec![0] };
        let mut goes_on = true;
        for _ in 0..self.dice.between(1, 8) {
            goes_on = goes_on && self.statement(&mut running, reads_only)?;
        }
        let outcome = if goes_on && self.dice.percent(90) {
            let durability = self.dice.pick(&[Durability::Sync, Durability::Lazy]);
            while self.session.level() > 0 {
                self.session.commit(durability)?;
            }
            self.shared.added.fetch_add(running.added.iter().sum(), Ordering::Relaxed);
            // Levels that the outermost commit found open were kept.
            Outcome::Committed
        } else {
            self.session.rollback_to(0)?;
            Outcome::RolledBack
        };
        let ended = self.shared.recorder.moment();
        let events = running.events;
        self.shared.recorder.note(TxnRecord { session: self.number, begun, ended, outcome, events });
        Ok(())
    }

    /// One statement; false: a conflict, and the transaction is better given up.
    fn statement(&mut self, running: &mut Running, reads_only: bool) -> Result<bool> {
        let thrown = self.dice.below(100);
        if reads_only || thrown < 30 {
            self.read(running)?;
            return Ok(true);
        }
        match thrown {
            30..40 => {
                self.session.begin(Mode::ReadWrite)?;
                running.events.push(Event::Level);
                running.added.push(0);
            }
            40..46 if running.added.len() > 1 => {
                self.session.commit(Durability::Lazy)?;
                running.events.push(Event::KeepLevel);
                let inner = running.added.pop().unwrap_or(0);
                *running.added.last_mut().expect("the outermost level stays") += inner;
            }
            46..52 if running.added.len() > 1 => {
                let level = self.session.level() - 1;
                self.session.rollback_to(level)?;
                running.events.push(Event::DropLevel);
                running.added.pop();
            }
            52..60 => return self.add(running),
            60..64 => {
                let (key, mode) = (self.key(), self.dice.pick(&[LockMode::Read, LockMode::Write]));
                return may_fail(self.session.lock(self.shared.tree, &key, mode));
            }
            _ => return self.update(running),
        }
        Ok(true)
    }

    fn key(&self) -> Vec<u8> {
        format!("{:04}", self.dice.below(self.shared.size.keys)).into_bytes()
    }

    fn add(&mut self, running: &mut Running) -> Result<bool> {
        let by = i64::try_from(self.dice.below(1000)).expect("it is small") - 300;
        let done = if self.dice.percent(50) {
            self.session.fetch_add(self.shared.tree, COUNTER, 0, Delta::I64(by)).map(drop)
        } else {
            self.session.add(self.shared.tree, COUNTER, 0, Delta::I64(by))
        };
        let done = may_fail(done)?;
        if done {
            *running.added.last_mut().expect("the outermost level stays") += by;
        }
        Ok(done)
    }

    /// Reads a row and writes it anew; the value names the one it replaced.
    fn update(&mut self, running: &mut Running) -> Result<bool> {
        let key = self.key();
        let tree = self.shared.tree;
        let replaced = self.session.get(tree, &key)?.map(|value| stamp_of(&value));
        let written = Written { stamp: self.shared.recorder.stamp(), replaced };
        let mut value = written.to_bytes().to_vec();
        value.resize(value.len() + self.shared.size.padding, b'.');
        let how = if replaced.is_none() { Put::Insert } else { self.dice.pick(&[Put::Upsert, Put::Replace]) };
        let done = match self.session.put(tree, &key, &value, how) {
            Ok(done) => {
                assert!(done, "an update did not find the row that a get found");
                true
            }
            Err(error) if how == Put::Insert && error.kind() == ErrorKind::KeyDuplicate => {
                assert!(
                    error.is_concurrent(),
                    "a get found no row, and an insert found one of its own snapshot"
                );
                false
            }
            Err(error) => may_fail(Err(error))?,
        };
        running.events.push(if done { Event::Write(key, written) } else { Event::Read(key, replaced) });
        Ok(done)
    }

    /// Reads a row, some rows, or a range from either end; what a range does not show was not there.
    fn read(&mut self, running: &mut Running) -> Result<()> {
        let (first, tree) = (self.key(), self.shared.tree);
        match self.dice.below(4) {
            0 | 1 => {
                let got = self.session.get(tree, &first)?.map(|value| stamp_of(&value));
                running.events.push(Event::Read(first, got));
            }
            2 => {
                let keys: Vec<Vec<u8>> = (0..4).map(|_| self.key()).collect();
                let borrowed: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
                self.session.get_many(tree, &borrowed, &mut |index, value| {
                    let got = value.map(|value| stamp_of(&value));
                    running.events.push(Event::Read(keys[index].clone(), got));
                })?;
            }
            _ => self.scan(running, &first)?,
        }
        Ok(())
    }

    fn scan(&self, running: &mut Running, first: &[u8]) -> Result<()> {
        let range = (Bound::Included(first), Bound::Excluded(COUNTER));
        let (mut rows, backwards) = (Vec::new(), self.dice.percent(50));
        let mut scan = self.session.scan(self.shared.tree, range)?;
        while let Some((key, value)) = if backwards { scan.next_back()? } else { scan.next()? } {
            rows.push((key.to_vec(), stamp_of(&value)));
        }
        drop(scan);
        let keys = (0..self.shared.size.keys).map(|key| format!("{key:04}").into_bytes());
        for key in keys.filter(|key| key.as_slice() >= first) {
            let mut found = rows.iter().filter(|(other, _)| *other == key);
            let got = found.next().map(|(_, stamp)| *stamp);
            assert!(found.next().is_none(), "a scan gave a key twice");
            running.events.push(Event::Read(key, got));
        }
        Ok(())
    }
}

fn stamp_of(value: &[u8]) -> crate::history::Stamp {
    Written::from_bytes(value.get(..16).expect("a row of the workload is that long")).expect("it is").stamp
}

/// A conflict and a full version store are no fault.
fn may_fail(done: Result<()>) -> Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::WriteConflict | ErrorKind::VersionStoreFull) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
