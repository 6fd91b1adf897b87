//! An embedded transactional storage engine: sessions, savepoints, snapshot isolation, conflicts reported at once.
//!
//! An [`Instance`] holds ordered [trees](Tree) of byte keys and byte values, in its main database and in others that are
//! [attached](Database) to it. Transactions read one snapshot, write without waiting for anybody's row, and are told at the
//! statement when somebody else was faster.
//!
//! ```
//! use ese::{Durability, Instance, LockMode, Result};
//!
//! fn main() -> Result<()> {
//!     let db = Instance::in_memory()?;
//!     let stock = db.tree("stock")?; // created if absent; plain data to copy and send anywhere
//!
//!     // Closures: begin, run, commit; run again after a conflict; an error or a panic rolls back.
//!     db.write(|tx| {
//!         stock.put(tx, b"apple", b"3")?; // insert or replace
//!         stock.insert(tx, b"pear", b"1")?; // `KeyDuplicate` if it exists
//!         stock.put(tx, b"hits", 0_i64.to_le_bytes())
//!     })?;
//!
//!     // One snapshot: values borrow it, ranges run from both ends, several gets are interleaved.
//!     db.read(|s| {
//!         assert_eq!(stock.get(s, b"apple")?.as_deref(), Some(&b"3"[..]));
//!         for row in stock.range(s, b"a".as_slice()..)?.rev().take(10) {
//!             let (_key, _value) = row?;
//!         }
//!         let _three = stock.get_many(s, [b"a", b"b", b"c"])?;
//!         Ok(())
//!     })?;
//!
//!     // Guards: sessions, savepoints, locks, cursors, lazy commits.
//!     let mut session = db.session()?;
//!     let mut tx = session.begin()?; // the snapshot is taken here
//!     stock.add(&mut tx, b"hits", 0, 1_i64)?; // never conflicts with another session's add
//!     {
//!         let mut savepoint = tx.savepoint()?; // `tx` is unusable until it ends
//!         stock.delete(&mut savepoint, b"pear")?;
//!         savepoint.rollback()?; // the pear is back
//!     }
//!     stock.lock(&mut tx, b"apple", LockMode::Write)?; // a conflict comes here, not later
//!     let mut cursor = stock.cursor(); // a position, plain data
//!     if cursor.seek_ge(&tx, b"a")?.is_some() {
//!         cursor.put(&mut tx, b"9")?;
//!         cursor.next(&tx)?;
//!     }
//!     let commit = tx.commit_with(Durability::Lazy)?;
//!     db.wait_durable(commit)?;
//!     drop(session);
//!     db.close() // reports errors; dropping the last handle closes, too
//! }
//! ```
//!
//! The [`manual`] tells the rest: [sessions and threads](manual::sessions), [transactions and
//! savepoints](manual::transactions), [conflicts and retries](manual::conflicts), [durability](manual::durability),
//! [limits](manual::limits). Keys and values with types are in [`key`] and [`typed`]. What calls report is said at each;
//! what all reads and all writes have in common, at [`Read`] and [`Write`].
//!
//! An instance rests in a folder ([`Instance::open`]) or in memory ([`Instance::in_memory`]); the rules are the same.
//! Other backends can be written ([`Builder::backend`]).
//!
//! # Features
//! `tracing`, off by default: merges, waits for memory and failures are told as events of that crate, with the targets
//! `ese::txn` and `ese::merge`. It changes nothing else. Keys and values are never told.
//!
//! This crate is a façade: what it hands out are guards and handles, and it decides when a closure runs again. Versions,
//! conflicts and merges are the engine's (`ese-core`), pages are the backend's; nothing here knows either.
#![forbid(unsafe_code)]

mod access;
mod builder;
mod closure;
mod counter;
mod cursor;
mod database;
mod durable;
mod instance;
pub mod key;
mod key_range;
mod machine;
pub mod manual;
mod pause;
mod pool;
mod range;
mod retry;
mod row;
mod schema;
mod session;
mod snapshot;
mod statement;
mod transaction;
mod tree;
pub mod typed;

pub use access::{Read, Write};
pub use builder::Builder;
pub use counter::Counter;
pub use cursor::Cursor;
pub use database::Database;
pub use instance::Instance;
pub use key_range::IntoRange;
pub use range::{Range, Row};
pub use row::Key;
pub use schema::Schema;
pub use session::Session;
pub use snapshot::Snapshot;
pub use transaction::{Savepoint, Transaction};
pub use tree::Tree;
pub use typed::TypedTree;

pub use ese_base::{
    CommitId, CommitTs, Error, ErrorKind, Position, Result, SessionId, ShortBytes, Value, clock, limits,
};
pub use ese_core::{
    Backend, Background, Durability, Engine, LockMode, Recovered, SessionOptions, Stats, Step,
};
pub use ese_io::Disk;
pub use ese_pager::Reading;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
