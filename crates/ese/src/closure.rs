//! Transactions as closures: begin, run, commit; again when another transaction was in the way.
//!
//! A closure runs on a session of the instance's pool. Whether it runs again is decided by what its *transaction* met,
//! not by the error it returned: a closure may wrap or replace errors as it likes.

use crate::{Instance, Snapshot, Transaction, retry::Retry};
use ese_base::{Error, ErrorKind, Result};
use ese_core::{Durability, Mode};

impl Instance {
    /// Runs `read` on a snapshot taken now.
    ///
    /// ```
    /// # fn main() -> ese::Result<()> {
    /// let db = ese::Instance::in_memory()?;
    /// let stock = db.tree("stock")?;
    /// let apples = db.read(|s| Ok(stock.get(s, "apple")?.map(|value| value.to_vec())))?;
    /// assert_eq!(apples, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A row cannot leave the closure without being copied (error E0521):
    /// ```compile_fail,E0521
    /// # fn main() -> ese::Result<()> {
    /// # let db = ese::Instance::in_memory()?;
    /// # let stock = db.tree("stock")?;
    /// let mut kept = None;
    /// db.read(|s| {
    ///     kept = stock.get(s, "apple")?;
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `read` returns; `NotInitialized`, `TermInProgress`: the instance is closed or being closed; `OutOfSessions`
    /// when as many closures and sessions are running as the instance may have ([`Builder::sessions_max`]).
    ///
    /// [`Builder::sessions_max`]: crate::Builder::sessions_max
    #[inline]
    pub fn read<R>(&self, read: impl FnOnce(&Snapshot) -> Result<R>) -> Result<R> {
        self.try_read(read)
    }

    /// As [`Instance::read`], for closures with an error type of their own.
    ///
    /// # Errors
    /// As [`Instance::read`].
    #[inline]
    pub fn try_read<R, E: From<Error>>(&self, read: impl FnOnce(&Snapshot) -> Result<R, E>) -> Result<R, E> {
        self.with_session(|session| {
            let tx = Transaction::begin(session, Mode::ReadOnly)?;
            read(&tx)
        })
    }

    /// The closure may run again.
    ///
    /// Runs `write` in a transaction and commits it with the instance's durability. If `write` returns an error, the
    /// transaction is rolled back. A panic in the closure rolls back and goes on unwinding.
    ///
    /// # When it runs again
    /// When `write` returned an error (whatever it is) and its transaction had met a conflict with another one. A conflict
    /// inside a savepoint that was rolled back does not count, and a `?` that leaves the savepoint's scope rolls it back.
    /// Each run has a new snapshot.
    /// - There are ten tries, with random pauses between them: at most 50 µs before the second, at most 20 ms before the
    ///   tenth.
    /// - A try does not count when the other transaction was already committing, or has committed since: the end of
    ///   that commit is waited for, and the closure runs again without a pause. If that end does not come within a second, the try counts.
    /// - 1,000 tries may go uncounted, from then on all count. So the closure runs 1,010 times at most.
    ///
    /// A closure that deals with a conflict itself and returns `Ok` is committed and does not run again; nor does one
    /// whose commit fails.
    ///
    /// What the closure calls on the instance (another `write`, [`Instance::tree`]) is a transaction of its own: it does
    /// not see what this one has written, and meets a conflict where both write.
    ///
    /// ```
    /// # fn main() -> ese::Result<()> {
    /// let db = ese::Instance::in_memory()?;
    /// let stock = db.tree("stock")?;
    /// db.write(|tx| {
    ///     stock.put(tx, "apple", "3")?;
    ///     stock.insert(tx, "pear", "1")
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `write` returns, when there was no conflict; `WriteConflict` after the last try, with the number of tries as
    /// [`Error::attempts`]; what [`Transaction::commit`] reports; as [`Instance::read`]; `InstanceUnavailable` after a
    /// fatal error.
    pub fn write<R>(&self, write: impl FnMut(&mut Transaction<'_>) -> Result<R>) -> Result<R> {
        self.write_with(self.durability(), write)
    }

    /// The closure may run again.
    ///
    /// As [`Instance::write`], with the durability of the commit. (The guards of a [`Session`](crate::Session) return
    /// the name of a lazy commit; see [`Transaction::commit_with`].)
    ///
    /// # Errors
    /// As [`Instance::write`].
    pub fn write_with<R>(
        &self,
        durability: Durability,
        write: impl FnMut(&mut Transaction<'_>) -> Result<R>,
    ) -> Result<R> {
        self.run_again(durability, write, exhausted)
    }

    /// The closure may run again.
    ///
    /// As [`Instance::write`], for closures with an error type of their own. The error of the last try is handed out as
    /// it is: made of a conflict by `?`, it holds a `WriteConflict` (after an insert a `KeyDuplicate`) with its key, its
    /// tree and the number of tries as [`Error::attempts`].
    ///
    /// ```
    /// # #[derive(Debug)] enum Refused { Empty, Storage(ese::Error) }
    /// impl From<ese::Error> for Refused {
    ///     fn from(error: ese::Error) -> Self { Refused::Storage(error) }
    /// }
    /// # fn main() -> Result<(), Refused> {
    /// # let db = ese::Instance::in_memory()?;
    /// # let stock = db.tree("stock")?;
    /// let refused = db.try_write(|tx| {
    ///     if !stock.delete(tx, "apple")? { return Err(Refused::Empty); }
    ///     Ok(())
    /// });
    /// assert!(matches!(refused, Err(Refused::Empty)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `write` returns, when there was no conflict or after the last try; else as [`Instance::write`].
    pub fn try_write<R, E: From<Error>>(
        &self,
        write: impl FnMut(&mut Transaction<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.try_write_with(self.durability(), write)
    }

    /// The closure may run again.
    ///
    /// As [`Instance::try_write`], with the durability of the commit.
    ///
    /// # Errors
    /// As [`Instance::try_write`].
    pub fn try_write_with<R, E: From<Error>>(
        &self,
        durability: Durability,
        write: impl FnMut(&mut Transaction<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.run_again(durability, write, |last, _| last)
    }

    fn run_again<R, E: From<Error>>(
        &self,
        durability: Durability,
        mut write: impl FnMut(&mut Transaction<'_>) -> Result<R, E>,
        give_up: impl FnOnce(E, u32) -> E,
    ) -> Result<R, E> {
        self.with_session(|session| {
            let mut retry = Retry::default();
            loop {
                let mut tx = Transaction::begin(session, Mode::ReadWrite)?.in_attempt(retry.attempt());
                let error = match write(&mut tx) {
                    Ok(done) => {
                        tx.commit_with(durability)?;
                        return Ok(done);
                    }
                    Err(error) => error,
                };
                let conflict = tx.has_conflict();
                let rolled_back = tx.rollback();
                if !conflict {
                    // It tells more than a rollback that finds nothing to roll back.
                    return Err(error);
                }
                rolled_back?;
                if !retry.again(session) {
                    return Err(give_up(error, retry.attempts()));
                }
            }
        })
    }
}

/// The error of a closure that met a conflict every time it ran: the last conflict, or what the closure made of it.
#[cold]
fn exhausted(last: Error, attempts: u32) -> Error {
    if last.kind() == ErrorKind::WriteConflict {
        return last.after_attempts(attempts);
    }
    let mut error =
        Error::new(ErrorKind::WriteConflict, "the closure met another transaction every time it ran")
            .concurrent()
            .after_attempts(attempts);
    if let (true, Some(tree), Some(key)) = (last.is_concurrent(), last.tree(), last.key()) {
        error = error.on_tree(tree).at_key(key);
    }
    error.caused_by(last)
}
