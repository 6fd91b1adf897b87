//! What is noted of each transaction, by any number of threads.

use ese_base::{CommitTs, sync::Mutex};
use ese_core::LockMode;
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// The name of a written value, unique in a history: the moment before it was written.
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

/// What a transaction did, in order. Keys of rows and keys of counters are different ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It read a key: the value's name, or that there was no row.
    Read(Vec<u8>, Option<Stamp>),
    /// A statement told it whether there was a row.
    Exists(Vec<u8>, bool),
    /// It wrote a row.
    Write(Vec<u8>, Written),
    /// It deleted a row, or left a tombstone where there was none; the name is that of the tombstone.
    Delete(Vec<u8>, Written),
    /// It added to a counter, which is 0 before anybody does.
    Add(Vec<u8>, Stamp, i64),
    /// It read a counter.
    Sum(Vec<u8>, i64),
    /// It locked a key.
    Lock(Vec<u8>, Stamp, LockMode),
    /// A statement failed for what another transaction did or does.
    Refused(Refusal),
    /// It began a level.
    Level,
    /// It committed its innermost level into the one around it.
    KeepLevel,
    /// It rolled its innermost level back; the moment after that.
    DropLevel(u64),
}

/// How a transaction touches a key, as far as conflicts go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Touch {
    /// By writing or deleting it.
    Data,
    /// By a write lock.
    WriteLock,
    /// By a read lock.
    ReadLock,
    /// By adding to it.
    Add,
}

impl Touch {
    /// Every way there is.
    pub const ALL: [Touch; 4] = [Touch::Data, Touch::WriteLock, Touch::ReadLock, Touch::Add];

    /// Whether two transactions may touch a key at the same time, the one in this way and the other in that.
    #[must_use]
    pub fn goes_with(self, other: Touch) -> bool {
        self == other && matches!(self, Touch::ReadLock | Touch::Add)
    }
}

/// A statement that was refused as a conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The key.
    pub key: Vec<u8>,
    /// What it would have been.
    pub touch: Touch,
    /// The moment before it.
    pub from: u64,
    /// The moment after it.
    pub to: u64,
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

/// The timestamps that the engine gave a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// Its snapshot.
    pub snapshot: CommitTs,
    /// Its commit's; `None` when it left nothing behind.
    pub commit: Option<CommitTs>,
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
    /// What the engine says of it; `None`: it was not asked.
    pub times: Option<Times>,
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
    moments: AtomicU64,
    txns: Mutex<Vec<TxnRecord>>,
}

impl Recorder {
    /// The next moment: later than every one that was given before. The first is 1.
    pub fn moment(&self) -> u64 {
        1 + self.moments.fetch_add(1, Ordering::SeqCst)
    }

    /// A name for what is about to be done.
    pub fn stamp(&self) -> Stamp {
        Stamp(self.moment())
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
