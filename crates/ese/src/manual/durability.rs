//! Durability.
//!
//! [`Durability`](crate::Durability) says when a commit returns, and when others see it:
//! - [`Sync`](crate::Durability::Sync) (the default): when it is durable, and others see it from then on;
//! - [`Lazy`](crate::Durability::Lazy): at once, and others see it at once; durable a little later. A crash may take the
//!   last lazy commits, always the newest first: what is left is a state that was.
//!
//! It is chosen for an instance ([`Builder::durability`](crate::Builder::durability)), a session
//! ([`Session::set_durability`](crate::Session::set_durability)), a closure
//! ([`Instance::write_with`](crate::Instance::write_with)) or a commit
//! ([`Transaction::commit_with`](crate::Transaction::commit_with)); the narrower choice holds.
//!
//! A commit that changed a row has a name, a [`CommitId`](crate::CommitId);
//! [`Instance::wait_durable`](crate::Instance::wait_durable) returns when it is durable.
//!
//! ```
//! # fn main() -> ese::Result<()> {
//! use ese::{Durability, Instance};
//! let db = Instance::in_memory()?;
//! let stock = db.tree("stock")?;
//! let mut session = db.session()?;
//! let mut commits = Vec::new();
//! for fruit in ["apple", "pear"] {
//!     let mut tx = session.begin()?;
//!     stock.put(&mut tx, fruit, "1")?;
//!     commits.push(tx.commit_with(Durability::Lazy)?);
//! }
//! for commit in commits {
//!     db.wait_durable(commit)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! An instance in memory has no log: both kinds return at once, `wait_durable` too, and everything is gone when the
//! instance is closed.
//!
//! # After a failed disk
//! When the log or a database cannot be written, the commit that meets it reports that (`LogWriteFailed`, `DiskIo`), and
//! the instance accepts none any more: writes fail with `InstanceUnavailable` until it is closed and opened again, reads of what is intact go on.
//!
//! `DiskFull` is milder, and nothing is lost. A commit that gets it was rolled back. A database without space for its
//! merges keeps what is committed in memory and takes no writes until a later merge succeeds; other databases go on.
