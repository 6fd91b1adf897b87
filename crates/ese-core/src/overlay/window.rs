//! The conflict window: what conflict checks may still need of versions that have left the view.
//!
//! Only the holder of the overlay's applier lock enters, trims and sheds: one thread at a time, so that the count of
//! entries is exact for it. Conflict checks come from any thread, inside the gate and under a row's latch: they wait for
//! the lock of one shard. There are so many shards that the whole of one is gone through in microseconds, and the window
//! never holds more than its bytes, not even while a generation is being entered.
//!
//! Invariants:
//! - Entries are made before the view is published from which their versions are missing, and only raised.
//! - An entry goes when no read-write snapshot is below its timestamp.
//! - Below the floor the window is not complete: a write of a snapshot below it fails. The floor is raised before entries
//!   go for want of room, and before those at or below it are not made.
//! - Nothing is done under the lock of a shard but to look through it, or to change it.

use crate::txn::Kind;
use ese_base::{
    CommitTs,
    id::stripe,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use hashbrown::HashMap;
use smallvec::SmallVec;

/// What an entry takes, about.
const ENTRY_BYTES: u64 = 64;
/// Entries that a shard has when the window is full, about.
const SHARD_ENTRIES: u64 = 1024;
/// The fewest and the most shards. At the most, full shards are larger than that in windows of more than 4 GiB.
const SHARDS: (u64, u64) = if cfg!(any(loom, shuttle)) { (2, 2) } else { (16, 1 << 16) };

type Shard = HashMap<u64, SmallVec<[(Kind, CommitTs); 2]>, foldhash::fast::FixedState>;

/// (Hash of tree and key, kind) → the newest timestamp.
#[derive(Debug)]
pub(crate) struct Window {
    shards: Box<[Mutex<Shard>]>,
    /// More entries than this are never kept.
    most: usize,
    /// The newest timestamp that was ever entered: a snapshot at or above it need not ask.
    newest: AtomicU64,
    floor: AtomicU64,
    entries: AtomicUsize,
}

impl Window {
    /// An empty window that may take about so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let most = bytes / ENTRY_BYTES;
        let shards = (most / SHARD_ENTRIES).clamp(SHARDS.0, SHARDS.1).next_power_of_two();
        Window {
            shards: (0..shards).map(|_| Mutex::new(Shard::default())).collect(),
            most: usize::try_from(most).unwrap_or(usize::MAX),
            newest: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            entries: AtomicUsize::new(0),
        }
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        &self.shards[stripe(hash >> 32, self.shards.len())]
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

    /// Enters a version that is about to leave; where that is one too many, the older half of all goes.
    pub(crate) fn enter(&self, hash: u64, kind: Kind, ts: CommitTs) {
        if ts <= self.floor() {
            return;
        }
        self.newest.fetch_max(ts.0, Ordering::AcqRel);
        if self.raise(hash, kind, ts) {
            let entries = self.entries.fetch_add(1, Ordering::Relaxed) + 1;
            if entries > self.most {
                self.shed(self.most / 2);
            }
        }
    }

    /// Makes or raises an entry; whether it is a new one.
    fn raise(&self, hash: u64, kind: Kind, ts: CommitTs) -> bool {
        let mut shard = self.shard(hash).lock();
        let kinds = shard.entry(hash).or_default();
        match kinds.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, newest)) => {
                *newest = (*newest).max(ts);
                false
            }
            None => {
                kinds.push((kind, ts));
                true
            }
        }
    }

    /// Drops the entries that no snapshot at or above `low` needs.
    pub(crate) fn trim(&self, low: CommitTs) {
        if self.entries() == 0 {
            return;
        }
        let mut entries = 0;
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.retain(|_, kinds| {
                kinds.retain(|(_, ts)| *ts > low);
                entries += kinds.len();
                !kinds.is_empty()
            });
            if shard.len() < shard.capacity() / 8 {
                shard.shrink_to_fit();
            }
        }
        self.entries.store(entries, Ordering::Relaxed);
    }

    /// Raises the floor so that at most `keep` entries are above it, and drops what is not.
    pub(crate) fn shed(&self, keep: usize) {
        let mut stamps: Vec<CommitTs> = Vec::with_capacity(self.entries());
        for shard in &self.shards {
            stamps.extend(shard.lock().values().flatten().map(|(_, ts)| *ts));
        }
        let Some(at) = stamps.len().checked_sub(keep + 1) else { return };
        let (_, floor, _) = stamps.select_nth_unstable(at);
        // The floor first: a check that finds an entry gone must find the floor raised.
        self.floor.fetch_max(floor.0, Ordering::SeqCst);
        self.trim(*floor);
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
        let window = Window::new(1 << 20);
        let read = Kind::lock(LockMode::Read);
        window.enter(7, read, CommitTs(10));
        assert!(!window.conflicts(7, read, CommitTs(3)), "shared with shared");
        assert!(window.conflicts(7, Kind::PUT, CommitTs(9)));
        assert!(!window.conflicts(7, Kind::PUT, CommitTs(10)));
        assert!(!window.conflicts(8, Kind::PUT, CommitTs(1)));
        window.enter(7, Kind::PUT, CommitTs(12));
        window.enter(7, Kind::PUT, CommitTs(11));
        assert!(window.conflicts(7, read, CommitTs(11)), "only raised");
        assert_eq!(window.entries(), 2);
        window.trim(CommitTs(10));
        assert_eq!(window.entries(), 1);
        window.trim(CommitTs(12));
        assert_eq!(window.entries(), 0);
    }

    #[test]
    fn past_its_bytes_the_floor_rises() {
        let window = Window::new(10 * ENTRY_BYTES);
        for hash in 0..100 {
            window.enter(hash, Kind::PUT, CommitTs(hash + 1));
            assert!(window.entries() <= 10, "not even while entries are made");
        }
        let floor = window.floor();
        assert!(floor >= CommitTs(90));
        for hash in 0..100 {
            let held = window.conflicts(hash, Kind::PUT, floor);
            assert_eq!(held, hash + 1 > floor.0, "everything above the floor is still known");
        }
        let entries = window.entries();
        window.enter(1000, Kind::PUT, floor);
        assert_eq!(window.entries(), entries, "what nobody may ask for is not kept");
        window.shed(0);
        assert_eq!((window.entries(), window.floor()), (0, CommitTs(100)));
        window.shed(0);
    }

    /// The time for which a shard's lock is held when entries go is bounded by how much it can hold.
    #[test]
    #[cfg(not(any(loom, shuttle)))]
    fn shards_of_a_full_window_are_small() {
        let most = 128 * SHARD_ENTRIES;
        let window = Window::new(most * ENTRY_BYTES);
        for number in 1..=most {
            window.enter(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), Kind::PUT, CommitTs(number));
        }
        assert_eq!((window.entries() as u64, window.floor()), (most, CommitTs(0)));
        let largest = window.shards.iter().map(|shard| shard.lock().len()).max().unwrap_or(0);
        assert!(largest as u64 <= 2 * SHARD_ENTRIES, "{largest} entries in a shard");
        window.trim(CommitTs(most - 1));
        let kept: usize = window.shards.iter().map(|shard| shard.lock().capacity()).sum();
        assert!(window.entries() == 1 && kept < 64, "memory for {kept} entries is kept");
    }
}
