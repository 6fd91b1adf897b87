//! Damage is found by the check, told by reads, and never a panic or a wrong answer.

use crate::pages::{Disk, TREE};
use ese_base::{ErrorKind, Result, TreeNo, sync::atomic::Ordering};
use ese_btree::{Change, ChildRef, Entry, Forest, PageNo, Pages, Root};
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
                    assert!(matches!(error.kind(), ErrorKind::PageChecksum | ErrorKind::LostWrite));
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

/// Lets every call fail in turn, until `work` goes well.
fn fail_at_each_call(disk: &mut Disk, mut work: impl FnMut(&mut Disk) -> Result<()>) -> u64 {
    for luck in 0.. {
        let (forest, pages, free) = (disk.forest.clone(), disk.pages.len(), disk.free.len());
        disk.luck.store(luck, Ordering::Relaxed);
        let result = work(disk);
        disk.luck.store(u64::MAX, Ordering::Relaxed);
        let Err(error) = result else { return luck };
        assert_eq!(error.kind(), ErrorKind::DiskIo, "{luck}");
        assert_eq!((&disk.forest, disk.pages.len(), disk.free.len()), (&forest, pages, free), "{luck}");
    }
    unreachable!("at last no call fails")
}

#[test]
fn a_merge_can_fail_at_each_call() {
    let mut disk = filled();
    let long = vec![2; 20_000];
    // Splits, joins, runs that come and go, and rows behind the end.
    let changes: Vec<(Vec<u8>, Change<'_>)> = (0..9_200)
        .filter(|number| matches!(number % 1_500, 3 | 40..150) || *number > 9_190)
        .map(|number| {
            let change = match number % 5 {
                _ if number % 900 == 1 || number % 1_500 == 3 => Change::Put(&long),
                0 => Change::Put(&[8; 1_000]),
                _ => Change::Delete,
            };
            (key(number), change)
        })
        .collect();
    let calls = fail_at_each_call(&mut disk, |disk| disk.try_merge(changes.iter().cloned()).map(|_| ()));
    assert!(calls > 100, "{calls}");
    assert_eq!(disk.faults(), [""; 0]);
}

#[test]
fn a_build_and_a_drop_can_fail_at_each_call() {
    let mut disk = Disk::default();
    let long = vec![1; 9_000];
    let rows = |number| Change::Put(if number % 30 == 1 { &long } else { &[7; 900] });
    fail_at_each_call(&mut disk, |disk| {
        disk.try_merge((0..300).map(|number| (key(number), rows(number)))).map(|_| ())
    });
    assert_eq!(disk.faults(), [""; 0]);
    let mut left = 1;
    while left > 0 {
        fail_at_each_call(&mut disk, |disk| {
            left = usize::from(!disk.try_drop_step(30)?);
            Ok(())
        });
        assert_eq!(disk.faults(), [""; 0]);
    }
    assert_eq!(disk.free.len() as u64, disk.all_pages());
}

#[test]
fn reads_can_fail_at_each_call() {
    let mut disk = filled();
    let rows: Vec<Vec<u8>> = (0..9_000).step_by(9).map(key).collect();
    let keys: Vec<&[u8]> = rows.iter().map(|key| &key[..]).collect();
    let wanted = keys.len();
    fail_at_each_call(&mut disk, |disk| {
        let mut found = 0;
        // Only some are asked for, or it would take too long to fail at each.
        disk.forest
            .multi_get(disk, TREE, &keys[..40], &mut |_, value| found += usize::from(value.is_some()))?;
        assert_eq!(found, 40);
        for key in keys.iter().skip(40).step_by(50) {
            assert!(disk.forest.get(disk, TREE, key)?.is_some());
        }
        Ok(())
    });
    assert_eq!(wanted, 1_000);
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

#[test]
fn a_lost_write_and_a_page_gone_astray_are_told_apart() {
    let mut disk = filled();
    let mut leaves = disk.pages.iter().filter(|(_, bytes)| bytes[4] == 1).map(|(number, _)| *number);
    let (leaf, other) = (leaves.next().unwrap(), leaves.next().unwrap());
    let old = disk.pages[&leaf].clone();
    let kind = |disk: &Disk, at: ChildRef| disk.page(at, 0).map(|_| ()).map_err(|error| error.kind());
    let checksum = u32::from_le_bytes(old[..4].try_into().unwrap());
    // What a parent expects, when the page shows what it was before.
    let newer = ChildRef { page: PageNo(leaf), checksum: checksum ^ 1 };
    assert_eq!(kind(&disk, newer), Err(ErrorKind::LostWrite));
    disk.pages.insert(other, old.clone());
    let astray = ChildRef { page: PageNo(other), checksum: checksum ^ 1 };
    assert_eq!(kind(&disk, astray), Err(ErrorKind::WrongPage));
    let mut torn = old.to_vec();
    torn[2_000] ^= 1;
    disk.pages.insert(leaf, torn.into());
    let at = ChildRef { page: PageNo(leaf), checksum };
    assert_eq!(kind(&disk, at), Err(ErrorKind::PageChecksum));
    let text = disk.page(at, 0).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("birth 1") && text.contains("6964656e74697479"), "{text}");
}
