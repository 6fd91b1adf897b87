//! Orders and pressures that need figures or a backend of their own; orders that text can tell are scenarios under
//! `scenarios/merges`.

use ese_base::{Error, ErrorKind, Result, TreeId, clock::ManualClock, limits::PAGE_SIZE_DEFAULT_BYTES};
use ese_core::{
    Background, Delta, Durability, Engine, LocalEngine, Mode, Options, Put, Session, SessionOptions, Step,
};
use ese_mem::MemoryBackend;
use std::sync::Arc;

const BUDGET: u64 = 1 << 20;

/// Settings under which a megabyte is all there is.
fn small() -> Options {
    Options {
        background: Background::Manual,
        version_store_bytes: BUDGET,
        generation_bytes: 32 << 10,
        ..Options::default()
    }
}

struct Stage {
    engine: Arc<dyn Engine>,
    tree: TreeId,
    backend: Arc<MemoryBackend>,
}

fn stage(options: Options) -> Stage {
    let backend = Arc::new(MemoryBackend::new(PAGE_SIZE_DEFAULT_BYTES).expect("the default is a page size"));
    let clock = Arc::new(ManualClock::default());
    let engine = LocalEngine::start(options, Arc::clone(&backend) as _, clock).expect("an engine starts");
    let mut session = engine.session(SessionOptions::default()).expect("there is room for a session");
    let tree = session.create_tree(engine.main_database(), "t").expect("the name is free");
    Stage { engine, tree, backend }
}

impl Stage {
    fn session(&self, name: &str) -> Box<dyn Session> {
        let options = SessionOptions { name: name.to_owned(), durability: Durability::Lazy };
        self.engine.session(options).expect("there is room for a session")
    }

    /// Everything is in order, and the engine closes.
    fn ends_well(&self) {
        let check = || self.engine.check().expect("a check goes through");
        assert_eq!(check(), Vec::<String>::new());
        self.engine.merge().expect("there is room");
        assert_eq!(check(), Vec::<String>::new());
        self.engine.close().expect("nothing is open");
    }
}

/// A row of a kilobyte; its key.
fn key(row: u32) -> [u8; 4] {
    row.to_be_bytes()
}

fn put(session: &mut dyn Session, tree: TreeId, row: u32) -> Result<()> {
    session.put(tree, &key(row), &[7; 1000], Put::Upsert).map(drop)
}

/// Puts rows of a kilobyte, each in a transaction of its own, until one fails or all are there.
fn fill(session: &mut dyn Session, tree: TreeId, rows: std::ops::Range<u32>) -> Result<(), (u32, Error)> {
    rows.into_iter().try_for_each(|row| put(session, tree, row).map_err(|error| (row, error)))
}

#[test]
fn an_open_writer_fills_the_version_store_and_is_named() {
    let stage = stage(small());
    let (mut slow, mut load, mut reader) =
        (stage.session("slow"), stage.session("load"), stage.session("reader"));
    put(&mut *load, stage.tree, 0).unwrap();
    reader.begin(Mode::ReadOnly).unwrap();
    slow.begin(Mode::ReadWrite).unwrap();
    // One transaction that writes more than there is room for gets the error itself, naming itself.
    let error = (1..).find_map(|row| put(&mut *slow, stage.tree, row).err()).unwrap();
    assert_eq!(error.kind(), ErrorKind::VersionStoreFull);
    assert!(error.to_string().contains("slow"), "{error}");
    // Others fail as well now, and the error names the culprit, too.
    let (_, error) = fill(&mut *load, stage.tree, 100_000..200_000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::VersionStoreFull);
    assert!(error.to_string().contains("slow"), "{error}");
    // Readers do not care, and the transaction is there: it reads its own writes, and can be rolled back.
    assert!(reader.get(stage.tree, &key(0)).unwrap().is_some());
    assert!(reader.get(stage.tree, &key(1)).unwrap().is_none());
    assert_eq!(slow.get(stage.tree, &key(1)).unwrap().as_deref(), Some(&[7; 1000][..]));
    slow.rollback_to(0).unwrap();
    fill(&mut *load, stage.tree, 200_000..202_000).unwrap();
    assert!(reader.get(stage.tree, &key(1)).unwrap().is_none());
    reader.commit(Durability::Sync).unwrap();
    assert!(load.get(stage.tree, &key(1)).unwrap().is_none(), "what was rolled back is not there");
    assert!(load.get(stage.tree, &key(201_999)).unwrap().is_some());
    stage.ends_well();
}

#[test]
fn a_full_transaction_can_still_be_committed() {
    let stage = stage(small());
    let mut session = stage.session("big");
    session.begin(Mode::ReadWrite).unwrap();
    let failed = (0..).find(|row| put(&mut *session, stage.tree, *row).is_err()).unwrap();
    assert!(failed > 100, "only {failed} rows went into a megabyte");
    session.commit(Durability::Sync).unwrap();
    for row in 0..failed {
        assert!(session.get(stage.tree, &key(row)).unwrap().is_some(), "row {row}");
    }
    assert!(session.get(stage.tree, &key(failed)).unwrap().is_none());
    stage.ends_well();
}

#[test]
fn a_load_of_many_times_the_budget_goes_through() {
    let stage = stage(small());
    fill(&mut *stage.session("load"), stage.tree, 0..10_000).unwrap();
    let stats = stage.engine.stats();
    assert!(stats.version_store_bytes <= BUDGET + (64 << 10), "{stats:?}");
    assert!(stats.merges > 2, "{stats:?}");
    stage.ends_well();
}

#[test]
fn four_slow_writers_and_one_load() {
    let stage = stage(small());
    let mut slow: Vec<_> = (0..4).map(|number| stage.session(&format!("slow {number}"))).collect();
    let mut load = stage.session("load");
    // Each wrote in a generation of its own, and stays open.
    for (number, session) in (0..).zip(&mut slow) {
        session.begin(Mode::ReadWrite).unwrap();
        put(&mut **session, stage.tree, 1_000_000 + number).unwrap();
        fill(&mut *load, stage.tree, number * 100..number * 100 + 100).unwrap();
        stage.engine.merge().unwrap();
    }
    // The load goes on or is refused; nobody waits for ever, and there are never more than four generations.
    let refused = fill(&mut *load, stage.tree, 10_000..13_000);
    let stats = stage.engine.stats();
    assert!(stats.generations <= 4, "{stats:?}");
    if let Err((_, error)) = refused {
        assert_eq!(error.kind(), ErrorKind::VersionStoreFull);
        assert!(error.to_string().contains("slow"), "{error}");
    }
    // Their next statements end as well.
    for (number, session) in (0..).zip(&mut slow) {
        match put(&mut **session, stage.tree, 2_000_000 + number) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::VersionStoreFull),
        }
        session.commit(Durability::Sync).unwrap();
    }
    fill(&mut *load, stage.tree, 20_000..23_000).unwrap();
    for number in 0..4 {
        assert!(load.get(stage.tree, &key(1_000_000 + number)).unwrap().is_some());
    }
    stage.ends_well();
}

#[test]
fn readers_that_hold_too_much_are_named_and_never_fail() {
    let stage = stage(small());
    let (mut load, mut readers) = (stage.session("load"), Vec::new());
    let mut refused = None;
    for round in 0..200 {
        let mut reader = stage.session(&format!("reader {round}"));
        reader.begin(Mode::ReadOnly).unwrap();
        readers.push(reader);
        if let Err((_, error)) = fill(&mut *load, stage.tree, 0..200) {
            refused = Some(error);
            break;
        }
    }
    let error = refused.expect("two hundred views of a megabyte are beyond the bound");
    assert_eq!(error.kind(), ErrorKind::VersionStoreFull);
    assert!(error.to_string().contains("reader"), "{error}");
    let stats = stage.engine.stats();
    assert!(stats.reader_held_bytes <= 3 * BUDGET, "{stats:?}");
    for (round, reader) in readers.iter().enumerate() {
        assert_eq!(reader.get(stage.tree, &key(0)).unwrap().is_some(), round > 0, "reader {round}");
    }
    drop(readers);
    fill(&mut *load, stage.tree, 0..2000).unwrap();
    stage.ends_well();
}

#[test]
fn one_long_reader_costs_no_more_as_it_grows_older() {
    let stage = stage(small());
    let (mut load, mut reader) = (stage.session("load"), stage.session("reader"));
    // As the applier's thread would: a step of background work for each row.
    let mut work = |rows| {
        for row in rows {
            put(&mut *load, stage.tree, row).unwrap();
            stage.engine.step().unwrap();
        }
        stage.engine.stats()
    };
    work(0..100);
    reader.begin(Mode::ReadOnly).unwrap();
    let young = work(0..3000);
    work(0..3000);
    let old = work(0..3000);
    assert!(young.merges > 0 && old.merges > young.merges, "{young:?}\n{old:?}");
    assert!(old.reader_held_bytes <= young.reader_held_bytes.max(128 << 10), "{young:?}\n{old:?}");
    assert!(old.views <= 4, "{old:?}");
    assert!(reader.get(stage.tree, &key(99)).unwrap().is_some());
    assert!(reader.get(stage.tree, &key(100)).unwrap().is_none());
    reader.commit(Durability::Sync).unwrap();
    stage.ends_well();
}

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

/// Transactions of a thousand adds each.
const ADDERS: i64 = 1000;

/// With the applier's thread: it keeps a hot counter's chain of adds short.
#[test]
fn a_million_adds_then_a_read() {
    let stage = stage(Options { background: Background::Threads, ..Options::default() });
    let (mut session, mut reader) = (stage.session("adder"), stage.session("reader"));
    session.put(stage.tree, b"c", &0_i64.to_le_bytes(), Put::Insert).unwrap();
    reader.begin(Mode::ReadOnly).unwrap();
    for _ in 0..ADDERS {
        session.begin(Mode::ReadWrite).unwrap();
        for _ in 0..1000 {
            session.add(stage.tree, b"c", 0, Delta::I64(3)).unwrap();
        }
        session.commit(Durability::Lazy).unwrap();
    }
    let counter = |session: &dyn Session| {
        let value = session.get(stage.tree, b"c").unwrap().expect("the row is there").to_vec();
        i64::from_le_bytes(value.try_into().expect("eight bytes"))
    };
    assert_eq!(counter(&*session), 3000 * ADDERS);
    assert_eq!(counter(&*reader), 0);
    stage.engine.merge().unwrap();
    assert_eq!(counter(&*session), 3000 * ADDERS);
    assert_eq!(counter(&*reader), 0);
    drop(reader);
    stage.ends_well();
}

#[test]
fn a_forgotten_transaction_is_named() {
    let stage = stage(small());
    let mut forgotten = stage.session("forgotten");
    forgotten.begin(Mode::ReadWrite).unwrap();
    put(&mut *forgotten, stage.tree, 1).unwrap();
    std::mem::forget(forgotten);
    let error = stage.engine.close().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyActiveUsers);
    assert!(error.to_string().contains("forgotten"), "{error}");
    // The others go on: what it wrote stays locked, and nothing else is.
    let mut session = stage.session("other");
    assert_eq!(put(&mut *session, stage.tree, 1).unwrap_err().kind(), ErrorKind::WriteConflict);
    fill(&mut *session, stage.tree, 2..200).unwrap();
    assert_eq!(stage.engine.check().unwrap(), Vec::<String>::new());
}

#[test]
fn idle_sessions_keep_nothing() {
    let stage = stage(small());
    let mut idle: Vec<_> = (0..50).map(|number| stage.session(&format!("idle {number}"))).collect();
    let mut load = stage.session("load");
    for (number, session) in (0..).zip(&mut idle) {
        session.begin(Mode::ReadWrite).unwrap();
        put(&mut **session, stage.tree, number).unwrap();
        session.commit(Durability::Lazy).unwrap();
        fill(&mut *load, stage.tree, 100..150).unwrap();
        stage.engine.merge().unwrap();
    }
    while stage.engine.step().unwrap() != Step::Idle {}
    let stats = stage.engine.stats();
    assert_eq!((stats.views, stats.reader_held_bytes, stats.window_entries), (1, 0, 0), "{stats:?}");
    drop(idle);
    stage.ends_well();
}

/// A merge is paused at each of its steps in turn; at each, a thread of its own begins, writes, commits and reads.
#[test]
fn a_commit_returns_while_a_merge_is_paused() {
    let stage = stage(small());
    fill(&mut *stage.session("rows"), stage.tree, 0..300).unwrap();
    stage.engine.request_merge();
    let (mut steps, mut row) = (Vec::new(), 1000);
    loop {
        let step = stage.engine.step().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut session = stage.session("thread");
                put(&mut *session, stage.tree, row).unwrap();
                assert!(session.get(stage.tree, &key(row)).unwrap().is_some());
            });
        });
        row += 1;
        steps.push(step);
        if step == Step::Published {
            break;
        }
    }
    assert!(steps.contains(&Step::Sealed) && steps.contains(&Step::Merged), "{steps:?}");
    let session = stage.session("reader");
    for written in 1000..row {
        assert!(session.get(stage.tree, &key(written)).unwrap().is_some(), "row {written}");
    }
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
    let error = engine.close().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull, "what is only in memory is not closed over in silence");
}
