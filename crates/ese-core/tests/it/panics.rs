//! A store or a log that panics: the panic comes out where it was met, nobody waits for what it took along, and sessions
//! are as after an error.

use crate::{
    basics::{Checked, close, session, start, tree},
    map_backend::MapBackend,
};
use ese_base::{ErrorKind, Position, Result, TreeId, TreeNo, sync::Mutex};
use ese_core::{
    Backend, Background, Base, Change, DropProgress, Durability, Engine, Merge, Mode, Options, Put, Step,
    Store, StoreStats,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

/// Where a store panics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Apply,
    Finish,
    Prepare,
    Reserve,
}

type Trap = Arc<Mutex<Option<Place>>>;

/// Panics if the trap is set for this place; without the words that a panic hook prints.
fn pass(trap: &Trap, place: Place) {
    if *trap.lock() == Some(place) {
        resume_unwind(Box::new("the store panics"));
    }
}

/// Databases of maps whose stores panic.
struct Trapped {
    map: MapBackend,
    trap: Trap,
}

struct TrappedStore {
    map: Arc<dyn Store>,
    trap: Trap,
}

struct TrappedMerge {
    map: Box<dyn Merge>,
    trap: Trap,
}

impl Backend for Trapped {
    fn name(&self) -> &'static str {
        "trapped"
    }

    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(TrappedStore { map: self.map.create(database)?, trap: Arc::clone(&self.trap) }))
    }

    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(TrappedStore { map: self.map.attach(database)?, trap: Arc::clone(&self.trap) }))
    }

    fn detach(&self, database: &str) -> Result<()> {
        self.map.detach(database)
    }
}

impl Store for TrappedStore {
    fn newest(&self) -> Arc<dyn Base> {
        self.map.newest()
    }

    fn begin_merge(self: Arc<Self>) -> Result<Box<dyn Merge>> {
        let map = Arc::clone(&self.map).begin_merge()?;
        Ok(Box::new(TrappedMerge { map, trap: Arc::clone(&self.trap) }))
    }

    fn reserve_tree_numbers(&self, count: u64) -> Result<TreeNo> {
        pass(&self.trap, Place::Reserve);
        self.map.reserve_tree_numbers(count)
    }

    fn key_max_bytes(&self) -> usize {
        self.map.key_max_bytes()
    }

    fn check(&self, base: &Arc<dyn Base>, fault: &mut dyn FnMut(String)) -> Result<()> {
        self.map.check(base, fault)
    }

    fn stats(&self) -> StoreStats {
        self.map.stats()
    }

    fn prepare(&self, _bytes: u64) -> bool {
        pass(&self.trap, Place::Prepare);
        false
    }
}

impl Merge for TrappedMerge {
    fn apply(&mut self, tree: TreeNo, key: &[u8], change: Change<'_>) -> Result<()> {
        pass(&self.trap, Place::Apply);
        self.map.apply(tree, key, change)
    }

    fn drop_tree(&mut self, tree: TreeNo, pages: usize) -> Result<DropProgress> {
        self.map.drop_tree(tree, pages)
    }

    fn finish(self: Box<Self>, l: Position) -> Result<Arc<dyn Base>> {
        pass(&self.trap, Place::Finish);
        self.map.finish(l)
    }
}

fn trapped(background: Background) -> (Checked, Trap) {
    let trap = Trap::default();
    let backend = Trapped { map: MapBackend::default(), trap: Arc::clone(&trap) };
    let options = Options { background, generation_bytes: 16 << 10, ..Options::default() };
    (start(options, Arc::new(backend)), trap)
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
        *trap.lock() = Some(place);
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
    *trap.lock() = Some(Place::Finish);
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
        *trap.lock() = Some(place);
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
    *trap.lock() = Some(Place::Reserve);
    assert!(panics(|| s.create_tree(engine.main_database(), "u")));
    assert_eq!((s.level(), engine.stats().transactions), (0, 0), "its own transaction has ended");
    s.begin(Mode::ReadWrite).unwrap();
    s.put(t, b"k", b"1", Put::Upsert).unwrap();
    assert!(panics(|| s.create_tree(engine.main_database(), "u")));
    assert_eq!(s.level(), 1, "a transaction goes on");
    *trap.lock() = None;
    s.commit(Durability::Sync).unwrap();
    assert_eq!(s.get(t, b"k").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(s.tree_names(engine.main_database()).unwrap(), ["t"]);
    drop(s);
    close(&engine);
}
