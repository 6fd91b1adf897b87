//! A session: who runs transactions, one at a time.

use crate::{Instance, Snapshot, Transaction};
use ese_base::{Result, SessionId};
use ese_core::{Durability, Mode, SessionOptions};
use std::{fmt, time::Duration};

/// Runs transactions, one at a time, on whatever thread has it.
///
/// A session is `Send` and not `Sync`: it moves between threads, but only one uses it at a time. It owns a clone of its
/// [`Instance`]. Handing it to a [`Tree`](crate::Tree) directly makes each statement a transaction of its own:
///
/// ```
/// # fn main() -> ese::Result<()> {
/// let db = ese::Instance::in_memory()?;
/// let stock = db.tree("stock")?;
/// let mut session = db.session()?;
/// session.set_name("import");
/// stock.put(&mut session, "apple", "3")?; // begins, writes, commits
/// assert_eq!(stock.get(&session, "apple")?.as_deref(), Some(&b"3"[..]));
/// # Ok(())
/// # }
/// ```
///
/// `&Session` cannot go to another thread (error E0277):
/// ```compile_fail,E0277
/// # fn main() -> ese::Result<()> {
/// # let db = ese::Instance::in_memory()?;
/// let session = db.session()?;
/// std::thread::scope(|threads| {
///     threads.spawn(|| session.id());
/// });
/// # Ok(())
/// # }
/// ```
///
/// And there are no two transactions on one session (error E0499):
/// ```compile_fail,E0499
/// # fn main() -> ese::Result<()> {
/// # let db = ese::Instance::in_memory()?;
/// let mut session = db.session()?;
/// let first = session.begin()?;
/// let second = session.begin()?;
/// first.commit()?;
/// second.commit()?;
/// # Ok(())
/// # }
/// ```
pub struct Session {
    // Before the instance: the engine's session ends first.
    on: Snapshot,
    instance: Instance,
}

impl Session {
    pub(crate) fn new(on: Snapshot, instance: Instance) -> Session {
        Session { on, instance }
    }

    /// Begins a transaction; its snapshot is taken here.
    ///
    /// # Errors
    /// `NotInitialized`, `TermInProgress`: the instance is closed or being closed. `InstanceUnavailable` after a fatal
    /// error.
    pub fn begin(&mut self) -> Result<Transaction<'_>> {
        Transaction::begin(self.outside_mut()?, Mode::ReadWrite)
    }

    /// Begins a transaction that may only read: a write in it fails with `TransReadOnly`, and the transaction goes on.
    ///
    /// # Errors
    /// `NotInitialized`, `TermInProgress`: the instance is closed or being closed.
    pub fn begin_read_only(&mut self) -> Result<Transaction<'_>> {
        Transaction::begin(self.outside_mut()?, Mode::ReadOnly)
    }

    /// The number of the session, as errors and statistics name it.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.on.session_id()
    }

    /// The name of the session; empty: none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.on.options().name
    }

    /// Names the session, for the errors of those who wait for it.
    pub fn set_name(&mut self, name: impl Into<String>) {
        let options = SessionOptions { name: name.into(), ..self.on.options().clone() };
        self.on.set_options(options);
    }

    /// The durability of commits that do not name one.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.on.durability()
    }

    /// Sets the durability of commits that do not name one, and of statements outside a transaction.
    pub fn set_durability(&mut self, durability: Durability) {
        let options = SessionOptions { durability, ..self.on.options().clone() };
        self.on.set_options(options);
    }

    /// The instance of the session.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// After the rollback of a transaction that met a conflict: waits, at most `limit`, until the other transaction is
    /// published or gone, if that one was already committing; tells whether it was, or has committed since. A re-run right after it will not
    /// meet that transaction again.
    pub fn await_conflicting_commit(&mut self, limit: Duration) -> bool {
        self.on.core_mut().await_conflicting_commit(limit)
    }

    /// For reads outside a transaction. (After a guard was leaked they read in its transaction until the next write or
    /// begin rolls that back.)
    #[inline]
    pub(crate) fn outside(&self) -> &Snapshot {
        &self.on
    }

    #[inline]
    pub(crate) fn outside_mut(&mut self) -> Result<&mut Snapshot> {
        self.on.back_to(0)?;
        Ok(&mut self.on)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id()).field("name", &self.name()).finish()
    }
}
