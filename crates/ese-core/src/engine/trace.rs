//! What the engine tells `tracing` when the feature of that name is on; nothing otherwise.
//!
//! Events only, at moments that are rare: a merge, a wait for memory, a poison. Keys and values are never told.

#[cfg(feature = "tracing")]
mod events {
    use crate::stats::Recovered;
    use ese_base::Position;

    /// A merge has published its view.
    pub(crate) fn merge_published(cut: Position, merges: u64, rows: u64) {
        tracing::debug!(target: "ese::merge", cut = cut.0, merges, rows, "merge published");
    }

    /// A merge found no space for some databases.
    pub(crate) fn merge_without_space(databases: usize) {
        tracing::warn!(target: "ese::merge", databases, "no space; tried again later");
    }

    /// A writer found no room and asks for a merge.
    pub(crate) fn waits_for_room(used: u64, bound: u64) {
        tracing::info!(target: "ese::txn", used, bound, "a writer waits for a merge");
    }

    /// A recovery has ended.
    pub(crate) fn recovered(what: &Recovered) {
        let (transactions, rows, bytes) = (what.transactions, what.rows, what.bytes);
        tracing::info!(target: "ese::log", transactions, rows, bytes, took = ?what.took, "recovered");
    }

    /// A checkpoint has ended.
    pub(crate) fn checkpointed(below: Position) {
        tracing::debug!(target: "ese::log", below = below.0, "checkpoint");
    }

    /// The engine became unavailable.
    pub(crate) fn poisoned(why: &str) {
        tracing::error!(target: "ese::txn", why, "the instance is unavailable");
    }
}

#[cfg(not(feature = "tracing"))]
mod events {
    use crate::stats::Recovered;
    use ese_base::Position;

    pub(crate) fn recovered(_what: &Recovered) {}
    pub(crate) fn checkpointed(_below: Position) {}
    pub(crate) fn merge_published(_cut: Position, _merges: u64, _rows: u64) {}
    pub(crate) fn merge_without_space(_databases: usize) {}
    pub(crate) fn waits_for_room(_used: u64, _bound: u64) {}
    pub(crate) fn poisoned(_why: &str) {}
}

pub(super) use events::{
    checkpointed, merge_published, merge_without_space, poisoned, recovered, waits_for_room,
};
