//! What a tree may be read through and written through.
//!
//! Both traits are sealed: the engine decides what a consistent read or a write is.

use crate::{Session, Snapshot, Transaction, retry::Attempt};
use ese_base::Result;

/// What reads go through: a [`Snapshot`], a [`Transaction`], or a [`Session`] outside a transaction, where each call sees
/// the newest committed state of its own moment.
///
/// # Errors of reads
/// - `ObjectNotFound`: the tree does not exist in the snapshot; it was dropped before, or created later.
/// - `DatabaseNotFound`: the tree's database was detached.
/// - `InvalidHandle`: the handle was made by another instance.
/// - Outside a transaction: `NotInitialized`, `TermInProgress`, when the instance is closed or being closed.
/// - What the store reports: `PageChecksum`, `DatabaseCorrupted`, `DiskIo`.
pub trait Read: sealed::Source {}

/// What writes go through: a [`Transaction`], or a [`Session`] outside a transaction, where each statement is a
/// transaction of its own with the session's durability.
///
/// # Errors of writes
/// A write that fails has changed nothing, and its transaction goes on.
/// - `WriteConflict`: another transaction has the row, or committed it after this one's snapshot; see the chapter on
///   [conflicts](crate::manual::conflicts).
/// - `VersionStoreFull`: there is no room for another version, or this transaction is so old that what it conflicts with
///   is no longer known. The error names the transaction to end.
/// - `TransReadOnly`: the transaction was begun to read.
/// - `KeyTooLarge`, `ValueTooLarge`: see the chapter on [limits](crate::manual::limits).
/// - `DiskFull`: the last merge of the tree's database found no space. It is tried again; until one succeeds the database
///   takes no writes.
/// - `DatabaseNotFound`: the tree's database was, or is being, detached.
/// - `InstanceUnavailable`: the instance accepts no writes after a fatal error.
/// - `NotInTransaction`: the engine has ended the guard's transaction; see [`Transaction`].
/// - Outside a transaction: what [`Session::begin`] and [`Transaction::commit`] report.
/// - Those of [reads](Read#errors-of-reads).
pub trait Write: Read + sealed::Sink {}

pub(crate) mod sealed {
    use super::{Attempt, Result, Snapshot};

    pub trait Source {
        fn snapshot(&self) -> &Snapshot;
    }

    pub trait Sink {
        /// The session at the level of the caller: levels that a leaked guard left open above it are rolled back.
        fn sink(&mut self) -> Result<&mut Snapshot>;

        /// The number of this run of a closure, for its errors.
        fn attempt(&self) -> Attempt;
    }
}

use sealed::{Sink, Source};

impl Source for Snapshot {
    #[inline]
    fn snapshot(&self) -> &Snapshot {
        self
    }
}

impl Source for Transaction<'_> {
    #[inline]
    fn snapshot(&self) -> &Snapshot {
        self
    }
}

impl Sink for Transaction<'_> {
    #[inline]
    fn sink(&mut self) -> Result<&mut Snapshot> {
        self.at_own_level()
    }

    #[inline]
    fn attempt(&self) -> Attempt {
        self.attempt_number()
    }
}

impl Source for Session {
    #[inline]
    fn snapshot(&self) -> &Snapshot {
        self.outside()
    }
}

impl Sink for Session {
    #[inline]
    fn sink(&mut self) -> Result<&mut Snapshot> {
        self.outside_mut()
    }

    #[inline]
    fn attempt(&self) -> Attempt {
        Attempt::default()
    }
}

impl<T: Source + ?Sized> Source for &T {
    #[inline]
    fn snapshot(&self) -> &Snapshot {
        (**self).snapshot()
    }
}

impl<T: Source + ?Sized> Source for &mut T {
    #[inline]
    fn snapshot(&self) -> &Snapshot {
        (**self).snapshot()
    }
}

impl<T: Sink + ?Sized> Sink for &mut T {
    #[inline]
    fn sink(&mut self) -> Result<&mut Snapshot> {
        (**self).sink()
    }

    #[inline]
    fn attempt(&self) -> Attempt {
        (**self).attempt()
    }
}

impl Read for Snapshot {}
impl Read for Transaction<'_> {}
impl Read for Session {}
impl<T: Read + ?Sized> Read for &T {}
impl<T: Read + ?Sized> Read for &mut T {}
impl Write for Transaction<'_> {}
impl Write for Session {}
impl<T: Write + ?Sized> Write for &mut T {}
