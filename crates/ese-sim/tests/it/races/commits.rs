//! Commits through a log: what is in it, who publishes, who waits, and what a failure ends.

use super::{fill, key, put};
use crate::logged::Logged;
use ese_base::{Error, ErrorKind, Position, Result, TreeId, clock::ManualClock, sync::Mutex};
use ese_core::{
    Background, Delta, Durability, Engine, LocalEngine, LockMode, Log, LogPoint, Mode, Options, Put, Session,
    SessionOptions, Step,
};
use ese_mem::MemoryBackend;
use std::{sync::Arc, time::Duration};

/// What happens while a flush is under way, once.
type During = Box<dyn FnOnce() + Send>;

/// Frames in memory; a flush makes them durable unless it was told to fail.
#[derive(Default)]
struct TestLog {
    frames: Mutex<Vec<(Position, Box<[u8]>)>>,
    durable: Mutex<u64>,
    fails: Mutex<bool>,
    during_flush: Mutex<Option<During>>,
}

impl Log for TestLog {
    fn room(&self, _bytes: u64) -> Result<()> {
        Ok(())
    }

    fn append(&self, at: Position, frame: Box<[u8]>) {
        self.frames.lock().push((at, frame));
    }

    fn durable(&self) -> Position {
        Position(1.max(*self.durable.lock()))
    }

    fn flush(&self, up_to: Position) -> Result<Position> {
        let during = self.during_flush.lock().take();
        if let Some(during) = during {
            during();
        }
        if *self.fails.lock() {
            return Err(Error::new(ErrorKind::DiskIo, "the test's log fails"));
        }
        let mut durable = self.durable.lock();
        *durable = (*durable).max(up_to.0 + 1);
        Ok(Position(*durable))
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
        _frame: &mut dyn FnMut(Position, &[u8]) -> Result<()>,
    ) -> Result<LogPoint> {
        Ok(LogPoint { log: 1, epoch: 1, at: from })
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
}

#[derive(Clone)]
struct Stage {
    engine: Arc<dyn Engine>,
    tree: TreeId,
    log: Arc<TestLog>,
}

fn stage(background: Background) -> Stage {
    let log = Arc::new(TestLog::default());
    let backend = Logged { memory: MemoryBackend::default(), log: Arc::clone(&log) };
    let options = Options { background, ..Options::default() };
    let engine = LocalEngine::start(options, Arc::new(backend), Arc::new(ManualClock::default()))
        .expect("an engine starts");
    let mut session = engine.session(SessionOptions::default()).expect("there is room for a session");
    let tree = session.create_tree(engine.main_database(), "t").expect("the name is free");
    Stage { engine, tree, log }
}

impl Stage {
    fn session(&self) -> Box<dyn Session> {
        self.engine.session(SessionOptions::default()).expect("there is room for a session")
    }

    /// Does something in the middle of the next flush.
    fn during_the_next_flush(&self, what: impl FnOnce(&Stage) + Send + 'static) {
        let stage = self.clone();
        *self.log.during_flush.lock() = Some(Box::new(move || what(&stage)));
    }

    fn frames(&self) -> usize {
        self.log.frames.lock().len()
    }

    fn ends_well(self) {
        self.engine.merge().expect("there is room");
        assert_eq!(self.engine.check().expect("a check goes through"), Vec::<String>::new());
        self.engine.close().expect("nothing is open");
    }
}

/// However large it is and however many merges pass, a transaction is in the log when it commits, as one frame, and
/// what it took back is not.
#[test]
fn nothing_of_an_open_transaction_is_logged_and_nothing_that_was_taken_back() {
    let stage = stage(Background::Manual);
    let (mut big, mut other) = (stage.session(), stage.session());
    let before = stage.frames();
    big.begin(Mode::ReadWrite).unwrap();
    for row in 0..300 {
        big.put(stage.tree, &key(row), b"<kept>", Put::Upsert).unwrap();
    }
    big.begin(Mode::ReadWrite).unwrap();
    for row in 200..500 {
        big.put(stage.tree, &key(row), b"<dropped>", Put::Upsert).unwrap();
    }
    big.add(stage.tree, &key(0), 0, Delta::I32(1)).unwrap();
    for _ in 0..3 {
        stage.engine.merge().unwrap();
    }
    big.rollback_to(1).unwrap();
    assert_eq!(stage.frames(), before, "nothing of it");
    fill(&mut *other, stage.tree, 1000..1003).unwrap();
    assert_eq!(stage.frames(), before + 3);
    big.commit(Durability::Sync).unwrap();
    let frames = stage.log.frames.lock().split_off(before + 3);
    assert_eq!(frames.len(), 1);
    let count = |word: &[u8]| frames[0].1.windows(word.len()).filter(|bytes| *bytes == word).count();
    assert_eq!((count(b"<kept>"), count(b"<dropped>")), (300, 0));
    assert_eq!(other.get(stage.tree, &key(499)).unwrap(), None);
    drop((big, other));
    stage.ends_well();
}

/// Positions count claims, one for every commit that left anything; commits of locks alone have one and no frame.
#[test]
fn positions_count_claims() {
    let stage = stage(Background::Manual);
    let mut session = stage.session();
    let first = stage.engine.stats().next_position.0;
    let mut named = Vec::new();
    for round in 0..9 {
        session.begin(Mode::ReadWrite).unwrap();
        match round % 3 {
            0 => put(&mut *session, stage.tree, round).unwrap(),
            1 => session.lock(stage.tree, b"k", LockMode::Write).unwrap(),
            _ => {
                put(&mut *session, stage.tree, round).unwrap();
                session.rollback_to(0).unwrap();
                session.begin(Mode::ReadWrite).unwrap();
            }
        }
        let commit = session.commit(if round < 5 { Durability::Sync } else { Durability::Lazy }).unwrap();
        named.extend(commit.map(|commit| commit.position.0));
    }
    assert_eq!(named, [first, first + 2, first + 4]);
    assert_eq!(stage.engine.stats().next_position.0, first + 6);
    let frames: Vec<u64> = stage.log.frames.lock().iter().map(|(at, _)| at.0).collect();
    assert_eq!(frames[frames.len() - 3..], named);
    drop(session);
    stage.ends_well();
}

/// A merge cuts behind a commit whose owner is still in its sync. It waits for it, by publishing it itself; the add is in
/// the base then and counted once.
#[test]
fn a_merge_publishes_a_commit_whose_owner_is_in_its_sync() {
    let stage = stage(Background::Manual);
    let (mut session, counter) = (stage.session(), 40_i64);
    session.put(stage.tree, b"c", &counter.to_le_bytes(), Put::Insert).unwrap();
    let read = |session: &dyn Session, stage: &Stage| {
        let value = session.get(stage.tree, b"c").unwrap().expect("it stays").to_vec();
        i64::from_le_bytes(value.try_into().expect("eight bytes"))
    };
    session.begin(Mode::ReadWrite).unwrap();
    session.add(stage.tree, b"c", 0, Delta::I64(2)).unwrap();
    stage.during_the_next_flush(move |stage| {
        let other = stage.session();
        assert_eq!(read(&*other, stage), 40, "it is claimed, and not durable");
        stage.engine.request_merge();
        let mut steps = Vec::new();
        while steps.last() != Some(&Step::Published) {
            steps.push(stage.engine.step().unwrap());
        }
        assert!(steps.contains(&Step::Waited), "{steps:?}");
        assert_eq!(read(&*other, stage), 42, "the merge has made it durable and visible");
    });
    session.commit(Durability::Sync).unwrap();
    assert_eq!(read(&*session, &stage), 42);
    stage.engine.merge().unwrap();
    assert_eq!(read(&*session, &stage), 42);
    drop(session);
    stage.ends_well();
}

/// A committer dies between its claim and the end of its sync. The commit is in the queue and in the log: whoever comes
/// next publishes it, and neither merges nor writers of the same row wait for its owner.
#[test]
fn a_committer_that_dies_in_its_sync_blocks_nobody() {
    let stage = stage(Background::Manual);
    stage.during_the_next_flush(|_| std::panic::resume_unwind(Box::new("the committer dies")));
    let dead = {
        let stage = stage.clone();
        std::thread::scope(|scope| {
            let commit = move || stage.session().put(stage.tree, b"k", b"dead", Put::Upsert).map(drop);
            scope.spawn(commit).join()
        })
    };
    assert!(dead.is_err(), "the owner is gone");
    let mut session = stage.session();
    assert_eq!(session.get(stage.tree, b"k").unwrap(), None, "it is not durable yet");
    let error = session.put(stage.tree, b"k", b"mine", Put::Upsert).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteConflict);
    session.put(stage.tree, b"other", b"1", Put::Upsert).unwrap();
    stage.engine.merge().unwrap();
    assert_eq!(session.get(stage.tree, b"k").unwrap().as_deref(), Some(&b"dead"[..]));
    session.put(stage.tree, b"k", b"mine", Put::Upsert).unwrap();
    let stats = stage.engine.stats();
    assert_eq!(stats.transactions, 0, "the dead one pins nothing");
    drop(session);
    stage.ends_well();
}

/// The row of a synchronous commit is taken for as long as its sync lasts. Who met it waits for its publication, rolled
/// back and holding nothing, and goes through at the first try after that.
#[test]
fn a_rerun_waits_for_the_commit_it_met() {
    let stage = stage(Background::Manual);
    let rerun = Arc::new(Mutex::new(None));
    let handle = Arc::clone(&rerun);
    stage.during_the_next_flush(move |stage| {
        let (mut session, tree) = (stage.session(), stage.tree);
        session.begin(Mode::ReadWrite).unwrap();
        let error = session.put(tree, b"k", b"second", Put::Upsert).unwrap_err();
        assert!(error.is_concurrent() && session.conflict_recorded());
        session.rollback_to(0).unwrap();
        assert_eq!(
            stage.engine.stats().transactions,
            1,
            "it holds nothing while it waits; the committer does"
        );
        let wait = move || {
            // It may have ended before; it has now.
            session.await_conflicting_commit(Duration::MAX);
            session.put(tree, b"k", b"second", Put::Upsert).expect("nobody is in the way any more");
        };
        *handle.lock() = Some(std::thread::Builder::new().spawn(wait).expect("a thread can be started"));
    });
    stage.session().put(stage.tree, b"k", b"first", Put::Upsert).unwrap();
    rerun.lock().take().expect("a flush was under way").join().expect("the second one goes through");
    assert_eq!(stage.session().get(stage.tree, b"k").unwrap().as_deref(), Some(&b"second"[..]));
    stage.ends_well();
}

/// A failed sync ends every wait: of who asked for a merge, of who waits for the commit, of the committer itself.
#[test]
fn a_failed_sync_ends_every_wait() {
    let stage = stage(Background::Threads);
    stage.during_the_next_flush(|stage| {
        *stage.log.fails.lock() = true;
        let mut met = stage.session();
        met.begin(Mode::ReadWrite).unwrap();
        assert!(met.put(stage.tree, b"k", b"other", Put::Upsert).is_err());
        met.rollback_to(0).unwrap();
        let mut open = stage.session();
        open.begin(Mode::ReadWrite).unwrap();
        open.put(stage.tree, b"open", b"1", Put::Upsert).unwrap();
        std::thread::scope(|scope| {
            // The merge waits for the commit, flushes the log, and meets the failure first.
            let merge = scope.spawn(|| stage.engine.merge());
            let wait = scope.spawn(|| met.await_conflicting_commit(Duration::MAX));
            let merged = merge.join().expect("a merge does not panic");
            assert_eq!(merged.unwrap_err().kind(), ErrorKind::InstanceUnavailable);
            assert!(wait.join().expect("a wait does not panic"), "the wait is over");
        });
        assert_eq!(open.commit(Durability::Lazy).unwrap_err().kind(), ErrorKind::InstanceUnavailable);
        assert_eq!(open.level(), 0);
    });
    let mut session = stage.session();
    let error = session.put(stage.tree, b"k", b"lost", Put::Upsert).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskIo);
    // What nobody knows of is not shown; reads go on, and nothing hangs.
    assert_eq!(session.get(stage.tree, b"k").unwrap(), None);
    assert_eq!(session.get(stage.tree, b"open").unwrap(), None);
    assert_eq!(session.begin(Mode::ReadWrite).unwrap_err().kind(), ErrorKind::InstanceUnavailable);
    assert_eq!(stage.engine.stats().transactions, 0);
    drop(session);
    assert_eq!(stage.engine.check().unwrap(), Vec::<String>::new());
    assert_eq!(stage.engine.close().unwrap_err().kind(), ErrorKind::InstanceUnavailable);
}
