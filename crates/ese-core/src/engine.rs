//! The local engine: sessions and transactions over a version store, stores and, where there is one, a log.
//!
//! Reading order: `core` (what all parts share), `instance` (the engine as an object), `databases` and `attached_list` (create, attach,
//! detach), `directory` (trees by name), `session`, `reading`, `scan`, `writing` (what a transaction does), `frame` and `publication` (commit), `budget` (when a writer waits), `applier` (merges),
//! `keeper`, `checkpoint` and `durable` (what becomes durable when), `recovery` and `system` (what is done again at the start).

mod applier;
mod attached_list;
mod budget;
mod checkpoint;
mod core;
mod databases;
mod directory;
mod durable;
mod frame;
mod instance;
mod keeper;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
mod publication;
mod reading;
mod recovery;
mod scan;
mod session;
mod system;
mod trace;
mod trees;
mod writing;

pub use instance::LocalEngine;
