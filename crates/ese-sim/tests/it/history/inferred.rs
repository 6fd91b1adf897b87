//! Each anomaly that snapshot isolation forbids is seen in the data alone, and what it allows passes.

use super::{d, r, w};
use ese_sim::history::{Anomaly, Event, History, Outcome, TxnRecord, inferred};

/// Transactions that all overlap, unless a moment is given.
#[derive(Default)]
struct Maker(Vec<TxnRecord>);

impl Maker {
    fn at(mut self, begun: u64, ended: u64, outcome: Outcome, events: &[Event]) -> Self {
        let session = self.0.len() + 1;
        self.0.push(TxnRecord { session, begun, ended, outcome, times: None, events: events.to_vec() });
        self
    }

    fn txn(self, events: &[Event]) -> Self {
        self.at(0, 100, Outcome::Committed, events)
    }

    fn rolled_back(self, events: &[Event]) -> Self {
        self.at(0, 100, Outcome::RolledBack, events)
    }

    #[track_caller]
    fn is(self, want: Option<Anomaly>) {
        let got = inferred(&History { txns: self.0 });
        assert_eq!(got.as_ref().err().map(|fault| fault.anomaly), want, "{got:?}");
    }
}

/// A level rolled back; when, does not matter here.
const DROP: Event = Event::DropLevel(0);

#[test]
fn what_is_allowed_passes() {
    Maker::default().is(None);
    // One after the other.
    Maker::default()
        .at(0, 1, Outcome::Committed, &[w("x", 1, 0), w("y", 2, 0)])
        .at(2, 3, Outcome::Committed, &[r("x", 1), w("x", 3, 1), r("x", 3)])
        .at(4, 5, Outcome::Committed, &[r("x", 3), r("y", 2)])
        .is(None);
    // A snapshot beside a writer, either side of it.
    Maker::default().txn(&[w("x", 1, 0), w("y", 2, 0)]).txn(&[r("x", 0), r("y", 0)]).is(None);
    Maker::default().txn(&[w("x", 1, 0), w("y", 2, 0)]).txn(&[r("x", 1), r("y", 2)]).is(None);
}

#[test]
fn write_skew_is_allowed() {
    Maker::default()
        .at(0, 1, Outcome::Committed, &[w("x", 1, 0), w("y", 2, 0)])
        .at(2, 9, Outcome::Committed, &[r("x", 1), r("y", 2), w("x", 3, 1)])
        .at(2, 9, Outcome::Committed, &[r("x", 1), r("y", 2), w("y", 4, 2)])
        .is(None);
    // Over three transactions.
    Maker::default()
        .txn(&[r("x", 0), w("y", 1, 0)])
        .txn(&[r("y", 0), w("z", 2, 0)])
        .txn(&[r("z", 0), w("x", 3, 0)])
        .is(None);
}

#[test]
fn garbage() {
    Maker::default().txn(&[r("x", 7)]).is(Some(Anomaly::Garbage));
    Maker::default().txn(&[w("x", 1, 0)]).txn(&[w("y", 1, 0)]).is(Some(Anomaly::Garbage));
}

#[test]
fn aborted_read() {
    Maker::default().rolled_back(&[w("x", 1, 0)]).txn(&[r("x", 1)]).is(Some(Anomaly::AbortedRead));
    // Of a level that was rolled back.
    Maker::default()
        .txn(&[Event::Level, w("x", 1, 0), DROP, w("y", 2, 0)])
        .txn(&[r("x", 1)])
        .is(Some(Anomaly::AbortedRead));
    // Of a level inside a level that was rolled back.
    Maker::default()
        .txn(&[Event::Level, Event::Level, w("x", 1, 0), Event::KeepLevel, DROP])
        .txn(&[r("x", 1)])
        .is(Some(Anomaly::AbortedRead));
}

#[test]
fn intermediate_read() {
    Maker::default().txn(&[w("x", 1, 0), w("x", 2, 1)]).txn(&[r("x", 1)]).is(Some(Anomaly::IntermediateRead));
}

#[test]
fn own_writes() {
    Maker::default().txn(&[w("x", 1, 0), r("x", 0)]).is(Some(Anomaly::OwnWriteLost));
    Maker::default().txn(&[w("x", 1, 0), w("x", 2, 0)]).is(Some(Anomaly::OwnWriteLost));
    // A level that was rolled back is not seen any more …
    Maker::default().txn(&[Event::Level, w("x", 1, 0), DROP, r("x", 1)]).is(Some(Anomaly::OwnWriteLost));
    // … and what lay below it is.
    let levels = [w("x", 1, 0), Event::Level, w("x", 2, 1), r("x", 2), DROP, r("x", 1)];
    Maker::default().txn(&levels).txn(&[r("x", 1)]).is(None);
    Maker::default().txn(&levels).txn(&[r("x", 2)]).is(Some(Anomaly::AbortedRead));
}

#[test]
fn non_repeatable_read() {
    Maker::default().txn(&[w("x", 1, 0)]).txn(&[r("x", 0), r("x", 1)]).is(Some(Anomaly::NonRepeatableRead));
}

#[test]
fn lost_update() {
    Maker::default()
        .at(0, 1, Outcome::Committed, &[w("x", 1, 0)])
        .at(2, 9, Outcome::Committed, &[r("x", 1), w("x", 2, 1)])
        .at(2, 9, Outcome::Committed, &[r("x", 1), w("x", 3, 1)])
        .is(Some(Anomaly::LostUpdate));
    Maker::default().txn(&[w("x", 1, 0)]).txn(&[w("x", 2, 0)]).is(Some(Anomaly::LostUpdate));
}

#[test]
fn dirty_write() {
    // x in one order, y in the other.
    Maker::default()
        .txn(&[w("x", 1, 0), w("y", 2, 4)])
        .txn(&[w("x", 3, 1), w("y", 4, 0)])
        .is(Some(Anomaly::DirtyWrite));
    // Each replaced the other's.
    Maker::default().txn(&[w("x", 1, 2)]).txn(&[w("x", 2, 1)]).is(Some(Anomaly::DirtyWrite));
}

#[test]
fn circular_information() {
    Maker::default()
        .txn(&[w("x", 1, 0), r("y", 2)])
        .txn(&[w("y", 2, 0), r("x", 1)])
        .is(Some(Anomaly::CircularInformation));
}

#[test]
fn read_skew() {
    Maker::default()
        .txn(&[w("x", 1, 0), w("y", 2, 0)])
        .txn(&[r("x", 1), r("y", 0)])
        .is(Some(Anomaly::ReadSkew));
    // A fractured read through a third transaction.
    Maker::default()
        .txn(&[w("x", 1, 0)])
        .txn(&[r("x", 1), w("y", 2, 0)])
        .txn(&[r("y", 2), r("x", 0)])
        .is(Some(Anomaly::ReadSkew));
    // A snapshot from before a commit that had returned.
    Maker::default()
        .at(0, 1, Outcome::Committed, &[w("x", 1, 0)])
        .at(2, 3, Outcome::Committed, &[r("x", 0)])
        .is(Some(Anomaly::ReadSkew));
}

#[test]
fn long_fork() {
    Maker::default()
        .txn(&[w("x", 1, 0)])
        .txn(&[w("y", 2, 0)])
        .txn(&[r("x", 1), r("y", 0)])
        .txn(&[r("x", 0), r("y", 2)])
        .is(Some(Anomaly::LongFork));
}

#[test]
fn an_end_that_nobody_knows() {
    // Whether it committed follows from who saw it; it never was before anybody.
    let unknown = |events: &[Event]| Maker::default().at(0, 1, Outcome::Unknown, events);
    unknown(&[w("x", 1, 0)]).at(2, 3, Outcome::Committed, &[r("x", 0)]).is(None);
    unknown(&[w("x", 1, 0)]).at(2, 3, Outcome::Committed, &[r("x", 1)]).is(None);
    unknown(&[w("x", 1, 0), w("y", 2, 0)]).txn(&[r("x", 1), r("y", 0)]).is(Some(Anomaly::ReadSkew));
}

#[test]
fn a_long_history_is_checked_in_one_go() {
    // A chain of updates of one key with readers behind each; then one reader that is late by one.
    let chain = |count: u64| {
        (0..count).fold(Maker::default(), |maker, n| {
            let update = [r("x", n), w("x", n + 1, n)];
            maker.at(4 * n, 4 * n + 1, Outcome::Committed, &update).at(
                4 * n + 2,
                4 * n + 3,
                Outcome::Committed,
                &[r("x", n + 1)],
            )
        })
    };
    chain(20_000).is(None);
    chain(20_000).at(80_000, 80_001, Outcome::Committed, &[r("x", 19_999)]).is(Some(Anomaly::ReadSkew));
}

#[test]
fn rows_that_come_and_go() {
    let once = |events: &[Event]| {
        Maker::default()
            .at(0, 1, Outcome::Committed, &[w("x", 1, 0)])
            .at(2, 3, Outcome::Committed, &[r("x", 1), d("x", 2, 1), r("x", 0)])
            .at(4, 5, Outcome::Committed, events)
    };
    once(&[r("x", 0), Event::Exists("x".into(), false), w("x", 3, 0)]).is(None);
    // What was deleted is not there any more, …
    once(&[r("x", 1)]).is(Some(Anomaly::ReadSkew));
    // … is replaced by nobody else, …
    once(&[w("x", 3, 1)]).is(Some(Anomaly::LostUpdate));
    // … and one life ends before the next one begins.
    once(&[w("x", 3, 0)]).txn(&[w("x", 4, 0)]).is(Some(Anomaly::LostUpdate));
    once(&[w("x", 3, 0)]).txn(&[d("x", 4, 3)]).txn(&[w("x", 5, 0)]).is(None);
    // A delete beside a reader, either side of it.
    once(&[w("x", 3, 0), w("y", 4, 0)]).txn(&[r("x", 3), r("y", 0)]).is(Some(Anomaly::ReadSkew));
    let deleted = |events: &[Event]| {
        Maker::default()
            .at(0, 1, Outcome::Committed, &[w("x", 1, 0), w("y", 2, 0)])
            .at(2, 9, Outcome::Committed, &[d("x", 3, 1), w("y", 4, 2)])
            .at(2, 9, Outcome::Committed, events)
    };
    deleted(&[r("x", 1), r("y", 2)]).is(None);
    deleted(&[r("x", 0), r("y", 4)]).is(None);
    deleted(&[r("x", 1), r("y", 4)]).is(Some(Anomaly::ReadSkew));
    // A delete that was rolled back, and one over nothing.
    Maker::default()
        .txn(&[w("x", 1, 0)])
        .rolled_back(&[d("x", 2, 1)])
        .txn(&[d("y", 3, 0), r("y", 0)])
        .txn(&[r("x", 1), r("y", 0)])
        .is(None);
}

#[test]
fn answers_of_statements() {
    let exists = |found| Event::Exists("x".into(), found);
    Maker::default().txn(&[w("x", 1, 0), exists(false)]).is(Some(Anomaly::OwnWriteLost));
    Maker::default().txn(&[w("x", 1, 0), d("x", 2, 1), exists(true)]).is(Some(Anomaly::OwnWriteLost));
    Maker::default().txn(&[r("x", 0), exists(true)]).is(Some(Anomaly::NonRepeatableRead));
    Maker::default()
        .txn(&[w("x", 1, 0)])
        .txn(&[r("x", 1), exists(false)])
        .is(Some(Anomaly::NonRepeatableRead));
}
