//! The pass that takes the engine at its word: with the snapshot and the commit timestamp of every transaction known,
//! each read and each write is right or wrong by itself.
//!
//! - Commit timestamps are unique, lie behind the own snapshot, and belong to exactly the transactions that left
//!   something behind. A begin after another transaction's end sees that one's commit, and no less than it saw.
//! - A read is the transaction's own last write or else the newest version whose commit is at or before the snapshot; a
//!   counter is the sum of what was added until then and by the transaction itself.
//! - When two committed transactions touched one key in ways that do not go together, the snapshot of the later one
//!   covers the commit of the earlier one: the first to touch wins.
//! - A statement that was refused had met somebody: a touch of another that was uncommitted at some moment of the
//!   statement, or that is committed behind the snapshot.
//!
//! What transactions without timestamps, or with an end that nobody knows, left under a key is not judged.
//!
//! Reading order: here (who did what when), `timestamps`, `key` (what happened to one key).

mod key;
mod timestamps;

use super::{
    fault::{Anomaly, Fault, fault, show},
    own::Own,
    record::{Event, History, Outcome, Stamp, TxnRecord},
};
use ese_base::CommitTs;
use key::{Key, Touched};
use std::collections::{BTreeMap, HashMap};

/// All keys of a history.
type Keys<'h> = HashMap<&'h [u8], Key>;

/// Checks a history by its timestamps.
///
/// # Errors
/// The first fault found.
pub fn exact(history: &History) -> Result<(), Fault> {
    let mut keys = Keys::new();
    for (txn, record) in history.txns.iter().enumerate() {
        let left_something = gather(txn, record, &mut keys);
        timestamps::of_one(record, left_something)?;
    }
    timestamps::of_all(history)?;
    keys.values_mut().for_each(Key::sort);
    for (key, found) in &keys {
        if let Some((earlier, later)) = found.missed_conflict() {
            let (earlier, later) = (whose(&history.txns[earlier], key), whose(&history.txns[later], key));
            return fault(Anomaly::MissedConflict, format!("{later} saw nothing of {earlier}"));
        }
    }
    history.txns.iter().enumerate().try_for_each(|(txn, record)| replay(txn, record, &keys))
}

/// Who and where, for a fault.
fn whose(record: &TxnRecord, key: &[u8]) -> String {
    format!("session {} at {} with {:?}, key {}", record.session, record.begun, record.times, show(key))
}

/// Enters what a transaction did under the keys it did it to; whether it left anything behind.
fn gather<'h>(txn: usize, record: &'h TxnRecord, keys: &mut Keys<'h>) -> bool {
    let mut own = Own::default();
    for event in &record.events {
        let dropped = own.go_on(event);
        let Event::DropLevel(until) = event else { continue };
        for did in dropped {
            let touched = Touched { txn, touch: did.touch(), from: did.at.0, until: *until, commit: None };
            keys.entry(did.key).or_default().touched(touched);
        }
    }
    let is_known = record.outcome != Outcome::Unknown;
    let until = if is_known { record.ended } else { u64::MAX };
    let commits = record.outcome == Outcome::Committed;
    let commit = record.times.filter(|_| commits).and_then(|times| Some((times.snapshot, times.commit?)));
    let (mut rows, mut sums) = (BTreeMap::new(), BTreeMap::new());
    for did in own.done() {
        let key = keys.entry(did.key).or_default();
        key.touched(Touched { txn, touch: did.touch(), from: did.at.0, until, commit });
        match (did.row(), did.sum()) {
            (Some(row), _) => drop(rows.insert(did.key, row)),
            (None, Some(by)) => *sums.entry(did.key).or_insert(0) += by,
            (None, None) => {}
        }
    }
    if !is_known || (commits && commit.is_none()) {
        rows.keys().chain(sums.keys()).for_each(|key| keys.entry(key).or_default().is_unsure());
    }
    if let Some((_, ts)) = commit {
        rows.into_iter().for_each(|(key, row)| keys.entry(key).or_default().row(ts, row));
        sums.into_iter().for_each(|(key, sum)| keys.entry(key).or_default().sum(ts, sum));
    }
    !own.done().is_empty()
}

/// Goes through a transaction again: what it read must be what its snapshot shows, and what refused it must be there.
fn replay(txn: usize, record: &TxnRecord, keys: &Keys<'_>) -> Result<(), Fault> {
    let Some(times) = record.times else { return Ok(()) };
    let mut own = Own::default();
    for event in &record.events {
        match event {
            Event::Read(key, got) => saw(record, &own, keys, key, |row| row == *got),
            Event::Write(key, written) | Event::Delete(key, written) => {
                saw(record, &own, keys, key, |row| row == written.replaced)
            }
            Event::Exists(key, found) => saw(record, &own, keys, key, |row| row.is_some() == *found),
            Event::Sum(key, got) => {
                let committed = keys.get(key.as_slice()).map_or(Some(0), |key| key.sum_at(times.snapshot));
                match committed.map(|sum| sum + own.added(key)) {
                    Some(sum) if sum != *got => fault(
                        Anomaly::WrongVersion,
                        format!("{}: {sum} is read as {got}", whose(record, key)),
                    ),
                    _ => Ok(()),
                }
            }
            Event::Refused(refusal) => {
                let key = keys.get(refusal.key.as_slice());
                if key.is_some_and(|key| key.explains(txn, refusal, times.snapshot)) {
                    Ok(())
                } else {
                    let what = format!("{}: nobody is there for {refusal:?}", whose(record, &refusal.key));
                    fault(Anomaly::FalseConflict, what)
                }
            }
            _ => Ok(()),
        }?;
        own.go_on(event);
    }
    Ok(())
}

/// Compares what a transaction saw under a key with what there was to see.
fn saw(
    record: &TxnRecord,
    own: &Own<'_>,
    keys: &Keys<'_>,
    key: &[u8],
    is_it: impl Fn(Option<Stamp>) -> bool,
) -> Result<(), Fault> {
    let snapshot = record.times.map(|times| times.snapshot).unwrap_or_default();
    let (row, anomaly) = match (own.row(key), keys.get(key)) {
        (Some(mine), _) => (mine, Anomaly::OwnWriteLost),
        (None, None) => (None, Anomaly::WrongVersion),
        (None, Some(found)) => match found.row_at(snapshot) {
            Some(row) => (row, Anomaly::WrongVersion),
            None => return Ok(()),
        },
    };
    if is_it(row) {
        return Ok(());
    }
    fault(anomaly, format!("{}: {row:?} was not what it saw", whose(record, key)))
}

/// A commit: its snapshot and its timestamp.
type Commit = (CommitTs, CommitTs);
