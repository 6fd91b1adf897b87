//! The durable log: ordered frames in preallocated, recycled segments, grouped into batches, each synced once.
//!
//! What is absent: this crate does not know what a frame says, what a database is or when to checkpoint; it holds no lock
//! on its folder and starts no thread. It sees files through [`ese_io::Disk`] only, and the engine sees it through
//! [`ese_core::Log`] only.
//!
//! Promises:
//! - [`flush`](ese_core::Log::flush) returns after a sync that began after the bytes were written.
//! - A replay gives back a prefix of what was appended, in order, with everything in it that was durable; or an error
//!   that names the place. Bytes that nobody promised are dropped, nothing is invented, no bytes make it panic.
//! - What was synced is never written again while it is needed, and nothing is written behind garbage.
//! - A failed write or sync is final.
//!
//! Reading order: [`options`](WalOptions), `format` (the bytes), `folder` and `segment` (files), `writer`, `group`
//! (commits), `spares` and `space` (room), `reader` (replay), `epoch` (after a replay), `wal` (the seam).

mod chance;
mod epoch;
mod folder;
mod format;
mod group;
mod options;
mod pending;
mod reader;
mod segment;
mod shared;
mod space;
mod spares;
mod tally;
mod wal;
mod writer;

pub use format::FORMAT_VERSION;
pub use options::WalOptions;
pub use wal::{Access, Wal};
