//! What an engine does again after a crash, at every step at which the power can fail.

use crate::shelf::{Life, Shelf};
use ese_base::{ErrorKind, Result, clock::ManualClock};
use ese_core::{
    Background, Delete, Delta, Durability, Engine, LocalEngine, LockMode, Mode, Options, Put, SessionOptions,
};
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

const VALUE_BYTES: usize = 12_000;

/// The length and the first bytes of each value: two counters, and what was put.
type State = BTreeMap<String, BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>>;

fn options() -> Options {
    // Little, so that recoveries have to merge.
    let (generation_bytes, version_store_bytes) = (16 << 10, 1 << 20);
    Options { background: Background::Manual, generation_bytes, version_store_bytes, ..Options::default() }
}

fn start(shelf: &Arc<Shelf>) -> Result<Arc<dyn Engine>> {
    LocalEngine::start(options(), Life::new(shelf), Arc::new(ManualClock::default()))
}

fn state(engine: &Arc<dyn Engine>) -> State {
    let mut state = State::new();
    let mut session = engine.session(SessionOptions::default()).unwrap();
    session.begin(Mode::ReadOnly).unwrap();
    for (number, database) in engine.databases() {
        let trees = state.entry(database).or_default();
        for name in session.tree_names(number).unwrap() {
            let tree = session.find_tree(number, &name).unwrap().unwrap();
            let rows = trees.entry(name).or_default();
            let mut scan = session.scan(tree, (Bound::Unbounded, Bound::Unbounded)).unwrap();
            while let Some((key, value)) = scan.next().unwrap() {
                assert_eq!(value.len(), VALUE_BYTES);
                rows.insert(key.to_vec(), value[..40].to_vec());
            }
        }
    }
    state
}

/// One thing that a user does.
#[derive(Clone, Copy, Debug)]
enum Op {
    Create(&'static str, &'static str),
    Drop(&'static str, &'static str),
    Rename(&'static str, &'static str),
    /// A transaction over the first trees of all databases: rows from .. to get this value.
    Put(u32, u32, u8, Durability),
    Delete(u32, u32),
    Add(i64),
    /// A lock and nothing else: a position without a frame.
    Lock,
    RolledBack,
    Merge,
    Checkpoint,
    NewDatabase(&'static str),
    Attach(&'static str),
    Detach(&'static str),
    Close,
}

/// Does it; the engine's answer.
fn perform(engine: &Arc<dyn Engine>, op: Op) -> Result<()> {
    let database =
        |name: &str| engine.databases().into_iter().find(|known| known.1 == name).map(|known| known.0);
    let mut session = engine.session(SessionOptions::default())?;
    let first_trees = || -> Result<Vec<_>> {
        let session = engine.session(SessionOptions::default())?;
        let mut trees = Vec::new();
        for (number, _) in engine.databases() {
            if let Some(name) = session.tree_names(number)?.first() {
                trees.extend(session.find_tree(number, name)?);
            }
        }
        Ok(trees)
    };
    match op {
        Op::Create(db, tree) => session.create_tree(database(db).unwrap(), tree).map(drop),
        Op::Drop(db, tree) => {
            let tree = session.find_tree(database(db).unwrap(), tree)?.unwrap();
            session.drop_tree(tree)
        }
        Op::Rename(tree, to) => {
            let tree = session.find_tree(database("main").unwrap(), tree)?.unwrap();
            session.rename_tree(tree, to)
        }
        Op::Put(from, to, value, durability) => {
            let trees = first_trees()?;
            session.begin(Mode::ReadWrite)?;
            for tree in trees {
                for n in from..to {
                    session.put(tree, &n.to_be_bytes(), &[value; VALUE_BYTES], Put::Upsert)?;
                }
            }
            session.commit(durability).map(drop)
        }
        Op::Delete(from, to) => {
            let trees = first_trees()?;
            session.begin(Mode::ReadWrite)?;
            for tree in trees {
                for n in from..to {
                    session.delete(tree, &n.to_be_bytes(), Delete::IfPresent)?;
                }
            }
            session.commit(Durability::Sync).map(drop)
        }
        Op::Add(by) => {
            let tree = first_trees()?[0];
            session.begin(Mode::ReadWrite)?;
            session.add(tree, &7_u32.to_be_bytes(), 8, Delta::I64(by))?;
            session.add(tree, &7_u32.to_be_bytes(), 16, Delta::I64(-by))?;
            session.commit(Durability::Sync).map(drop)
        }
        Op::Lock | Op::RolledBack => {
            let tree = first_trees()?[0];
            session.begin(Mode::ReadWrite)?;
            session.lock(tree, &7_u32.to_be_bytes(), LockMode::Write)?;
            if matches!(op, Op::RolledBack) {
                session.put(tree, b"never", b"", Put::Upsert)?;
                return session.rollback_to(0);
            }
            session.commit(Durability::Lazy).map(drop)
        }
        Op::Merge => engine.merge(),
        Op::Checkpoint => engine.checkpoint(),
        Op::NewDatabase(name) => engine.create_database(name).map(drop),
        Op::Attach(name) => engine.attach_database(name).map(drop),
        Op::Detach(name) => engine.detach_database(database(name).unwrap()),
        Op::Close => engine.close(),
    }
}

const SCRIPT: &[Op] = &[
    Op::Create("main", "first"),
    Op::Put(0, 20, 1, Durability::Sync),
    Op::Put(10, 30, 2, Durability::Lazy),
    Op::Lock,
    Op::Add(5),
    Op::Merge,
    Op::Put(15, 18, 3, Durability::Sync),
    Op::Checkpoint,
    Op::RolledBack,
    Op::Add(-2),
    Op::NewDatabase("second"),
    Op::Create("second", "other"),
    Op::Put(0, 12, 4, Durability::Sync),
    Op::Merge,
    Op::Delete(3, 6),
    Op::Checkpoint,
    Op::Add(100),
    Op::Put(20, 40, 9, Durability::Sync),
    Op::Checkpoint,
    Op::Add(1000),
    Op::Put(5, 6, 5, Durability::Lazy),
    Op::Rename("first", "again"),
    Op::Detach("second"),
    Op::Put(1, 9, 6, Durability::Sync),
    Op::Attach("second"),
    Op::Put(2, 4, 7, Durability::Sync),
    Op::Create("main", "zzz"),
    Op::Drop("main", "zzz"),
    Op::Checkpoint,
    Op::Checkpoint,
    Op::Put(8, 9, 8, Durability::Lazy),
    Op::Close,
];

/// What a life came to: the states from the last that must survive to the last that was begun.
struct Lived {
    may: Vec<State>,
    whole: bool,
}

/// Runs the script until the power fails. The states it passes through are found by running it with the power on.
fn live(shelf: &Arc<Shelf>, states: &[State]) -> Lived {
    let mut must = 0;
    let mut begun = 0;
    if let Ok(engine) = start(shelf) {
        for (n, op) in SCRIPT.iter().enumerate() {
            begun = n + 1;
            if perform(&engine, *op).is_err() {
                break;
            }
            if !matches!(op, Op::Put(_, _, _, Durability::Lazy) | Op::Lock | Op::RolledBack) {
                must = n + 1;
            }
            if shelf.is_off() {
                break;
            }
        }
    }
    Lived { may: states[must..=begun].to_vec(), whole: !shelf.is_off() }
}

/// The state after each statement, without any failure.
fn states() -> Vec<State> {
    let shelf = Arc::new(Shelf::default());
    shelf.power_for(i64::MAX);
    let engine = start(&shelf).unwrap();
    let mut states = vec![state(&engine)];
    for op in SCRIPT {
        perform(&engine, *op).unwrap_or_else(|error| panic!("{op:?}: {error}"));
        let now = match op {
            Op::Close => states.last().unwrap().clone(),
            _ => state(&engine),
        };
        states.push(now);
    }
    states
}

/// Starts, and looks whether what is there may be; a database on the shelf that is not attached is one that can be.
fn check(shelf: &Arc<Shelf>, lived: &Lived, what: &str) {
    shelf.power_for(i64::MAX);
    let engine = start(shelf).unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = state(&engine);
    assert!(lived.may.contains(&found), "{what}: found {found:?}, and not one of {:#?}", lived.may);
    assert_eq!(engine.check().unwrap(), Vec::<String>::new());
    if !found.contains_key("second") {
        match engine.attach_database("second") {
            Ok(second) => engine.detach_database(second).unwrap(),
            Err(error) => assert_eq!(error.kind(), ErrorKind::DatabaseNotFound, "{what}"),
        }
    }
    engine.close().unwrap();
    // A close leaves nothing to do again.
    let engine = start(shelf).unwrap();
    assert_eq!((state(&engine), engine.stats().recovered.transactions), (found, 0), "{what}, closed");
}

#[test]
fn the_power_fails_at_every_step() {
    let states = states();
    for steps in 0.. {
        let shelf = Arc::new(Shelf::default());
        shelf.power_for(steps);
        let lived = live(&shelf, &states);
        check(&shelf, &lived, &format!("after {steps} steps"));
        if lived.whole {
            assert!(steps > 60, "the script makes something durable: {steps}");
            return;
        }
    }
}

/// The log is kept for the older of two durable states.
#[test]
fn the_newest_state_of_every_database_rots() {
    let states = states();
    for steps in 0.. {
        let shelf = Arc::new(Shelf::default());
        shelf.power_for(steps);
        let lived = live(&shelf, &states);
        shelf.rot();
        check(&shelf, &lived, &format!("rot after {steps} steps"));
        if lived.whole {
            return;
        }
    }
}

#[test]
fn the_power_fails_again_in_the_recovery_and_again() {
    let states = states();
    for steps in (3..).step_by(4) {
        let shelf = Arc::new(Shelf::default());
        shelf.power_for(steps);
        let lived = live(&shelf, &states);
        for (first, second) in [(0, 0), (1, 0), (1, 2), (2, 1), (3, 3), (5, 1)] {
            for again in [first, second] {
                shelf.power_for(again);
                if let Ok(engine) = start(&shelf) {
                    let _ = engine.checkpoint();
                }
            }
        }
        check(&shelf, &lived, &format!("after {steps} steps and more"));
        if lived.whole {
            return;
        }
    }
}

#[test]
fn checkpoints_let_the_log_go() {
    let shelf = Arc::new(Shelf::default());
    shelf.power_for(i64::MAX);
    let engine = start(&shelf).unwrap();
    perform(&engine, Op::Create("main", "t")).unwrap();
    for n in 0..10 {
        perform(&engine, Op::Put(0, 5, n, Durability::Sync)).unwrap();
    }
    assert_eq!(shelf.frames(), 11);
    engine.checkpoint().unwrap();
    assert_eq!(shelf.frames(), 11, "the older of two durable states still needs them");
    engine.checkpoint().unwrap();
    assert_eq!((shelf.frames(), engine.stats().checkpoints), (0, 2));
}

#[test]
fn a_listed_database_has_to_be_there() {
    let shelf = Arc::new(Shelf::default());
    shelf.power_for(i64::MAX);
    let engine = start(&shelf).unwrap();
    perform(&engine, Op::NewDatabase("second")).unwrap();
    perform(&engine, Op::Create("second", "t")).unwrap();
    let give_back = shelf.copy("second");
    perform(&engine, Op::Put(0, 3, 1, Durability::Sync)).unwrap();
    shelf.power_for(0);
    drop(engine);
    shelf.power_for(i64::MAX);
    shelf.lose("second");
    let error = start(&shelf).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AttachedDatabaseMismatch);
    assert!(error.to_string().contains("second"), "{error}");
    give_back(&shelf);
    let engine = start(&shelf).unwrap();
    assert_eq!(state(&engine)["second"]["t"].len(), 3, "the log has what the file lacks");
}

#[test]
fn a_copy_of_an_attached_database_is_not_whole() {
    let shelf = Arc::new(Shelf::default());
    shelf.power_for(i64::MAX);
    let engine = start(&shelf).unwrap();
    perform(&engine, Op::NewDatabase("second")).unwrap();
    perform(&engine, Op::Create("second", "t")).unwrap();
    let give_back = shelf.copy("second");
    perform(&engine, Op::Detach("second")).unwrap();
    give_back(&shelf);
    let error = perform(&engine, Op::Attach("second")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseDirtyShutdown);
    engine.close().unwrap();
    // The numbers that were given are known to the next life, too.
    let engine = start(&shelf).unwrap();
    let error = perform(&engine, Op::Attach("second")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseDirtyShutdown);
    engine.close().unwrap();
}

#[test]
fn a_main_database_without_its_log_is_refused() {
    let shelf = Arc::new(Shelf::default());
    shelf.power_for(i64::MAX);
    let engine = start(&shelf).unwrap();
    perform(&engine, Op::Create("main", "t")).unwrap();
    let dirty = shelf.copy("main");
    engine.close().unwrap();
    let clean = shelf.copy("main");

    let other = Arc::new(Shelf::default());
    other.power_for(i64::MAX);
    other.set_identity(8);
    dirty(&other);
    assert_eq!(start(&other).err().unwrap().kind(), ErrorKind::DatabaseDirtyShutdown);
    clean(&other);
    let engine = start(&other).unwrap();
    assert_eq!(state(&engine)["main"].len(), 1);
    perform(&engine, Op::Create("main", "u")).unwrap();
    other.power_for(0);
    drop(engine);
    other.power_for(i64::MAX);
    assert_eq!(state(&start(&other).unwrap())["main"].len(), 2, "its log is the new one now");
}
