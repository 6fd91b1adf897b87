//! Commits through a log: a synchronous one is visible only once it is durable, a failed sync is final.

use crate::{
    basics::{Checked, close, session, start},
    map_backend::MapBackend,
};
use ese_base::{AttachmentNo, Error, ErrorKind, Position, Result, clock::ManualClock, sync::Mutex};
use ese_core::{
    Backend, Background, Durability, Engine, LocalEngine, Log, LogPoint, LogStats, Mode, Options, Put, Store,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Weak},
};

/// Frames in memory; a flush makes them durable unless it was told to fail.
#[derive(Default)]
struct TestLog {
    state: Mutex<LogState>,
}

#[derive(Default)]
struct LogState {
    frames: Vec<(Position, usize)>,
    durable: u64,
    flushes: Vec<Position>,
    fails: bool,
    no_room: bool,
    /// Looks at the engine while a flush is under way.
    during_flush: Option<Box<dyn Fn() + Send>>,
}

impl Log for TestLog {
    fn room(&self, _bytes: u64) -> Result<()> {
        if self.state.lock().no_room {
            Err(Error::new(ErrorKind::DiskFull, "no room for a segment"))
        } else {
            Ok(())
        }
    }

    fn append(&self, at: Position, frame: Box<[u8]>) {
        let mut state = self.state.lock();
        assert!(
            state.frames.last().is_none_or(|(last, _)| *last < at),
            "frames come in the order of positions"
        );
        state.frames.push((at, frame.len()));
    }

    fn durable(&self) -> Position {
        Position(self.state.lock().durable.max(1))
    }

    fn flush(&self, up_to: Position) -> Result<Position> {
        let look = self.state.lock().during_flush.take();
        if let Some(look) = look {
            look();
        }
        let mut state = self.state.lock();
        if state.fails {
            return Err(Error::new(ErrorKind::DiskIo, "fdatasync failed"));
        }
        state.flushes.push(up_to);
        state.durable = state.durable.max(up_to.0 + 1);
        Ok(Position(state.durable))
    }

    fn identity(&self) -> u128 {
        1
    }

    fn first(&self) -> Position {
        Position::FIRST
    }

    fn replay(
        &self,
        from: Position,
        frame: &mut dyn FnMut(Position, &[u8]) -> Result<()>,
    ) -> Result<LogPoint> {
        let state = self.state.lock();
        for (at, bytes) in state.frames.iter().filter(|(at, _)| *at >= from) {
            frame(*at, &vec![0; *bytes])?;
        }
        Ok(LogPoint { log: 1, epoch: 1, at: Position(state.durable.max(from.0)) })
    }

    fn settle(&self, below: Position) -> Result<LogPoint> {
        self.flush(Position(below.0.saturating_sub(1)))?;
        Ok(LogPoint { log: 1, epoch: 1, at: below })
    }

    fn begin_epoch(&self) -> Result<LogPoint> {
        Ok(LogPoint { log: 1, epoch: 1, at: self.durable() })
    }

    fn recycle(&self, _below: Position) -> Result<()> {
        Ok(())
    }

    fn stats(&self) -> LogStats {
        let state = self.state.lock();
        let bytes: usize = state.frames.iter().map(|(_, bytes)| bytes).sum();
        LogStats::new(state.flushes.len() as u64, bytes as u64)
    }
}

struct LoggedMap {
    map: MapBackend,
    log: Arc<TestLog>,
}

impl Backend for LoggedMap {
    fn name(&self) -> &'static str {
        "logged map"
    }

    fn log(&self) -> Option<Arc<dyn Log>> {
        Some(Arc::clone(&self.log) as Arc<dyn Log>)
    }

    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        self.map.create(database)
    }

    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        self.map.attach(database)
    }

    fn detach(&self, database: &str) -> Result<()> {
        self.map.detach(database)
    }
}

fn logged() -> (Checked, Arc<TestLog>) {
    let log = Arc::new(TestLog::default());
    let backend = LoggedMap { map: MapBackend::default(), log: Arc::clone(&log) };
    let options = Options { background: Background::Manual, ..Options::default() };
    (start(options, Arc::new(backend)), log)
}

#[test]
fn a_synchronous_commit_is_visible_only_when_it_is_durable() {
    let (engine, log) = logged();
    let mut s = session(&engine);
    let t = s.create_tree(engine.main_database(), "t").unwrap();
    s.put(t, b"k", b"old", Put::Upsert).unwrap();
    let weak: Weak<dyn Engine> = Arc::downgrade(&engine);
    let seen = Arc::new(Mutex::new(None));
    let note = Arc::clone(&seen);
    log.state.lock().during_flush = Some(Box::new(move || {
        let engine = weak.upgrade().unwrap();
        let mut other = session(&engine);
        let at_flush = other.get(t, b"k").unwrap().map(|value| value.to_vec());
        // A lazy commit overtakes the one that waits for its sync.
        other.begin(Mode::ReadWrite).unwrap();
        other.put(t, b"lazy", b"1", Put::Upsert).unwrap();
        other.commit(Durability::Lazy).unwrap();
        *note.lock() = Some((at_flush, other.get(t, b"lazy").unwrap().is_some()));
    }));
    s.put(t, b"k", b"new", Put::Upsert).unwrap();
    assert_eq!(*seen.lock(), Some((Some(b"old".to_vec()), true)));
    assert_eq!(s.get(t, b"k").unwrap().as_deref(), Some(&b"new"[..]));
    engine.merge().unwrap();
    assert_eq!(s.get(t, b"k").unwrap().as_deref(), Some(&b"new"[..]));
    assert!(log.state.lock().frames.iter().all(|(_, bytes)| *bytes > 0));
}

#[test]
fn locks_alone_are_not_logged_but_wait_for_what_they_read() {
    let (engine, log) = logged();
    let mut s = session(&engine);
    let t = s.create_tree(engine.main_database(), "t").unwrap();
    let frames = log.state.lock().frames.len();
    s.begin(Mode::ReadWrite).unwrap();
    s.lock(t, b"k", ese_core::LockMode::Read).unwrap();
    assert_eq!(s.commit(Durability::Sync).unwrap(), None, "nothing to name");
    let state = log.state.lock();
    assert_eq!(state.frames.len(), frames);
    assert!(
        state.flushes.last().unwrap().0 > state.frames.last().unwrap().0.0,
        "durable up to its own position"
    );
}

#[test]
fn a_full_log_rolls_back_before_anything_is_claimed() {
    let (engine, log) = logged();
    let mut s = session(&engine);
    let t = s.create_tree(engine.main_database(), "t").unwrap();
    let next = engine.stats().next_position;
    log.state.lock().no_room = true;
    s.begin(Mode::ReadWrite).unwrap();
    s.put(t, b"k", b"v", Put::Upsert).unwrap();
    assert_eq!(s.commit(Durability::Sync).unwrap_err().kind(), ErrorKind::DiskFull);
    assert_eq!(s.level(), 0);
    assert_eq!(engine.stats().next_position, next);
    log.state.lock().no_room = false;
    assert_eq!(s.get(t, b"k").unwrap(), None);
    s.put(t, b"k", b"v", Put::Upsert).unwrap();
    assert_eq!(s.get(t, b"k").unwrap().as_deref(), Some(&b"v"[..]));
}

#[test]
fn a_failed_sync_is_final_and_reads_go_on() {
    let (engine, log) = logged();
    let mut s = session(&engine);
    let t = s.create_tree(engine.main_database(), "t").unwrap();
    s.put(t, b"k", b"old", Put::Upsert).unwrap();
    let mut reader = session(&engine);
    reader.begin(Mode::ReadOnly).unwrap();
    log.state.lock().fails = true;
    assert_eq!(s.put(t, b"k", b"new", Put::Upsert).unwrap_err().kind(), ErrorKind::DiskIo);
    log.state.lock().fails = false;
    assert_eq!(s.put(t, b"k", b"new", Put::Upsert).unwrap_err().kind(), ErrorKind::InstanceUnavailable);
    assert_eq!(s.begin(Mode::ReadWrite).unwrap_err().kind(), ErrorKind::InstanceUnavailable);
    assert_eq!(engine.merge().unwrap_err().kind(), ErrorKind::InstanceUnavailable);
    assert_eq!(reader.get(t, b"k").unwrap().as_deref(), Some(&b"old"[..]));
    assert_eq!(s.get(t, b"k").unwrap().as_deref(), Some(&b"old"[..]), "what was not durable is not visible");
    reader.rollback_to(0).unwrap();
    assert_eq!(engine.check().unwrap(), Vec::<String>::new());
    assert_eq!(engine.close().unwrap_err().kind(), ErrorKind::InstanceUnavailable);
    assert_eq!(s.find_tree(AttachmentNo(1), "t").unwrap_err().kind(), ErrorKind::NotInitialized);
}

/// The commit is in the queue when the log panics: it is published by who comes next, and its session is free again.
#[test]
fn a_log_that_panics_leaves_no_transaction_open() {
    let (engine, log) = logged();
    let mut s = session(&engine);
    let t = s.create_tree(engine.main_database(), "t").unwrap();
    s.begin(Mode::ReadWrite).unwrap();
    s.put(t, b"k", b"v", Put::Upsert).unwrap();
    s.create_tree(engine.main_database(), "u").unwrap();
    log.state.lock().during_flush = Some(Box::new(|| resume_unwind(Box::new("the log panics"))));
    assert!(catch_unwind(AssertUnwindSafe(|| s.commit(Durability::Sync))).is_err());
    assert_eq!((s.level(), engine.stats().transactions), (0, 0));
    s.begin(Mode::ReadWrite).unwrap();
    s.put(t, b"other", b"v", Put::Upsert).unwrap();
    s.commit(Durability::Sync).unwrap();
    assert_eq!(s.get(t, b"k").unwrap().as_deref(), Some(&b"v"[..]));
    drop(s);
    close(&engine);
}

#[test]
fn statistics_tell_how_many_commits_share_a_sync() {
    let (engine, log) = logged();
    assert_eq!(engine.stats().commits_per_sync(), None, "there was no sync yet");
    let mut s = session(&engine);
    let t = s.create_tree(engine.main_database(), "t").unwrap();
    assert_eq!(engine.stats().commits_per_sync(), Some(1.0));
    for n in 0..5_u8 {
        s.begin(Mode::ReadWrite).unwrap();
        s.put(t, &[n], b"v", Put::Upsert).unwrap();
        s.commit(if n < 4 { Durability::Lazy } else { Durability::Sync }).unwrap();
    }
    let stats = engine.stats();
    assert_eq!((stats.commits, stats.log_syncs, stats.commits_per_sync()), (6, 2, Some(3.0)));
    assert_eq!(stats.log_bytes, log.stats().bytes);
    assert!(stats.log_bytes > 0);
    drop(s);
    close(&engine);
}

/// Frames that are there, or were there and are not needed any more.
#[test]
fn a_log_without_its_main_database_is_refused() {
    for (frames, durable) in [(vec![(Position(1), 30)], 2), (Vec::new(), 2)] {
        let log = Arc::new(TestLog::default());
        *log.state.lock() = LogState { frames, durable, ..LogState::default() };
        let backend = Arc::new(LoggedMap { map: MapBackend::default(), log });
        let clock = Arc::new(ManualClock::default());
        let started = LocalEngine::start(Options::default(), Arc::clone(&backend) as _, clock);
        let error = started.err().expect("its commits would be lost");
        assert_eq!(error.kind(), ErrorKind::AttachedDatabaseMismatch);
        assert!(error.to_string().contains("main database is missing"), "{error}");
        assert_eq!(backend.attach("main").err().map(|e| e.kind()), Some(ErrorKind::DatabaseNotFound));
    }
}
