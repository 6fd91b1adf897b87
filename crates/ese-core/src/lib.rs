//! The heart of ese: sessions, transactions and the multi-version engine, and the traits of every seam.
//!
//! What is absent: this crate does no I/O, names no file and knows no page. Where data rests is behind [`seam::store`]
//! and [`seam::log`]; what a program calls is behind [`seam::session`] and [`seam::transaction`].
//!
//! Reading order: [`seam`] (what plugs in where), [`options`], `overlay` (versions younger than the base), `engine`
//! (sessions, commit, merge).

mod engine;
pub mod options;
mod overlay;
pub mod seam;
pub mod stats;
pub mod txn;

pub use engine::LocalEngine;
pub use options::{Access, Background, Options};
pub use seam::{
    backend::Backend,
    engine::{DurableCallback, Engine, Step},
    log::{Log, LogPoint, LogStats},
    merges::Merges,
    scan::{BaseScan, Direction, IterScan, Scan},
    session::{Mode, Session, SessionOptions},
    store::{Base, Change, DropProgress, Merge, Stamp, Store, StoreStats},
    transaction::{
        CursorPos, Delete, Delta, Durability, KeyRange, LockMode, Move, Put, Reader, Side, Transaction,
    },
    version_store::VersionStore,
};
pub use stats::{Recovered, Stats};
