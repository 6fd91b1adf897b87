//! What a merge writes, and that all of it is sound.

use crate::pages::{Disk, TREE};
use ese_base::ErrorKind;
use ese_btree::{Change, Pages, dump, tree};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

fn key(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

#[test]
fn one_change_writes_one_path() {
    let mut disk = Disk::default();
    disk.merge((0..50_000).map(|number| (key(number), Change::Put(&[7; 60]))));
    assert_eq!(disk.faults(), [""; 0]);
    let height = disk.forest.root(TREE).unwrap().height();
    assert!(height >= 3, "{height}");
    assert_eq!(disk.merge([(key(25_000), Change::Put(&[8; 60]))]), usize::from(height));
    assert_eq!(disk.merge([(key(25_000), Change::Delete)]), usize::from(height));
    // Nothing to delete: nothing to write.
    let root = disk.forest.root(TREE);
    assert_eq!(disk.merge([(key(25_000), Change::Delete), (key(90_000), Change::Delete)]), 0);
    assert_eq!(disk.forest.root(TREE), root);
    // A full leaf in the middle is split, and so is the full node above it; the root is written anew.
    let more: Vec<u8> = [&key(25_001)[..], b"x"].concat();
    assert_eq!(disk.merge([(more, Change::Put(&[9; 900]))]), usize::from(height) + 2);
    assert_eq!(disk.faults(), [""; 0]);
}

/// A tree of three levels in few rows: four to a leaf, some 180 leaves to a node.
fn three_levels() -> Disk {
    let mut disk = Disk::default();
    disk.merge((0..3_000).map(|number| (key(4 * number), Change::Put(&[7; 900]))));
    assert_eq!(disk.forest.root(TREE).unwrap().height(), 3);
    disk
}

#[test]
fn every_leaf_can_be_the_only_one_touched() {
    let mut disk = three_levels();
    for row in (0..3_000).step_by(4) {
        // In turn a row more, a row less, and a leaf less, also at the ends of inner nodes.
        match row / 4 % 3 {
            0 => disk.merge([(key(4 * row + 1), Change::Put(&[8; 900]))]),
            1 => disk.merge([(key(4 * row), Change::Delete)]),
            _ => disk.merge((row..row + 4).map(|row| (key(4 * row), Change::Delete))),
        };
        assert_eq!(disk.faults(), [""; 0], "{row}");
        disk.forget_free();
    }
    assert_eq!(disk.forest.rows(TREE), 3_000 + 250 - 250 - 4 * 250);
}

#[test]
fn the_last_leaf_joins_the_one_before() {
    let mut disk = Disk::default();
    disk.merge((0..60).map(|number| (key(number), Change::Put(&[7; 90]))));
    assert_eq!(disk.forest.root(TREE).unwrap().height(), 2);
    // The first leaf is half full then, the last one nearly empty, and has no neighbour behind it.
    disk.merge((0..20).map(|number| (key(number), Change::Delete)));
    assert_eq!(disk.forest.root(TREE).unwrap().height(), 2);
    disk.merge((43..60).map(|number| (key(number), Change::Delete)));
    assert_eq!(disk.faults(), [""; 0]);
    assert_eq!(disk.forest.rows(TREE), 23);
    assert_eq!(disk.forest.root(TREE).unwrap().height(), 1);
}

#[test]
fn ranges_come_and_go() {
    let mut rng = SmallRng::seed_from_u64(8);
    let mut disk = three_levels();
    let mut rows: BTreeSet<u32> = (0..3_000).map(|row| 4 * row).collect();
    for round in 0..120 {
        let mut changes = BTreeMap::new();
        for _ in 0..rng.random_range(1..4) {
            let start: u32 = rng.random_range(0..12_000);
            let len = [1, 3, 40, 800, 3_000][rng.random_range(0..5)];
            let put = rng.random_bool(0.5);
            let step = if put { [1, 2, 5][rng.random_range(0..3)] } else { 1 };
            changes.extend((start..(start + len).min(12_000)).step_by(step).map(|row| (row, put)));
        }
        disk.merge(changes.iter().map(|(row, put)| {
            (
                key(*row),
                if *put { Change::Put(&[9; 900][..100 + 200 * (*row as usize % 5)]) } else { Change::Delete },
            )
        }));
        for (row, put) in changes {
            if put {
                rows.insert(row)
            } else {
                rows.remove(&row)
            };
        }
        assert_eq!(disk.faults(), [""; 0], "{round}");
        disk.forget_free();
        assert_eq!(disk.forest.rows(TREE), rows.len() as u64, "{round}");
        let mut range = disk.forest.range(&disk, TREE, Bound::Unbounded, Bound::Unbounded);
        for row in &rows {
            assert_eq!(range.next().unwrap().unwrap().0, key(*row));
        }
        assert!(range.next().unwrap().is_none());
    }
}

#[test]
fn separators_are_short() {
    let mut disk = Disk::default();
    let long = |number: u32| [&key(number.wrapping_mul(0x9E37_79B9))[..], &[b'l'; 400]].concat();
    let rows: BTreeMap<Vec<u8>, ()> = (0..3_000).map(|number| (long(number), ())).collect();
    disk.merge(rows.into_keys().map(|key| (key, Change::Put(b""))));
    assert_eq!(disk.faults(), [""; 0]);
    // Whole keys would give nodes of ten children and five levels.
    assert_eq!(disk.forest.root(TREE).unwrap().height(), 3);
}

#[test]
fn a_tree_shrinks_to_nothing() {
    let mut disk = Disk::default();
    disk.merge((0..20_000).map(|number| (key(number), Change::Put(&[7; 60]))));
    for step in [2_u32, 3, 5, 7, 1] {
        disk.merge(
            (0..20_000).filter(|number| number % step == 0).map(|number| (key(number), Change::Delete)),
        );
        assert_eq!(disk.faults(), [""; 0], "{step}");
    }
    assert!(disk.forest.entries().is_empty());
    assert_eq!(disk.free.len(), disk.pages.len());
}

#[test]
fn steps_of_a_drop_are_bounded_and_leave_a_sound_rest() {
    let mut disk = Disk::default();
    let long = vec![1; 30_000];
    disk.merge(
        (0..20_000)
            .map(|number| (key(number), Change::Put(if number % 700 == 0 { &long } else { &[7; 60] }))),
    );
    let mut steps = 0;
    while !disk.drop_step(25) {
        steps += 1;
        assert_eq!(disk.faults(), [""; 0], "{steps}");
        assert!(disk.forest.get(&disk, TREE, &key(1)).unwrap().is_none());
    }
    assert!(steps > 10, "{steps}");
    assert!(disk.forest.entries().is_empty());
    assert_eq!(disk.faults(), [""; 0]);
}

#[test]
fn a_tree_being_dropped_takes_no_changes() {
    let mut disk = Disk::default();
    disk.merge((0..2_000).map(|number| (key(number), Change::Put(&[7; 60]))));
    // A merge of the tree that began before cannot take its place any more.
    let begun = disk.forest.merge(&disk, TREE).unwrap();
    let written = begun.finish(&disk, &mut disk.writer()).unwrap();
    assert!(!disk.drop_step(5));
    let error = disk.forest.merge(&disk, TREE).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(error.to_string().contains("tree 5 is being dropped"), "{error}");
    let mut forest = disk.forest.clone();
    let late = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| forest.merged(TREE, written)));
    assert!(late.is_err());
    assert_eq!(disk.faults(), [""; 0]);
    // Once nothing of it is left, the number is a new tree's.
    while !disk.drop_step(50) {}
    disk.merge([(key(1), Change::Put(b"new"))]);
    assert_eq!(disk.forest.rows(TREE), 1);
    assert_eq!(disk.faults(), [""; 0]);
}

#[test]
fn a_dump_shows_every_row() {
    let mut disk = Disk::default();
    let long = vec![1; 5_000];
    disk.merge([(b"apple".to_vec(), Change::Put(b"red")), (b"apricot".to_vec(), Change::Put(&long))]);
    let text = dump::tree(&disk, disk.forest.root(TREE).unwrap()).unwrap();
    assert!(text.contains("level 0, born in merge 1, 2 keys"), "{text}");
    assert!(text.contains("prefix \"ap\""), "{text}");
    assert!(text.contains("\"apple\" 3 bytes") && text.contains("\"apricot\" run of 5000 bytes"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn merges_are_sound_and_agree_with_a_map(batches in proptest::collection::vec(
        proptest::collection::btree_map(
            (proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(200)], 0..12), 0_usize..900)
                .prop_map(|(mut key, pad)| { if pad > 800 { key.extend(vec![3; pad]); } key }),
            proptest::option::weighted(0.65, 0_usize..1_500),
            0..150,
        ),
        1..8,
    )) {
        let mut disk = Disk::default();
        let mut rows: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let value = vec![5; 2_000];
        for batch in batches {
            disk.merge(batch.iter().map(|(key, len)| {
                (key.clone(), len.map_or(Change::Delete, |len| Change::Put(&value[..len])))
            }));
            for (key, len) in batch {
                match len {
                    Some(len) => rows.insert(key, len),
                    None => rows.remove(&key),
                };
            }
            prop_assert_eq!(disk.faults(), [""; 0]);
            prop_assert_eq!(disk.forest.rows(TREE), rows.len() as u64);
            let mut range = disk.forest.range(&disk, TREE, Bound::Unbounded, Bound::Unbounded);
            for (key, len) in &rows {
                let (found, value) = range.next().unwrap().unwrap();
                prop_assert_eq!((found, value.len()), (&key[..], *len));
            }
            prop_assert!(range.next().unwrap().is_none());
        }
    }
}

#[test]
fn the_leaf_of_a_key_is_found_without_reading_leaves() {
    let mut disk = Disk::default();
    let key = |number: u32| (number * 2).to_be_bytes().to_vec();
    disk.merge((0..5_000).map(|number| (key(number), Change::Put(&[7; 60]))));
    let root = disk.forest.root(TREE).expect("it has rows");
    let mut leaves = std::collections::BTreeSet::new();
    for number in 0..10_000_u32 {
        let at = tree::leaf_of(&disk, root, &number.to_be_bytes()).expect("inner nodes are sound");
        let leaf = disk.node(at, 0).expect("it is a leaf");
        assert_eq!(leaf.search(&number.to_be_bytes()).is_ok(), number % 2 == 0);
        leaves.insert(at.page.0);
    }
    for leaf in &leaves {
        disk.pages.remove(leaf);
    }
    assert!(leaves.len() > 50 && tree::leaf_of(&disk, root, &key(9)).is_ok());
}
