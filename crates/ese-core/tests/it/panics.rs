//! A store or a log that panics: the panic comes out where it was met, nobody waits for what it took along, and sessions
//! are as after an error.

use crate::{
    basics::{Checked, close, session, start, tree},
    between::{Between, BetweenBackend, Place},
};
use ese_base::{ErrorKind, TreeId, sync::Mutex};
use ese_core::{Background, Durability, Engine, Mode, Options, Put, Step};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

/// Where stores panic, if they do.
#[derive(Default)]
struct Trap(Mutex<Option<Place>>);

impl Trap {
    fn set(&self, place: Option<Place>) {
        *self.0.lock() = place;
    }
}

impl Between for Trap {
    /// Without the words that a panic hook prints.
    fn pass(&self, place: Place) {
        if *self.0.lock() == Some(place) {
            resume_unwind(Box::new("the store panics"));
        }
    }
}

fn trapped(background: Background) -> (Checked, Arc<Trap>) {
    let trap = Arc::new(Trap::default());
    let options = Options { background, generation_bytes: 16 << 10, ..Options::default() };
    (start(options, Arc::new(BetweenBackend::new(&trap))), trap)
}

fn panics<R>(run: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(run)).is_err()
}

/// What is left of an engine whose background work panicked: reads, and errors.
fn is_left_to_read_from(engine: &Arc<dyn Engine>, t: TreeId) {
    let mut s = session(engine);
    assert_eq!(s.get(t, b"k").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(s.put(t, b"k", b"2", Put::Upsert).unwrap_err().kind(), ErrorKind::InstanceUnavailable);
    assert_eq!(engine.merge().unwrap_err().kind(), ErrorKind::InstanceUnavailable);
    assert_eq!(engine.step().unwrap_err().kind(), ErrorKind::InstanceUnavailable);
    assert_eq!(engine.stats().transactions, 0);
    drop(s);
    assert_eq!(engine.check().unwrap(), Vec::<String>::new());
    assert_eq!(engine.close().unwrap_err().kind(), ErrorKind::InstanceUnavailable);
}

#[test]
fn a_merge_that_panics_on_a_users_thread_leaves_nobody_waiting() {
    for place in [Place::Apply, Place::Finish] {
        let (engine, trap) = trapped(Background::Manual);
        let t = tree(&engine);
        session(&engine).put(t, b"k", b"1", Put::Upsert).unwrap();
        trap.set(Some(place));
        // Each of them drives merges until its own has ended: one panics, the others are told.
        let ended: Vec<_> = std::thread::scope(|scope| {
            let merge = || match catch_unwind(AssertUnwindSafe(|| engine.merge())) {
                Ok(merged) => Some(merged.unwrap_err().kind()),
                Err(_) => None,
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(merge)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(ended.iter().filter(|ended| ended.is_none()).count(), 1, "{place:?}: {ended:?}");
        assert!(ended.iter().flatten().all(|kind| *kind == ErrorKind::InstanceUnavailable), "{ended:?}");
        is_left_to_read_from(&engine, t);
    }
}

#[test]
fn a_step_that_panics_is_the_last_one() {
    let (engine, trap) = trapped(Background::Manual);
    let t = tree(&engine);
    session(&engine).put(t, b"k", b"1", Put::Upsert).unwrap();
    trap.set(Some(Place::Finish));
    engine.request_merge();
    while let Ok(step) = catch_unwind(AssertUnwindSafe(|| engine.step())) {
        assert_ne!(step.unwrap(), Step::Idle, "the merge comes to its end, which panics");
    }
    is_left_to_read_from(&engine, t);
}

#[test]
fn a_panic_of_the_engines_own_thread_is_told_to_who_waits() {
    for place in [Place::Apply, Place::Finish, Place::Prepare] {
        let (engine, trap) = trapped(Background::Threads);
        let t = tree(&engine);
        let (mut s, mut open) = (session(&engine), session(&engine));
        s.put(t, b"k", b"1", Put::Upsert).unwrap();
        open.begin(Mode::ReadWrite).unwrap();
        // More than merges leave in memory: room is made for it when there is nothing else to do.
        open.put(t, b"large", &[7; 64 << 10], Put::Upsert).unwrap();
        trap.set(Some(place));
        loop {
            // Something to merge each time: what was there may be merged already.
            let _ = s.put(t, b"more", b"1", Put::Upsert);
            if engine.merge().is_err() {
                break;
            }
        }
        assert_eq!(open.commit(Durability::Sync).unwrap_err().kind(), ErrorKind::InstanceUnavailable);
        drop((s, open));
        is_left_to_read_from(&engine, t);
    }
}

#[test]
fn a_statement_that_panics_has_changed_nothing() {
    let (engine, trap) = trapped(Background::Manual);
    let t = tree(&engine);
    let mut s = session(&engine);
    trap.set(Some(Place::Reserve));
    assert!(panics(|| s.create_tree(engine.main_database(), "u")));
    assert_eq!((s.level(), engine.stats().transactions), (0, 0), "its own transaction has ended");
    s.begin(Mode::ReadWrite).unwrap();
    s.put(t, b"k", b"1", Put::Upsert).unwrap();
    assert!(panics(|| s.create_tree(engine.main_database(), "u")));
    assert_eq!(s.level(), 1, "a transaction goes on");
    trap.set(None);
    s.commit(Durability::Sync).unwrap();
    assert_eq!(s.get(t, b"k").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(s.tree_names(engine.main_database()).unwrap(), ["t"]);
    drop(s);
    close(&engine);
}
