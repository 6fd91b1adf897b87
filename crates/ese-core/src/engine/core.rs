//! What sessions, the applier and the engine object share.

use super::{directory::DirectoryWord, publication::Publication};
use crate::{
    options::{Access, Options},
    seam::{backend::Backend, engine::Step, store::Store, version_store::VersionStore},
    stats::Recovered,
};
use ese_base::{
    AttachmentNo, Error, ErrorKind, Result, SessionId, TreeId,
    clock::Clock,
    sync::{
        CacheLine, Condvar, Mutex, RwLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
};
use std::sync::Arc;

/// The engine's shared heart.
pub(super) struct Core<V: VersionStore> {
    pub(super) number: u64,
    pub(super) options: Options,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) versions: V,
    pub(super) publication: Publication,
    pub(super) attachments: RwLock<Vec<Arc<Attachment<V>>>>,
    /// The last attachment number that was given; held while a database comes or goes. Taken before any other lock.
    pub(super) attaching: Mutex<u32>,
    pub(super) state: State,
    pub(super) work: Work,
    pub(super) applier: Mutex<super::applier::Applier<V>>,
    pub(super) keeper: Mutex<super::keeper::Keeper<V>>,
    pub(super) counters: Counters,
    pub(super) reports: super::durable::Reports,
    /// Rows claimed before the last cut.
    pub(super) rows_at_cut: CacheLine<AtomicU64>,
    /// Names this log, or this life of an engine without one.
    pub(super) log_identity: (u128, u32),
    /// What was done again at the start.
    pub(super) recovered: Recovered,
}

/// An attached database.
pub(super) struct Attachment<V: VersionStore> {
    pub(super) number: AttachmentNo,
    pub(super) name: String,
    pub(super) store: Arc<dyn Store>,
    pub(super) directory: V::Tree,
    pub(super) word: DirectoryWord,
    pub(super) key_max_bytes: usize,
    /// Its last merge failed for want of space.
    pub(super) full: AtomicBool,
    /// It is being detached: no writes any more.
    pub(super) leaving: AtomicBool,
    /// It is in no view any more: merges leave it alone. Changed under the applier's lock.
    pub(super) out: AtomicBool,
}

impl<V: VersionStore> Attachment<V> {
    pub(super) fn new(versions: &V, number: AttachmentNo, name: &str, store: Arc<dyn Store>) -> Self {
        Attachment {
            number,
            name: name.to_owned(),
            directory: versions.tree(TreeId::directory(number)),
            word: DirectoryWord::default(),
            key_max_bytes: store.key_max_bytes(),
            full: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            out: AtomicBool::new(false),
            store,
        }
    }
}

impl<V: VersionStore> Attachment<V> {
    /// Whether it takes writes: it has space, and is not being detached.
    pub(super) fn check_writable(&self) -> Result<()> {
        if self.full.load(Ordering::Relaxed) {
            let what = format!("the last merge of database {:?} found no space", self.name);
            return Err(Error::new(ErrorKind::DiskFull, what));
        }
        if self.leaving.load(Ordering::SeqCst) {
            let what = format!("database {:?} is being detached", self.name);
            return Err(Error::new(ErrorKind::DatabaseNotFound, what));
        }
        Ok(())
    }
}

/// Sums since the engine began.
#[derive(Debug, Default)]
pub(super) struct Counters {
    session_numbers: AtomicU64,
    /// Sessions that are open.
    pub(super) sessions: AtomicU64,
    pub(super) rollbacks: AtomicU64,
    pub(super) conflicts: AtomicU64,
    pub(super) merges: AtomicU64,
    pub(super) merged_rows: AtomicU64,
    pub(super) checkpoints: AtomicU64,
    pub(super) own_write_bytes: AtomicU64,
}

impl Counters {
    pub(super) fn next_session(&self) -> SessionId {
        SessionId(self.session_numbers.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

const READY: u8 = 0;
const CLOSING: u8 = 1;
const CLOSED: u8 = 2;

const WRITABLE: u8 = 0;
const READ_ONLY: u8 = 1;
const POISONED: u8 = 2;

/// Whether the engine can be used, and if not, why.
#[derive(Debug, Default)]
pub(super) struct State {
    life: AtomicU8,
    writes: AtomicU8,
    poison: Mutex<Option<String>>,
}

impl State {
    /// The state of an engine that begins.
    pub(super) fn new(access: Access) -> Self {
        let writes = match access {
            Access::ReadWrite => WRITABLE,
            Access::ReadOnly => READ_ONLY,
        };
        State { writes: AtomicU8::new(writes), ..State::default() }
    }

    /// Whether a transaction may begin.
    #[inline]
    pub(super) fn check(&self) -> Result<()> {
        match self.life.load(Ordering::SeqCst) {
            READY => Ok(()),
            CLOSING => Err(ErrorKind::TermInProgress.into()),
            _ => Err(ErrorKind::NotInitialized.into()),
        }
    }

    /// Whether writes and commits may go on.
    #[inline]
    pub(super) fn check_writes(&self) -> Result<()> {
        match self.writes.load(Ordering::Acquire) {
            WRITABLE => Ok(()),
            READ_ONLY => {
                Err(Error::new(ErrorKind::DatabaseFileReadOnly, "the instance was opened for reads"))
            }
            _ => Err(self.poison_error()),
        }
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.writes.load(Ordering::Acquire) == POISONED
    }

    #[cold]
    pub(super) fn poison_error(&self) -> Error {
        let why = self.poison.lock().clone().unwrap_or_default();
        Error::new(ErrorKind::InstanceUnavailable, why)
    }

    /// Makes every later write and commit fail; the first reason is kept.
    #[cold]
    pub(super) fn poison(&self, why: String) {
        self.poison.lock().get_or_insert(why);
        self.writes.store(POISONED, Ordering::Release);
    }

    /// Ready → closing; false when it is not ready.
    pub(super) fn begin_close(&self) -> bool {
        self.life.compare_exchange(READY, CLOSING, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Closing → ready.
    pub(super) fn abandon_close(&self) {
        self.life.store(READY, Ordering::SeqCst);
    }

    /// Closing → closed.
    pub(super) fn end_close(&self) {
        self.life.store(CLOSED, Ordering::SeqCst);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.life.load(Ordering::SeqCst) == CLOSED
    }
}

/// What the applier is asked for and has done.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) orders: Mutex<Orders>,
    /// The applier waits here.
    pub(super) wake: Condvar,
    /// The keeper waits here.
    pub(super) keep: Condvar,
    /// Who waits for a merge waits here.
    pub(super) done: Condvar,
    /// The applier was woken and has not looked yet.
    pub(super) woken: AtomicBool,
}

/// Under the mutex of [`Work`].
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) merge: bool,
    pub(super) stop: bool,
    /// Merges that began, and that ended (published, abandoned, or found nothing to do).
    pub(super) begun: u64,
    pub(super) ended: u64,
}

impl<V: VersionStore> Core<V> {
    /// The attachment of that number.
    pub(super) fn attachment(&self, number: AttachmentNo) -> Result<Arc<Attachment<V>>> {
        let attachments = self.attachments.read();
        attachments.iter().find(|attachment| attachment.number == number).cloned().ok_or_else(|| {
            Error::new(ErrorKind::DatabaseNotFound, format!("nothing is attached under number {}", number.0))
        })
    }

    /// Wakes the applier, once until it looks.
    #[inline]
    pub(super) fn wake_applier(&self) {
        if !self.work.woken.load(Ordering::Relaxed) && !self.work.woken.swap(true, Ordering::AcqRel) {
            let _orders = self.work.orders.lock();
            self.work.wake.notify_all();
        }
    }

    /// Wakes the applier if this commit, the one that made `rows` rows in all, gave it something to do.
    #[inline]
    pub(super) fn note_commit(&self, rows: u64) {
        if self.versions.wants_work()
            || rows - self.rows_at_cut.load(Ordering::Relaxed).min(rows) >= self.options.merge_rows
        {
            self.wake_applier();
        }
    }

    /// Asks for a merge without waiting.
    pub(super) fn order_merge(&self) {
        self.work.orders.lock().merge = true;
        self.work.wake.notify_all();
    }

    /// Waits for the end of the first merge that begins after this call; drives it where nobody else does.
    pub(super) fn await_merge(&self) -> Result<()> {
        let target = {
            let mut orders = self.work.orders.lock();
            orders.merge = true;
            orders.begun + 1
        };
        self.work.wake.notify_all();
        if self.options.background == crate::options::Background::Manual {
            loop {
                let step = super::applier::step(self)?;
                if self.work.orders.lock().ended >= target {
                    // Another thread's step may have ended it by failing.
                    return self.state.check_writes();
                }
                if step == Step::Waited {
                    ese_base::sync::spin();
                }
            }
        }
        let mut orders = self.work.orders.lock();
        while orders.ended < target {
            self.state.check_writes()?;
            if orders.stop {
                return self.state.check();
            }
            self.work.done.wait(&mut orders);
        }
        self.state.check_writes()
    }

    /// Counts a session in, unless there are as many as may be.
    pub(super) fn admit_session(&self) -> Result<()> {
        let most = u64::from(self.options.sessions_max);
        let admitted = self
            .counters
            .sessions
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| (open < most).then_some(open + 1));
        match admitted {
            Ok(_) => Ok(()),
            Err(open) => Err(Error::new(
                ErrorKind::OutOfSessions,
                format!("{open} sessions are open, the limit is {most}"),
            )),
        }
    }

    /// Whether the last merge found space in every database.
    pub(super) fn check_space(&self) -> Result<()> {
        match self.attachments.read().iter().find(|attachment| attachment.full.load(Ordering::Relaxed)) {
            Some(full) => Err(Error::new(
                ErrorKind::DiskFull,
                format!(
                    "database {:?} could not be merged; what is committed in it is kept in memory",
                    full.name
                ),
            )),
            None => Ok(()),
        }
    }

    /// Makes the engine unavailable and wakes everybody who waits.
    #[cold]
    pub(super) fn poison(&self, error: &Error) {
        let why = error.to_string();
        super::trace::poisoned(&why);
        self.state.poison(why);
        drop(self.work.orders.lock());
        self.work.done.notify_all();
        self.publication.wake();
    }
}
