//! The local engine: sessions and transactions over a version store, stores and, where there is one, a log.
//!
//! Reading order: `core` (what all parts share), `instance` (the engine as an object), `databases` (create, attach,
//! detach), `directory` (trees by name), `session`, `reading`, `scan`, `writing` (what a transaction does), `frame` and `publication` (commit), `budget` (when a writer waits), `applier` (merges).

mod applier;
mod budget;
mod core;
mod databases;
mod directory;
mod frame;
mod instance;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
mod publication;
mod reading;
mod scan;
mod session;
mod trace;
mod trees;
mod writing;

pub use instance::LocalEngine;
