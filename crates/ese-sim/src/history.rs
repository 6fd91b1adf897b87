//! Was it snapshot isolation? A record of what transactions read and wrote, and a check that asks nothing of the engine.
//!
//! Every value that is written is unique and names the version that it replaced, so the order of the versions of a key
//! is in the data, and so is who read what. From that follow the edges between transactions: *ww* (replaced the version
//! of), *wr* (read the version of), *rw* (read what was replaced by), and *real time* (returned before the other was
//! begun). The history is one of strong snapshot isolation exactly when every cycle of edges has two *rw* edges in a row
//! (Cerone and Gotsman); write skew is such a cycle and allowed. What needs no graph is looked at first: values
//! nobody wrote, values of transactions that rolled back, values that were not a transaction's last, two transactions
//! that replaced one version, a transaction that does not see its own writes or sees two versions of a key.
//!
//! The engine's own timestamps are not asked: they could hide its faults.
//!
//! Reading order: `record` (what is noted), `check` (from notes to edges), `graph` (cycles).

mod check;
mod graph;
mod record;

pub use check::{Anomaly, Fault, check};
pub use record::{Event, History, Outcome, Recorder, Stamp, TxnRecord, Written};
