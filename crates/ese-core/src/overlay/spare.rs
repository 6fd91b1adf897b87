//! Spare chunks: memory that generations gave back, and a little that is made ready before a writer needs it.
//!
//! A generation's memory is written once from end to end, and the system has to clear every page of it first: of a load,
//! that is a fifth of the time, and more on a virtual machine. What a generation leaves is therefore kept for the next,
//! and the applier has the system clear what a growing one takes next.
//!
//! Invariants:
//! - Every block has [`CHUNK_BYTES`]; at most `most` of them are kept.
//! - A writer that wants a chunk does not wait: who finds the list in use does without. No memory is taken from the
//!   system or given back under the lock.

use super::arena::ALIGN_MAX;
use ese_base::{
    memory::Block,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// The size of a chunk that is worth keeping: whole huge pages.
pub(crate) const CHUNK_BYTES: usize = 4 << 20;
/// So many are made ready ahead.
const READY: usize = 2;

/// See the head of the module.
#[derive(Debug)]
pub(crate) struct Spares {
    blocks: Mutex<Vec<Spare>>,
    most: usize,
    /// Fewer are ready than should be. Where background work is driven by hand nobody makes any ready, and this stays
    /// set: sessions then wake, once between two steps, a thread that is not there.
    wanted: AtomicBool,
    /// How many were taken that a generation had held before.
    recycled: AtomicU64,
}

/// A block, and where it comes from.
#[derive(Debug)]
enum Spare {
    /// The system.
    Fresh(Block),
    /// A generation that is gone.
    Left(Block),
}

impl Spares {
    /// None yet; up to `bytes` are kept.
    pub(crate) fn new(bytes: u64) -> Self {
        let most = usize::try_from(bytes).unwrap_or(usize::MAX) / CHUNK_BYTES;
        Spares {
            blocks: Mutex::new(Vec::with_capacity(most)),
            most,
            wanted: AtomicBool::new(false),
            recycled: AtomicU64::new(0),
        }
    }

    /// A block of that many bytes, if one is ready; what is in it is arbitrary.
    pub(crate) fn take(&self, bytes: usize) -> Option<Block> {
        // A chunk of half the size: the next one is whole.
        if bytes < CHUNK_BYTES / 2 || self.most == 0 {
            return None;
        }
        let mut blocks = self.blocks.try_lock()?;
        let block = if bytes == CHUNK_BYTES { blocks.pop() } else { None };
        if blocks.len() < READY.min(self.most) {
            self.wanted.store(true, Ordering::Relaxed);
        }
        match block? {
            Spare::Fresh(block) => Some(block),
            Spare::Left(block) => {
                self.recycled.fetch_add(1, Ordering::Relaxed);
                Some(block)
            }
        }
    }

    /// Keeps a block that a generation leaves, or gives it back to the system.
    pub(crate) fn give(&self, block: Block) {
        if block.bytes() == CHUNK_BYTES {
            self.keep(Spare::Left(block));
        }
    }

    fn keep(&self, spare: Spare) {
        let mut blocks = self.blocks.lock();
        if blocks.len() < self.most {
            blocks.push(spare);
        }
    }

    /// How many blocks were used again.
    pub(crate) fn recycled(&self) -> u64 {
        self.recycled.load(Ordering::Relaxed)
    }

    /// Whether [`Spares::prepare`] has something to do.
    #[inline]
    pub(crate) fn are_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Makes one block ready; whether it did.
    pub(crate) fn prepare(&self) -> bool {
        if !self.wanted.load(Ordering::Relaxed) {
            return false;
        }
        if self.blocks.lock().len() >= READY.min(self.most) {
            self.wanted.store(false, Ordering::Relaxed);
            return false;
        }
        // Without memory nobody fails here; who needs it finds out.
        let Some(mut block) = Block::zeroed(CHUNK_BYTES, ALIGN_MAX) else {
            self.wanted.store(false, Ordering::Relaxed);
            return false;
        };
        block.populate();
        self.keep(Spare::Fresh(block));
        true
    }
}

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_kept_as_may_be() {
        let spares = Spares::new(3 * CHUNK_BYTES as u64 + 1);
        for _ in 0..5 {
            spares.give(Block::zeroed(CHUNK_BYTES, 64).unwrap());
        }
        spares.give(Block::zeroed(64, 64).unwrap());
        let taken: Vec<Block> = std::iter::from_fn(|| spares.take(CHUNK_BYTES)).collect();
        assert_eq!(taken.len(), 3);
        assert!(taken.iter().all(|block| block.bytes() == CHUNK_BYTES));
        assert_eq!(spares.recycled(), 3);
    }

    #[test]
    fn what_a_growing_generation_needs_next_is_made_ready() {
        let spares = Spares::new(64 << 20);
        assert!(spares.take(64 << 10).is_none());
        assert!(!spares.are_wanted() && !spares.prepare(), "small generations need none");
        assert!(spares.take(CHUNK_BYTES / 2).is_none());
        assert!(spares.are_wanted());
        assert!(spares.prepare() && spares.prepare() && !spares.prepare());
        assert!(!spares.are_wanted());
        assert!(spares.take(CHUNK_BYTES).is_some());
        assert!(spares.are_wanted());
        assert_eq!(spares.recycled(), 0, "nobody had it before");
    }

    #[test]
    fn an_overlay_that_may_keep_nothing_makes_nothing_ready() {
        let spares = Spares::new(CHUNK_BYTES as u64 - 1);
        assert!(spares.take(CHUNK_BYTES).is_none());
        assert!(!spares.are_wanted());
    }
}
