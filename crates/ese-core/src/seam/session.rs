//! A session: who runs transactions, one at a time, on any thread but on one at a time.

use super::transaction::{Durability, Transaction};
use ese_base::{CommitId, CommitTs, Result, SessionId};
use std::time::Duration;

/// What a transaction may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// Read and write.
    ReadWrite,
    /// Read only: writes fail with `TransReadOnly` (`JET_bitTransactionReadOnly`). Counts at the outermost begin.
    ReadOnly,
}

/// What a session is given when it begins.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionOptions {
    /// A name for errors and statistics; empty: none.
    pub name: String,
    /// The durability of commits that do not name one (`JET_sesparamCommitDefault`).
    pub durability: Durability,
}

/// One object: the session is its own transaction, levels are numbers (0 = none open).
///
/// `Send` and not `Sync`: at most one thread uses it at a time, which is what ESE checks with
/// `JET_errSessionSharingViolation` and Rust checks when it compiles. Dropping a session rolls back.
pub trait Session: Transaction + Send {
    /// The number of the session.
    fn id(&self) -> SessionId;

    /// Begins a transaction, or a level inside it, and returns the new level. The snapshot of the outermost begin is
    /// that of all levels (`JetBeginTransaction2`).
    ///
    /// # Errors
    /// `TransTooDeep` beyond the limit of levels; `NotInitialized`, `TermInProgress`, `InstanceUnavailable`
    /// (read-write only).
    fn begin(&mut self, mode: Mode) -> Result<u32>;

    /// Commits one level (`JetCommitTransaction`). The outermost returns the commit's name, or `None` when there was
    /// nothing to log. When it returns, the commit is visible to every begin that follows.
    ///
    /// # Errors
    /// `NotInTransaction`; `DiskFull`, `LogFull`, `TransactionTooLong`, `OutOfMemory` (the transaction is rolled back);
    /// `InstanceUnavailable` (whether it survives is known after the next open).
    fn commit(&mut self, durability: Durability) -> Result<Option<CommitId>>;

    /// Rolls back to `level` (0 = the whole transaction; `JetRollback`). Never allocates, never fails for want of
    /// memory or space.
    ///
    /// # Errors
    /// `NotInTransaction` when `level` is not below the current one.
    fn rollback_to(&mut self, level: u32) -> Result<()>;

    /// How many levels are open.
    fn level(&self) -> u32;

    /// The snapshot of the open transaction: it sees every commit up to that timestamp and none behind it. `None` at
    /// level 0.
    fn snapshot(&self) -> Option<CommitTs>;

    /// The timestamp under which the session's last outermost commit became visible. `None` when there was none yet,
    /// it failed, or it left nothing behind (it only read, or all it wrote was rolled back).
    fn last_commit(&self) -> Option<CommitTs>;

    /// Whether the transaction met a conflict that was not rolled back with a level inside it.
    fn conflict_recorded(&self) -> bool;

    /// After a rollback: if the transaction that this one conflicted with was open then and is committing by now, waits
    /// until it is published, aborted or poisoned; returns whether it ended within `limit`. `true` at once when it has
    /// committed since the conflict; `false` when it is still at work, was rolled back, or had committed before the
    /// conflict was met. For re-runs; a statement never waits.
    fn await_conflicting_commit(&mut self, limit: Duration) -> bool;

    /// The options given at its begin.
    fn options(&self) -> &SessionOptions;

    /// Changes the options; they hold from the next call on.
    fn set_options(&mut self, options: SessionOptions);
}
