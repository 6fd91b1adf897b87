//! Damage is found by the check, told by reads, and never a panic or a wrong answer.

use crate::pages::{Disk, TREE};
use ese_base::{ErrorKind, TreeNo};
use ese_btree::{Change, Entry, Forest, PageNo, Root};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::ops::Bound;

fn key(number: u32) -> Vec<u8> {
    (number * 3).to_be_bytes().to_vec()
}

fn filled() -> Disk {
    let mut disk = Disk::default();
    let long = vec![1; 9_000];
    disk.merge(
        (0..9_000).map(|number| (key(number), Change::Put(if number % 900 == 1 { &long } else { &[7; 60] }))),
    );
    assert_eq!(disk.faults(), [""; 0]);
    disk
}

#[test]
fn every_flipped_bit_is_found() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut disk = filled();
    let numbers: Vec<u64> = disk.pages.keys().copied().collect();
    for _ in 0..150 {
        let number = numbers[rng.random_range(0..numbers.len())];
        let before = disk.pages[&number].clone();
        let mut bytes = before.to_vec();
        let at = rng.random_range(0..bytes.len());
        bytes[at] ^= 1 << rng.random_range(0..8);
        disk.pages.insert(number, bytes.into());
        assert!(!disk.faults().is_empty(), "byte {at} of page {number}");
        let mut failed = 0;
        // A leaf has more than five rows; the long values are every 900th.
        for row in (0..9_000).filter(|row| row % 5 == 0 || row % 900 == 1) {
            match disk.forest.get(&disk, TREE, &key(row)) {
                Ok(value) => assert!(value.is_some_and(|value| matches!(value.len(), 60 | 9_000))),
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::PageChecksum | ErrorKind::DatabaseCorrupted));
                    failed += 1;
                }
            }
        }
        assert!(failed > 0);
        disk.pages.insert(number, before);
    }
    assert_eq!(disk.faults(), [""; 0]);
}

#[test]
fn a_range_stops_for_good_at_damage() {
    let mut disk = filled();
    let root = disk.forest.root(TREE).unwrap().node.page.0;
    let leaf = *disk.pages.keys().find(|number| **number != root).unwrap();
    disk.pages.remove(&leaf);
    for from_back in [false, true] {
        let mut range = disk.forest.range(&disk, TREE, Bound::Unbounded, Bound::Unbounded);
        let mut failed = 0;
        for _ in 0..20_000 {
            let row = if from_back { range.next_back() } else { range.next() };
            match row {
                Ok(Some(_)) => assert_eq!(failed, 0, "a row behind the damage"),
                Ok(None) => panic!("the end, as if nothing was missing"),
                Err(_) => failed += 1,
            }
        }
        assert!(failed > 0);
        assert!(range.next().is_err() && range.next_back().is_err());
    }
}

#[test]
fn pages_in_each_others_place_are_found() {
    let mut disk = filled();
    let mut numbers = disk.pages.keys().copied();
    let (a, b) = (numbers.next().unwrap(), numbers.next().unwrap());
    let (page_a, page_b) = (disk.pages[&a].clone(), disk.pages[&b].clone());
    disk.pages.insert(a, page_b);
    disk.pages.insert(b, page_a);
    assert!(disk.faults().len() >= 2, "{:?}", disk.faults());
}

#[test]
fn accounting_finds_leaks_and_pages_in_two_places() {
    let mut disk = filled();
    disk.merge([(key(5), Change::Put(b"other"))]);
    assert_eq!(disk.faults(), [""; 0]);
    let freed = *disk.free.first().unwrap();
    disk.free.remove(&freed);
    assert!(disk.faults()[0].contains("neither reachable nor free"), "{:?}", disk.faults());
    disk.free.insert(freed);
    let used = disk.forest.root(TREE).unwrap().node.page.0;
    disk.free.insert(used);
    assert!(disk.faults()[0].contains("both in use and free"), "{:?}", disk.faults());
    disk.free.remove(&used);
    disk.free.insert(1 << 40);
    assert!(disk.faults()[0].contains("does not exist"), "{:?}", disk.faults());
}

#[test]
fn wrong_roots_are_found() {
    let disk = filled();
    let entry = disk.forest.entries()[0].clone();
    let with = |entries: Vec<Entry>| {
        let mut other = filled();
        other.forest = Forest::new(entries);
        other.faults()
    };
    let faults = with(vec![Entry { rows: 1, ..entry.clone() }]);
    assert!(faults[0].contains("has 9000 rows, its root says 1"), "{faults:?}");
    let higher = Root::new(entry.root.node, entry.root.height() + 1).unwrap();
    let faults = with(vec![Entry { root: higher, ..entry.clone() }]);
    assert!(faults[0].contains("level"), "{faults:?}");
    let faults = with(vec![entry.clone(), Entry { tree: TreeNo(9), ..entry.clone() }]);
    assert!(faults.iter().any(|fault| fault.contains("second time")), "{faults:?}");
    let mut elsewhere = entry.root.node;
    elsewhere.page = PageNo(1 << 40);
    let root = Root::new(elsewhere, entry.root.height()).unwrap();
    assert!(!with(vec![Entry { root, ..entry }]).is_empty());
}
