//! A reference engine: the rules of isolation, conflicts, levels, counters and trees in their plainest form.
//!
//! It implements the seam [`Engine`] under one lock. Every version of every row is kept for ever in one list per row;
//! a read folds the versions that its snapshot shows; a rollback removes versions; a conflict check looks at all of
//! them. Nothing is merged, nothing is budgeted, nothing waits. Scenarios run on it as on any engine, and random runs
//! compare an engine with it statement by statement.
//!
//! Absent: version store limits, background work, statistics beyond the obvious.
//!
//! Reading order: `row` (versions and what they fold to), `world` (all shared state), `session`, `write`, `trees`.

mod row;
mod scan;
mod session;
mod trees;
mod world;
mod write;

use ese_base::{AttachmentNo, CommitId, CommitTs, Error, ErrorKind, Position, Result, limits, sync::Mutex};
use ese_core::{DurableCallback, Engine, Options, Session, SessionOptions, Stats, Step};
use session::ReferenceSession;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use world::World;

/// The longest key, as for 4 KiB pages.
const KEY_MAX_BYTES: usize = limits::key_max_bytes(limits::PAGE_SIZE_MIN_BYTES);

/// What [`Stats::backend`] says of a reference engine.
pub const BACKEND: &str = "reference";

/// The reference engine.
///
/// ```
/// use ese_core::{Options, Put, SessionOptions};
/// use ese_sim::reference::ReferenceEngine;
/// let engine = ReferenceEngine::start(Options::default())?;
/// let mut session = engine.session(SessionOptions::default())?;
/// let tree = session.create_tree(engine.main_database(), "t")?;
/// session.put(tree, b"a", b"1", Put::Insert)?;
/// assert_eq!(session.get(tree, b"a")?.as_deref(), Some(&b"1"[..]));
/// # Ok::<(), ese_base::Error>(())
/// ```
#[derive(Debug)]
pub struct ReferenceEngine {
    shared: Arc<Shared>,
}

/// A fault that a reference engine can be given, to see that tests find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Reads see what is committed now, not the snapshot.
    ReadsNewest,
    /// Writes never meet a conflict.
    MissesConflicts,
    /// Writes meet a conflict with whoever wrote the row before.
    MakesUpConflicts,
    /// Deletes lock the row, and that is all.
    LosesDeletes,
}

/// What the engine shares with its sessions.
#[derive(Debug)]
struct Shared {
    number: u64,
    options: Options,
    world: Mutex<World>,
    fault: Option<Fault>,
}

impl ReferenceEngine {
    /// Starts an engine with an empty main database.
    ///
    /// # Errors
    /// `InvalidSettings`.
    pub fn start(options: Options) -> Result<Arc<dyn Engine>> {
        Self::start_with(options, None)
    }

    /// Starts an engine that is wrong.
    ///
    /// # Errors
    /// `InvalidSettings`.
    pub fn start_with(options: Options, fault: Option<Fault>) -> Result<Arc<dyn Engine>> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1 << 40);
        options.validate()?;
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let shared = Shared { number, options, world: Mutex::new(World::new()), fault };
        Ok(Arc::new(ReferenceEngine { shared: Arc::new(shared) }))
    }
}

impl Engine for ReferenceEngine {
    fn number(&self) -> u64 {
        self.shared.number
    }

    fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>> {
        let mut world = self.shared.world.lock();
        world.open()?;
        let id = world.admit(self.shared.options.sessions_max)?;
        Ok(Box::new(ReferenceSession::new(Arc::clone(&self.shared), id, options)))
    }

    fn main_database(&self) -> AttachmentNo {
        world::MAIN
    }

    fn create_database(&self, name: &str) -> Result<AttachmentNo> {
        let mut world = self.shared.world.lock();
        world.open()?;
        trees::check_database_name(name)?;
        if world.database_named(name).is_some() {
            return Err(Error::new(ErrorKind::DatabaseDuplicate, format!("{name:?} exists")));
        }
        world.attach(name)
    }

    fn attach_database(&self, name: &str) -> Result<AttachmentNo> {
        let mut world = self.shared.world.lock();
        world.open()?;
        if world.database_named(name).is_none() {
            return Err(Error::new(ErrorKind::DatabaseNotFound, format!("{name:?}")));
        }
        if world.attached().iter().any(|(_, attached)| attached == name) {
            return Err(Error::new(ErrorKind::DatabaseAttached, format!("{name:?}")));
        }
        world.attach(name)
    }

    fn detach_database(&self, database: AttachmentNo) -> Result<()> {
        let mut world = self.shared.world.lock();
        world.open()?;
        world.detach(database)
    }

    fn databases(&self) -> Vec<(AttachmentNo, String)> {
        self.shared.world.lock().attached()
    }

    fn wait_durable(&self, commit: CommitId) -> Result<()> {
        if commit.log == u128::from(self.shared.number) {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::InvalidParameter, "a commit of another log"))
        }
    }

    fn merge(&self) -> Result<()> {
        self.shared.world.lock().open()
    }

    fn on_durable(&self, _callback: Option<Arc<DurableCallback>>) {}

    fn checkpoint(&self) -> Result<()> {
        self.merge()
    }

    fn request_merge(&self) {}

    fn step(&self) -> Result<Step> {
        self.shared.world.lock().open().map(|()| Step::Idle)
    }

    fn stats(&self) -> Stats {
        let world = self.shared.world.lock();
        let mut stats = Stats::default();
        stats.backend = BACKEND;
        stats.sessions = u64::try_from(world.sessions.len()).unwrap_or(u64::MAX);
        stats.transactions = u64::try_from(world.running.len()).unwrap_or(u64::MAX);
        stats.oldest_snapshot = world.running.values().map(|running| CommitTs(running.snapshot)).min();
        stats.last_visible = CommitTs(world.last_visible);
        stats.next_position = Position(world.last_visible + 1);
        stats
    }

    fn check(&self) -> Result<Vec<String>> {
        Ok(self.shared.world.lock().check())
    }

    fn close(&self) -> Result<()> {
        self.shared.world.lock().close()
    }
}
