//! Databases on their way in and out when the power fails, when there is no space, and beside a close.

use crate::{
    map_backend::MapBackend,
    shelf::{Life, Shelf},
};
use ese_base::{
    AttachmentNo, ErrorKind, Result, TreeNo,
    clock::{ManualClock, SystemClock},
};
use ese_core::{
    Backend, Background, Base, Durability, Engine, LocalEngine, LogPoint, Merge, Mode, Options,
    SessionOptions, Store, StoreStats,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

fn options() -> Options {
    Options { background: Background::Manual, ..Options::default() }
}

fn start(shelf: &Arc<Shelf>) -> Result<Arc<dyn Engine>> {
    LocalEngine::start(options(), Life::new(shelf), Arc::new(ManualClock::default()))
}

fn create_tree(engine: &Arc<dyn Engine>, database: AttachmentNo, name: &str) {
    engine.session(SessionOptions::default()).unwrap().create_tree(database, name).unwrap();
}

fn names(engine: &Arc<dyn Engine>) -> Vec<String> {
    engine.databases().into_iter().map(|(_, name)| name).collect()
}

/// The trees of the database "second".
fn trees_of_second(engine: &Arc<dyn Engine>) -> Vec<String> {
    let number = engine.databases().into_iter().find(|known| known.1 == "second").unwrap().0;
    engine.session(SessionOptions::default()).unwrap().tree_names(number).unwrap()
}

fn powered() -> Arc<Shelf> {
    let shelf = Arc::new(Shelf::default());
    shelf.power_for(i64::MAX);
    shelf
}

/// A shelf with a main database and a whole, detached "second".
fn with_detached() -> Arc<Shelf> {
    let shelf = powered();
    let engine = start(&shelf).unwrap();
    let second = engine.create_database("second").unwrap();
    create_tree(&engine, second, "t");
    engine.detach_database(second).unwrap();
    engine.close().unwrap();
    shelf
}

/// Attaches "second" with power for so many steps; then it fails. Whether all went well.
fn torn_attach(shelf: &Arc<Shelf>, steps: i64) -> bool {
    shelf.power_for(i64::MAX);
    let engine = start(shelf).unwrap();
    shelf.power_for(steps);
    let attached = engine.attach_database("second").is_ok();
    drop(engine);
    shelf.power_for(i64::MAX);
    attached
}

#[test]
fn a_database_that_was_being_attached_can_be_attached() {
    for steps in 0.. {
        let shelf = with_detached();
        let attached = torn_attach(&shelf, steps);
        let engine = start(&shelf).unwrap();
        if !names(&engine).contains(&"second".to_owned()) {
            // The number may not go to somebody else meanwhile.
            engine.create_database("third").unwrap();
            engine.attach_database("second").unwrap_or_else(|error| panic!("{steps}: {error}"));
        }
        assert_eq!(trees_of_second(&engine), ["t"]);
        engine.close().unwrap();
        if attached {
            assert!(steps > 3);
            return;
        }
    }
}

#[test]
fn a_database_whose_attachment_is_cut_short_twice_can_be_attached() {
    for (first, second) in (0..12).flat_map(|first| (0..12).map(move |second| (first, second))) {
        let shelf = with_detached();
        torn_attach(&shelf, first);
        torn_attach(&shelf, second);
        let engine = start(&shelf).unwrap_or_else(|error| panic!("{first}, {second}: {error}"));
        if !names(&engine).contains(&"second".to_owned()) {
            engine.attach_database("second").unwrap_or_else(|error| panic!("{first}, {second}: {error}"));
        }
        assert_eq!(trees_of_second(&engine), ["t"]);
        engine.close().unwrap();
    }
}

#[test]
fn a_close_without_space_leaves_lazy_commits_in_the_log() {
    let shelf = powered();
    let engine = start(&shelf).unwrap();
    create_tree(&engine, engine.main_database(), "t");
    shelf.let_space(false);
    let mut session = engine.session(SessionOptions::default()).unwrap();
    session.begin(Mode::ReadWrite).unwrap();
    session.create_tree(engine.main_database(), "lazy").unwrap();
    session.commit(Durability::Lazy).unwrap();
    drop(session);
    assert_eq!(engine.close().unwrap_err().kind(), ErrorKind::DiskFull);
    drop(engine);
    shelf.let_space(true);
    let engine = start(&shelf).unwrap();
    let session = engine.session(SessionOptions::default()).unwrap();
    assert_eq!(session.tree_names(engine.main_database()).unwrap(), ["lazy", "t"]);
}

#[test]
fn a_database_attached_late_needs_no_log_from_before() {
    for (torn, power) in (1..7).flat_map(|torn| (0..12).map(move |power| (torn, power))) {
        let shelf = with_detached();
        torn_attach(&shelf, torn);
        let engine = start(&shelf).unwrap();
        if !names(&engine).contains(&"second".to_owned()) {
            for n in 0..3 {
                create_tree(&engine, engine.main_database(), &format!("x{n}"));
                engine.checkpoint().unwrap();
                engine.checkpoint().unwrap();
            }
            engine.attach_database("second").unwrap();
        }
        shelf.power_for(power);
        let _ = engine.checkpoint();
        drop(engine);
        shelf.power_for(i64::MAX);
        let engine = start(&shelf).unwrap_or_else(|error| panic!("{torn}, {power}: {error}"));
        assert_eq!(trees_of_second(&engine), ["t"]);
        engine.close().unwrap();
    }
}

#[test]
fn databases_come_under_another_log_together() {
    for steps in 0.. {
        let shelf = powered();
        let engine = start(&shelf).unwrap();
        let second = engine.create_database("second").unwrap();
        create_tree(&engine, second, "t");
        engine.close().unwrap();
        let other = powered();
        other.set_identity(8);
        shelf.copy("main")(&other);
        shelf.copy("second")(&other);
        other.power_for(steps);
        let started = start(&other);
        let went_well = started.is_ok() && !other.is_off();
        drop(started);
        other.power_for(i64::MAX);
        let engine = start(&other).unwrap_or_else(|error| panic!("{steps}: {error}"));
        assert_eq!(trees_of_second(&engine), ["t"]);
        if went_well {
            assert!(steps > 3);
            return;
        }
    }
}

#[test]
fn a_detach_that_the_log_has_no_room_for_is_no_detach() {
    for is_closed in [false, true] {
        let shelf = powered();
        let engine = start(&shelf).unwrap();
        let second = engine.create_database("second").unwrap();
        create_tree(&engine, second, "t");
        engine.checkpoint().unwrap();
        shelf.let_room(false);
        assert_eq!(engine.detach_database(second).unwrap_err().kind(), ErrorKind::LogFull);
        shelf.let_room(true);
        assert_eq!(names(&engine), ["main", "second"]);
        create_tree(&engine, second, "u");
        for n in 0..3 {
            create_tree(&engine, engine.main_database(), &format!("x{n}"));
            engine.checkpoint().unwrap();
            engine.checkpoint().unwrap();
        }
        if is_closed {
            engine.close().unwrap();
        } else {
            shelf.power_for(0);
        }
        drop(engine);
        shelf.power_for(i64::MAX);
        let engine = start(&shelf).unwrap();
        assert_eq!(trees_of_second(&engine), ["t", "u"]);
        let second = engine.databases()[1].0;
        engine.detach_database(second).unwrap();
        engine.close().unwrap();
    }
}

/// Stores on maps under no log, whose checkpoints take two steps.
#[derive(Default)]
struct WithoutLog {
    inner: MapBackend,
    steps: Arc<AtomicU64>,
}

struct InSteps {
    inner: Arc<dyn Store>,
    steps: Arc<AtomicU64>,
}

impl WithoutLog {
    fn wrap(&self, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(InSteps { inner, steps: Arc::clone(&self.steps) })
    }
}

impl Backend for WithoutLog {
    fn name(&self) -> &'static str {
        "without a log"
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        Ok(self.wrap(self.inner.create(database)?))
    }

    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        Ok(self.wrap(self.inner.attach(database)?))
    }

    fn detach(&self, database: &str) -> Result<()> {
        self.inner.detach(database)
    }
}

impl Store for InSteps {
    fn newest(&self) -> Arc<dyn Base> {
        self.inner.newest()
    }

    fn begin_merge(self: Arc<Self>) -> Result<Box<dyn Merge>> {
        Arc::clone(&self.inner).begin_merge()
    }

    fn reserve_tree_numbers(&self, count: u64) -> Result<TreeNo> {
        self.inner.reserve_tree_numbers(count)
    }

    fn key_max_bytes(&self) -> usize {
        self.inner.key_max_bytes()
    }

    fn check(&self, base: &Arc<dyn Base>, fault: &mut dyn FnMut(String)) -> Result<()> {
        self.inner.check(base, fault)
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }

    fn checkpoint_step(&self, _: &Arc<dyn Base>, _: Option<LogPoint>) -> Result<bool> {
        Ok(self.steps.fetch_add(1, Ordering::SeqCst) % 2 == 1)
    }
}

#[test]
fn checkpoints_go_on_without_a_log() {
    let clock = Arc::new(ManualClock::default());
    let engine = LocalEngine::start(options(), Arc::new(WithoutLog::default()), clock.clone()).unwrap();
    for round in 1..5 {
        create_tree(&engine, engine.main_database(), &format!("t{round}"));
        for _ in 0..200 {
            clock.advance(Duration::from_secs(1));
            engine.step().unwrap();
        }
        assert_eq!(engine.stats().checkpoints, round);
    }
    engine.close().unwrap();
}

/// The applier may be told to stop in the middle of a merge that nobody asked for.
#[test]
fn a_close_ends_beside_trees_that_are_being_given_back() {
    for _ in 0..30 {
        let clock = Arc::new(SystemClock::new());
        let engine = LocalEngine::start(Options::default(), Arc::new(WithoutLog::default()), clock).unwrap();
        let mut session = engine.session(SessionOptions::default()).unwrap();
        let main = engine.main_database();
        let trees: Vec<_> = (0..400).map(|n| session.create_tree(main, &format!("t{n}")).unwrap()).collect();
        engine.merge().unwrap();
        trees.into_iter().for_each(|tree| session.drop_tree(tree).unwrap());
        drop(session);
        engine.close().unwrap();
    }
}
