//! The conflict window: what conflict checks may still need of versions that have left the view.
//!
//! Invariants:
//! - Entries are made before the view is published from which their versions are missing, and only raised.
//! - An entry goes when no read-write snapshot is below its timestamp.
//! - Below the floor the window is not complete: a write of a snapshot below it fails.

use crate::txn::Kind;
use ese_base::{
    CommitTs,
    id::stripe,
    sync::{
        CacheLine, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use hashbrown::HashMap;
use smallvec::SmallVec;

const SHARDS: usize = 16;
/// What an entry takes, about.
const ENTRY_BYTES: u64 = 64;

type Shard = HashMap<u64, SmallVec<[(Kind, CommitTs); 2]>, foldhash::fast::FixedState>;

/// (Hash of tree and key, kind) → the newest timestamp.
#[derive(Debug)]
pub(crate) struct Window {
    shards: Box<[CacheLine<Mutex<Shard>>]>,
    /// The newest timestamp that was ever entered: a snapshot at or above it need not ask.
    newest: AtomicU64,
    floor: AtomicU64,
    entries: AtomicUsize,
}

impl Window {
    pub(crate) fn new() -> Self {
        Window {
            shards: (0..SHARDS).map(|_| CacheLine(Mutex::new(Shard::default()))).collect(),
            newest: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            entries: AtomicUsize::new(0),
        }
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        &self.shards[stripe(hash >> 32, SHARDS)].0
    }

    /// Snapshots below this one cannot be answered for.
    pub(crate) fn floor(&self) -> CommitTs {
        CommitTs(self.floor.load(Ordering::Acquire))
    }

    /// Whether a committed version that left the view conflicts with `kind` at `snapshot`.
    #[inline]
    pub(crate) fn conflicts(&self, hash: u64, kind: Kind, snapshot: CommitTs) -> bool {
        if self.newest.load(Ordering::Acquire) <= snapshot.0 {
            return false;
        }
        let shard = self.shard(hash).lock();
        shard
            .get(&hash)
            .is_some_and(|kinds| kinds.iter().any(|(other, ts)| *ts > snapshot && kind.clashes(*other)))
    }

    /// Enters a version that is about to leave.
    pub(crate) fn enter(&self, hash: u64, kind: Kind, ts: CommitTs) {
        self.newest.fetch_max(ts.0, Ordering::AcqRel);
        let mut shard = self.shard(hash).lock();
        let kinds = shard.entry(hash).or_default();
        match kinds.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, newest)) => *newest = (*newest).max(ts),
            None => {
                kinds.push((kind, ts));
                self.entries.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Drops the entries that no snapshot at or above `low` needs; then, as long as there are more than `bytes` worth of
    /// them, raises the floor and drops what lies below it.
    pub(crate) fn trim(&self, low: CommitTs, bytes: u64) {
        self.drop_through(low);
        let most = usize::try_from(bytes / ENTRY_BYTES).unwrap_or(usize::MAX);
        if self.entries.load(Ordering::Relaxed) <= most {
            return;
        }
        let mut stamps: Vec<CommitTs> = Vec::new();
        for shard in &self.shards {
            stamps.extend(shard.0.lock().values().flatten().map(|(_, ts)| *ts));
        }
        stamps.sort_unstable();
        let Some(floor) = stamps.get(stamps.len().saturating_sub(most / 2 + 1)).copied() else { return };
        // The floor first: a check that finds an entry gone must find the floor raised.
        self.floor.fetch_max(floor.0, Ordering::SeqCst);
        self.drop_through(floor);
    }

    fn drop_through(&self, low: CommitTs) {
        let mut entries = 0;
        for shard in &self.shards {
            let mut shard = shard.0.lock();
            shard.retain(|_, kinds| {
                kinds.retain(|(_, ts)| *ts > low);
                entries += kinds.len();
                !kinds.is_empty()
            });
        }
        self.entries.store(entries, Ordering::Relaxed);
    }

    /// How many entries there are.
    pub(crate) fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Bytes it takes, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.entries() as u64 * ENTRY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::transaction::LockMode;

    #[test]
    fn kinds_and_stamps() {
        let window = Window::new();
        let read = Kind::lock(LockMode::Read);
        window.enter(7, read, CommitTs(10));
        assert!(!window.conflicts(7, read, CommitTs(3)), "shared with shared");
        assert!(window.conflicts(7, Kind::PUT, CommitTs(9)));
        assert!(!window.conflicts(7, Kind::PUT, CommitTs(10)));
        assert!(!window.conflicts(8, Kind::PUT, CommitTs(1)));
        window.enter(7, Kind::PUT, CommitTs(12));
        window.enter(7, Kind::PUT, CommitTs(11));
        assert!(window.conflicts(7, read, CommitTs(11)), "only raised");
        window.trim(CommitTs(12), u64::MAX);
        assert_eq!(window.entries(), 0);
    }

    #[test]
    fn past_its_bytes_the_floor_rises() {
        let window = Window::new();
        for hash in 0..100 {
            window.enter(hash, Kind::PUT, CommitTs(hash + 1));
        }
        window.trim(CommitTs(0), 10 * ENTRY_BYTES);
        assert!(window.entries() <= 10);
        let floor = window.floor();
        assert!(floor >= CommitTs(90));
        for hash in 0..100 {
            let held = window.conflicts(hash, Kind::PUT, floor);
            assert_eq!(held, hash + 1 > floor.0, "everything above the floor is still known");
        }
    }
}
