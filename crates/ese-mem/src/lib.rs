//! The in-memory backend: the B+tree of `ese-btree` over an arena of pages, nothing durable.
//!
//! What is absent: this crate knows no transactions and no versions; the engine of `ese-core` keeps them above it.
//!
//! Reading order: [`backend`] (databases by name), `store` (one database), `base` (one immutable state of it), `merge`
//! (the next state in the making), `space` (which pages may be handed out), `arena` (where they lie).

mod arena;
pub mod backend;
mod base;
mod merge;
mod space;
mod store;

pub use backend::MemoryBackend;
