//! Commits through a log whose sync takes its time: it writes, lets others run, and only then is anything durable.
//!
//! What holds in every schedule:
//! - A synchronous commit that has returned is durable, and nobody reads one that is not.
//! - A commit that has returned is seen by its session, whoever published it, and nobody waits for ever.
//! - After a sync that failed nothing is acknowledged.

use super::{both_ways, schedules};
use crate::logged::Logged;
use ese_base::{
    Error, ErrorKind, Position, Result, TreeId,
    clock::ManualClock,
    sync::{Condvar, Mutex, thread},
};
use ese_core::{
    Background, Durability, Engine, LocalEngine, Log, LogPoint, Mode, Options, Put, Session, SessionOptions,
};
use ese_mem::MemoryBackend;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

const THREADS: u8 = 3;
const COMMITS: u8 = 4;
const KEYS: u8 = 2;
/// What every value begins with, so that the log finds values in its frames.
const MARK: &[u8; 8] = b"<value> ";

/// A written value: who wrote it, its how-manieth, and with which durability.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Stamp {
    thread: u8,
    count: u8,
    is_sync: bool,
}

impl Stamp {
    fn to_bytes(self) -> [u8; 11] {
        let mut bytes = [0; 11];
        bytes[..8].copy_from_slice(MARK);
        bytes[8..].copy_from_slice(&[self.thread, self.count, u8::from(self.is_sync)]);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Stamp> {
        match bytes.strip_prefix(MARK)? {
            [thread, count, is_sync, ..] => {
                Some(Stamp { thread: *thread, count: *count, is_sync: *is_sync == 1 })
            }
            _ => None,
        }
    }

    fn durability(self) -> Durability {
        if self.is_sync { Durability::Sync } else { Durability::Lazy }
    }
}

/// A log that is durable in memory, by syncs that others wait for.
struct SlowLog {
    state: Mutex<State>,
    synced: Condvar,
}

#[derive(Default)]
struct State {
    /// Where each value lies.
    positions: BTreeMap<Stamp, Position>,
    /// Behind the last frame.
    end: u64,
    durable: u64,
    is_syncing: bool,
    /// So many syncs go through; `None`: all.
    good_syncs: Option<u64>,
    has_failed: bool,
}

impl SlowLog {
    fn new() -> Self {
        let state = State { end: 1, durable: 1, ..State::default() };
        SlowLog { state: Mutex::new(state), synced: Condvar::new() }
    }

    /// Reads a value: if its commit was synchronous, it is durable.
    fn check_seen(&self, value: &[u8]) -> Position {
        let stamp = Stamp::from_bytes(value).expect("nobody writes anything else");
        let state = self.state.lock();
        let at = *state.positions.get(&stamp).expect("it is in the log before anybody sees it");
        assert!(!stamp.is_sync || at.0 < state.durable, "{stamp:?} at {at} was seen before it was durable");
        at
    }

    /// Whether a synchronous commit that was claimed before `at` is not durable yet.
    fn is_overtaken_by(&self, at: Position) -> bool {
        let state = self.state.lock();
        let waits =
            |(stamp, before): (&Stamp, &Position)| stamp.is_sync && *before < at && before.0 >= state.durable;
        state.positions.iter().any(waits)
    }
}

impl Log for SlowLog {
    fn room(&self, _bytes: u64) -> Result<()> {
        thread::yield_now();
        Ok(())
    }

    fn append(&self, at: Position, frame: Box<[u8]>) {
        let mut state = self.state.lock();
        assert!(state.end <= at.0, "frames come in the order of positions");
        state.end = at.0 + 1;
        let stamps = (0..frame.len()).filter_map(|from| Stamp::from_bytes(&frame[from..]));
        state.positions.extend(stamps.map(|stamp| (stamp, at)));
    }

    fn durable(&self) -> Position {
        Position(self.state.lock().durable)
    }

    fn flush(&self, up_to: Position) -> Result<Position> {
        let mut state = self.state.lock();
        loop {
            if state.has_failed {
                return Err(Error::new(ErrorKind::DiskIo, "the sync failed"));
            }
            if up_to.0 < state.durable {
                return Ok(Position(state.durable));
            }
            if !state.is_syncing {
                break;
            }
            self.synced.wait(&mut state);
        }
        state.is_syncing = true;
        let end = state.end.max(up_to.0 + 1);
        drop(state);
        // The bytes are with the system; the medium takes its time.
        thread::yield_now();
        thread::yield_now();
        let mut state = self.state.lock();
        state.is_syncing = false;
        if state.good_syncs == Some(0) {
            state.has_failed = true;
        } else {
            state.good_syncs = state.good_syncs.map(|left| left - 1);
            state.durable = end;
        }
        self.synced.notify_all();
        if state.has_failed {
            return Err(Error::new(ErrorKind::DiskIo, "the sync failed"));
        }
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

/// What happened in all schedules, so that something did.
#[derive(Default)]
struct Met {
    commits: AtomicU64,
    overtakes: AtomicU64,
    merges: AtomicU64,
    failures: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::SeqCst);
}

/// What a thread does.
type Work = Box<dyn FnOnce(&Stage) -> Result<()> + Send>;

#[derive(Clone)]
struct Stage {
    engine: Arc<dyn Engine>,
    tree: TreeId,
    log: Arc<SlowLog>,
    met: Arc<Met>,
    /// Somebody was told that the log has failed.
    is_dead: Arc<AtomicBool>,
}

impl Stage {
    fn new(met: Arc<Met>, good_syncs: Option<u64>) -> Stage {
        let log = Arc::new(SlowLog::new());
        let backend = Logged { memory: MemoryBackend::default(), log: Arc::clone(&log) };
        let options = Options {
            sessions_max: 8,
            background: Background::Manual,
            generation_bytes: 16 << 10,
            merge_rows: 1,
            ..Options::default()
        };
        let engine = LocalEngine::start(options, Arc::new(backend), Arc::new(ManualClock::default()))
            .expect("an engine starts");
        let mut session = engine.session(SessionOptions::default()).expect("there is room");
        let tree = session.create_tree(engine.main_database(), "t").expect("the name is free");
        log.state.lock().good_syncs = good_syncs;
        Stage { engine, tree, log, met, is_dead: Arc::default() }
    }

    fn session(&self) -> Box<dyn Session> {
        self.engine.session(SessionOptions::default()).expect("there is room for a session")
    }

    /// Reads a row in a transaction of its own.
    fn look(&self, session: &mut dyn Session, key: &[u8]) -> Option<Position> {
        session.begin(Mode::ReadOnly).expect("reads go on");
        let seen = session.get(self.tree, key).expect("it is in memory").map(|row| self.log.check_seen(&row));
        session.rollback_to(0).expect("it is open");
        seen
    }

    /// Writes one row and commits; false: another has the row.
    fn write(&self, session: &mut dyn Session, key: &[u8], stamp: Stamp) -> Result<bool> {
        let was_dead = self.is_dead.load(Ordering::SeqCst);
        session.begin(Mode::ReadWrite)?;
        if let Some(row) = session.get(self.tree, key)? {
            self.log.check_seen(&row);
        }
        if let Err(error) = session.put(self.tree, key, &stamp.to_bytes(), Put::Upsert) {
            session.rollback_to(0)?;
            return if error.is_concurrent() { Ok(false) } else { Err(error) };
        }
        let commit = session.commit(stamp.durability())?.expect("it wrote a row");
        assert!(!was_dead, "{stamp:?} was acknowledged after a failed sync");
        if stamp.is_sync {
            assert!(commit.position < self.log.durable(), "{stamp:?} has returned and is not durable");
        } else if self.log.is_overtaken_by(commit.position) {
            count(&self.met.overtakes);
        }
        let seen = self.look(session, key);
        assert!(seen >= Some(commit.position), "{stamp:?} at {} has returned: {seen:?}", commit.position);
        count(&self.met.commits);
        Ok(true)
    }

    /// The commits of one thread; the error that ended them.
    fn work(&self, thread: u8, seed: u64) -> Result<()> {
        let mut session = self.session();
        for count in 0..COMMITS {
            let is_sync = (seed >> (thread * COMMITS + count)) & 1 == 0;
            let stamp = Stamp { thread, count, is_sync };
            let key = [(thread + count) % KEYS];
            while !self.write(&mut *session, &key, stamp)? {
                // Until it is published; if it is not even claimed, another turn will do.
                session.await_conflicting_commit(Duration::MAX);
                thread::yield_now();
            }
        }
        Ok(())
    }

    /// Merges for as long as the others are at work.
    fn merge_until(&self, done: &AtomicBool) -> Result<()> {
        while !done.load(Ordering::SeqCst) {
            self.engine.request_merge();
            self.engine.step()?;
            thread::yield_now();
        }
        Ok(())
    }

    /// Everybody at once; the errors that ended threads.
    fn run(&self, seed: u64) -> Vec<Error> {
        let done = Arc::new(AtomicBool::new(false));
        let spawn = |work: Work| {
            let stage = self.clone();
            let noted = move || {
                let ended = work(&stage);
                stage.is_dead.fetch_or(ended.is_err(), Ordering::SeqCst);
                ended
            };
            thread::Builder::new().spawn(noted).expect("a thread can be started")
        };
        let merges = {
            let done = Arc::clone(&done);
            spawn(Box::new(move |stage| stage.merge_until(&done)))
        };
        let threads: Vec<_> =
            (0..THREADS).map(|number| spawn(Box::new(move |stage| stage.work(number, seed)))).collect();
        let mut ended: Vec<_> =
            threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect();
        done.store(true, Ordering::SeqCst);
        ended.push(merges.join().expect("no merge panics"));
        self.met.merges.fetch_add(self.engine.stats().merges, Ordering::SeqCst);
        ended.into_iter().filter_map(Result::err).collect()
    }

    /// Reads every row once more, and looks at everything.
    fn check(&self) {
        let mut session = self.session();
        for key in 0..KEYS {
            self.look(&mut *session, &[key]);
        }
        drop(session);
        assert_eq!(self.engine.stats().transactions, 0);
        assert_eq!(self.engine.check().expect("a check goes through"), Vec::<String>::new());
    }
}

/// Different durabilities, different moments of failure.
fn scattered(seed: u64) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

fn under_shuttle(run: impl Fn(Arc<Met>, u64) + Clone + Send + Sync + 'static) -> Arc<Met> {
    let (seeds, met) = (Arc::new(AtomicU64::new(0)), Arc::new(Met::default()));
    both_ways(schedules(), || {
        let (seeds, met, run) = (Arc::clone(&seeds), Arc::clone(&met), run.clone());
        move || run(Arc::clone(&met), scattered(seeds.fetch_add(1, Ordering::SeqCst)))
    });
    met
}

#[test]
fn shuttle_commits_wait_for_syncs_that_take_their_time() {
    let met = under_shuttle(|met, seed| {
        let stage = Stage::new(met, None);
        let errors = stage.run(seed);
        assert!(errors.is_empty(), "seed {seed}: {errors:?}");
        stage.check();
        stage.engine.merge().expect("an idle engine merges");
        stage.check();
        stage.engine.close().expect("nothing is open");
    });
    let of = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    assert_eq!(of(&met.commits), schedules() as u64 * u64::from(THREADS * COMMITS), "nobody gave up");
    assert!(of(&met.overtakes) > schedules() as u64 / 10, "lazy commits did not overtake");
    assert!(of(&met.merges) > schedules() as u64 / 2, "merges did not run beside commits");
}

#[test]
fn shuttle_a_sync_that_fails_is_the_last_word() {
    let met = under_shuttle(|met, seed| {
        let stage = Stage::new(Arc::clone(&met), Some(seed % 4));
        let errors = stage.run(seed);
        stage.check();
        if errors.is_empty() {
            // The others' syncs were enough for everybody.
            return stage.engine.close().map_or_else(|_| (), |()| ());
        }
        count(&met.failures);
        let of_failure =
            |error: &Error| matches!(error.kind(), ErrorKind::DiskIo | ErrorKind::InstanceUnavailable);
        assert!(errors.iter().all(of_failure), "seed {seed}: {errors:?}");
        let mut session = stage.session();
        let refused = session.begin(Mode::ReadWrite).expect_err("nothing is written any more");
        assert_eq!(refused.kind(), ErrorKind::InstanceUnavailable);
        drop(session);
        let closed = stage.engine.close().expect_err("what was lost is told");
        assert_eq!(closed.kind(), ErrorKind::InstanceUnavailable);
    });
    assert!(met.failures.load(Ordering::SeqCst) > schedules() as u64 / 2, "syncs did not fail");
}
