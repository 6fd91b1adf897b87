//! The guard of an open transaction, or of a savepoint inside one.
//!
//! Invariants:
//! - A guard knows its level; when it is dropped, its level and all above it are rolled back if they are still open.
//! - A savepoint borrows its parent mutably: the parent is unusable until the savepoint ends.
//! - What is written through a guard is written at its level. If the engine has ended that level, nothing is.

use crate::{Database, Schema, Snapshot, retry::Attempt, statement};
use ese_base::{CommitId, Result};
use ese_core::{Durability, Mode};
use std::{fmt, ops::Deref};

/// An open transaction, or a savepoint inside one; dropping it rolls it back.
///
/// It derefs to [`Snapshot`]: whatever reads a snapshot reads a transaction, and sees its own writes.
///
/// A statement that fails leaves its transaction open. Should an engine end the transaction on its own (the commit of a
/// savepoint fails and takes everything with it), all that is written through the guards that are left fails with
/// `NotInTransaction`, and so does their commit; gets through them read as outside a transaction.
///
/// ```
/// # fn main() -> ese::Result<()> {
/// let db = ese::Instance::in_memory()?;
/// let stock = db.tree("stock")?;
/// let mut session = db.session()?;
/// let mut tx = session.begin()?;
/// stock.put(&mut tx, "apple", "3")?;
/// {
///     let mut savepoint = tx.savepoint()?;
///     stock.delete(&mut savepoint, "apple")?;
///     savepoint.rollback()?;
/// }
/// assert!(stock.contains_key(&tx, "apple")?);
/// tx.commit()?;
/// # Ok(())
/// # }
/// ```
///
/// The parent cannot be used while a savepoint lives (error E0499):
/// ```compile_fail,E0499
/// # fn main() -> ese::Result<()> {
/// # let db = ese::Instance::in_memory()?;
/// # let stock = db.tree("stock")?;
/// # let mut session = db.session()?;
/// let mut tx = session.begin()?;
/// let mut savepoint = tx.savepoint()?;
/// stock.put(&mut tx, "apple", "3")?;
/// savepoint.commit()?;
/// # Ok(())
/// # }
/// ```
///
/// A row cannot be kept across a write (error E0502):
/// ```compile_fail,E0502
/// # fn main() -> ese::Result<()> {
/// # let db = ese::Instance::in_memory()?;
/// # let stock = db.tree("stock")?;
/// # let mut session = db.session()?;
/// let mut tx = session.begin()?;
/// let apple = stock.get(&tx, "apple")?;
/// stock.put(&mut tx, "pear", "1")?;
/// drop(apple);
/// # Ok(())
/// # }
/// ```
///
/// Nor past the end of its transaction (error E0505):
/// ```compile_fail,E0505
/// # fn main() -> ese::Result<()> {
/// # let db = ese::Instance::in_memory()?;
/// # let stock = db.tree("stock")?;
/// # let mut session = db.session()?;
/// let tx = session.begin()?;
/// let apple = stock.get(&tx, "apple")?;
/// tx.commit()?;
/// drop(apple);
/// # Ok(())
/// # }
/// ```
///
/// A transaction that was committed is gone (error E0382):
/// ```compile_fail,E0382
/// # fn main() -> ese::Result<()> {
/// # let db = ese::Instance::in_memory()?;
/// # let stock = db.tree("stock")?;
/// # let mut session = db.session()?;
/// let mut tx = session.begin()?;
/// tx.commit()?;
/// stock.put(&mut tx, "pear", "1")?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a transaction that is not committed is rolled back"]
pub struct Transaction<'s> {
    on: &'s mut Snapshot,
    level: u32,
    attempt: Attempt,
}

/// A [`Transaction`] inside another one, made by [`Transaction::savepoint`].
pub type Savepoint<'p> = Transaction<'p>;

impl<'s> Transaction<'s> {
    /// Begins on a session that has nothing open above the caller's level.
    #[inline]
    pub(crate) fn begin(on: &'s mut Snapshot, mode: Mode) -> Result<Transaction<'s>> {
        let level = on.begin(mode)?;
        Ok(Transaction { on, level, attempt: Attempt::default() })
    }

    /// Says which run of a closure it belongs to.
    #[inline]
    pub(crate) fn in_attempt(mut self, attempt: Attempt) -> Self {
        self.attempt = attempt;
        self
    }

    #[inline]
    pub(crate) fn attempt_number(&self) -> Attempt {
        self.attempt
    }

    /// Begins a savepoint: a transaction inside this one, which cannot be used until it ends. Its commit hands its
    /// changes to this transaction, its rollback undoes them and nothing else, in time that does not depend on what
    /// this transaction has done before.
    ///
    /// # Errors
    /// `TransTooDeep` beyond [`Builder::levels_max`](crate::Builder::levels_max); `NotInTransaction` when the engine has
    /// ended the transaction.
    pub fn savepoint(&mut self) -> Result<Savepoint<'_>> {
        let attempt = self.attempt;
        Ok(Transaction::begin(self.at_own_level()?, Mode::ReadWrite)?.in_attempt(attempt))
    }

    /// Commits with the session's durability. An outermost transaction returns the name of its commit, for
    /// [`Instance::wait_durable`](crate::Instance::wait_durable); `None`: there was nothing to log. A savepoint hands
    /// its changes to its parent and returns `None`.
    ///
    /// When it returns, the commit is visible to every transaction that begins from then on.
    ///
    /// # Errors
    /// - `DiskFull`, `LogFull`, `TransactionTooLong`: the transaction was rolled back.
    /// - What the log reports when it fails (`LogWriteFailed`, `DiskIo`), or `InstanceUnavailable` when it has failed before: whether the
    ///   commit survives is known after the next open.
    /// - `NotInTransaction`: the engine had ended the transaction before.
    pub fn commit(self) -> Result<Option<CommitId>> {
        let durability = self.on.durability();
        self.commit_with(durability)
    }

    /// Commits with the durability named. For a savepoint it has no meaning: the outermost commit decides.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn commit_with(mut self, durability: Durability) -> Result<Option<CommitId>> {
        self.at_own_level()?.commit(durability)
    }

    /// Rolls back; dropping does the same and keeps an error to itself. A transaction that the engine has ended is rolled
    /// back already.
    ///
    /// # Errors
    /// What the engine reports; it never fails for want of memory or space.
    pub fn rollback(self) -> Result<()> {
        self.on.back_to(self.level - 1)
    }

    /// 1 for a transaction, 2 for a savepoint in it, and so on.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.level
    }

    /// Whether a statement met a conflict with another transaction that was not rolled back with a savepoint. This is
    /// what [`Instance::write`](crate::Instance::write) decides a re-run by.
    #[must_use]
    pub fn has_conflict(&self) -> bool {
        self.on.has_conflict()
    }

    /// The trees of the main database: create, drop, rename, with the transaction.
    pub fn schema(&mut self) -> Schema<'_> {
        let main = self.on.main();
        Schema::new(self.on, self.level, main, self.attempt)
    }

    /// The trees of `database`.
    ///
    /// # Errors
    /// `InvalidHandle` for a database of another instance. (One that was detached is reported by what is done there.)
    pub fn schema_in(&mut self, database: Database) -> Result<Schema<'_>> {
        self.on.check_instance(database.instance_number())?;
        Ok(Schema::new(self.on, self.level, database.attachment(), self.attempt))
    }

    #[inline]
    pub(crate) fn at_own_level(&mut self) -> Result<&mut Snapshot> {
        statement::at_level(self.on, self.level)
    }
}

impl Deref for Transaction<'_> {
    type Target = Snapshot;

    #[inline]
    fn deref(&self) -> &Snapshot {
        self.on
    }
}

impl Drop for Transaction<'_> {
    #[inline]
    fn drop(&mut self) {
        // After a commit or a rollback nothing is open at this level. An error has nobody to go to; the session's next
        // begin meets it again.
        let _ = self.on.back_to(self.level - 1);
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("session", &self.on.session_id())
            .field("level", &self.level)
            .finish()
    }
}
