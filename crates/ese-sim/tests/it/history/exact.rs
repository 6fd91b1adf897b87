//! A history with timestamps that is right, and each rule broken once.

use super::{d, r, w};
use ese_base::CommitTs;
use ese_core::LockMode;
use ese_sim::history::{
    Anomaly, Event, History, Outcome, Refusal, Stamp, Times, Touch, TxnRecord, check, exact, inferred,
};

/// A transaction: moments of begin and end, snapshot, commit (0: none), what it did.
fn txn(moments: (u64, u64), snapshot: u64, commit: u64, events: &[Event]) -> TxnRecord {
    let times = Times { snapshot: CommitTs(snapshot), commit: (commit != 0).then_some(CommitTs(commit)) };
    TxnRecord {
        session: 1,
        begun: moments.0,
        ended: moments.1,
        outcome: Outcome::Committed,
        times: Some(times),
        events: events.to_vec(),
    }
}

fn rolled_back(moments: (u64, u64), snapshot: u64, events: &[Event]) -> TxnRecord {
    TxnRecord { outcome: Outcome::RolledBack, ..txn(moments, snapshot, 0, events) }
}

#[track_caller]
fn is(txns: &[TxnRecord], want: Option<Anomaly>) {
    let got = exact(&History { txns: txns.to_vec() });
    assert_eq!(got.as_ref().err().map(|fault| fault.anomaly), want, "{got:?}");
}

fn add(at: u64, by: i64) -> Event {
    Event::Add("c".into(), Stamp(at), by)
}

fn sum(sum: i64) -> Event {
    Event::Sum("c".into(), sum)
}

fn lock(key: &str, at: u64, mode: LockMode) -> Event {
    Event::Lock(key.into(), Stamp(at), mode)
}

fn refused(key: &str, touch: Touch, from: u64, to: u64) -> Event {
    Event::Refused(Refusal { key: key.into(), touch, from, to })
}

/// Everything that may happen, and does so as it should.
fn right() -> Vec<TxnRecord> {
    vec![
        txn((1, 9), 0, 1, &[w("x", 2, 0), w("y", 3, 0), add(4, 10), r("x", 2), sum(10)]),
        // Two that overlap, in different rows; adds go together.
        txn((10, 30), 1, 2, &[r("x", 2), w("x", 12, 2), r("x", 12), add(13, 5), sum(15)]),
        txn((11, 31), 1, 3, &[r("x", 2), w("y", 14, 3), add(15, -3), sum(7)]),
        // A reader between the two commits, and one that began before both.
        txn((16, 40), 2, 0, &[r("x", 12), r("y", 3), sum(15), Event::Exists("z".into(), false)]),
        txn((16, 41), 1, 0, &[r("x", 2), r("y", 3), sum(10)]),
        // A row goes and comes again; a level is taken back.
        txn((50, 55), 3, 4, &[d("x", 51, 12), r("x", 0), Event::Level, w("y", 52, 14), Event::DropLevel(53)]),
        txn((60, 66), 4, 5, &[r("x", 0), w("x", 61, 0), r("y", 14)]),
        // A lock only, beside another of its kind; and nothing at all.
        txn((70, 80), 5, 6, &[lock("x", 71, LockMode::Read)]),
        txn((70, 81), 5, 7, &[lock("x", 72, LockMode::Read), r("x", 61), sum(12)]),
        rolled_back((70, 82), 5, &[w("y", 73, 14), d("z", 74, 0), r("z", 0)]),
    ]
}

/// The right history with one change.
#[track_caller]
fn broken(change: impl FnOnce(&mut Vec<TxnRecord>), want: Anomaly) {
    let mut txns = right();
    change(&mut txns);
    is(&txns, Some(want));
}

fn commits_at(txn: &mut TxnRecord, ts: u64) {
    txn.times.as_mut().expect("these records have timestamps").commit = Some(CommitTs(ts));
}

#[test]
fn what_is_right_passes() {
    is(&[], None);
    is(&right(), None);
    assert_eq!(check(&History { txns: right() }), Ok(()));
    let reversed: Vec<_> = right().into_iter().rev().collect();
    is(&reversed, None);
}

#[test]
fn reads_of_another_version() {
    let reads = [
        // An older one, a newer one, none, one where there is none, one that was rolled back, or nobody wrote.
        (3, 0, r("x", 2)),
        (4, 0, r("x", 12)),
        (3, 1, r("y", 0)),
        (6, 0, r("x", 12)),
        (8, 1, r("y", 73)),
        (6, 2, r("y", 52)),
        (3, 0, r("x", 99)),
        (3, 3, Event::Exists("y".into(), false)),
        (3, 3, Event::Exists("z".into(), true)),
        // A write that replaces another version than it could see.
        (5, 0, d("x", 51, 2)),
        (6, 1, w("x", 61, 12)),
        // A counter that misses an add, has one twice, or one of the future.
        (3, 2, sum(10)),
        (3, 2, sum(20)),
        (4, 2, sum(15)),
    ];
    for (txn, event, read) in reads {
        broken(|txns| txns[txn].events[event] = read, Anomaly::WrongVersion);
    }
}

#[test]
fn reads_that_miss_own_writes() {
    for (txn, event, read) in [
        (0, 3, r("x", 0)),
        (1, 2, r("x", 2)),
        (5, 1, r("x", 12)),
        (5, 1, Event::Exists("x".into(), true)),
        (9, 2, r("z", 1)),
    ] {
        broken(|txns| txns[txn].events[event] = read, Anomaly::OwnWriteLost);
    }
    // An own add, and one of a level that is not there any more.
    broken(|txns| txns[1].events[4] = sum(10), Anomaly::WrongVersion);
    let level = [Event::Level, add(1, 5), sum(5), Event::DropLevel(2), sum(5)];
    is(&[txn((0, 3), 0, 0, &level)], Some(Anomaly::WrongVersion));
}

/// A touch of the one key that all of them are possible for.
fn touch(how: Touch, at: u64) -> Event {
    match how {
        Touch::Data => w("c", at, 0),
        Touch::WriteLock => lock("c", at, LockMode::Write),
        Touch::ReadLock => lock("c", at, LockMode::Read),
        Touch::Add => add(at, 1),
    }
}

#[test]
fn conflicts_that_were_missed() {
    for left in Touch::ALL {
        for right in Touch::ALL {
            let both = |snapshot, begun| {
                [
                    txn((0, 5), 0, 1, &[touch(left, 1)]),
                    txn((begun, 9), snapshot, 2, &[touch(right, begun + 1)]),
                ]
            };
            is(&both(0, 2), (!left.goes_with(right)).then_some(Anomaly::MissedConflict));
            // One after the other; a row and a counter under one key are no subject here.
            if (left, right) != (Touch::Data, Touch::Data) {
                is(&both(1, 6), None);
            }
        }
    }
    // What was taken back, or read, is in nobody's way.
    let level = |event| [Event::Level, event, Event::DropLevel(3), w("y", 4, 0)];
    is(&[txn((0, 5), 0, 1, &[w("x", 1, 0)]), txn((0, 9), 0, 2, &level(w("x", 2, 0)))], None);
    is(&[txn((0, 5), 0, 1, &[w("x", 1, 0)]), rolled_back((0, 9), 0, &[w("x", 2, 0)])], None);
    is(&[txn((0, 5), 0, 1, &[w("x", 1, 0)]), txn((0, 9), 0, 2, &[r("x", 0), w("y", 2, 0)])], None);
    // Not the last to touch it, but one before that.
    is(
        &[
            txn((0, 2), 0, 1, &[lock("x", 1, LockMode::Write)]),
            txn((3, 9), 1, 2, &[lock("x", 4, LockMode::Read)]),
            txn((3, 9), 0, 3, &[lock("x", 5, LockMode::Read)]),
        ],
        Some(Anomaly::Timestamps),
    );
    is(
        &[
            txn((0, 5), 0, 1, &[lock("x", 1, LockMode::Write)]),
            txn((0, 9), 1, 2, &[lock("x", 6, LockMode::Read)]),
            txn((0, 9), 0, 3, &[lock("x", 7, LockMode::Read)]),
        ],
        Some(Anomaly::MissedConflict),
    );
    // Blind writes: nothing was read, and the data tells nothing.
    broken(|txns| txns[2].events[1] = w("x", 14, 2), Anomaly::MissedConflict);
}

#[test]
fn conflicts_that_were_made_up() {
    let beside = |other: TxnRecord, event: Event| [other, txn((20, 30), 1, 0, &[event])];
    let data = |from, to| refused("x", Touch::Data, from, to);
    let none = |txns: [TxnRecord; 2]| is(&txns, None);
    let made_up = |txns: [TxnRecord; 2]| is(&txns, Some(Anomaly::FalseConflict));
    // Somebody works on it, has just been rolled back, or committed since.
    none(beside(txn((1, 40), 0, 2, &[w("x", 2, 0)]), data(22, 23)));
    none(beside(rolled_back((1, 40), 0, &[w("x", 2, 0)]), data(22, 23)));
    none(beside(rolled_back((1, 23), 0, &[w("x", 2, 0)]), data(22, 24)));
    none(beside(txn((1, 21), 1, 2, &[w("x", 2, 0)]), data(22, 23)));
    none(beside(rolled_back((1, 40), 0, &[lock("x", 2, LockMode::Read)]), data(22, 23)));
    let level = [Event::Level, w("x", 2, 0), Event::DropLevel(23)];
    none(beside(rolled_back((1, 40), 0, &level), data(22, 24)));
    // Nobody ever did; it was rolled back before, committed before the snapshot, or done only later.
    made_up(beside(txn((1, 40), 0, 2, &[w("y", 2, 0)]), data(22, 23)));
    made_up(beside(rolled_back((1, 21), 0, &[w("x", 2, 0)]), data(22, 23)));
    made_up(beside(rolled_back((1, 40), 0, &level), data(24, 25)));
    made_up(beside(txn((1, 10), 0, 1, &[w("x", 2, 0)]), data(22, 23)));
    made_up(beside(txn((1, 40), 0, 2, &[w("x", 24, 0)]), data(22, 23)));
    // The other goes together with it; or it is the own one.
    let shared = [lock("x", 2, LockMode::Read)];
    made_up(beside(rolled_back((1, 40), 0, &shared), refused("x", Touch::ReadLock, 22, 23)));
    let adds = [Event::Add("x".into(), Stamp(2), 1)];
    made_up(beside(rolled_back((1, 40), 0, &adds), refused("x", Touch::Add, 22, 23)));
    is(&[rolled_back((1, 9), 0, &[w("x", 2, 0), data(3, 4)])], Some(Anomaly::FalseConflict));
}

#[test]
fn timestamps_that_contradict() {
    let wrong = |change: fn(&mut Vec<TxnRecord>)| broken(change, Anomaly::Timestamps);
    // Two equal ones; one at or before its own snapshot.
    wrong(|txns| commits_at(&mut txns[2], 2));
    wrong(|txns| commits_at(&mut txns[5], 3));
    // One for nothing, none for something, one of a rollback.
    wrong(|txns| commits_at(&mut txns[3], 9));
    wrong(|txns| txns[7].times.as_mut().unwrap().commit = None);
    wrong(|txns| commits_at(&mut txns[9], 9));
    // What a transaction had seen or done before, a later one must see: in one session or in another.
    wrong(|txns| txns[6].times.as_mut().unwrap().snapshot = CommitTs(3));
    let twice = |first, second| {
        let session = |session, record| TxnRecord { session, ..record };
        is(&[session(1, first), session(2, second)], Some(Anomaly::Timestamps));
    };
    twice(txn((1, 2), 5, 0, &[]), txn((3, 4), 4, 0, &[]));
    twice(txn((1, 3), 5, 6, &[w("x", 2, 0)]), txn((4, 6), 5, 7, &[w("y", 5, 0)]));
    is(&[txn((1, 4), 5, 0, &[]), txn((3, 5), 4, 0, &[])], None);
}

#[test]
fn what_nobody_knows_is_not_judged() {
    let unknown = TxnRecord { outcome: Outcome::Unknown, ..txn((1, 2), 0, 0, &[w("x", 1, 0), add(2, 1)]) };
    let untold = TxnRecord { times: None, ..txn((1, 2), 0, 0, &[w("x", 1, 0), add(2, 1)]) };
    for other in [unknown, untold] {
        for events in [[r("x", 1), sum(1)], [r("x", 0), sum(0)]] {
            is(&[other.clone(), txn((3, 9), 0, 0, &events)], None);
        }
        is(&[other.clone(), txn((3, 9), 0, 0, &[r("y", 1)])], Some(Anomaly::WrongVersion));
    }
}

#[test]
fn what_leaves_no_trace_in_the_data() {
    // The reason for this check: the data alone finds nothing wrong.
    let unseen = |txns: &[TxnRecord], want| {
        assert_eq!(inferred(&History { txns: txns.to_vec() }), Ok(()));
        is(txns, Some(want));
    };
    let row = [w("x", 1, 0), w("y", 2, 0)];
    let (made, gone) = (txn((0, 3), 0, 1, &row), txn((4, 9), 1, 2, &[d("x", 5, 1), w("y", 6, 2)]));
    // Half of a transaction, the half being a row that went.
    let fractured = txn((4, 9), 1, 0, &[r("x", 0), r("y", 2)]);
    unseen(&[made, gone, fractured], Anomaly::WrongVersion);
    // Two deletes of rows that are not there, locks, adds.
    let blind = |at| [d("z", at, 0)];
    unseen(&[txn((0, 5), 0, 1, &blind(1)), txn((0, 5), 0, 2, &blind(2))], Anomaly::MissedConflict);
    let locks = |at| [lock("z", at, LockMode::Write)];
    unseen(&[txn((0, 5), 0, 1, &locks(1)), txn((0, 5), 0, 2, &locks(2))], Anomaly::MissedConflict);
    unseen(&[txn((0, 3), 0, 1, &[add(1, 1)]), txn((4, 5), 1, 0, &[sum(2)])], Anomaly::WrongVersion);
}
