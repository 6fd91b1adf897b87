//! Random keys, inserts and cursor steps against the ordinary ordered map.

use super::*;
use proptest::prelude::*;
use std::ops::Bound;

/// Keys that often tie: few byte values, lengths about a head's, at times behind a long prefix.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0), Just(b'a'), Just(b'b'), Just(0xff)];
    let end = proptest::collection::vec(byte, 0..12);
    let prefix = prop_oneof![Just(&b""[..]), Just(&b"aaaaaaaa"[..]), Just(&b"aaaaaaaaaaaaaaaaaaaab"[..])];
    (prefix, end).prop_map(|(prefix, end)| [prefix, &end].concat())
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<u8>),
    Get(Vec<u8>),
    Seek(Seek, Vec<u8>),
    First,
    Last,
    Next,
    Prev,
}

#[derive(Debug, Clone, Copy)]
enum Seek {
    Ge,
    Gt,
    Le,
    Lt,
}

fn step() -> impl Strategy<Value = Step> {
    let seek = prop_oneof![Just(Seek::Ge), Just(Seek::Gt), Just(Seek::Le), Just(Seek::Lt)];
    prop_oneof![
        6 => key().prop_map(Step::Insert),
        1 => key().prop_map(Step::Get),
        2 => (seek, key()).prop_map(|(seek, key)| Step::Seek(seek, key)),
        1 => Just(Step::First),
        1 => Just(Step::Last),
        4 => Just(Step::Next),
        4 => Just(Step::Prev),
    ]
}

/// Where the model's cursor is.
#[derive(Debug, Clone)]
enum At {
    Nowhere,
    BeforeAll,
    Key(Vec<u8>),
    BehindAll,
}

fn from(model: &Model, low: Bound<&[u8]>) -> Option<(Vec<u8>, u64)> {
    model.range::<[u8], _>((low, Bound::Unbounded)).next().map(pair)
}

fn to(model: &Model, high: Bound<&[u8]>) -> Option<(Vec<u8>, u64)> {
    model.range::<[u8], _>((Bound::Unbounded, high)).next_back().map(pair)
}

fn run<const N: usize>(steps: &[Step]) {
    let map = Map::<N>::new();
    let mut model = Model::new();
    let mut cursor = map.index.cursor();
    let mut at = At::Nowhere;
    for (step, number) in steps.iter().zip(1..) {
        let (found, expected, miss) = match (step, &at) {
            (Step::Insert(key), _) => {
                assert_eq!(map.insert(key, number).err(), model.get(key).copied());
                model.entry(key.clone()).or_insert(number);
                continue;
            }
            (Step::Get(key), _) => {
                assert_eq!(map.get(key), model.get(key).copied());
                continue;
            }
            (Step::Seek(Seek::Ge, key), _) => {
                (cursor.seek_ge(key), from(&model, Bound::Included(key)), At::BehindAll)
            }
            (Step::Seek(Seek::Gt, key), _) => {
                (cursor.seek_gt(key), from(&model, Bound::Excluded(key)), At::BehindAll)
            }
            (Step::Seek(Seek::Le, key), _) => {
                (cursor.seek_le(key), to(&model, Bound::Included(key)), At::BeforeAll)
            }
            (Step::Seek(Seek::Lt, key), _) => {
                (cursor.seek_lt(key), to(&model, Bound::Excluded(key)), At::BeforeAll)
            }
            (Step::First, _) => (cursor.first(), from(&model, Bound::Unbounded), At::BehindAll),
            (Step::Next, At::Nowhere | At::BeforeAll) => {
                (cursor.next(), from(&model, Bound::Unbounded), At::BehindAll)
            }
            (Step::Next, At::Key(key)) => (cursor.next(), from(&model, Bound::Excluded(key)), At::BehindAll),
            (Step::Next, At::BehindAll) => (cursor.next(), None, At::BehindAll),
            (Step::Last, _) => (cursor.last(), to(&model, Bound::Unbounded), At::BeforeAll),
            (Step::Prev, At::Nowhere | At::BehindAll) => {
                (cursor.prev(), to(&model, Bound::Unbounded), At::BeforeAll)
            }
            (Step::Prev, At::Key(key)) => (cursor.prev(), to(&model, Bound::Excluded(key)), At::BeforeAll),
            (Step::Prev, At::BeforeAll) => (cursor.prev(), None, At::BeforeAll),
        };
        assert_eq!(taken(found), expected, "{step:?} at {at:?}");
        at = expected.map_or(miss, |(key, _)| At::Key(key));
    }
    let probes: Vec<&[u8]> = model.keys().map(Vec::as_slice).collect();
    compare(&map, &model, &probes);
}

proptest! {
    #[test]
    fn steps_agree_with_an_ordered_map(steps in proptest::collection::vec(step(), 0..400)) {
        run::<2>(&steps);
        run::<3>(&steps);
        run::<14>(&steps);
    }
}
