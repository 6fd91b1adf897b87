//! One transaction at a time, then two: what every user relies on.

use crate::map_backend::MapBackend;
use ese_base::{ErrorKind, TreeId, clock::ManualClock};
use ese_core::{
    Backend, Background, Delete, Delta, Durability, Engine, LocalEngine, LockMode, Mode, Options, Put,
    Session, SessionOptions, Step,
};
use std::{ops::Bound, sync::Arc, time::Duration};

pub(crate) fn engine() -> Checked {
    let options =
        Options { background: Background::Manual, generation_bytes: 16 << 10, ..Options::default() };
    start(options, Arc::new(MapBackend::default()))
}

/// An engine of those options on that backend, with a clock that stands.
pub(crate) fn start(options: Options, backend: Arc<dyn Backend>) -> Checked {
    Checked(LocalEngine::start(options, backend, Arc::new(ManualClock::default())).unwrap())
}

/// An engine that is checked at the end of its test.
pub(crate) struct Checked(Arc<dyn Engine>);

impl std::ops::Deref for Checked {
    type Target = Arc<dyn Engine>;

    fn deref(&self) -> &Arc<dyn Engine> {
        &self.0
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.0.check().unwrap(), Vec::<String>::new());
        }
    }
}

pub(crate) fn session(engine: &Arc<dyn Engine>) -> Box<dyn Session> {
    engine.session(SessionOptions::default()).unwrap()
}

pub(crate) fn tree(engine: &Arc<dyn Engine>) -> TreeId {
    let mut s = session(engine);
    s.create_tree(engine.main_database(), "t").unwrap()
}

/// Checks an engine, merges, checks it again and closes it.
pub(crate) fn close(engine: &Arc<dyn Engine>) {
    assert_eq!(engine.check().unwrap(), Vec::<String>::new());
    engine.merge().unwrap();
    assert_eq!(engine.check().unwrap(), Vec::<String>::new());
    engine.close().unwrap();
}

fn rows(s: &dyn Session, tree: TreeId) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut scan = s.scan(tree, (Bound::Unbounded, Bound::Unbounded)).unwrap();
    let mut rows = Vec::new();
    while let Some((key, value)) = scan.next().unwrap() {
        rows.push((key.to_vec(), value.to_vec()));
    }
    let mut scan = s.scan(tree, (Bound::Unbounded, Bound::Unbounded)).unwrap();
    let mut back = Vec::new();
    while let Some((key, value)) = scan.next_back().unwrap() {
        back.push((key.to_vec(), value.to_vec()));
    }
    back.reverse();
    assert_eq!(rows, back);
    rows
}

#[test]
fn writes_are_read_before_and_after_commit_and_merge() {
    let engine = engine();
    let t = tree(&engine);
    let mut s = session(&engine);
    s.begin(Mode::ReadWrite).unwrap();
    for n in 0..200_u32 {
        s.put(t, &n.to_be_bytes(), &n.to_le_bytes(), Put::Insert).unwrap();
    }
    assert_eq!(rows(&*s, t).len(), 200);
    s.commit(Durability::Sync).unwrap().unwrap();
    for merged in [false, true] {
        if merged {
            engine.merge().unwrap();
        }
        s.begin(Mode::ReadOnly).unwrap();
        assert_eq!(rows(&*s, t).len(), 200);
        assert_eq!(s.get(t, &7_u32.to_be_bytes()).unwrap().as_deref(), Some(&7_u32.to_le_bytes()[..]));
        s.commit(Durability::Sync).unwrap();
    }
    assert_eq!(engine.stats().merges, 1);
    drop(s);
    close(&engine);
}

#[test]
fn a_snapshot_stays_and_conflicts_are_immediate() {
    let engine = engine();
    let t = tree(&engine);
    let (mut a, mut b) = (session(&engine), session(&engine));
    a.put(t, b"k", b"0", Put::Upsert).unwrap();
    for merge in [false, true] {
        a.begin(Mode::ReadWrite).unwrap();
        b.begin(Mode::ReadWrite).unwrap();
        let before = a.get(t, b"k").unwrap().unwrap().to_vec();
        b.put(t, b"k", b"1", Put::Upsert).unwrap();
        assert_eq!(a.put(t, b"k", b"2", Put::Upsert).unwrap_err().kind(), ErrorKind::WriteConflict);
        b.commit(Durability::Sync).unwrap();
        if merge {
            engine.merge().unwrap();
        }
        assert_eq!(a.get(t, b"k").unwrap().as_deref(), Some(&before[..]));
        assert_eq!(a.put(t, b"k", b"2", Put::Upsert).unwrap_err().kind(), ErrorKind::WriteConflict);
        assert!(a.conflict_recorded());
        let duplicate = a.put(t, b"k", b"2", Put::Insert).unwrap_err();
        assert_eq!((duplicate.kind(), duplicate.is_concurrent()), (ErrorKind::KeyDuplicate, false));
        a.rollback_to(0).unwrap();
        a.put(t, b"k", b"2", Put::Upsert).unwrap();
    }
}

#[test]
fn savepoints_roll_back_exactly() {
    let engine = engine();
    let t = tree(&engine);
    let mut s = session(&engine);
    s.begin(Mode::ReadWrite).unwrap();
    s.put(t, b"a", b"1", Put::Upsert).unwrap();
    s.begin(Mode::ReadWrite).unwrap();
    s.put(t, b"a", b"2", Put::Upsert).unwrap();
    s.delete(t, b"a", Delete::IfPresent).unwrap();
    s.put(t, b"b", b"3", Put::Upsert).unwrap();
    assert_eq!(rows(&*s, t), [(b"b".to_vec(), b"3".to_vec())]);
    s.rollback_to(1).unwrap();
    engine.merge().unwrap();
    assert_eq!(rows(&*s, t), [(b"a".to_vec(), b"1".to_vec())]);
    s.commit(Durability::Lazy).unwrap();
    engine.merge().unwrap();
    s.begin(Mode::ReadOnly).unwrap();
    assert_eq!(rows(&*s, t), [(b"a".to_vec(), b"1".to_vec())]);
}

#[test]
fn escrow_adds_commute_and_locks_do_not() {
    let engine = engine();
    let t = tree(&engine);
    let (mut a, mut b) = (session(&engine), session(&engine));
    a.put(t, b"n", &10_i64.to_le_bytes(), Put::Upsert).unwrap();
    engine.merge().unwrap();
    a.begin(Mode::ReadWrite).unwrap();
    b.begin(Mode::ReadWrite).unwrap();
    assert_eq!(a.fetch_add(t, b"n", 0, Delta::I64(1)).unwrap(), 10);
    engine.merge().unwrap();
    assert_eq!(b.fetch_add(t, b"n", 0, Delta::I64(5)).unwrap(), 11, "uncommitted adds of others count");
    assert_eq!(a.get(t, b"n").unwrap().as_deref(), Some(&11_i64.to_le_bytes()[..]));
    assert_eq!(b.get(t, b"n").unwrap().as_deref(), Some(&15_i64.to_le_bytes()[..]));
    assert_eq!(b.lock(t, b"n", LockMode::Write).unwrap_err().kind(), ErrorKind::WriteConflict);
    a.commit(Durability::Sync).unwrap();
    engine.merge().unwrap();
    b.add(t, b"n", 0, Delta::I64(1)).unwrap();
    b.commit(Durability::Sync).unwrap();
    engine.merge().unwrap();
    engine.merge().unwrap();
    assert_eq!(a.get(t, b"n").unwrap().as_deref(), Some(&17_i64.to_le_bytes()[..]));
}

#[test]
fn trees_come_and_go_with_their_transactions() {
    let engine = engine();
    let main = engine.main_database();
    let (mut a, mut b) = (session(&engine), session(&engine));
    a.begin(Mode::ReadWrite).unwrap();
    let t = a.create_tree(main, "x").unwrap();
    a.put(t, b"k", b"v", Put::Insert).unwrap();
    assert_eq!(b.find_tree(main, "x").unwrap(), None);
    assert_eq!(b.get(t, b"k").unwrap_err().kind(), ErrorKind::ObjectNotFound);
    let duplicate = b.create_tree(main, "x").unwrap_err();
    assert_eq!((duplicate.kind(), duplicate.is_concurrent()), (ErrorKind::TreeDuplicate, true));
    a.commit(Durability::Sync).unwrap();
    assert_eq!(b.get(t, b"k").unwrap().as_deref(), Some(&b"v"[..]));
    b.begin(Mode::ReadWrite).unwrap();
    b.put(t, b"k2", b"v", Put::Insert).unwrap();
    assert_eq!(a.drop_tree(t).unwrap_err().kind(), ErrorKind::TreeInUse);
    b.rollback_to(0).unwrap();
    a.rename_tree(t, "y").unwrap();
    assert_eq!(a.tree_names(main).unwrap(), ["y"]);
    b.begin(Mode::ReadOnly).unwrap();
    a.drop_tree(t).unwrap();
    engine.merge().unwrap();
    engine.merge().unwrap();
    assert_eq!(b.get(t, b"k").unwrap().as_deref(), Some(&b"v"[..]), "an older snapshot keeps the tree");
    assert_eq!(a.get(t, b"k").unwrap_err().kind(), ErrorKind::ObjectNotFound);
    b.rollback_to(0).unwrap();
    assert!(a.tree_names(main).unwrap().is_empty());
}

#[test]
fn a_commit_returns_while_a_merge_is_paused() {
    let engine = engine();
    let t = tree(&engine);
    let mut s = session(&engine);
    for n in 0..5000_u32 {
        s.put(t, &n.to_be_bytes(), b"v", Put::Upsert).unwrap();
    }
    engine.request_merge();
    while engine.step().unwrap() != Step::Merged {}
    assert_eq!(engine.stats().merges, 0, "the merge is under way");
    s.put(t, b"during", b"v", Put::Insert).unwrap();
    assert_eq!(s.get(t, b"during").unwrap().as_deref(), Some(&b"v"[..]));
    while engine.step().unwrap() != Step::Published {}
    assert_eq!(s.get(t, b"during").unwrap().as_deref(), Some(&b"v"[..]));
    assert_eq!(s.get(t, &4999_u32.to_be_bytes()).unwrap().as_deref(), Some(&b"v"[..]));
}

#[test]
fn close_waits_for_nobody_and_names_who_is_open() {
    let engine = engine();
    let t = tree(&engine);
    let mut s =
        engine.session(SessionOptions { name: "import".into(), ..SessionOptions::default() }).unwrap();
    s.begin(Mode::ReadWrite).unwrap();
    s.put(t, b"k", b"v", Put::Insert).unwrap();
    let error = engine.close().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyActiveUsers);
    assert!(error.to_string().contains("import"), "{error}");
    s.rollback_to(0).unwrap();
    close(&engine);
    assert_eq!(s.begin(Mode::ReadOnly).unwrap_err().kind(), ErrorKind::NotInitialized);
}

#[test]
fn databases_come_and_go() {
    let engine = engine();
    let two = engine.create_database("two").unwrap();
    assert_eq!(engine.create_database("two").unwrap_err().kind(), ErrorKind::DatabaseDuplicate);
    let mut s = session(&engine);
    let one = tree(&engine);
    s.begin(Mode::ReadWrite).unwrap();
    let other = s.create_tree(two, "t").unwrap();
    s.put(one, b"k", b"1", Put::Insert).unwrap();
    s.put(other, b"k", b"2", Put::Insert).unwrap();
    assert_eq!(engine.detach_database(two).unwrap_err().kind(), ErrorKind::DatabaseInUse);
    s.commit(Durability::Sync).unwrap();
    s.begin(Mode::ReadOnly).unwrap();
    assert_eq!(engine.detach_database(two).unwrap_err().kind(), ErrorKind::DatabaseInUse, "an old view");
    assert_eq!(s.get(other, b"k").unwrap().as_deref(), Some(&b"2"[..]));
    s.commit(Durability::Sync).unwrap();
    engine.detach_database(two).unwrap();
    assert_eq!(s.get(other, b"k").unwrap_err().kind(), ErrorKind::DatabaseNotFound);
    let again = engine.attach_database("two").unwrap();
    assert_ne!(again, two, "attachment numbers are not used twice");
    let found = s.find_tree(again, "t").unwrap().unwrap();
    assert_eq!(s.get(found, b"k").unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn a_tree_found_in_an_old_snapshot_is_not_remembered_for_newer_ones() {
    let engine = engine();
    let t = tree(&engine);
    let (mut old, mut dropper) = (session(&engine), session(&engine));
    old.put(t, b"k", b"v", Put::Upsert).unwrap();
    old.begin(Mode::ReadWrite).unwrap();
    dropper.drop_tree(t).unwrap();
    assert_eq!(old.get(t, b"k").unwrap().as_deref(), Some(&b"v"[..]), "the snapshot has the tree");
    let error = old.put(t, b"k", b"w", Put::Upsert).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteConflict, "and it was dropped since");
    old.rollback_to(0).unwrap();
    old.begin(Mode::ReadWrite).unwrap();
    assert_eq!(old.get(t, b"k").unwrap_err().kind(), ErrorKind::ObjectNotFound);
    assert_eq!(old.put(t, b"k", b"w", Put::Upsert).unwrap_err().kind(), ErrorKind::ObjectNotFound);
}

#[test]
fn sessions_that_have_ended_their_transaction_keep_no_room() {
    let options =
        Options { background: Background::Manual, version_store_bytes: 2 << 20, ..Options::default() };
    let options = Options { generation_bytes: 64 << 10, ..options };
    let engine =
        LocalEngine::start(options, Arc::new(MapBackend::default()), Arc::new(ManualClock::default()))
            .unwrap();
    let t = tree(&engine);
    let mut sessions: Vec<_> = (0..8).map(|_| session(&engine)).collect();
    for s in &mut sessions {
        s.begin(Mode::ReadWrite).unwrap();
        for n in 0..4000_u32 {
            s.put(t, &n.to_be_bytes(), b"v", Put::Upsert).unwrap();
        }
        s.rollback_to(0).unwrap();
    }
    engine.merge().unwrap();
    let stats = engine.stats();
    assert!(stats.version_store_bytes < 256 << 10, "{stats:?}");
}

#[test]
fn a_callback_may_read_with_the_same_session() {
    let engine = engine();
    let (t, u) = (tree(&engine), session(&engine).create_tree(engine.main_database(), "u").unwrap());
    let mut s = session(&engine);
    s.put(t, b"a", b"1", Put::Upsert).unwrap();
    s.put(u, b"a", b"2", Put::Upsert).unwrap();
    for level in 0..2 {
        if level == 1 {
            s = session(&engine);
            s.begin(Mode::ReadWrite).unwrap();
        }
        let mut seen = Vec::new();
        s.get_many(t, &[b"a", b"b"], &mut |at, value| {
            let other = s.get(u, b"a").unwrap().map(|value| value.to_vec());
            seen.push((at, value.map(|value| value.to_vec()), other));
        })
        .unwrap();
        seen.sort_unstable();
        let two = Some(b"2".to_vec());
        assert_eq!(seen, [(0, Some(b"1".to_vec()), two.clone()), (1, None, two)]);
    }
}

/// Who met an open transaction that has committed since need not wait, and is told that its re-run finds the way free;
/// who met one that had committed before, or that is still at work, is told that nothing was waited for.
#[test]
fn what_has_committed_since_the_conflict_is_not_waited_for() {
    let engine = engine();
    let t = tree(&engine);
    let (mut first, mut second) = (session(&engine), session(&engine));
    let meet = |second: &mut dyn Session| {
        assert!(second.put(t, b"k", b"2", Put::Upsert).unwrap_err().is_concurrent());
        second.rollback_to(0).unwrap();
    };
    let waited = |second: &mut dyn Session| second.await_conflicting_commit(Duration::ZERO);

    first.begin(Mode::ReadWrite).unwrap();
    first.put(t, b"k", b"1", Put::Upsert).unwrap();
    second.begin(Mode::ReadWrite).unwrap();
    meet(&mut *second);
    assert!(!waited(&mut *second), "it is at work");
    second.begin(Mode::ReadWrite).unwrap();
    meet(&mut *second);
    first.commit(Durability::Sync).unwrap();
    assert!(waited(&mut *second), "it has committed since");
    assert!(!waited(&mut *second), "told once");

    second.begin(Mode::ReadWrite).unwrap();
    first.put(t, b"k", b"1", Put::Upsert).unwrap();
    meet(&mut *second);
    assert!(!waited(&mut *second), "it had committed before");

    first.begin(Mode::ReadWrite).unwrap();
    first.put(t, b"k", b"1", Put::Upsert).unwrap();
    second.begin(Mode::ReadWrite).unwrap();
    meet(&mut *second);
    first.rollback_to(0).unwrap();
    assert!(!waited(&mut *second), "it was rolled back");
    second.begin(Mode::ReadWrite).unwrap();
    second.rollback_to(0).unwrap();
    assert!(!waited(&mut *second), "a transaction without a conflict has nobody to wait for");
}
