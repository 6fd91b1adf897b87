//! Which pages are free when: held bases, abandoned merges, dropped trees, a full disk.

use crate::model::{Pair, Rows, TREE, assert_rows, check};
use ese_base::{ErrorKind, Position, TreeNo};
use ese_core::{Base, Change, DropProgress};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{collections::BTreeMap, sync::Arc};

fn random_rows(rng: &mut SmallRng, count: usize) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    (0..count)
        .map(|_| {
            let key = rng.random_range(0..20_000_u32).to_be_bytes().to_vec();
            let value = rng.random_bool(0.7).then(|| vec![rng.random(); rng.random_range(0..300)]);
            (key, value)
        })
        .collect()
}

#[test]
fn old_bases_stay_as_they_are() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut pair = Pair::new(4096);
    let mut held: Vec<(Arc<dyn Base>, Rows)> = Vec::new();
    for round in 0..60 {
        let base = pair.merge(&random_rows(&mut rng, 400));
        held.push((base, pair.rows.clone()));
        // Bases leave in any order; what is left must not change, and freed pages are overwritten in this build.
        while held.len() > 5 || (round % 10 == 9 && !held.is_empty()) {
            held.swap_remove(rng.random_range(0..held.len()));
        }
        for (base, rows) in &held {
            assert_rows(&**base, rows);
            check(&*pair.store, base);
        }
        if held.is_empty() {
            assert_eq!(pair.store.stats().pinned_pages, 0);
        }
    }
}

#[test]
fn a_reader_left_open_holds_its_own_pages_only() {
    let mut rng = SmallRng::seed_from_u64(2);
    let mut pair = Pair::new(4096);
    let fill: BTreeMap<_, _> =
        (0..20_000_u32).map(|number| (number.to_be_bytes().to_vec(), Some(vec![1; 100]))).collect();
    let old = pair.merge(&fill);
    let rows = pair.rows.clone();
    let size = pair.store.stats().pages;
    for _ in 0..100 {
        pair.merge(&random_rows(&mut rng, 1_000));
    }
    let stats = pair.store.stats();
    assert!(stats.pinned_pages <= size, "{stats:?}");
    assert!(stats.pages <= 4 * size, "{stats:?}");
    assert_rows(&*old, &rows);
    drop(old);
    assert_eq!(pair.store.stats().pinned_pages, 0);
}

#[test]
fn an_abandoned_merge_leaves_nothing() {
    let mut rng = SmallRng::seed_from_u64(3);
    let mut pair = Pair::new(4096);
    pair.merge(&random_rows(&mut rng, 2_000));
    let used = |pair: &Pair| pair.store.stats().pages - pair.store.stats().free_pages;
    let before = used(&pair);
    for _ in 0..5 {
        let mut merge = Arc::clone(&pair.store).begin_merge().unwrap();
        for (key, value) in random_rows(&mut rng, 1_000) {
            let long = vec![3; 10_000];
            merge.apply(TREE, &key, value.map_or(Change::Delete, |_| Change::Put(&long))).unwrap();
        }
        drop(merge);
        assert_eq!(used(&pair), before);
        pair.assert_sound();
        assert_rows(&*pair.store.newest(), &pair.rows);
    }
    pair.merge(&random_rows(&mut rng, 1_000));
}

#[test]
fn a_merge_without_effect_writes_nothing() {
    let mut rng = SmallRng::seed_from_u64(4);
    let mut pair = Pair::new(4096);
    pair.merge(&random_rows(&mut rng, 2_000));
    let before = pair.store.stats();
    let missing = (0..500_u32).map(|number| ([&number.to_be_bytes()[..], b"x"].concat(), None)).collect();
    let base = pair.merge(&missing);
    assert_rows(&*base, &pair.rows);
    assert_eq!(pair.store.stats(), before);
}

#[test]
fn appends_fill_pages() {
    let mut pair = Pair::new(4096);
    let mut next = 0_u64;
    // In one merge, in small ones, and one at a time.
    for batch in [30_000, 10, 100, 1, 1, 1].into_iter().chain(std::iter::repeat_n(25, 400)) {
        let rows = (next..next + batch).map(|n| (n.to_be_bytes().to_vec(), Some(vec![b'v'; 100]))).collect();
        next += batch;
        pair.merge(&rows);
    }
    let stats = pair.store.stats();
    let used = (stats.pages - stats.free_pages) * 4096;
    let raw = next * 108;
    assert!(used * 100 < raw * 112, "{used} bytes for {raw}");
}

#[test]
fn random_merges_keep_pages_filled() {
    let mut rng = SmallRng::seed_from_u64(5);
    let mut pair = Pair::new(4096);
    for _ in 0..60 {
        let rows = (0..700).map(|_| (rng.random::<[u8; 16]>().to_vec(), Some(vec![1; 100]))).collect();
        pair.merge(&rows);
    }
    let stats = pair.store.stats();
    let used = (stats.pages - stats.free_pages) * 4096;
    let raw = pair.rows.len() as u64 * 116;
    assert!(used * 100 < raw * 170, "{used} bytes for {raw}");
    // Most rows go, in batches: the rest is joined.
    let keys: Vec<_> = pair.rows.keys().cloned().collect();
    for part in keys.chunks(1_000) {
        let gone = part.iter().filter(|_| rng.random_bool(0.9)).map(|key| (key.clone(), None)).collect();
        pair.merge(&gone);
    }
    assert_rows(&*pair.store.newest(), &pair.rows);
    let stats = pair.store.stats();
    let used = (stats.pages - stats.free_pages) * 4096;
    let raw = pair.rows.len() as u64 * 116;
    assert!(used < raw * 3, "{used} bytes for {raw}");
}

#[test]
fn trees_are_dropped_in_steps_over_merges() {
    let mut pair = Pair::new(4096);
    let rows = (0..20_000_u32)
        .map(|n| (n.to_be_bytes().to_vec(), Some(vec![1; if n % 500 == 0 { 9_000 } else { 90 }])))
        .collect();
    let old = pair.merge(&rows);
    let old_rows = pair.rows.clone();
    let mut merge = Arc::clone(&pair.store).begin_merge().unwrap();
    merge.apply(TreeNo(7), b"stays", Change::Put(b"here")).unwrap();
    merge.finish(Position(1)).unwrap();
    let mut steps = 0;
    loop {
        let mut merge = Arc::clone(&pair.store).begin_merge().unwrap();
        let mut progress = DropProgress::More;
        for _ in 0..2 {
            if progress == DropProgress::More {
                progress = merge.drop_tree(TREE, 40).unwrap();
            }
        }
        merge.apply(TreeNo(7), &[steps], Change::Put(b"row")).unwrap();
        let base = merge.finish(Position(1)).unwrap();
        pair.assert_sound();
        assert!(base.get(TREE, &5_u32.to_be_bytes()).unwrap().is_none());
        assert!(
            base.scan(TREE, (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded))
                .unwrap()
                .next()
                .unwrap()
                .is_none()
        );
        steps += 1;
        if progress == DropProgress::Done {
            assert_eq!(base.trees(), [TreeNo(7)]);
            break;
        }
        assert_eq!(base.trees(), [TREE, TreeNo(7)]);
        // A half-dropped tree takes no rows.
        let mut merge = Arc::clone(&pair.store).begin_merge().unwrap();
        assert!(merge.apply(TREE, b"x", Change::Put(b"")).is_err());
    }
    assert!(steps > 5, "{steps}");
    assert_rows(&*old, &old_rows);
    drop(old);
    let stats = pair.store.stats();
    assert_eq!(stats.pinned_pages, 0);
    assert!(stats.pages - stats.free_pages < 5, "{stats:?}");
}

#[test]
fn a_full_disk_is_an_error_and_room_heals_it() {
    let mut rng = SmallRng::seed_from_u64(6);
    let mut pair = Pair::new(4096);
    pair.merge(&random_rows(&mut rng, 2_000));
    let limit = pair.store.stats().pages * 4096 + 100_000;
    pair.backend.set_limit(Some(limit));
    let big: BTreeMap<Vec<u8>, Option<Vec<u8>>> =
        (0..5_000_u32).map(|n| (n.to_be_bytes().to_vec(), Some(vec![8; 500]))).collect();
    for _ in 0..3 {
        let mut merge = Arc::clone(&pair.store).begin_merge().unwrap();
        let mut failed = None;
        for (key, value) in &big {
            if let Err(error) = merge.apply(TREE, key, Change::Put(value.as_ref().unwrap())) {
                failed = Some(error.kind());
                break;
            }
        }
        assert_eq!(failed, Some(ErrorKind::DiskFull));
        drop(merge);
        pair.assert_sound();
        assert_rows(&*pair.store.newest(), &pair.rows);
        assert!(pair.store.stats().pages * 4096 <= limit);
    }
    // A run does not fit either.
    let mut merge = Arc::clone(&pair.store).begin_merge().unwrap();
    let error = merge.apply(TREE, b"k", Change::Put(&vec![1; 1 << 20])).err().map(|error| error.kind());
    assert_eq!(error, Some(ErrorKind::DiskFull));
    drop(merge);
    pair.backend.set_database_limit("main", None).unwrap();
    let base = pair.merge(&big);
    assert_rows(&*base, &pair.rows);
}

#[test]
fn a_limit_lowered_below_what_is_used_waits_for_room() {
    let mut pair = Pair::new(4096);
    let rows =
        |tag: u8| (0..4_000_u32).map(move |n| (n.to_be_bytes().to_vec(), Some(vec![tag; 100]))).collect();
    let old = pair.merge(&rows(1));
    pair.merge(&rows(2));
    let stats = pair.store.stats();
    let newest = stats.pages - stats.free_pages - stats.pinned_pages;
    assert!(stats.free_pages >= 3, "a change would find free pages enough: {stats:?}");
    pair.backend.set_limit(Some((newest + 20) * stats.page_size_bytes));
    let change = BTreeMap::from([(vec![0, 0, 0, 7], Some(vec![3]))]);
    // A reader holds the base before: more is in use than may be, so not even a free page is handed out.
    for _ in 0..2 {
        let mut merge = Arc::clone(&pair.store).begin_merge().unwrap();
        let failed = merge
            .apply(TREE, &[0, 0, 0, 7], Change::Put(&[3]))
            .and_then(|()| merge.finish(Position(1)).map(|_| ()));
        assert_eq!(failed.map_err(|error| error.kind()), Err(ErrorKind::DiskFull));
        pair.assert_sound();
    }
    drop(old);
    let base = pair.merge(&change);
    assert_rows(&*base, &pair.rows);
    // Dropping a tree needs no page at all.
    pair.backend.set_limit(Some(0));
    let mut merge = Arc::clone(&pair.store).begin_merge().unwrap();
    while merge.drop_tree(TREE, 10).unwrap() == DropProgress::More {}
    merge.finish(Position(1)).unwrap();
    drop(base);
    pair.assert_sound();
    let stats = pair.store.stats();
    assert_eq!(stats.free_pages, stats.pages);
}

#[test]
fn making_ready_hands_nothing_out() {
    let mut pair = Pair::new(4096);
    let steps = (0..1000).take_while(|_| pair.store.prepare(9 << 20)).count();
    assert!((5..=10).contains(&steps), "{steps} steps of 2 MiB or the end of an extent");
    assert!(!pair.store.prepare(9 << 20));
    assert_eq!(pair.store.stats().pages, 0);
    let base = pair.merge(&(0..20_000_u32).map(|n| (n.to_be_bytes().to_vec(), Some(vec![1; 300]))).collect());
    check(&*pair.store, &base);
    assert!(pair.store.stats().free_pages < 512, "the merge takes what it needs and no more");
}

#[test]
fn nothing_is_made_ready_past_the_limit() {
    let backend = ese_mem::MemoryBackend::new(4096).unwrap();
    let store = ese_core::Backend::create(&backend, "main").unwrap();
    backend.set_limit(Some(3 << 20));
    assert!(store.prepare(64 << 20));
    assert!(!store.prepare(64 << 20), "two steps would be 4 MiB");
}

#[test]
fn what_is_made_ready_takes_no_room_from_long_values() {
    let backend = ese_mem::MemoryBackend::new(4096).unwrap();
    let store = ese_core::Backend::create(&backend, "main").unwrap();
    backend.set_limit(Some(16 << 20));
    while store.prepare(16 << 20) {}
    let tree = store.reserve_tree_numbers(1).unwrap();
    let mut merge = Arc::clone(&store).begin_merge().unwrap();
    merge.apply(tree, b"long", Change::Put(&vec![1; 5 << 20])).unwrap();
    merge.finish(Position(1)).unwrap();
}
