//! What is noted of each transaction, by any number of threads.

use ese_base::sync::Mutex;
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// The name of a written value: unique in a history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Stamp(pub u64);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// A value as it is stored: its own name, and that of the value it replaced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Written {
    /// The name of the value.
    pub stamp: Stamp,
    /// What the transaction saw under the key when it wrote; `None`: no row.
    pub replaced: Option<Stamp>,
}

impl Written {
    /// As the bytes of a value.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.stamp.0.to_le_bytes());
        bytes[8..].copy_from_slice(&self.replaced.map_or(0, |stamp| stamp.0).to_le_bytes());
        bytes
    }

    /// From the bytes of a value; `None`: these are none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (stamp, replaced) = bytes.split_at_checked(8)?;
        let replaced = u64::from_le_bytes(replaced.try_into().ok()?);
        let stamp = Stamp(u64::from_le_bytes(stamp.try_into().ok()?));
        Some(Written { stamp, replaced: (replaced != 0).then_some(Stamp(replaced)) })
    }
}

/// What a transaction did, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It read a key: the value's name, or that there was no row.
    Read(Vec<u8>, Option<Stamp>),
    /// It wrote a key.
    Write(Vec<u8>, Written),
    /// It began a level.
    Level,
    /// It committed its innermost level into the one around it.
    KeepLevel,
    /// It rolled its innermost level back.
    DropLevel,
}

/// How a transaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Its commit returned.
    Committed,
    /// It was rolled back.
    RolledBack,
    /// Nobody knows: the commit did not return.
    Unknown,
}

/// A transaction of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TxnRecord {
    /// Who ran it.
    pub session: usize,
    /// The moment before its begin was called.
    pub begun: u64,
    /// The moment after its end returned.
    pub ended: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What it did.
    pub events: Vec<Event>,
}

/// Everything that was noted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    /// The transactions, in no particular order.
    pub txns: Vec<TxnRecord>,
}

/// Takes notes from any number of threads.
#[derive(Debug, Default)]
pub struct Recorder {
    moment: AtomicU64,
    stamps: AtomicU64,
    txns: Mutex<Vec<TxnRecord>>,
}

impl Recorder {
    /// The next moment: later than every one that was given before.
    pub fn moment(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    /// A name for a value.
    pub fn stamp(&self) -> Stamp {
        Stamp(1 + self.stamps.fetch_add(1, Ordering::Relaxed))
    }

    /// Notes a transaction that has ended.
    pub fn note(&self, txn: TxnRecord) {
        self.txns.lock().push(txn);
    }

    /// Everything that was noted.
    pub fn history(&self) -> History {
        History { txns: self.txns.lock().clone() }
    }
}
