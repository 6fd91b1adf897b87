//! Was it snapshot isolation? A record of what transactions read and wrote, and two checks of it.
//!
//! The first, [`inferred`], asks nothing of the engine, whose own timestamps could hide its faults. Every value that is
//! written is unique and names the version that it replaced, so the order of the versions of a key
//! is in the data, and so is who read what. From that follow the edges between transactions: *ww* (replaced the version
//! of), *wr* (read the version of), *rw* (read what was replaced by), and *real time* (returned before the other was
//! begun). The history is one of strong snapshot isolation exactly when every cycle of edges has two *rw* edges in a row
//! (Cerone and Gotsman); write skew is such a cycle and allowed. What needs no graph is looked at first: values
//! nobody wrote, values of transactions that rolled back, values that were not a transaction's last, two transactions
//! that replaced one version, a transaction that does not see its own writes or sees two versions of a key.
//!
//! The second, [`exact`], takes the snapshots and commit timestamps that the engine tells and computes what each read
//! had to return and which writes had to be refused. It needs no inference, so it also judges what leaves no trace in
//! the data: rows that were deleted, counters, locks, and conflicts that were made up.
//!
//! Reading order: `record` (what is noted), `fault` (what can be wrong), `own` (a transaction's own view), `inferred`
//! and `graph` (from notes to edges to cycles), `exact`.

mod exact;
mod fault;
mod graph;
mod inferred;
mod own;
mod record;

pub use exact::exact;
pub use fault::{Anomaly, Fault};
pub use inferred::inferred;
pub use record::{Event, History, Outcome, Recorder, Refusal, Stamp, Times, Touch, TxnRecord, Written};

/// Both checks.
///
/// # Errors
/// The first fault found.
pub fn check(history: &History) -> Result<(), Fault> {
    inferred(history)?;
    exact(history)
}
