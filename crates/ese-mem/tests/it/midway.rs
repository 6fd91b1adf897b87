//! Merges that end or are disturbed between two of their calls.

use crate::model::{Pair, Rows, TREE, assert_rows, check};
use ese_base::{ErrorKind, Position, Result, TreeNo};
use ese_core::{Base, Change, DropProgress, Store, StoreStats};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{collections::BTreeMap, sync::Arc};

type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

const OTHER: TreeNo = TreeNo(9);

fn random_changes(rng: &mut SmallRng, count: usize) -> Changes {
    let change = |rng: &mut SmallRng| {
        let len = [20, 300, 900, 9_000][rng.random_range(0..4_usize)];
        (
            rng.random_range(0..900_u16).to_be_bytes().to_vec(),
            rng.random_bool(0.7).then(|| vec![rng.random(); len]),
        )
    };
    (0..count).map(|_| change(rng)).collect()
}

/// Gives the first `count` changes to a merge, then ends it as told.
fn merge(store: &Arc<dyn Store>, changes: &Changes, count: usize, end: End) -> Result<Option<Arc<dyn Base>>> {
    let mut merge = Arc::clone(store).begin_merge()?;
    for (key, value) in changes.iter().take(count) {
        merge.apply(TREE, key, value.as_ref().map_or(Change::Delete, |value| Change::Put(value)))?;
    }
    match end {
        End::Abandon => Ok(None),
        End::Finish => merge.finish(Position(1)).map(Some),
    }
}

#[derive(Clone, Copy)]
enum End {
    Abandon,
    Finish,
}

fn in_use(stats: StoreStats) -> u64 {
    stats.pages - stats.free_pages
}

#[test]
fn a_merge_abandoned_after_each_change_leaves_nothing() {
    let mut rng = SmallRng::seed_from_u64(1);
    for page_size in [4096, 32768] {
        let mut pair = Pair::new(page_size);
        pair.merge(&random_changes(&mut rng, 600));
        let before = in_use(pair.store.stats());
        let changes = random_changes(&mut rng, 120);
        for count in 0..changes.len() {
            assert!(merge(&pair.store, &changes, count, End::Abandon).unwrap().is_none());
            assert_eq!(in_use(pair.store.stats()), before, "{count}");
            pair.assert_sound();
        }
        assert_rows(&*pair.store.newest(), &pair.rows);
        pair.merge(&changes);
    }
}

#[test]
fn a_disk_that_is_full_at_each_page_changes_nothing() {
    let mut rng = SmallRng::seed_from_u64(2);
    let mut pair = Pair::new(4096);
    pair.merge(&random_changes(&mut rng, 600));
    let before = in_use(pair.store.stats());
    let changes = random_changes(&mut rng, 120);
    let mut failed = 0;
    for more in 0.. {
        pair.backend.set_limit(Some((before + more) * 4096));
        match merge(&pair.store, &changes, changes.len(), End::Finish) {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::DiskFull),
        }
        failed += 1;
        assert_eq!(in_use(pair.store.stats()), before, "{more}");
        pair.assert_sound();
        assert_rows(&*pair.store.newest(), &pair.rows);
    }
    assert!(failed > 50, "{failed}");
    // The last one went well within the limit; the model follows.
    pair.backend.set_limit(None);
    pair.merge(&changes);
    assert_rows(&*pair.store.newest(), &pair.rows);
}

#[test]
fn bases_leave_while_a_merge_is_under_way() {
    let mut rng = SmallRng::seed_from_u64(3);
    let mut pair = Pair::new(4096);
    let mut held: Vec<(Arc<dyn Base>, Rows)> = Vec::new();
    for round in 0..40 {
        let changes = random_changes(&mut rng, 150);
        let mut merge = Arc::clone(&pair.store).begin_merge().unwrap();
        for (index, (key, value)) in changes.iter().enumerate() {
            // What only these needed is overwritten in this build, and handed to this merge.
            if index % 30 == 29 && !held.is_empty() {
                held.swap_remove(rng.random_range(0..held.len()));
                check(&*pair.store, &pair.store.newest());
            }
            merge
                .apply(TREE, key, value.as_ref().map_or(Change::Delete, |value| Change::Put(value)))
                .unwrap();
        }
        if round % 3 == 2 {
            drop(merge);
        } else {
            merge.finish(Position(1)).unwrap();
            for (key, value) in changes {
                match value {
                    Some(value) => pair.rows.insert(key, value),
                    None => pair.rows.remove(&key),
                };
            }
        }
        pair.assert_sound();
        held.push((pair.store.newest(), pair.rows.clone()));
        for (base, rows) in &held {
            assert_rows(&**base, rows);
            check(&*pair.store, base);
        }
    }
}

#[test]
fn a_merge_outlives_its_store_and_its_backend() {
    let mut rng = SmallRng::seed_from_u64(4);
    let mut pair = Pair::new(4096);
    let base = pair.merge(&random_changes(&mut rng, 300));
    let Pair { backend, store, mut rows } = pair;
    let mut merge = Arc::clone(&store).begin_merge().unwrap();
    merge.apply(TREE, b"", Change::Put(b"first")).unwrap();
    drop((backend, store, base));
    merge.apply(TREE, b"zz", Change::Put(&[5; 9_000])).unwrap();
    let base = merge.finish(Position(1)).unwrap();
    rows.extend([(b"".to_vec(), b"first".to_vec()), (b"zz".to_vec(), vec![5; 9_000])]);
    assert_rows(&*base, &rows);
    // And one that is never finished.
    let store = Pair::new(4096).store;
    let mut merge = Arc::clone(&store).begin_merge().unwrap();
    merge.apply(TREE, b"k", Change::Put(b"v")).unwrap();
    drop(store);
    drop(merge);
}

#[test]
fn a_drop_abandoned_midway_frees_nothing() {
    let mut rng = SmallRng::seed_from_u64(5);
    let mut pair = Pair::new(4096);
    pair.merge(&random_changes(&mut rng, 800));
    let before = in_use(pair.store.stats());
    for calls in 1..30 {
        let mut merge = Arc::clone(&pair.store).begin_merge().unwrap();
        for _ in 0..calls {
            if merge.drop_tree(TREE, 10).unwrap() == DropProgress::Done {
                break;
            }
        }
        merge.apply(OTHER, b"k", Change::Put(b"v")).unwrap();
        drop(merge);
        assert_eq!(in_use(pair.store.stats()), before, "{calls}");
        pair.assert_sound();
    }
    assert_rows(&*pair.store.newest(), &pair.rows);
}
