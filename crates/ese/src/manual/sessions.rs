//! Sessions and threads.
//!
//! An [`Instance`](crate::Instance) is `Send`, `Sync` and cheap to clone: give every thread one. The handles it gives
//! ([`Tree`](crate::Tree), [`TypedTree`](crate::TypedTree), [`Database`](crate::Database)) are plain data, `Copy` and
//! `'static`; a handle works with the instance that made it and fails with `InvalidHandle` on any other.
//!
//! Work is done in *sessions*. Closures ([`Instance::read`](crate::Instance::read),
//! [`Instance::write`](crate::Instance::write)) take one from a pool and give it back; that costs no more than an
//! uncontended lock. A [`Session`](crate::Session) of one's own lives as long as one wants, has a name that errors
//! mention, and runs one transaction at a time. It is `Send` and not `Sync`: it may move to another thread, and so may
//! an open transaction of it, but two threads cannot use it at once, and the compiler sees to that.
//!
//! ```
//! # fn main() -> ese::Result<()> {
//! let db = ese::Instance::in_memory()?;
//! let stock = db.tree("stock")?;
//! std::thread::scope(|threads| {
//!     for number in 0..4_u8 {
//!         let db = &db;
//!         threads.spawn(move || db.write(|tx| stock.put(tx, [number], "1")));
//!     }
//! });
//! assert_eq!(db.read(|s| Ok(stock.range(s, ..)?.count()))?, 4);
//! # Ok(())
//! # }
//! ```
//!
//! Readers never wait, writers never wait for readers, and two writers never wait for each other's rows. An idle session
//! costs a little memory and holds nothing back. An open *transaction* does: what its snapshot needs is kept, however
//! long it stays open ([`Stats::oldest_snapshot_age`](crate::Stats::oldest_snapshot_age) tells how long that is).
//!
//! # Statements outside a transaction
//! Given to a tree directly, a session makes each write a transaction of its own and each read one of the newest
//! committed state. What makes sense only over several statements fails with `NotInTransaction`: ranges,
//! prefixes, [`add`](crate::Tree::add), [`fetch_add`](crate::Tree::fetch_add), [`lock`](crate::Tree::lock).
//!
//! ```
//! # fn main() -> ese::Result<()> {
//! # let db = ese::Instance::in_memory()?;
//! # let stock = db.tree("stock")?;
//! let mut session = db.session()?;
//! stock.put(&mut session, "apple", "3")?;
//! let refused = stock.lock(&mut session, "apple", ese::LockMode::Write);
//! assert_eq!(refused.unwrap_err().kind(), ese::ErrorKind::NotInTransaction);
//! # Ok(())
//! # }
//! ```
//!
//! # Closing
//! [`Instance::close`](crate::Instance::close) closes for all clones, and refuses with `TooManyActiveUsers` while a
//! transaction is open. Sessions that are left answer `NotInitialized` from then on. Dropping the last clone closes, too;
//! sessions own one.
