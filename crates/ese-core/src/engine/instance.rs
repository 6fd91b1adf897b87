//! The engine as an object: start, sessions, statistics, check, close.

use super::{
    applier::{self, Applier},
    core::{Attachment, Core, Counters, State, Work},
    databases::Origin,
    durable::Reports,
    keeper::{self, Keeper},
    publication::Publication,
    recovery::{self, Standing},
    session::LocalSession,
};
use crate::{
    options::{Access, Background, Options},
    overlay::{Database, Limits, Overlay},
    seam::{
        backend::Backend,
        engine::{DurableCallback, Engine, Step},
        log::Log,
        session::{Mode, Session, SessionOptions},
        store::Store,
        version_store::VersionStore,
    },
    stats::{Recovered, Stats},
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

/// A running engine: the core, and the threads that work for it.
pub(super) struct Running<V: VersionStore> {
    core: Arc<Core<V>>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
    this: Weak<Running<V>>,
}

impl LocalEngine {
    /// Starts an engine on `backend`; its main database is attached, or made if it does not exist. What the backend's log
    /// has and its databases have not is done again first; [`Stats::recovered`] tells how much that was.
    ///
    /// # Errors
    /// `InvalidSettings`; `AttachedDatabaseMismatch` when a database is missing that the log has commits of, or is another
    /// one; `DatabaseDirtyShutdown` when the main database needs another log; `LogCorrupted`, `LogGap`; what the backend
    /// reports; `OutOfMemory` when a thread cannot be started.
    pub fn start(
        options: Options,
        backend: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<dyn Engine>> {
        options.validate()?;
        let log = backend.log();
        let store = main_database(&*backend, log.as_deref())?;
        let main = match &log {
            Some(log) => Standing::of(store.stamp(), log.identity(), MAIN_NAME)?,
            None => match store.stamp().filter(|stamp| !stamp.is_clean) {
                Some(stamp) => {
                    let what =
                        format!("{MAIN_NAME:?} needs the log {:032x}, which is not here", stamp.at.log);
                    return Err(Error::new(ErrorKind::DatabaseDirtyShutdown, what));
                }
                None => Standing::Apart,
            },
        };
        let mut databases: crate::overlay::Databases = Default::default();
        databases[0] = Some(Database {
            attachment: AttachmentNo::MAIN,
            l: main.l(),
            base: store.newest(),
            store: Arc::clone(&store),
        });
        let slots = 2 * options.sessions_max as usize + SPARE_SLOTS;
        let limits = Limits {
            slots,
            generation_bytes: options.generation_bytes,
            window_bytes: options.version_store_bytes / 4,
        };
        let versions = Overlay::new(limits, databases);
        let attachment = Attachment::new(&versions, AttachmentNo::MAIN, MAIN_NAME, store);
        let number = ese_base::sync::next_number();
        let mut core = Core {
            number,
            clock,
            versions,
            publication: Publication::new(log.clone(), Position::FIRST, slots),
            attachments: RwLock::new(vec![Arc::new(attachment)]),
            attaching: Mutex::new(AttachmentNo::MAIN.0),
            state: State::new(options.access),
            work: Work::default(),
            applier: Mutex::new(Applier::new(Position::FIRST)),
            keeper: Mutex::new(Keeper::default()),
            counters: Counters::default(),
            reports: Reports::default(),
            rows_at_cut: CacheLine(AtomicU64::new(0)),
            log_identity: (u128::from(number), 1),
            recovered: Recovered::default(),
            options,
            backend,
        };
        if let Some(log) = &log {
            let (point, recovered) = recovery::run(&core, &**log, main)?;
            core.log_identity = (point.log, point.epoch);
            core.recovered = recovered;
        } else if core.options.access == Access::ReadWrite {
            core.attachment(AttachmentNo::MAIN)?.store.adopt(None)?;
        }
        let core = Arc::new(core);
        let running =
            Arc::new_cyclic(|this| Running { core, threads: Mutex::default(), this: Weak::clone(this) });
        let works = running.core.options.access == Access::ReadWrite;
        if works && running.core.options.background == Background::Threads {
            running.start_threads().inspect_err(|error| running.core.poison(error))?;
        }
        Ok(running)
    }
}

/// The main database, made where neither it nor anything in the log exists.
fn main_database(backend: &dyn Backend, log: Option<&dyn Log>) -> Result<Arc<dyn Store>> {
    match backend.attach(MAIN_NAME) {
        Err(error) if error.kind() == ErrorKind::DatabaseNotFound => {
            if let Some(log) = log {
                let end = log.replay(log.first(), &mut |at, _| Err(main_is_missing(at)))?;
                if end.at > Position::FIRST {
                    return Err(main_is_missing(end.at));
                }
            }
            backend.create(MAIN_NAME)
        }
        store => store,
    }
}

#[cold]
fn main_is_missing(at: Position) -> Error {
    let what = format!("the main database is missing, and the log knows of one (position {at})");
    Error::new(ErrorKind::AttachedDatabaseMismatch, what)
}

impl<V: VersionStore> Running<V> {
    pub(super) fn core(&self) -> &Arc<Core<V>> {
        &self.core
    }

    fn start_threads(&self) -> Result<()> {
        self.start_thread("ese-applier", applier::run)?;
        if self.core.is_durable() { self.start_thread("ese-keeper", keeper::run) } else { Ok(()) }
    }

    /// Starts a thread that works until the engine is closed; a panic of it poisons the engine.
    fn start_thread(&self, name: &'static str, run: fn(&Core<V>)) -> Result<()> {
        let core = Arc::clone(&self.core);
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || guard(&core, name, run));
        let handle = spawned.map_err(|error| {
            Error::new(ErrorKind::OutOfMemory, format!("the thread {name} could not be started"))
                .caused_by(error)
        })?;
        self.threads.lock().push(handle);
        Ok(())
    }

    /// Merges everything and makes it durable, ends the threads and closes the stores. Nothing is open any more.
    fn shut_down(&self) -> Result<()> {
        let core = &self.core;
        // A database on its way in or out is there first.
        let _attaching = core.attaching.lock();
        let works = core.options.access == Access::ReadWrite;
        let merged = if core.state.is_poisoned() {
            Err(core.state.poison_error())
        } else if works {
            core.await_merge().and_then(|()| core.check_space())
        } else {
            Ok(())
        };
        core.work.orders.lock().stop = true;
        core.work.wake.notify_all();
        core.work.keep.notify_all();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            if thread.join().is_err() {
                core.state.poison("a thread of the engine panicked".to_owned());
            }
        }
        // The applier may have been stopped in the middle of another merge, and nobody else goes on with it.
        let merged = match merged {
            Ok(()) if works && !core.state.is_poisoned() => core.finish_merge(&mut core.applier.lock()),
            merged => merged,
        };
        // What could not be merged stays in the log, for the next start.
        let made_durable =
            if works && core.is_durable() && !core.state.is_poisoned() { core.checkpoint() } else { Ok(()) };
        // What could not be merged is to be found in the log, lazy commits as well.
        let flushed = if works && !core.state.is_poisoned() {
            core.flush_locked(core.publication.claimed().position)
        } else {
            Ok(())
        };
        core.keeper.lock().give_up();
        core.applier.lock().give_up();
        core.state.end_close();
        core.work.done.notify_all();
        let mut closed = merged.and(made_durable).and(flushed);
        for attachment in core.attachments.read().iter() {
            // No view leads to its base any more, whoever still has a session: its file can be given back.
            core.versions.free_views();
            core.versions.detach(attachment.number);
            core.versions.free_views();
            let is_whole = works
                && !core.state.is_poisoned()
                && !attachment.full.load(Ordering::Relaxed)
                && closed.is_ok();
            closed = closed.and(attachment.store.close(is_whole));
        }
        if let (Ok(()), Some(log), true) =
            (&closed, core.publication.log(), works && !core.state.is_poisoned())
        {
            closed = log.close(core.publication.claimed().next);
        }
        closed.and(core.backend.close())
    }
}

/// A thread of the engine; a panic of it poisons the engine.
fn guard<V: VersionStore>(core: &Core<V>, name: &str, run: fn(&Core<V>)) {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(core)));
    if result.is_err() {
        core.poison(&Error::new(ErrorKind::InstanceUnavailable, format!("the thread {name} panicked")));
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
        AttachmentNo::MAIN
    }

    fn create_database(&self, name: &str) -> Result<AttachmentNo> {
        self.core.add_database(name, Origin::Create)
    }

    fn attach_database(&self, name: &str) -> Result<AttachmentNo> {
        self.core.add_database(name, Origin::Attach)
    }

    fn detach_database(&self, database: AttachmentNo) -> Result<()> {
        if database == AttachmentNo::MAIN {
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
        self.core.flush(commit.position)
    }

    fn on_durable(&self, callback: Option<Arc<DurableCallback>>) {
        self.core.reports.set(callback);
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

    fn checkpoint(&self) -> Result<()> {
        self.merge()?;
        if self.core.is_durable() { self.core.checkpoint() } else { Ok(()) }
    }

    fn request_merge(&self) {
        self.core.order_merge();
    }

    fn step(&self) -> Result<Step> {
        self.core.state.check()?;
        if self.core.options.access == Access::ReadOnly {
            return Ok(Step::Idle);
        }
        let step = match applier::step(&self.core)? {
            waits @ (Step::Idle | Step::Waited) if self.core.is_durable() => {
                match keeper::step(&self.core)? {
                    Step::Idle => waits,
                    kept => kept,
                }
            }
            step => step,
        };
        self.core.report_durable();
        Ok(step)
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
            checkpoints: core.counters.checkpoints.load(Ordering::Relaxed),
            recovered: core.recovered,
            backlog_rows: claimed.rows - core.rows_at_cut.load(Ordering::Relaxed).min(claimed.rows),
            ..Stats::default()
        };
        for attachment in core.attachments.read().iter() {
            let store = attachment.store.stats();
            if attachment.number == AttachmentNo::MAIN {
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
