//! Whether the timestamps go together, before anything is judged by them.

use crate::history::{
    fault::{Anomaly, Fault, fault},
    record::{History, Outcome, TxnRecord},
};
use ese_base::CommitTs;
use std::collections::HashMap;

fn wrong(record: &TxnRecord, what: &str) -> Result<(), Fault> {
    let who = format!("session {} at {} with {:?}", record.session, record.begun, record.times);
    fault(Anomaly::Timestamps, format!("{who}: {what}"))
}

/// Those of one transaction.
pub(super) fn of_one(record: &TxnRecord, left_something: bool) -> Result<(), Fault> {
    let Some(times) = record.times else { return Ok(()) };
    match times.commit {
        Some(_) if record.outcome != Outcome::Committed => wrong(record, "a commit without a commit"),
        Some(_) if !left_something => wrong(record, "a commit of nothing"),
        Some(commit) if commit <= times.snapshot => wrong(record, "it is committed before its own snapshot"),
        None if record.outcome == Outcome::Committed && left_something => {
            wrong(record, "something was committed under no timestamp")
        }
        _ => Ok(()),
    }
}

/// Those of different transactions: no two are equal, and none goes back.
pub(super) fn of_all(history: &History) -> Result<(), Fault> {
    let mut commits = HashMap::new();
    for record in &history.txns {
        let commit = record.times.and_then(|times| times.commit);
        if let Some(other) = commit.and_then(|commit| commits.insert(commit, record)) {
            return wrong(record, &format!("session {} at {} has the same", other.session, other.begun));
        }
    }
    let mut ended: Vec<_> = history.txns.iter().filter(|record| record.outcome != Outcome::Unknown).collect();
    ended.sort_by_key(|record| record.ended);
    let mut begun: Vec<_> = history.txns.iter().collect();
    begun.sort_by_key(|record| record.begun);
    let (mut ended, mut newest) = (ended.into_iter().peekable(), CommitTs::default());
    for record in begun {
        while let Some(before) = ended.next_if(|before| before.ended < record.begun) {
            let times = before.times.map(|times| times.commit.unwrap_or(times.snapshot));
            newest = newest.max(times.unwrap_or_default());
        }
        if record.times.is_some_and(|times| times.snapshot < newest) {
            return wrong(record, &format!("{newest} had been seen or committed before"));
        }
    }
    Ok(())
}
