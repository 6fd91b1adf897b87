//! What can be wrong with a history.

use std::fmt;

/// What snapshot isolation forbids, by the names of the literature (Adya; Berenson and others).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Anomaly {
    /// A value that nobody wrote, or that is none.
    Garbage,
    /// G1a: a value of a transaction that was rolled back, or of a level that was.
    AbortedRead,
    /// G1b: a value that was not the last its transaction wrote.
    IntermediateRead,
    /// A transaction that does not see what it wrote itself.
    OwnWriteLost,
    /// A transaction that saw two versions of one key.
    NonRepeatableRead,
    /// P4: two transactions that replaced one version.
    LostUpdate,
    /// G0: writes of two transactions in two orders.
    DirtyWrite,
    /// G1c: each of two saw the other's write.
    CircularInformation,
    /// G-single: a cycle with one *rw* edge (read skew, a fractured read, a stale snapshot).
    ReadSkew,
    /// A cycle with several *rw* edges, no two in a row (long fork).
    LongFork,
    /// By the timestamps: a read that is not the newest version at or before the snapshot.
    WrongVersion,
    /// By the timestamps: two committed transactions that saw nothing of each other and touched one key.
    MissedConflict,
    /// A statement refused as a conflict, and nobody was there to conflict with.
    FalseConflict,
    /// Timestamps that contradict each other, or time.
    Timestamps,
}

/// Something is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What.
    pub anomaly: Anomaly,
    /// Who and where.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.anomaly, self.what)
    }
}

pub(super) fn fault<T>(anomaly: Anomaly, what: String) -> Result<T, Fault> {
    Err(Fault { anomaly, what })
}

/// A key, as a fault shows it.
pub(super) fn show(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
