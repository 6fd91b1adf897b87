//! Limits.
//!
//! | what | how much | beyond it |
//! |---|---|---|
//! | key | 1,000 bytes at 4 KiB pages, 2,000 from 8 KiB | `KeyTooLarge` |
//! | value | a quarter of the version store, 2 GiB − 1 at most | `ValueTooLarge` |
//! | name of a tree or a database | 1 to 64 bytes, no control characters | `InvalidName` |
//! | attached databases | 7 with the main one | `TooManyAttachedDatabases` |
//! | sessions | 1,024, up to 30,000 by [`Builder::sessions_max`](crate::Builder::sessions_max) | `OutOfSessions` |
//! | levels of a transaction | memory, or [`Builder::levels_max`](crate::Builder::levels_max) | `TransTooDeep` |
//! | versions not merged yet | [`Builder::version_store_bytes`](crate::Builder::version_store_bytes) | writes wait for a merge, then `VersionStoreFull` |
//! | versions for old snapshots alone | twice as much | `VersionStoreFull` |
//!
//! A row's key and value may be empty. Every limit is checked before anything is changed.
//!
//! ```
//! # fn main() -> ese::Result<()> {
//! use ese::{ErrorKind, Instance, limits};
//! let db = Instance::in_memory()?;
//! let tree = db.tree("keys")?;
//! let longest = vec![b'k'; limits::key_max_bytes(4096)];
//! db.write(|tx| tree.put(tx, &longest, ""))?;
//! let too_long = vec![b'k'; longest.len() + 1];
//! let refused = db.write(|tx| tree.put(tx, &too_long, ""));
//! assert_eq!(refused.unwrap_err().kind(), ErrorKind::KeyTooLarge);
//! # Ok(())
//! # }
//! ```
