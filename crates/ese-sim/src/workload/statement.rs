//! What is done in a transaction, and how it is noted.

use super::{
    COUNTER,
    worker::{Running, Worker},
};
use crate::history::{Event, Refusal, Stamp, Touch, Written};
use ese_base::{ErrorKind, Result};
use ese_core::{CursorPos, Delete, Delta, LockMode, Move, Put};
use std::ops::Bound;

/// Rows that were met, by key.
type Met = Vec<(Vec<u8>, Stamp)>;

impl Worker<'_> {
    fn key(&self) -> Vec<u8> {
        name(self.dice.below(self.shared.size.keys))
    }

    /// A write, a lock or an add; false: it was refused.
    pub(super) fn write(&mut self, running: &mut Running, thrown: u64) -> Result<bool> {
        match thrown {
            52..60 => self.add(running),
            60..64 => self.lock(running),
            64..80 => self.delete(running),
            _ => self.put(running),
        }
    }

    /// Notes how a statement ended; false: it was refused, which is no fault.
    fn outcome(&self, running: &mut Running, done: Result<Event>, refused: Refused) -> Result<bool> {
        let (event, done) = match done {
            Ok(event) => (event, true),
            Err(error) if error.kind() == ErrorKind::VersionStoreFull => return Ok(false),
            Err(error) if matches!(error.kind(), ErrorKind::WriteConflict | ErrorKind::KeyDuplicate) => {
                let Refused { key, touch, from } = refused;
                let event = if error.is_concurrent() {
                    let to = self.shared.recorder.moment();
                    Event::Refused(Refusal { key, touch, from: from.0, to })
                } else {
                    Event::Exists(key, true)
                };
                (event, false)
            }
            Err(error) => return Err(error),
        };
        running.events.push(event);
        Ok(done)
    }

    fn add(&mut self, running: &mut Running) -> Result<bool> {
        let (tree, at) = (self.shared.tree, self.shared.recorder.stamp());
        let by = i64::try_from(self.dice.below(1000)).expect("it is small") - 300;
        let done = if self.dice.percent(50) {
            self.session.fetch_add(tree, COUNTER, 0, Delta::I64(by)).map(drop)
        } else {
            self.session.add(tree, COUNTER, 0, Delta::I64(by))
        };
        let done = done.map(|()| Event::Add(COUNTER.to_vec(), at, by));
        let done =
            self.outcome(running, done, Refused { key: COUNTER.to_vec(), touch: Touch::Add, from: at })?;
        running.added(if done { by } else { 0 });
        Ok(done)
    }

    fn lock(&mut self, running: &mut Running) -> Result<bool> {
        let (mode, touch) =
            self.dice.pick(&[(LockMode::Read, Touch::ReadLock), (LockMode::Write, Touch::WriteLock)]);
        let key = if self.dice.percent(10) { COUNTER.to_vec() } else { self.key() };
        let from = self.shared.recorder.stamp();
        let done = self.session.lock(self.shared.tree, &key, mode);
        let done = done.map(|()| Event::Lock(key.clone(), from, mode));
        self.outcome(running, done, Refused { key, touch, from })
    }

    /// Reads a row; what it saw is noted.
    fn get(&self, running: &mut Running, key: &[u8]) -> Result<Option<Stamp>> {
        let got = self.session.get(self.shared.tree, key)?.map(|value| stamp_of(&value));
        running.events.push(Event::Read(key.to_vec(), got));
        Ok(got)
    }

    /// Reads a row and writes it anew; the value names the one it replaced.
    fn put(&mut self, running: &mut Running) -> Result<bool> {
        let key = self.key();
        let replaced = self.get(running, &key)?;
        let written = Written { stamp: self.shared.recorder.stamp(), replaced };
        let mut value = written.to_bytes().to_vec();
        value.resize(value.len() + self.shared.size.padding, b'.');
        let how = match replaced {
            None => self.dice.pick(&[Put::Insert, Put::Insert, Put::Upsert]),
            Some(_) => self.dice.pick(&[Put::Upsert, Put::Replace]),
        };
        let done = self.session.put(self.shared.tree, &key, &value, how).map(|done| {
            if done { Event::Write(key.clone(), written) } else { Event::Exists(key.clone(), false) }
        });
        self.outcome(running, done, Refused { key, touch: Touch::Data, from: written.stamp })
    }

    /// Reads a row that may go and deletes it.
    fn delete(&mut self, running: &mut Running) -> Result<bool> {
        let key = name(self.dice.below(self.shared.size.keys) | 1);
        let replaced = self.get(running, &key)?;
        let written = Written { stamp: self.shared.recorder.stamp(), replaced };
        let how = if self.dice.percent(10) { Delete::Blind } else { Delete::IfPresent };
        let done = self.session.delete(self.shared.tree, &key, how).map(|existed| {
            running.events.push(Event::Exists(key.clone(), existed));
            let leaves_a_version = existed || how == Delete::Blind;
            if leaves_a_version {
                Event::Delete(key.clone(), written)
            } else {
                Event::Read(key.clone(), None)
            }
        });
        self.outcome(running, done, Refused { key, touch: Touch::Data, from: written.stamp })
    }

    /// Reads a row, some rows, the counter, or a range; what a range does not show was not there.
    pub(super) fn read(&mut self, running: &mut Running) -> Result<()> {
        let (first, tree) = (self.key(), self.shared.tree);
        match self.dice.below(8) {
            0..3 => drop(self.get(running, &first)?),
            3 | 4 => {
                let keys: Vec<Vec<u8>> = (0..4).map(|_| self.key()).collect();
                let borrowed: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
                self.session.get_many(tree, &borrowed, &mut |index, value| {
                    let got = value.map(|value| stamp_of(&value));
                    running.events.push(Event::Read(keys[index].clone(), got));
                })?;
            }
            5 => {
                let value = self.session.get(tree, COUNTER)?.expect("the counter stays");
                let sum = i64::from_le_bytes(value.as_ref().try_into().expect("a counter has eight bytes"));
                running.events.push(Event::Sum(COUNTER.to_vec(), sum));
            }
            _ => {
                let last =
                    if self.dice.percent(50) { COUNTER.to_vec() } else { self.key().max(first.clone()) };
                let met =
                    if self.dice.percent(70) { self.scan(&first, &last)? } else { self.walk(&first, &last)? };
                self.note_range(running, &first, &last, &met);
            }
        }
        Ok(())
    }

    /// The rows from `first` on and before `last`, as a scan from either end gives them.
    fn scan(&self, first: &[u8], last: &[u8]) -> Result<Met> {
        let (mut met, backwards) = (Met::new(), self.dice.percent(50));
        let mut scan =
            self.session.scan(self.shared.tree, (Bound::Included(first), Bound::Excluded(last)))?;
        while let Some((key, value)) = if backwards { scan.next_back()? } else { scan.next()? } {
            met.push((key.to_vec(), stamp_of(&value)));
        }
        Ok(met)
    }

    /// The same with a cursor, which finds its place anew at each step.
    fn walk(&self, first: &[u8], last: &[u8]) -> Result<Met> {
        let (mut met, mut at, tree) = (Met::new(), CursorPos::default(), self.shared.tree);
        let mut value = self.session.step(tree, &mut at, Move::SeekGe(first))?;
        while let Some(found) = value.filter(|_| at.key.as_slice() < last) {
            met.push((at.key.clone(), stamp_of(&found)));
            value = self.session.step(tree, &mut at, Move::Next)?;
        }
        Ok(met)
    }

    fn note_range(&self, running: &mut Running, first: &[u8], last: &[u8], met: &Met) {
        let keys = (0..=self.shared.size.keys).map(name);
        for key in keys.filter(|key| (first..last).contains(&key.as_slice())) {
            let mut found = met.iter().filter(|(other, _)| *other == key);
            let got = found.next().map(|(_, stamp)| *stamp);
            assert!(found.next().is_none(), "a walk gave a key twice");
            running.events.push(Event::Read(key, got));
        }
        assert!(
            met.iter().all(|(key, _)| (first..last).contains(&key.as_slice())),
            "a walk from {first:?} to {last:?} left its range: {met:?}"
        );
    }
}

/// A statement that may be refused.
struct Refused {
    key: Vec<u8>,
    touch: Touch,
    from: Stamp,
}

/// The key of a row.
fn name(row: u64) -> Vec<u8> {
    format!("{row:04}").into_bytes()
}

fn stamp_of(value: &[u8]) -> Stamp {
    Written::from_bytes(value.get(..16).expect("a row of the workload is that long")).expect("it is").stamp
}
