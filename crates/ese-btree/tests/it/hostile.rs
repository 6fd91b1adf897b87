//! Any bytes at all: parsed or refused, and what is parsed can be read in every way.

use ese_btree::limits::value_inline_max_bytes;
use ese_btree::{ChildRef, NodeView, PageNo, RUN_HEADER_BYTES, RunRef, Verify, dump, node::Cell, parse_run};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{collections::BTreeMap, ops::Bound};

use crate::pages::{Disk, TREE};
use ese_btree::{Change, Pages};

/// A leaf of one row, as no merge writes it: with a value of `len` bytes.
fn leaf_of_one(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let cells_at = 32 + 8 + 4;
    let end = u16::try_from(cells_at + len).unwrap();
    bytes[4] = 1;
    bytes[6] = 1;
    bytes[10..12].copy_from_slice(&end.to_le_bytes());
    bytes[12..16].copy_from_slice(b"ESE1");
    bytes[32..40].copy_from_slice(&u64::from_be_bytes(*b"k\0\0\0\0\0\0\0").to_le_bytes());
    bytes[40..42].copy_from_slice(&u16::try_from(cells_at).unwrap().to_le_bytes());
    bytes[42] = 1;
    bytes
}

#[test]
fn a_value_too_long_for_its_leaf_is_refused() {
    let at = ChildRef { page: PageNo(0), checksum: 0 };
    let parse = |len: usize| NodeView::parse(&leaf_of_one(len)[..], at, 0, Verify::Structure).map(|_| ());
    let max = value_inline_max_bytes(4096);
    assert!(parse(0).is_ok() && parse(max).is_ok());
    // It might not fit a page again once its key is cut another way.
    for len in [max + 1, 3_000, 4096 - 56 - 44] {
        assert!(parse(len).unwrap_err().to_string().contains("too long for a leaf"), "{len}");
    }
}

/// Changes a page so that it may well still be a node: what refers to what, bytes of keys, whole pages.
fn damage(disk: &mut Disk, rng: &mut SmallRng) {
    let nodes = disk.pages.iter().filter(|(_, bytes)| bytes[4] != 3);
    let numbers: Vec<u64> = nodes.map(|(number, _)| *number).collect();
    let pick = |rng: &mut SmallRng| numbers[rng.random_range(0..numbers.len())];
    let number = pick(rng);
    let mut bytes = disk.pages[&number].to_vec();
    let count = usize::from(u16::from_le_bytes([bytes[6], bytes[7]]));
    let prefix = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let heads_at = 32 + prefix.next_multiple_of(8);
    let (children_at, is_inner) = (heads_at + 8 * count, bytes[4] == 2);
    match rng.random_range(0..5) {
        0 if is_inner => {
            let (a, b) = (rng.random_range(0..=count), rng.random_range(0..=count));
            for byte in 0..10 {
                bytes.swap(children_at + 10 * a + byte, children_at + 10 * b + byte);
            }
        }
        1 if is_inner => {
            let at = children_at + 10 * rng.random_range(0..=count);
            bytes[at..at + 6].copy_from_slice(&pick(rng).to_le_bytes()[..6]);
        }
        2 => {
            bytes = disk.pages[&pick(rng)].to_vec();
            bytes[16..24].copy_from_slice(&number.to_le_bytes());
        }
        3 if prefix > 0 => bytes[32 + rng.random_range(0..prefix)] = rng.random(),
        _ => {
            let at = rng.random_range(32..bytes.len());
            bytes[at] = rng.random();
        }
    }
    disk.pages.insert(number, bytes.into());
}

/// As [`damage`] leaves it, every node for itself may be sound and the tree is not: errors and wrong rows, no panic.
#[test]
fn trees_of_sound_nodes_that_do_not_fit_together() {
    let mut rng = SmallRng::seed_from_u64(3);
    let key = |number: u32| vec![b'a' + (number % 3) as u8; (number / 3 % 40) as usize + 1];
    let mut refused = 0;
    for round in 0..1500 {
        let mut disk = Disk::default();
        disk.verify = Verify::Structure;
        let long = vec![1; 9_000];
        let rows: BTreeMap<Vec<u8>, u32> = (0..500_u32)
            .map(|number| match round % 2 {
                0 => ([&key(number)[..], &number.to_be_bytes()].concat(), number),
                _ => ([&key(number)[..], &[0, 0, 0, 0][..number as usize % 5]].concat(), number),
            })
            .collect();
        let value =
            |number: u32| if number % 50 == 1 { &long[..] } else { &long[..400 + number as usize % 500] };
        disk.merge(rows.iter().map(|(key, number)| (key.clone(), Change::Put(value(*number)))));
        for _ in 0..rng.random_range(1..4) {
            damage(&mut disk, &mut rng);
        }
        let faults = disk.faults();
        for key in rows.keys().step_by(7) {
            let _ = disk.forest.get(&disk, TREE, key);
        }
        let mut range = disk.forest.range(&disk, TREE, Bound::Unbounded, Bound::Unbounded);
        for step in 0..2 * rows.len() {
            let _ = if step % 3 == 0 { range.next_back() } else { range.next() };
        }
        drop(range);
        let changes = rows.iter().filter(|(_, number)| *number % 11 < 4).map(|(key, number)| {
            (
                key.clone(),
                if number % 11 < 2 { Change::Delete } else { Change::Put(&long[..*number as usize]) },
            )
        });
        let changes: Vec<_> = changes.collect();
        // What is freed of such a tree may be anything; so the outcome is not taken over.
        let mut sink = disk.writer();
        let mut merge = disk.forest.merge(&disk, TREE).unwrap();
        let merged = changes.iter().try_for_each(|(key, change)| merge.apply(&disk, &mut sink, key, *change));
        let merged = merged.and_then(|()| merge.finish(&disk, &mut sink).map(|_| ()));
        refused += u32::from(merged.is_err());
        if merged.is_ok() {
            assert_eq!(sink.unsound(), [""; 0], "{round}");
        }
        let mut forest = disk.forest.clone();
        let mut sink = disk.writer();
        for _ in 0..10 {
            if forest.drop_step(&disk, &mut sink, TREE, 100).unwrap_or(true) {
                break;
            }
        }
        assert!(merged.is_ok() || !faults.is_empty(), "{round}: {merged:?}");
    }
    assert!(refused > 50, "{refused}");
}

/// Reads all of a node that was accepted.
fn read_all(node: &NodeView<&[u8]>, probes: &[Vec<u8>]) {
    let mut text = String::new();
    dump::node(node, &mut text).unwrap();
    let mut before: Option<Vec<u8>> = None;
    for index in 0..node.count() {
        let mut key = Vec::new();
        node.append_key(index, &mut key);
        assert_eq!(node.search(&key), Ok(index));
        assert!(before.is_none_or(|before| before < key), "keys ascend");
        if node.level() == 0 {
            if let Cell::Inline(range) = node.cell(index) {
                assert!(node.bytes().get(range).is_some());
            }
        } else {
            assert_eq!(node.child_index(&key), index + 1);
            assert!(node.child(index + 1).page <= PageNo::MAX);
        }
        before = Some(key);
    }
    for probe in probes {
        assert!(node.search(probe).unwrap_or_else(|index| index) <= node.count());
        assert!(node.child_index(probe) <= node.count());
    }
}

/// A leaf and an inner node as a merge writes them.
fn samples() -> Vec<(Vec<u8>, ChildRef, u8)> {
    let mut disk = Disk::default();
    let long = vec![1; 9_000];
    disk.merge((0..3_000_u32).map(|number| {
        let key = [b"prefix", &number.to_be_bytes()[..], &vec![b'k'; number as usize % 20]].concat();
        (key, Change::Put(if number % 9 == 1 { &long } else { &[7; 30] }))
    }));
    let root = disk.forest.root(TREE).unwrap();
    let node = disk.node(root.node, root.level()).unwrap();
    let child = node.child(node.count() / 2);
    let below = disk.node(child, root.level() - 1).unwrap();
    vec![(node.bytes().to_vec(), root.node, root.level()), (below.bytes().to_vec(), child, root.level() - 1)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn mutated_nodes_are_refused_or_sound(
        which in 0_usize..2,
        // Header and arrays more often than the rest.
        changes in proptest::collection::vec((prop_oneof![0_usize..48, 0_usize..4096, 0_usize..1024], any::<u8>()), 1..6),
        probes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..6),
    ) {
        thread_local!(static SAMPLES: Vec<(Vec<u8>, ChildRef, u8)> = samples());
        let (mut bytes, at, level) = SAMPLES.with(|samples| samples[which].clone());
        read_all(&NodeView::parse(&bytes[..], at, level, Verify::Checksum).unwrap(), &probes);
        let before = bytes.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if bytes != before {
            prop_assert!(NodeView::parse(&bytes[..], at, level, Verify::Checksum).is_err());
        }
        if let Ok(node) = NodeView::parse(&bytes[..], at, level, Verify::Structure) {
            read_all(&node, &probes);
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_sound(
        start in proptest::collection::vec(any::<u8>(), 0..200),
        count in 0_u16..40,
        prefix in 0_u16..40,
        end in any::<u16>(),
        kind in 0_u8..4,
        size in prop_oneof![Just(0_usize), Just(31), Just(4095), Just(4096), Just(8192)],
    ) {
        let mut bytes = vec![0; size];
        for (to, from) in bytes.iter_mut().skip(32).zip(&start) {
            *to = *from;
        }
        if let Some(header) = bytes.get_mut(..32) {
            header[4] = kind;
            header[5] = u8::from(kind == 2);
            header[6..8].copy_from_slice(&count.to_le_bytes());
            header[8..10].copy_from_slice(&prefix.to_le_bytes());
            header[10..12].copy_from_slice(&(end % 4096).to_le_bytes());
            header[12..16].copy_from_slice(b"ESE1");
        }
        let at = ChildRef { page: PageNo(0), checksum: 0 };
        if let Ok(node) = NodeView::parse(&bytes[..], at, u8::from(kind == 2), Verify::Structure) {
            read_all(&node, std::slice::from_ref(&start));
        }
        let run = RunRef { page: PageNo(0), checksum: 0, len: u32::from(end), birth: 0 };
        if let Ok(value) = parse_run(&bytes, run, Verify::Structure) {
            prop_assert_eq!(value.len() + RUN_HEADER_BYTES, usize::from(end) + RUN_HEADER_BYTES);
        }
    }
}
