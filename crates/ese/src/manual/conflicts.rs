//! Conflicts and retries.
//!
//! Two transactions that write the same row cannot both be right. The second to write gets an error *at the statement*,
//! at once: [`WriteConflict`](crate::ErrorKind::WriteConflict), or for an insert
//! [`KeyDuplicate`](crate::ErrorKind::KeyDuplicate) with [`Error::is_concurrent`](crate::Error::is_concurrent). So does a
//! write of a row that somebody committed after the writer's snapshot. Nothing waits, so there are no deadlocks. The
//! statement has changed nothing and the transaction lives on; but the row stays out of its reach, unless the other one
//! rolls back.
//!
//! ```
//! # fn main() -> ese::Result<()> {
//! use ese::{ErrorKind, Instance};
//! let db = Instance::in_memory()?;
//! let stock = db.tree("stock")?;
//! let (mut one, mut two) = (db.session()?, db.session()?);
//! let mut first = one.begin()?;
//! let mut second = two.begin()?;
//! stock.put(&mut first, "apple", "3")?;
//! let conflict = stock.put(&mut second, "apple", "4").unwrap_err();
//! assert_eq!(conflict.kind(), ErrorKind::WriteConflict);
//! assert_eq!(conflict.key(), Some(&b"apple"[..]));
//! first.rollback()?;
//! stock.put(&mut second, "apple", "4")?; // nobody holds it any more
//! second.commit()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What does not conflict
//! - Reads, with anything.
//! - [`add`](crate::Tree::add) with other adds to the same row, of the same width.
//! - Read locks with read locks.
//!
//! Snapshot isolation lets two transactions each read what the other writes ("write skew"). Where that matters, lock what
//! was read: [`Tree::lock`](crate::Tree::lock) with [`LockMode::Read`](crate::LockMode::Read) makes every write of it by
//! others a conflict.
//!
//! # Running again
//! [`Instance::write`](crate::Instance::write) and its sisters run the closure again when it returned an error (any error)
//! *and* its transaction had met a conflict outside savepoints that were rolled back. Each run has a new snapshot. There
//! are ten tries, with random pauses between them, at most 50 µs at first and 20 ms in the end. A try that met a
//! transaction which was already committing, or has committed since, does not count: the end of that commit is waited for
//! (a second at most; after that the try counts) and the closure runs again at once. That bounds nothing by itself, so only 1,000 tries go
//! uncounted. When the tries are used up, `write` fails with `WriteConflict`, and
//! [`Error::attempts`](crate::Error::attempts) tells how many there were;
//! [`try_write`](crate::Instance::try_write) hands out the closure's last error as it is. So a closure must be fit to run
//! again: what it changes outside the transaction stays changed.
//!
//! A closure that deals with a conflict itself and returns `Ok` is committed.
//!
//! With guards the loop is the program's: roll back, perhaps wait by
//! [`Session::await_conflicting_commit`](crate::Session::await_conflicting_commit), begin again.
//!
//! # A full version store
//! Versions that old transactions may still need are kept in memory, within a budget
//! ([`Builder::version_store_bytes`](crate::Builder::version_store_bytes)). When it is used up, writes fail with
//! [`VersionStoreFull`](crate::ErrorKind::VersionStoreFull), and the error names the transaction that is in the way. That
//! may be the writer itself: a transaction can grow so old that what it conflicts with is no longer known.
