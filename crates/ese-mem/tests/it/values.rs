//! Values of every size: inline, around the thresholds, in runs.

use crate::model::{Pair, TREE, assert_rows};
use ese_base::{Position, TreeNo};
use ese_core::Change;
use std::{collections::BTreeMap, sync::Arc};

fn value(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|index| index.to_le_bytes()[0].wrapping_mul(31).wrapping_add(seed)).collect()
}

#[test]
fn sizes_around_every_threshold() {
    for page_size in [4096, 8192, 32768] {
        let mut pair = Pair::new(page_size);
        let mut sizes = vec![0, 1, 7, 8, 9, 1 << 20, 20 << 20];
        for edge in
            [page_size / 4, page_size - 96, page_size, 2 * page_size - 96, 2 * page_size, 64 * page_size - 96]
        {
            sizes.extend([edge - 1, edge, edge + 1]);
        }
        let put = |seed: u8| -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
            sizes.iter().map(|len| ((*len as u64).to_be_bytes().to_vec(), Some(value(*len, seed)))).collect()
        };
        let first = pair.merge(&put(1));
        let first_rows = pair.rows.clone();
        let second = pair.merge(&put(2));
        assert_rows(&*first, &first_rows);
        assert_rows(&*second, &pair.rows);
        drop((first, second));
        pair.merge(&pair.rows.keys().map(|key| (key.clone(), None)).collect());
        assert_eq!(pair.store.stats().free_pages, pair.store.stats().pages, "{page_size}");
        // The freed runs are used again.
        let before = pair.store.stats().pages;
        let third = pair.merge(&put(3));
        assert_rows(&*third, &pair.rows);
        assert_eq!(pair.store.stats().pages, before, "{page_size}");
    }
}

#[test]
fn a_long_value_is_one_slice() {
    let mut pair = Pair::new(4096);
    let long = value(3 << 20, 5);
    let base = pair.merge(&BTreeMap::from([(b"k".to_vec(), Some(long.clone()))]));
    let found = base.get(TREE, b"k").unwrap().unwrap();
    assert!(matches!(found, ese_base::Value::Borrowed(bytes) if bytes == long));
}

#[test]
fn a_run_longer_than_an_extent_gets_one_of_its_own() {
    let pair = Pair::new(4096);
    let long = vec![9; 300 << 20];
    let mut merge = Arc::clone(&pair.store).begin_merge().unwrap();
    merge.apply(TREE, b"k", Change::Put(&long)).unwrap();
    let base = merge.finish(Position(1)).unwrap();
    assert!(*base.get(TREE, b"k").unwrap().unwrap() == long[..]);
    pair.assert_sound();
}

#[test]
fn seventy_thousand_empty_values() {
    let mut pair = Pair::new(4096);
    let keys: Vec<Vec<u8>> = (0..70_000_u32).map(|number| number.to_be_bytes().to_vec()).collect();
    let base = pair.merge(&keys.iter().map(|key| (key.clone(), Some(Vec::new()))).collect());
    assert_rows(&*base, &pair.rows);
    let base = pair.merge(&keys.iter().step_by(2).map(|key| (key.clone(), None)).collect());
    assert_rows(&*base, &pair.rows);
}

#[test]
fn long_common_prefixes() {
    let mut pair = Pair::new(4096);
    let key = |number: u32| [&vec![b'x'; 990][..], &number.to_be_bytes()].concat();
    let base = pair.merge(&(0..5_000).map(|number| (key(number), Some(value(20, 1)))).collect());
    assert_rows(&*base, &pair.rows);
    // 20 bytes of value and 4 of key a row: the 990 are held once a page.
    assert!(pair.store.stats().pages - pair.store.stats().free_pages < 80, "{:?}", pair.store.stats());
    let mixed = (0..5_000)
        .step_by(7)
        .map(|number| (key(number)[..3 + number as usize % 980].to_vec(), Some(vec![1])));
    let base = pair.merge(&mixed.collect());
    assert_rows(&*base, &pair.rows);
}

#[test]
fn trees_are_apart() {
    let pair = Pair::new(4096);
    let mut merge = Arc::clone(&pair.store).begin_merge().unwrap();
    for tree in 0..50 {
        for row in 0..tree {
            merge.apply(TreeNo(tree), &row.to_be_bytes(), Change::Put(&tree.to_be_bytes())).unwrap();
        }
    }
    let base = merge.finish(Position(1)).unwrap();
    pair.assert_sound();
    assert_eq!(base.trees(), (1..50).map(TreeNo).collect::<Vec<_>>());
    for tree in 0..50_u64 {
        for row in 0..50_u64 {
            let expected = (row < tree).then(|| tree.to_be_bytes());
            let found = base.get(TreeNo(tree), &row.to_be_bytes()).unwrap();
            assert_eq!(found.as_deref(), expected.as_ref().map(|value| &value[..]), "{tree} {row}");
        }
    }
}
