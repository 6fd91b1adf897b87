//! Walks over several generations against an ordered map.

use crate::{
    overlay::{
        encode_delta,
        fixtures::{owner, tree_id},
        generation::Generation,
        visibility::Data,
        walk::{Mergeable, Rows, Visible},
    },
    seam::{
        transaction::{Delta, LockMode},
        version_store::{Direction, From},
    },
    txn::{Kind, TxnState},
};
use ese_base::{CommitTs, Position, TreeId};
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const TREE: TreeId = tree_id(1, 1);
const GENERATIONS: u32 = 4;

/// A version: the number of its transaction, what it does, whether it was rolled back.
type Version = (usize, Kind, u8, bool);

struct Case {
    /// Newest first.
    generations: Vec<Arc<Generation>>,
    states: Vec<Arc<TxnState>>,
    /// Newest first.
    rows: BTreeMap<Vec<u8>, Vec<Version>>,
}

fn add(by: u8) -> Delta {
    Delta::I64(by.into())
}

/// Random rows in four generations; a third of the transactions is aborted, a third open.
fn case(rng: &mut SmallRng) -> Case {
    let states: Vec<_> = (0..9).map(|_| Arc::new(TxnState::new(owner(1), Duration::ZERO))).collect();
    let mut rows: BTreeMap<Vec<u8>, Vec<Version>> = BTreeMap::new();
    let mut generations = Vec::new();
    let kinds = [Kind::PUT, Kind::DELETE, Kind::delta(0, add(0)), Kind::lock(LockMode::Read)];
    let keys = rng.random_range(1..60);
    for number in 1..=GENERATIONS {
        let generation = Arc::new(Generation::new(number, 1 << 12));
        for state in &states {
            generation.add_writer(state);
        }
        generation.index_or_insert(tree_id(1, 2)).get_or_insert(generation.arena(), b"another tree's");
        for _ in 0..rng.random_range(0..60) {
            let key = format!("{:02}", rng.random_range(0..keys)).into_bytes();
            let (writer, kind, byte) =
                (rng.random_range(0..states.len()), *kinds.choose(rng).unwrap(), rng.random());
            let payload = if kind.is_delta() { encode_delta(0, add(byte)).to_vec() } else { vec![byte; 8] };
            let entry = generation.index_or_insert(TREE).get_or_insert(generation.arena(), &key).entry();
            entry.payload().push(generation.arena(), &states[writer], kind, &payload);
            let rolled_back = rng.random_bool(0.2);
            if rolled_back {
                entry.payload().newest().unwrap().roll_back();
            }
            rows.entry(key).or_default().insert(0, (writer, kind, byte, rolled_back));
        }
        generations.insert(0, generation);
    }
    for (number, state) in (0_u64..).zip(&states) {
        match number % 3 {
            0 => state.abort(),
            1 => {
                state.claim(Position(number));
                state.commit(CommitTs(number));
            }
            _ => {}
        }
    }
    Case { generations, states, rows }
}

/// What the versions that `counts` admits say, as a value of eight bytes that was 0 before; `None`: nothing.
fn folded(versions: &[Version], counts: impl Fn(usize) -> bool) -> Option<(u8, u64)> {
    let (mut sum, mut is_added) = (0, false);
    for (writer, kind, byte, rolled_back) in versions {
        if *rolled_back || !counts(*writer) {
            continue;
        }
        match *kind {
            Kind::PUT => return Some((1, u64::from_le_bytes([*byte; 8]).wrapping_add(sum))),
            Kind::DELETE => return Some((2, 0)),
            kind if kind.is_delta() => {
                sum += u64::from(*byte);
                is_added = true;
            }
            _ => {}
        }
    }
    is_added.then_some((0, sum))
}

fn is_within(key: &[u8], direction: Direction, from: From<'_>) -> bool {
    match (direction, from) {
        (_, From::End) => true,
        (Direction::Forward, From::At(at)) => key >= at,
        (Direction::Forward, From::Behind(at)) => key > at,
        (Direction::Backward, From::At(at)) => key <= at,
        (Direction::Backward, From::Behind(at)) => key < at,
    }
}

/// Walks and compares, in both directions, from everywhere.
fn compare<F: crate::overlay::walk::Filter>(
    case: &Case,
    key: &[u8],
    filter: impl Fn() -> F,
    counts: impl Fn(usize) -> bool,
) {
    for direction in [Direction::Forward, Direction::Backward] {
        for from in [From::End, From::At(key), From::Behind(key)] {
            let mut want: Vec<(Vec<u8>, (u8, u64))> = case
                .rows
                .iter()
                .filter(|(key, _)| is_within(key, direction, from))
                .filter_map(|(key, versions)| Some((key.clone(), folded(versions, &counts)?)))
                .collect();
            if direction == Direction::Backward {
                want.reverse();
            }
            let generations = case.generations.iter().map(|generation| &**generation);
            let mut got = Vec::new();
            if let Some(mut rows) = Rows::new(generations, TREE, direction, from, filter()) {
                while let Some((key, found)) = rows.next_row() {
                    let (what, start) = match found.data {
                        Data::Nothing => (0, [0; 8]),
                        Data::Put(value) => (1, value.try_into().unwrap()),
                        Data::Deleted => (2, [0; 8]),
                    };
                    let mut value = start.to_vec();
                    found.deltas.apply(&mut value);
                    let value = if what == 2 { 0 } else { u64::from_le_bytes(value.try_into().unwrap()) };
                    got.push((key.to_vec(), (what, value)));
                }
            }
            assert_eq!(got, want, "{direction:?} {from:?}");
        }
    }
}

#[test]
fn walks_over_four_generations() {
    for seed in 0..300 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let case = case(&mut rng);
        let key = format!("{:02}", rng.random_range(0..60)).into_bytes();
        let (snapshot, l, cut) = (rng.random_range(0..9), rng.random_range(0..9), rng.random_range(0..10));
        let committed = |writer: usize| writer % 3 == 1;
        compare(
            &case,
            &key,
            || Visible { snapshot: CommitTs(snapshot), l: Position(l) },
            |writer| committed(writer) && writer as u64 <= snapshot && writer as u64 >= l,
        );
        compare(
            &case,
            &key,
            || Mergeable { l: Position(l), cut: Position(cut) },
            |writer| committed(writer) && (l..cut).contains(&(writer as u64)),
        );
        assert_eq!(case.states.len(), 9);
    }
}

#[test]
fn a_tree_that_nobody_wrote_in_has_no_walk() {
    let generation = Arc::new(Generation::new(1, 1 << 12));
    let visible = Visible { snapshot: CommitTs(9), l: Position(1) };
    assert!(Rows::new([&*generation].into_iter(), TREE, Direction::Forward, From::End, visible).is_none());
    assert!(generation.trees().is_empty());
}
