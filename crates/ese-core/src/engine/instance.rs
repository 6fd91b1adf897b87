//! The engine as an object: start, sessions, statistics, check, close.

use super::{
    applier::{self, Applier},
    core::{Attachment, Core, Counters, State, Work},
    databases::Origin,
    publication::Publication,
    session::LocalSession,
};
use crate::{
    options::{Background, Options},
    overlay::{Database, Limits, Overlay},
    seam::{
        backend::Backend,
        engine::{Engine, Step},
        log::Log,
        session::{Mode, Session, SessionOptions},
        version_store::VersionStore,
    },
    stats::Stats,
};
use ese_base::{
    AttachmentNo, CommitId, Error, ErrorKind, Position, Result,
    clock::Clock,
    sync::{
        CacheLine, Mutex, RwLock,
        atomic::{AtomicU64, Ordering},
        thread,
    },
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// The database that every instance has.
const MAIN: AttachmentNo = AttachmentNo(1);
const MAIN_NAME: &str = "main";
/// Slots beyond those of sessions: their reads outside a transaction, and pooled closures.
const SPARE_SLOTS: usize = 64;

/// The engine of this process: an overlay over the stores of a backend.
///
/// ```
/// use ese_core::{Backend, Durability, LocalEngine, Mode, Options, Put, SessionOptions};
/// use std::sync::Arc;
///
/// fn stock(backend: Arc<dyn Backend>) -> ese_base::Result<()> {
///     let clock = Arc::new(ese_base::clock::SystemClock::new());
///     let engine = LocalEngine::start(Options::default(), backend, clock)?;
///     let mut session = engine.session(SessionOptions::default())?;
///     session.begin(Mode::ReadWrite)?;
///     let tree = session.create_tree(engine.main_database(), "stock")?;
///     session.put(tree, b"apple", b"3", Put::Upsert)?;
///     session.commit(Durability::Sync)?;
///     Ok(())
/// }
/// ```
pub struct LocalEngine;

/// A running engine: the core, and the thread that works for it.
pub(super) struct Running<V: VersionStore> {
    core: Arc<Core<V>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    this: Weak<Running<V>>,
}

impl LocalEngine {
    /// Starts an engine on `backend`; its main database is attached, or made if it does not exist.
    ///
    /// # Errors
    /// `InvalidSettings`, also for a backend whose log holds commits already: nothing here replays them, and an engine
    /// that began without them would lose them. What the backend reports; `OutOfMemory` when the applier's thread cannot
    /// be started.
    pub fn start(
        options: Options,
        backend: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<dyn Engine>> {
        options.validate()?;
        let log = backend.log();
        if let Some(log) = &log {
            check_empty(&**log)?;
        }
        let store = match backend.attach(MAIN_NAME) {
            Err(error) if error.kind() == ErrorKind::DatabaseNotFound => backend.create(MAIN_NAME)?,
            store => store?,
        };
        let first = Position::FIRST;
        let mut databases: crate::overlay::Databases = Default::default();
        databases[0] =
            Some(Database { attachment: MAIN, l: first, base: store.newest(), store: Arc::clone(&store) });
        let slots = 2 * options.sessions_max as usize + SPARE_SLOTS;
        let limits = Limits {
            slots,
            generation_bytes: options.generation_bytes,
            window_bytes: options.version_store_bytes / 4,
        };
        let versions = Overlay::new(limits, databases);
        let main = Arc::new(Attachment::new(&versions, MAIN, MAIN_NAME, store));
        let number = ese_base::sync::next_number();
        let core = Arc::new(Core {
            number,
            clock,
            versions,
            publication: Publication::new(log, first, slots),
            attachments: RwLock::new(vec![main]),
            next_attachment: Mutex::new(MAIN.0),
            state: State::default(),
            work: Work::default(),
            applier: Mutex::new(Applier::new(first)),
            counters: Counters::default(),
            rows_at_cut: CacheLine(AtomicU64::new(0)),
            log_identity: (u128::from(number), 1),
            options,
            backend,
        });
        let running =
            Arc::new_cyclic(|this| Running { core, thread: Mutex::new(None), this: Weak::clone(this) });
        if running.core.options.background == Background::Threads {
            running.start_thread()?;
        }
        Ok(running)
    }
}

impl<V: VersionStore> Running<V> {
    pub(super) fn core(&self) -> &Arc<Core<V>> {
        &self.core
    }

    fn start_thread(&self) -> Result<()> {
        let core = Arc::clone(&self.core);
        let spawned = thread::Builder::new().name("ese-applier".to_owned()).spawn(move || guard(&core));
        let handle = spawned.map_err(|error| {
            Error::new(ErrorKind::OutOfMemory, "the applier's thread could not be started").caused_by(error)
        })?;
        *self.thread.lock() = Some(handle);
        Ok(())
    }

    /// Merges everything, ends the thread and closes the stores. Nothing is open any more.
    fn shut_down(&self) -> Result<()> {
        let core = &self.core;
        let merged = if core.state.is_poisoned() {
            Err(core.state.poison_error())
        } else {
            core.await_merge().and_then(|()| core.check_space())
        };
        core.work.orders.lock().stop = true;
        core.work.wake.notify_all();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            core.state.poison("the applier's thread panicked".to_owned());
        }
        core.state.end_close();
        core.work.done.notify_all();
        let clean = merged.is_ok() && !core.state.is_poisoned();
        let mut closed = merged;
        for attachment in core.attachments.read().iter() {
            let full = attachment.full.load(Ordering::Relaxed);
            closed = closed.and(attachment.store.close(clean && !full));
        }
        core.versions.free_views();
        closed
    }
}

/// Refuses a log that holds anything: positions are counted from the first one, and bases begin with nothing below it.
fn check_empty(log: &dyn Log) -> Result<()> {
    let held = |at: Position| {
        let what =
            format!("the backend's log holds commits (position {at}), which this engine does not replay");
        Err(Error::new(ErrorKind::InvalidSettings, what))
    };
    let end = log.replay(Position::FIRST, &mut |at, _| held(at))?;
    if end.at > Position::FIRST { held(end.at) } else { Ok(()) }
}

/// The applier's thread; a panic of it poisons the engine.
fn guard<V: VersionStore>(core: &Core<V>) {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| applier::run(core)));
    if result.is_err() {
        core.poison(&Error::new(ErrorKind::InstanceUnavailable, "the applier panicked"));
    }
}

impl<V: VersionStore> Engine for Running<V> {
    fn number(&self) -> u64 {
        self.core.number
    }

    fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>> {
        self.core.state.check()?;
        let running = self.this.upgrade().ok_or_else(|| Error::from(ErrorKind::NotInitialized))?;
        Ok(Box::new(LocalSession::new(running, options)?))
    }

    fn main_database(&self) -> AttachmentNo {
        MAIN
    }

    fn create_database(&self, name: &str) -> Result<AttachmentNo> {
        self.core.add_database(name, Origin::Create)
    }

    fn attach_database(&self, name: &str) -> Result<AttachmentNo> {
        self.core.add_database(name, Origin::Attach)
    }

    fn detach_database(&self, database: AttachmentNo) -> Result<()> {
        if database == MAIN {
            return Err(Error::new(ErrorKind::InvalidParameter, "the main database cannot be detached"));
        }
        self.core.remove_database(database)
    }

    fn databases(&self) -> Vec<(AttachmentNo, String)> {
        self.core.attachments.read().iter().map(|a| (a.number, a.name.clone())).collect()
    }

    fn wait_durable(&self, commit: CommitId) -> Result<()> {
        self.core.state.check()?;
        let next = self.core.publication.claimed().next;
        if (commit.log, commit.epoch) != self.core.log_identity || commit.position >= next {
            return Err(Error::new(
                ErrorKind::InvalidParameter,
                "the commit is of another instance, log or epoch",
            ));
        }
        match self.core.publication.log() {
            Some(log) => match log.flush(commit.position) {
                Ok(_) => Ok(()),
                Err(error) => {
                    self.core.poison(&error);
                    Err(error)
                }
            },
            None => Ok(()),
        }
    }

    fn merge(&self) -> Result<()> {
        self.core.state.check()?;
        self.core.state.check_writes()?;
        self.core.await_merge()?;
        if self.core.applier.lock().is_held_up_by_readers() {
            return Err(super::databases::too_many_views());
        }
        self.core.check_space()
    }

    fn request_merge(&self) {
        self.core.order_merge();
    }

    fn step(&self) -> Result<Step> {
        self.core.state.check()?;
        applier::step(&self.core)
    }

    fn stats(&self) -> Stats {
        let core = &self.core;
        let usage = core.versions.usage();
        let claimed = core.publication.claimed();
        let oldest = core.versions.oldest(Mode::ReadOnly);
        let age = |begun| core.clock.now().saturating_sub(Duration::from_nanos(begun));
        let log = core.publication.log().map(|log| log.stats()).unwrap_or_default();
        let mut stats = Stats {
            log_syncs: log.syncs,
            log_bytes: log.bytes,
            backend: core.backend.name(),
            sessions: core.counters.sessions.load(Ordering::Relaxed),
            transactions: core.versions.open_transactions() as u64,
            oldest_snapshot: oldest.as_ref().map(|oldest| oldest.snapshot),
            oldest_snapshot_age: oldest.map(|oldest| age(oldest.begun_nanos)),
            last_visible: core.versions.last_visible(),
            next_position: claimed.next,
            commits: claimed.claims,
            rollbacks: core.counters.rollbacks.load(Ordering::Relaxed),
            conflicts: core.counters.conflicts.load(Ordering::Relaxed),
            version_store_bytes: core.used_bytes(),
            reader_held_bytes: core.versions.reader_bytes(),
            version_store_limit_bytes: core.options.version_store_bytes,
            generations: usage.generations,
            recycled_chunks: usage.recycled_chunks,
            window_entries: usage.window_entries,
            views: usage.views,
            merges: core.counters.merges.load(Ordering::Relaxed),
            merged_rows: core.counters.merged_rows.load(Ordering::Relaxed),
            backlog_rows: claimed.rows - core.rows_at_cut.load(Ordering::Relaxed).min(claimed.rows),
            ..Stats::default()
        };
        for attachment in core.attachments.read().iter() {
            let store = attachment.store.stats();
            if attachment.number == MAIN {
                stats.page_size_bytes = store.page_size_bytes;
            }
            stats.pages += store.pages;
            stats.free_pages += store.free_pages;
            stats.pinned_pages += store.pinned_pages;
        }
        stats
    }

    fn check(&self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        self.core.versions.check(&mut |fault| faults.push(fault));
        // Between merges, so that the newest base is one whose pages nobody is about to recycle.
        let _applier = self.core.applier.lock();
        for attachment in self.core.attachments.read().iter() {
            let base = attachment.store.newest();
            attachment.store.check(&base, &mut |fault| {
                faults.push(format!("database {:?}: {fault}", attachment.name));
            })?;
        }
        Ok(faults)
    }

    fn close(&self) -> Result<()> {
        let core = &self.core;
        if core.state.is_closed() {
            return Ok(());
        }
        if !core.state.begin_close() {
            return Err(ErrorKind::TermInProgress.into());
        }
        if let Some(open) = core.versions.oldest(Mode::ReadOnly) {
            core.state.abandon_close();
            return Err(Error::new(ErrorKind::TooManyActiveUsers, core.describe(&open)));
        }
        self.shut_down()
    }
}

impl<V: VersionStore> Drop for Running<V> {
    fn drop(&mut self) {
        // The last session and the last handle are gone: no transaction is open. Errors were for `close` to report.
        let _ = self.close();
    }
}
