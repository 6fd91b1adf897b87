//! A whole engine as an object: what an instance is, whatever runs behind it.
//!
//! The record layer, the C ABI, the scenario runner and the conformance suite are written against this trait and the
//! [`Session`]s it makes.

use super::session::{Session, SessionOptions};
use crate::stats::Stats;
use ese_base::{AttachmentNo, CommitId, Result};
use std::sync::Arc;

/// What one step of background work did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// There was nothing to do.
    Idle,
    /// A generation was sealed and, for a merge, the cut was read.
    Sealed,
    /// The merge waits for transactions before its cut to be published.
    Waited,
    /// Some rows went into the next base.
    Merged,
    /// The next view was published; the merge is done.
    Published,
    /// Views that nobody uses any more were freed.
    Freed,
    /// Lazy commits were made durable.
    Flushed,
    /// A checkpoint went on.
    Checkpointed,
    /// The log made space ready.
    Prepared,
}

/// Is told that every commit below this one, of its log and epoch, is durable.
pub type DurableCallback = dyn Fn(CommitId) + Send + Sync;

/// A running engine. Dropping the last reference closes it.
pub trait Engine: Send + Sync {
    /// A number that no other engine of this process has; handles carry it.
    fn number(&self) -> u64;

    /// Begins a session (`JetBeginSession`).
    ///
    /// # Errors
    /// `OutOfSessions` beyond the limit; `NotInitialized` or `TermInProgress` when the engine is closed or closing.
    fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>>;

    /// The database that every instance has.
    fn main_database(&self) -> AttachmentNo;

    /// Makes a database and attaches it (`JetCreateDatabase`).
    ///
    /// # Errors
    /// `DatabaseDuplicate`, `TooManyAttachedDatabases`, `InvalidName`; what the backend reports.
    fn create_database(&self, name: &str) -> Result<AttachmentNo>;

    /// Attaches a database that exists (`JetAttachDatabase`).
    ///
    /// # Errors
    /// `DatabaseNotFound`, `DatabaseAttached`, `TooManyAttachedDatabases`; what the backend reports.
    fn attach_database(&self, name: &str) -> Result<AttachmentNo>;

    /// Detaches a database (`JetDetachDatabase`): everything committed in it is merged first.
    ///
    /// # Errors
    /// `DatabaseInUse`, naming the transaction that uses it or keeps an older view for too long; the database is
    /// attached as before then. `DatabaseNotFound`. The main database cannot be detached: `InvalidParameter`.
    fn detach_database(&self, database: AttachmentNo) -> Result<()>;

    /// The attached databases and their names.
    fn databases(&self) -> Vec<(AttachmentNo, String)>;

    /// Returns when the commit is durable; causes a sync. At once where nothing ever is (memory).
    ///
    /// # Errors
    /// `InvalidParameter` for a commit of another log or epoch; `InstanceUnavailable`.
    fn wait_durable(&self, commit: CommitId) -> Result<()>;

    /// Has `callback` called when commits become durable, by the thread that made them so, with a commit id below which all
    /// are; `None`: nobody (`JET_paramDurableCommitCallback`). Calls of several threads may overlap; the highest id counts.
    /// The callback must not wait for a commit of this engine. Without a log it is never called.
    fn on_durable(&self, callback: Option<Arc<DurableCallback>>);

    /// Merges everything committed before the call into the base and returns when that is done (`JetIdle`).
    ///
    /// # Errors
    /// `DiskFull`; `VersionStoreFull` when readers hold as many views as there can be; `InstanceUnavailable`,
    /// `NotInitialized`.
    fn merge(&self) -> Result<()>;

    /// Asks for a merge without waiting for it.
    fn request_merge(&self);

    /// Merges everything committed before the call and makes it durable without the log, which is let go as far as it can
    /// be. At once where nothing outlives the process.
    ///
    /// # Errors
    /// As [`Engine::merge`]; `DiskFull`.
    fn checkpoint(&self) -> Result<()>;

    /// Takes one bounded step of background work; for [`crate::Background::Manual`].
    ///
    /// A step reports what ends the engine and nothing else: a database without space is left for a later merge, and
    /// while readers hold as many views as there can be the answer is [`Step::Waited`]. [`Engine::merge`] tells both.
    ///
    /// # Errors
    /// The error of a store or the log that ended the engine, from the step that met it; `InstanceUnavailable` from all
    /// later ones; `TermInProgress`, `NotInitialized`.
    fn step(&self) -> Result<Step>;

    /// Figures.
    fn stats(&self) -> Stats;

    /// Walks every base and the overlay and reports each fault in a sentence; none: all is well.
    ///
    /// # Errors
    /// What keeps the walk itself from going on.
    fn check(&self) -> Result<Vec<String>>;

    /// Closes: merges what is committed, ends the background threads. Sessions without an open transaction are ended;
    /// their next call fails. Closing twice is fine.
    ///
    /// # Errors
    /// `TooManyActiveUsers`, naming an open transaction: nothing was closed (`JetTerm2` with `JET_bitTermComplete`).
    fn close(&self) -> Result<()>;
}
