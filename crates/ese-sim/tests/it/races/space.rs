//! A store without space.

use super::{fill, key, put, small, stage};
use ese_base::{ErrorKind, clock::ManualClock};
use ese_core::{Background, Durability, LocalEngine, Mode, Options, SessionOptions};
use ese_mem::MemoryBackend;
use std::sync::Arc;

#[test]
fn one_full_disk_beside_a_working_one() {
    let stage = stage(small());
    let full = stage.engine.create_database("full").unwrap();
    let mut session = stage.session("writer");
    let lost = session.create_tree(full, "t").unwrap();
    fill(&mut *session, lost, 0..50).unwrap();
    stage.engine.merge().unwrap();
    stage.backend.set_database_limit("full", Some(0)).unwrap();
    session.begin(Mode::ReadWrite).unwrap();
    fill(&mut *session, lost, 50..250).unwrap();
    put(&mut *session, stage.tree, 50).unwrap();
    session.commit(Durability::Sync).unwrap();
    // The merge of this database is given up; the other one's is not.
    assert_eq!(stage.engine.merge().unwrap_err().kind(), ErrorKind::DiskFull);
    let error = put(&mut *session, lost, 251).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
    // What is committed is read, what is written elsewhere goes on, many times the budget of it.
    assert!(session.get(lost, &key(249)).unwrap().is_some());
    fill(&mut *session, stage.tree, 0..5000).unwrap();
    // A transaction over both can still be rolled back, and committed.
    session.begin(Mode::ReadWrite).unwrap();
    put(&mut *session, stage.tree, 7_000_000).unwrap();
    assert_eq!(put(&mut *session, lost, 252).unwrap_err().kind(), ErrorKind::DiskFull);
    session.commit(Durability::Sync).unwrap();
    // There is room again: everything is merged, nothing is lost.
    stage.backend.set_database_limit("full", None).unwrap();
    stage.engine.merge().unwrap();
    fill(&mut *session, lost, 250..300).unwrap();
    for row in 0..300 {
        assert!(session.get(lost, &key(row)).unwrap().is_some(), "row {row}");
    }
    assert!(session.get(stage.tree, &key(7_000_000)).unwrap().is_some());
    stage.ends_well();
}

#[test]
fn a_full_disk_is_tried_again_now_and_then_and_told_at_close() {
    let clock = Arc::new(ManualClock::default());
    let backend = Arc::new(MemoryBackend::with_limit(64 << 10));
    let engine = LocalEngine::start(
        Options { background: Background::Manual, ..Options::default() },
        backend,
        Arc::clone(&clock) as Arc<dyn ese_base::clock::Clock>,
    )
    .unwrap();
    let mut session = engine.session(SessionOptions::default()).unwrap();
    let tree = session.create_tree(engine.main_database(), "t").unwrap();
    session.begin(Mode::ReadWrite).unwrap();
    for row in 0..200 {
        put(&mut *session, tree, row).unwrap();
    }
    session.commit(Durability::Sync).unwrap();
    assert_eq!(engine.merge().unwrap_err().kind(), ErrorKind::DiskFull);
    clock.advance(std::time::Duration::from_secs(60));
    let before = engine.stats().merges;
    for _ in 0..10_000 {
        engine.step().unwrap();
    }
    let tries = engine.stats().merges - before;
    assert!((1..=2).contains(&tries), "{tries} merges without time going by");
    assert_eq!(put(&mut *session, tree, 1).unwrap_err().kind(), ErrorKind::DiskFull);
    assert!(session.get(tree, &key(199)).unwrap().is_some(), "what was committed is there");
    drop(session);
    assert_eq!(engine.check().unwrap(), Vec::<String>::new());
    let error = engine.close().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull, "what is only in memory is not closed over in silence");
}
