//! Keys and values at the edges of what a page takes, at every page size.

use crate::pages::{Disk, TREE};
use ese_base::{ErrorKind, limits::key_max_bytes};
use ese_btree::{
    Change, RUN_HEADER_BYTES,
    limits::{tree_key_max_bytes, value_inline_max_bytes},
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{collections::BTreeMap, ops::Bound};

const PAGE_SIZES: [usize; 4] = [4096, 8192, 16384, 32768];

type Rows = BTreeMap<Vec<u8>, usize>;

fn value(len: usize) -> Vec<u8> {
    (0..len).map(|index| index.to_le_bytes()[0] ^ len.to_le_bytes()[0]).collect()
}

/// Merges changes (`None` deletes, a number puts a value of that length) and compares everything.
fn merge(disk: &mut Disk, rows: &mut Rows, changes: &BTreeMap<Vec<u8>, Option<usize>>) {
    let values: Vec<Option<Vec<u8>>> = changes.values().map(|len| len.map(value)).collect();
    disk.merge(changes.keys().zip(&values).map(|(key, value)| {
        (key.clone(), value.as_ref().map_or(Change::Delete, |value| Change::Put(value)))
    }));
    for (key, len) in changes {
        match len {
            Some(len) => rows.insert(key.clone(), *len),
            None => rows.remove(key),
        };
    }
    assert_eq!(disk.faults(), [""; 0]);
    disk.forget_free();
    assert_eq!(disk.forest.rows(TREE), rows.len() as u64);
    let mut front = disk.forest.range(disk, TREE, Bound::Unbounded, Bound::Unbounded);
    for (key, len) in rows.iter() {
        let (found, bytes) = front.next().unwrap().unwrap();
        assert_eq!(found, key);
        assert_eq!(*bytes, value(*len));
        assert_eq!(disk.forest.get(disk, TREE, key).unwrap().as_deref(), Some(&value(*len)[..]));
    }
    assert!(front.next().unwrap().is_none());
    let mut back = disk.forest.range(disk, TREE, Bound::Unbounded, Bound::Unbounded);
    for key in rows.keys().rev() {
        assert_eq!(back.next_back().unwrap().unwrap().0, key);
    }
    assert!(back.next_back().unwrap().is_none());
}

/// Keys of every length that means something, which share nothing, a little, or nearly all.
fn keys(page_size: usize) -> Vec<Vec<u8>> {
    let max = tree_key_max_bytes(page_size);
    let mut keys = vec![vec![]];
    for len in [1, 7, 8, 9, 15, 16, 17, key_max_bytes(page_size), max - 1, max] {
        for first in [0, b'm', 255] {
            for last in [0, 1, 255] {
                let mut key = vec![first; len];
                key[len - 1] = last;
                keys.push(key);
            }
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

/// Lengths of values around everything that changes with them.
fn lengths(page_size: usize) -> Vec<usize> {
    let mut lengths = vec![0, 1];
    for edge in
        [value_inline_max_bytes(page_size), page_size - RUN_HEADER_BYTES, 2 * page_size - RUN_HEADER_BYTES]
    {
        lengths.extend([edge - 1, edge, edge + 1]);
    }
    lengths
}

#[test]
fn every_key_with_every_length() {
    for page_size in PAGE_SIZES {
        let (keys, lengths) = (keys(page_size), lengths(page_size));
        let (mut disk, mut rows) = (Disk::new(page_size), Rows::new());
        // Each row has each length once; then the rows go, those of one residue first.
        for shift in 0..lengths.len() {
            let put = keys
                .iter()
                .enumerate()
                .map(|(at, key)| (key.clone(), Some(lengths[(at + shift) % lengths.len()])));
            merge(&mut disk, &mut rows, &put.collect());
        }
        for residue in 0..4 {
            let gone = keys.iter().skip(residue).step_by(4).map(|key| (key.clone(), None));
            merge(&mut disk, &mut rows, &gone.collect());
        }
        assert!(disk.forest.entries().is_empty());
        assert_eq!(disk.free.len() as u64, disk.all_pages());
    }
}

#[test]
fn one_row_comes_and_goes() {
    for page_size in PAGE_SIZES {
        let (mut disk, mut rows) = (Disk::new(page_size), Rows::new());
        for key in keys(page_size) {
            for len in lengths(page_size) {
                merge(&mut disk, &mut rows, &BTreeMap::from([(key.clone(), Some(len))]));
                assert_eq!(disk.forest.root(TREE).unwrap().height(), 1);
            }
            merge(&mut disk, &mut rows, &BTreeMap::from([(key.clone(), None)]));
            assert!(disk.forest.root(TREE).is_none() && disk.forest.entries().is_empty());
            // Nothing to delete any more.
            assert_eq!(disk.merge([(key.clone(), Change::Delete)]), 0);
        }
        assert_eq!(disk.free.len() as u64, disk.all_pages());
    }
}

#[test]
fn a_key_beyond_the_longest_is_refused() {
    for page_size in PAGE_SIZES {
        let mut disk = Disk::new(page_size);
        let key = vec![7; tree_key_max_bytes(page_size) + 1];
        for change in [Change::Put(b""), Change::Delete] {
            let error = disk.try_merge([(key.clone(), change)]).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::KeyTooLarge);
        }
        // Reading finds nothing, and nothing breaks.
        disk.merge([(key[1..].to_vec(), Change::Put(b"x"))]);
        assert!(disk.forest.get(&disk, TREE, &key).unwrap().is_none());
        let mut range = disk.forest.range(&disk, TREE, Bound::Included(&key), Bound::Unbounded);
        assert!(range.next().unwrap().is_none());
        let mut range = disk.forest.range(&disk, TREE, Bound::Unbounded, Bound::Excluded(&key));
        assert_eq!(range.next_back().unwrap().unwrap().0, &key[1..]);
    }
}

/// Longest keys, longest inline values, in an order in which every node is split again and again.
#[test]
fn longest_rows_split_every_node() {
    for page_size in PAGE_SIZES {
        let max = tree_key_max_bytes(page_size);
        let mut rng = SmallRng::seed_from_u64(page_size as u64);
        let (mut disk, mut rows) = (Disk::new(page_size), Rows::new());
        // Neighbours differ in the last bytes only, so that separators are of full length; others in the first ones, so
        // that no node can cut much off.
        let key = |number: u32, len: usize| {
            let start = (number / 4).wrapping_mul(0x9E37_79B9).to_be_bytes();
            [&start[..], &vec![9; len - 8], &number.to_be_bytes()].concat()
        };
        for _ in 0..12 {
            let changes = (0..25).map(|_| {
                let len = if rng.random_bool(0.7) { max } else { max - rng.random_range(0..20) };
                let put =
                    rng.random_bool(0.75).then(|| value_inline_max_bytes(page_size) - rng.random_range(0..3));
                (key(rng.random_range(0..400), len), put)
            });
            merge(&mut disk, &mut rows, &changes.collect());
        }
        assert!(disk.forest.root(TREE).unwrap().height() >= 3, "{page_size}");
        let gone = rows.keys().map(|key| (key.clone(), None)).collect();
        merge(&mut disk, &mut rows, &gone);
        assert_eq!(disk.free.len() as u64, disk.all_pages());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn extremes_in_any_order(
        page_size in proptest::sample::select(&PAGE_SIZES[..]),
        batches in proptest::collection::vec(
            proptest::collection::vec((any::<proptest::sample::Index>(), any::<proptest::sample::Index>(), any::<u8>()), 1..40),
            1..8,
        ),
    ) {
        let (keys, lengths) = (keys(page_size), lengths(page_size));
        let (mut disk, mut rows) = (Disk::new(page_size), Rows::new());
        for batch in batches {
            let changes = batch.iter().map(|(key, len, kind)| {
                (key.get(&keys).clone(), (kind % 3 > 0).then(|| *len.get(&lengths)))
            });
            merge(&mut disk, &mut rows, &changes.collect());
        }
    }
}
