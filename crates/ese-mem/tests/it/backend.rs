//! Databases by name, tree numbers, settings.

use ese_base::{Error, ErrorKind, Position, TreeNo};
use ese_core::{Backend, Change, DropProgress};
use ese_mem::MemoryBackend;
use std::sync::Arc;

fn kind<T>(result: Result<T, Error>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn databases_live_by_name() {
    let backend = MemoryBackend::default();
    assert_eq!(backend.name(), "memory");
    assert!(backend.log().is_none());
    assert_eq!(kind(backend.attach("a")), Some(ErrorKind::DatabaseNotFound));
    assert_eq!(kind(backend.detach("a")), Some(ErrorKind::DatabaseNotFound));
    let store = backend.create("a").unwrap();
    assert_eq!(kind(backend.create("a")), Some(ErrorKind::DatabaseDuplicate));
    assert_eq!(kind(backend.attach("a")), Some(ErrorKind::DatabaseAttached));
    let mut merge = Arc::clone(&store).begin_merge().unwrap();
    merge.apply(TreeNo(3), b"key", Change::Put(b"value")).unwrap();
    merge.finish(Position(1)).unwrap();
    drop(store);
    backend.detach("a").unwrap();
    assert_eq!(kind(backend.create("a")), Some(ErrorKind::DatabaseDuplicate));
    let store = backend.attach("a").unwrap();
    let base = store.newest();
    assert_eq!(base.get(TreeNo(3), b"key").unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(base.trees(), [TreeNo(3)]);
    backend.create("b").unwrap();
}

#[test]
fn page_sizes_are_checked() {
    for size in [4096, 8192, 16384, 32768] {
        let backend = MemoryBackend::new(size).unwrap();
        let stats = backend.create("a").unwrap().stats();
        assert_eq!(stats.page_size_bytes, size as u64);
    }
    for size in [0, 1, 2048, 4095, 4097, 12288, 65536] {
        assert_eq!(kind(MemoryBackend::new(size).map(|_| ())), Some(ErrorKind::InvalidSettings), "{size}");
    }
    assert_eq!(MemoryBackend::new(4096).unwrap().create("a").unwrap().key_max_bytes(), 1000);
    assert_eq!(MemoryBackend::new(8192).unwrap().create("a").unwrap().key_max_bytes(), 2000);
}

#[test]
fn tree_numbers_are_given_once() {
    let store = MemoryBackend::default().create("a").unwrap();
    assert_eq!(store.reserve_tree_numbers(1).unwrap(), TreeNo(1));
    assert_eq!(store.reserve_tree_numbers(10).unwrap(), TreeNo(2));
    assert_eq!(store.reserve_tree_numbers(1).unwrap(), TreeNo(12));
    assert!(store.reserve_tree_numbers(u64::MAX).is_err());
}

#[test]
fn one_merge_at_a_time_and_in_order() {
    let store = MemoryBackend::default().create("a").unwrap();
    let merge = Arc::clone(&store).begin_merge().unwrap();
    assert_eq!(kind(Arc::clone(&store).begin_merge()), Some(ErrorKind::InvalidParameter));
    drop(merge);
    let mut merge = Arc::clone(&store).begin_merge().unwrap();
    merge.apply(TreeNo(2), b"b", Change::Put(b"")).unwrap();
    assert_eq!(kind(merge.apply(TreeNo(2), b"b", Change::Delete)), Some(ErrorKind::InvalidParameter));
    // A merge that failed half-way is good for nothing more.
    assert!(merge.apply(TreeNo(2), b"c", Change::Delete).is_err());
    assert!(merge.finish(Position(1)).is_err());
    let mut merge = Arc::clone(&store).begin_merge().unwrap();
    merge.apply(TreeNo(2), b"b", Change::Put(b"")).unwrap();
    assert_eq!(kind(merge.apply(TreeNo(1), b"c", Change::Delete)), Some(ErrorKind::InvalidParameter));
    drop(merge);
    assert!(store.newest().trees().is_empty());
    assert_eq!(store.stats().free_pages, store.stats().pages);
}

#[test]
fn a_tree_is_changed_in_one_go_or_dropped() {
    let store = MemoryBackend::default().create("a").unwrap();
    let begin = || Arc::clone(&store).begin_merge().unwrap();
    let mut merge = begin();
    merge.apply(TreeNo(2), b"b", Change::Put(b"")).unwrap();
    merge.apply(TreeNo(5), b"b", Change::Put(b"")).unwrap();
    merge.finish(Position(1)).unwrap();
    // Dropping another tree in between does not open those that are done.
    for (tree, key) in [(1, b"z"), (2, b"a"), (2, b"b")] {
        let mut merge = begin();
        merge.apply(TreeNo(2), b"b", Change::Delete).unwrap();
        assert_eq!(merge.drop_tree(TreeNo(5), 1).unwrap(), DropProgress::Done);
        let error = merge.apply(TreeNo(tree), key, Change::Delete);
        assert_eq!(kind(error), Some(ErrorKind::InvalidParameter), "{tree}");
    }
    for last in [2, 4] {
        let mut merge = begin();
        merge.apply(TreeNo(2), b"c", Change::Put(b"")).unwrap();
        merge.apply(TreeNo(last), b"d", Change::Put(b"")).unwrap();
        assert_eq!(kind(merge.drop_tree(TreeNo(2), 1)), Some(ErrorKind::InvalidParameter), "{last}");
    }
    assert_eq!(store.newest().trees(), [TreeNo(2), TreeNo(5)]);
    assert_eq!(store.stats().pages - store.stats().free_pages, 2);
}

#[test]
fn keys_have_a_limit() {
    let store = MemoryBackend::default().create("a").unwrap();
    let mut merge = Arc::clone(&store).begin_merge().unwrap();
    let long = vec![7; 3000];
    assert_eq!(kind(merge.apply(TreeNo(1), &long, Change::Delete)), Some(ErrorKind::KeyTooLarge));
}

#[test]
fn a_base_of_another_store_is_refused() {
    let backend = MemoryBackend::default();
    let (a, b) = (backend.create("a").unwrap(), backend.create("b").unwrap());
    assert_eq!(kind(a.check(&b.newest(), &mut |_| ())), Some(ErrorKind::InvalidParameter));
}

#[test]
fn dropping_a_missing_tree_is_done_at_once() {
    let store = MemoryBackend::default().create("a").unwrap();
    let mut merge = store.begin_merge().unwrap();
    assert_eq!(merge.drop_tree(TreeNo(9), 1).unwrap(), DropProgress::Done);
}
