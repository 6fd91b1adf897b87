//! Conflict checks with skip pointers against a walk that looks at every version.

use crate::{
    overlay::{
        conflict::{self, Asker},
        fixtures::{databases, owner, tree_id},
        generation::Generation,
        index::Entry,
        view::View,
    },
    seam::transaction::{Delta, LockMode},
    txn::{Kind, Outcome, TxnState},
};
use ese_base::{CommitTs, Position, TreeId};
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};

const TREE: TreeId = tree_id(1, 1);

fn kinds() -> [Kind; 8] {
    [
        Kind::PUT,
        Kind::DELETE,
        Kind::lock(LockMode::Write),
        Kind::lock(LockMode::Read),
        Kind::delta(0, Delta::I64(0)),
        Kind::delta(4, Delta::I64(0)),
        Kind::delta(0, Delta::I32(0)),
        Kind::delta(1, Delta::I32(0)),
    ]
}

/// One version of a chain.
#[derive(Debug, Clone, Copy)]
struct Pushed {
    writer: usize,
    kind: usize,
    rolled_back: bool,
    /// A seal comes first.
    sealed: bool,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Active,
    Aborted,
    /// At a timestamp of its own, in this order.
    Committed,
}

const WRITERS: usize = 4;

fn pushed() -> impl Strategy<Value = Pushed> {
    // Runs of shared kinds are what skip pointers are for.
    let kind = prop_oneof![3 => 3..8_usize, 1 => 0..8_usize];
    (0..WRITERS, kind, prop::bool::weighted(0.2), prop::bool::weighted(0.1))
        .prop_map(|(writer, kind, rolled_back, sealed)| Pushed { writer, kind, rolled_back, sealed })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Active), Just(End::Aborted), Just(End::Committed)]
}

fn new_state() -> Arc<TxnState> {
    Arc::new(TxnState::new(owner(1), Duration::ZERO))
}

/// Pushes the versions of one row, newest last, into as many generations as there are seals.
fn view_of(chain: &[Pushed], states: &[Arc<TxnState>]) -> View {
    let mut generations = vec![Arc::new(Generation::new(1, 1 << 12))];
    for pushed in chain {
        if pushed.sealed {
            let number = generations[0].number + 1;
            generations.insert(0, Arc::new(Generation::new(number, 1 << 12)));
        }
        let active = &generations[0];
        let state = &states[pushed.writer];
        active.add_writer(state);
        let entry = active.index_or_insert(TREE).get_or_insert(active.arena(), b"k").entry();
        entry.payload().push(active.arena(), state, kinds()[pushed.kind], b"payload");
        if pushed.rolled_back {
            entry.payload().newest().unwrap().roll_back();
        }
    }
    View::new(1, databases([]), generations)
}

fn check(view: &View, key: &[u8], asker: &Asker<'_>) -> Result<(), conflict::Conflict> {
    let active = view.active().index(TREE).and_then(|index| index.get(key)).map(Entry::payload);
    conflict::check(view, TREE, key, (active, u32::MAX), asker)
}

/// With whom the asker clashes, by the rule: newest first, to the first exclusive version that is mine or old.
fn naive(chain: &[Pushed], states: &[Arc<TxnState>], asker: &Asker<'_>) -> Option<usize> {
    for pushed in chain.iter().rev() {
        let (state, kind) = (&states[pushed.writer], kinds()[pushed.kind]);
        let is_mine = std::ptr::eq(&raw const **state, asker.state);
        let is_younger = match state.outcome() {
            Outcome::Aborted => continue,
            Outcome::Active => !is_mine,
            Outcome::Committed(ts) => ts > asker.snapshot,
        };
        if pushed.rolled_back {
            continue;
        }
        if is_younger && asker.kind.clashes(kind) {
            return Some(pushed.writer);
        }
        if !is_younger && !kind.is_shared() {
            return None;
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn skips_change_no_answer(
        chain in prop::collection::vec(pushed(), 0..24),
        ends in prop::array::uniform4(end()),
        snapshot in 0..=WRITERS as u64,
    ) {
        let states: Vec<Arc<TxnState>> = (0..WRITERS).map(|_| new_state()).collect();
        let view = view_of(&chain, &states);
        for ((state, end), ts) in states.iter().zip(&ends).zip(1..) {
            match end {
                End::Active => {}
                End::Aborted => state.abort(),
                End::Committed => {
                    state.claim(Position(ts));
                    state.commit(CommitTs(ts));
                }
            }
        }
        // Somebody else asks, and each of those who wrote and are still open.
        let stranger = new_state();
        let open = states.iter().filter(|state| state.outcome() == Outcome::Active);
        for asking in open.chain([&stranger]) {
            for kind in kinds() {
                let asker = Asker { state: asking, snapshot: CommitTs(snapshot), kind };
                let answer = check(&view, b"k", &asker);
                let with = answer.err().map(|met| met.with);
                let want = naive(&chain, &states, &asker).map(|writer| Arc::clone(&states[writer]));
                prop_assert_eq!(with.as_ref().map(Arc::as_ptr), want.as_ref().map(Arc::as_ptr), "{:?}", kind);
                prop_assert!(check(&view, b"other", &asker).is_ok());
            }
        }
    }
}

/// A run of many adds is one step for a check of the same kind, and the versions below are still seen.
#[test]
fn a_long_run_is_skipped() {
    let states = [new_state(), new_state()];
    let generation = Arc::new(Generation::new(1, 1 << 20));
    generation.add_writer(&states[0]);
    generation.add_writer(&states[1]);
    let entry = generation.index_or_insert(TREE).get_or_insert(generation.arena(), b"k").entry();
    let [.., add, _, _, _] = kinds();
    entry.payload().push(generation.arena(), &states[0], Kind::lock(LockMode::Read), &[]);
    for _ in 0..1000 {
        entry.payload().push(generation.arena(), &states[1], add, &[0; 12]);
    }
    assert_eq!(entry.payload().deltas(), 1000);
    let newest = entry.payload().newest().unwrap();
    assert_eq!(newest.older_of_other_kind().unwrap().kind(), Kind::lock(LockMode::Read));
    assert_eq!(entry.payload().versions().count(), 1001);
    let view = View::new(1, databases([]), vec![generation]);
    let stranger = new_state();
    let asker = Asker { state: &stranger, snapshot: CommitTs(0), kind: add };
    let with = check(&view, b"k", &asker).unwrap_err().with;
    assert!(Arc::ptr_eq(&with, &states[0]), "the lock below the adds");
}

/// Payloads lie behind their versions as they were given.
#[test]
fn payloads() {
    let state = new_state();
    let generation = Generation::new(1, 1 << 12);
    generation.add_writer(&state);
    let entry = generation.index_or_insert(TREE).get_or_insert(generation.arena(), b"k").entry();
    let values: Vec<Vec<u8>> =
        [0, 1, 7, 8, 100, 5000].map(|len| (0..=255).cycle().take(len).collect()).into();
    for value in &values {
        entry.payload().push(generation.arena(), &state, Kind::PUT, value);
    }
    let read: Vec<&[u8]> = entry.payload().versions().map(|version| version.payload()).collect();
    assert!(read.into_iter().rev().eq(values.iter().map(Vec::as_slice)));
}
