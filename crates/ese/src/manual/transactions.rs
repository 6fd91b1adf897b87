//! Transactions and savepoints.
//!
//! A transaction reads the state that was committed when it began, and its own writes; what others commit meanwhile it
//! does not see. Nobody sees its writes before it is committed, and then all of them at once.
//!
//! Three ways to one:
//! - [`Instance::read`](crate::Instance::read): a closure with a snapshot;
//! - [`Instance::write`](crate::Instance::write): a closure that is committed, and run again after a conflict;
//! - [`Session::begin`](crate::Session::begin): a guard, committed by hand and rolled back when it is dropped.
//!
//! Values, rows and iterators borrow the transaction; writes borrow it mutably. So no value is ever changed under its
//! reader, and the compiler says where a copy is needed: `to_vec()` for bytes,
//! [`into_owned`](crate::Value::into_owned) for a [`Value`](crate::Value).
//!
//! A statement that fails changes nothing, and its transaction goes on. A commit that fails has rolled the transaction
//! back, unless the log failed: then whether the commit survives is known after the next open.
//!
//! # Savepoints
//! [`Transaction::savepoint`](crate::Transaction::savepoint) begins a transaction inside the transaction. Its rollback
//! undoes what was done in it, its commit hands that to its parent. They nest as deep as one likes, unless
//! [`Builder::levels_max`](crate::Builder::levels_max) says otherwise.
//!
//! ```
//! # fn main() -> ese::Result<()> {
//! use ese::{Instance, Result, Transaction, Tree};
//!
//! /// Writes the row, or leaves the transaction as it was.
//! fn try_row(tx: &mut Transaction<'_>, tree: Tree, row: &str) -> Result<bool> {
//!     let mut savepoint = tx.savepoint()?;
//!     let (key, value) = row.split_once('=').unwrap_or((row, ""));
//!     tree.put(&mut savepoint, key, value)?;
//!     if value.is_empty() {
//!         return Ok(false); // dropped: rolled back
//!     }
//!     savepoint.commit()?;
//!     Ok(true)
//! }
//!
//! let db = Instance::in_memory()?;
//! let tree = db.tree("settings")?;
//! let rejected = db.write(|tx| {
//!     let mut rejected = 0;
//!     for row in ["colour=red", "size", "weight=3"] {
//!         rejected += usize::from(!try_row(tx, tree, row)?);
//!     }
//!     Ok(rejected)
//! })?;
//! assert_eq!(rejected, 1);
//! assert_eq!(db.read(|s| Ok(tree.range(s, ..)?.count()))?, 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Trees
//! Trees are created, dropped and renamed inside transactions, with the data that needs it:
//! [`Transaction::schema`](crate::Transaction::schema). [`Instance::tree`](crate::Instance::tree) finds or creates one in
//! a transaction of its own. One transaction may span several databases of its instance.
//!
//! # Leaked guards
//! A guard given to `std::mem::forget` leaves its level open. What its parent writes next, and its parent's end, roll
//! that level back first; until then reads go on in it.
