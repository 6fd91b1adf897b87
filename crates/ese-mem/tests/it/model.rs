//! A store beside a `BTreeMap`, checked in every way the traits offer.

use ese_base::{Position, TreeNo};
use ese_core::{Backend, Base, Change, Scan, Store};
use ese_mem::MemoryBackend;
use proptest::prelude::*;
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

pub(crate) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

pub(crate) const TREE: TreeNo = TreeNo(1);

/// A store and what it must hold.
pub(crate) struct Pair {
    pub(crate) backend: MemoryBackend,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) rows: Rows,
}

impl Pair {
    pub(crate) fn new(page_size: usize) -> Self {
        let backend = MemoryBackend::new(page_size).unwrap();
        let store = backend.create("main").unwrap();
        Pair { backend, store, rows: Rows::new() }
    }

    /// Merges changes (`None` deletes) and compares afterwards.
    pub(crate) fn merge(&mut self, changes: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Arc<dyn Base> {
        let mut merge = Arc::clone(&self.store).begin_merge().unwrap();
        for (key, value) in changes {
            let change = value.as_ref().map_or(Change::Delete, |value| Change::Put(value));
            merge.apply(TREE, key, change).unwrap();
            match value {
                Some(value) => self.rows.insert(key.clone(), value.clone()),
                None => self.rows.remove(key),
            };
        }
        let base = merge.finish(Position(1)).unwrap();
        self.assert_sound();
        base
    }

    pub(crate) fn assert_sound(&self) {
        check(&*self.store, &self.store.newest());
    }
}

/// Fails with every fault that a check finds.
pub(crate) fn check(store: &dyn Store, base: &Arc<dyn Base>) {
    let mut faults = Vec::new();
    store.check(base, &mut |fault| faults.push(fault)).unwrap();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Reads all rows from the front, from the back, and alternating.
pub(crate) fn assert_rows(base: &dyn Base, rows: &Rows) {
    assert_range(base, rows, (Bound::Unbounded, Bound::Unbounded));
    let keys: Vec<&[u8]> = rows.keys().map(|key| &key[..]).collect();
    for (key, value) in rows {
        assert_eq!(base.get(TREE, key).unwrap().as_deref(), Some(&value[..]), "{}", key.escape_ascii());
    }
    let mut found = vec![false; keys.len()];
    base.get_many(TREE, &keys, &mut |index, value| {
        assert_eq!(value.as_deref(), Some(&rows[keys[index]][..]));
        assert!(!std::mem::replace(&mut found[index], true), "{index} twice");
    })
    .unwrap();
    assert!(found.iter().all(|found| *found));
}

type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Reads a range in three ways and compares.
pub(crate) fn assert_range(base: &dyn Base, rows: &Rows, bounds: Bounds<'_>) {
    let inside = |key: &&Vec<u8>| {
        (match bounds.0 {
            Bound::Included(low) => key[..] >= *low,
            Bound::Excluded(low) => key[..] > *low,
            Bound::Unbounded => true,
        }) && (match bounds.1 {
            Bound::Included(high) => key[..] <= *high,
            Bound::Excluded(high) => key[..] < *high,
            Bound::Unbounded => true,
        })
    };
    let expected: Vec<(&Vec<u8>, &Vec<u8>)> = rows.iter().filter(|(key, _)| inside(key)).collect();
    let mut scan = base.scan(TREE, bounds).unwrap();
    for (key, value) in &expected {
        assert_row(scan.next().unwrap(), key, value);
    }
    assert_over(&mut *scan, Side::Back);
    let mut scan = base.scan(TREE, bounds).unwrap();
    for (key, value) in expected.iter().rev() {
        assert_row(scan.next_back().unwrap(), key, value);
    }
    assert_over(&mut *scan, Side::Front);
    // Strides of different lengths from both ends, so that they meet anywhere.
    for (front_stride, back_stride, side) in
        [(1, 1, Side::Front), (1, 1, Side::Back), (3, 1, Side::Back), (1, 4, Side::Front)]
    {
        let mut scan = base.scan(TREE, bounds).unwrap();
        let (mut front, mut back) = (0, expected.len());
        while front < back {
            for _ in 0..front_stride {
                if front < back {
                    assert_row(scan.next().unwrap(), expected[front].0, expected[front].1);
                    front += 1;
                }
            }
            for _ in 0..back_stride {
                if front < back {
                    back -= 1;
                    assert_row(scan.next_back().unwrap(), expected[back].0, expected[back].1);
                }
            }
        }
        assert_over(&mut *scan, side);
    }
}

fn assert_row(row: Option<(&[u8], ese_base::Value<'_>)>, key: &[u8], value: &[u8]) {
    let (found_key, found) = row.unwrap_or_else(|| panic!("no row, expected {}", key.escape_ascii()));
    assert_eq!(found_key.escape_ascii().to_string(), key.escape_ascii().to_string());
    assert_eq!(&*found, value);
}

/// Both ends are over, whichever is asked first.
fn assert_over(scan: &mut (dyn Scan<'_> + '_), first: Side) {
    for _ in 0..2 {
        if first == Side::Front {
            assert!(scan.next().unwrap().is_none());
        }
        assert!(scan.next_back().unwrap().is_none());
        assert!(scan.next().unwrap().is_none());
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Front,
    Back,
}

/// Keys of many kinds: a tiny alphabet with long shared starts, integers, and arbitrary bytes.
fn any_key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(prop_oneof![Just(0_u8), Just(b'a'), Just(255)], 0..6),
        (0_u64..5_000).prop_map(|number| number.to_be_bytes().to_vec()),
        (0_u32..2_000, 0_usize..3).prop_map(|(number, kind)| {
            let mut key = vec![b'p'; [20, 300, 990][kind]];
            key.extend_from_slice(&number.to_be_bytes());
            key
        }),
        proptest::collection::vec(any::<u8>(), 0..40),
    ]
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0_usize..200, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        2 => (900_usize..1_100, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        1 => (3_000_usize..20_000, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn any_changes() -> impl Strategy<Value = BTreeMap<Vec<u8>, Option<Vec<u8>>>> {
    proptest::collection::btree_map(any_key(), proptest::option::weighted(0.6, any_value()), 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn merges_agree_with_a_map(
        batches in proptest::collection::vec(any_changes(), 1..8),
        bounds in proptest::collection::vec((any_key(), any_key(), 0_u8..9), 1..20),
        page_size in prop_oneof![Just(4096_usize), Just(8192), Just(32768)],
    ) {
        let mut pair = Pair::new(page_size);
        let mut held: Vec<(Arc<dyn Base>, Rows)> = Vec::new();
        for changes in &batches {
            let base = pair.merge(changes);
            assert_rows(&*base, &pair.rows);
            for key in changes.keys() {
                let value = base.get(TREE, key).unwrap();
                prop_assert_eq!(value.as_deref(), pair.rows.get(key).map(|value| &value[..]));
            }
            for (low, high, kind) in &bounds {
                let bound = |kind: u8, key| match kind {
                    0 => Bound::Unbounded,
                    1 => Bound::Included(key),
                    _ => Bound::Excluded(key),
                };
                assert_range(&*base, &pair.rows, (bound(kind / 3, &low[..]), bound(kind % 3, &high[..])));
            }
            held.push((base, pair.rows.clone()));
            if held.len() > 3 {
                held.remove(1);
            }
            for (base, rows) in &held {
                assert_rows(&**base, rows);
                check(&*pair.store, base);
            }
        }
        // Delete everything: no page is left in use.
        held.clear();
        let all = pair.rows.keys().map(|key| (key.clone(), None)).collect();
        let base = pair.merge(&all);
        prop_assert!(base.trees().is_empty());
        let stats = pair.store.stats();
        prop_assert_eq!((stats.pinned_pages, stats.free_pages), (0, stats.pages));
    }
}
