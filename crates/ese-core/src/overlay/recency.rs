//! The recency table: which generation last got a key of this hash, so that a miss costs one load.
//!
//! Invariants:
//! - A slot is raised before the version is inserted, and never lowered.
//! - Only a number below all generations of a view is a miss. A number above the view's newest generation says nothing
//!   about the view: every generation is asked.

use ese_base::{
    id::stripe,
    sync::atomic::{AtomicU32, Ordering},
};

const SLOT_BITS: u32 = if cfg!(any(loom, shuttle)) { 1 } else { 21 };

/// For each slot of key hashes, the newest generation that got such a key.
pub(crate) struct Recency(Box<[AtomicU32]>);

/// Zeroed by the allocator: pages that are never touched are never there.
#[cfg(not(any(loom, shuttle)))]
fn zeroed() -> Box<[AtomicU32]> {
    use zerocopy::FromZeros;
    match <[AtomicU32]>::new_box_zeroed_with_elems(1 << SLOT_BITS) {
        Ok(slots) => slots,
        Err(_) => std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u32; 1 << SLOT_BITS]>()),
    }
}

/// A model checker's atomics are not plain memory.
#[cfg(any(loom, shuttle))]
fn zeroed() -> Box<[AtomicU32]> {
    (0..1 << SLOT_BITS).map(|_| AtomicU32::new(0)).collect()
}

impl Recency {
    pub(crate) fn new() -> Self {
        Recency(zeroed())
    }

    #[inline]
    fn slot(&self, hash: u64) -> &AtomicU32 {
        &self.0[stripe(hash >> (u64::BITS - SLOT_BITS), 1 << SLOT_BITS)]
    }

    /// The newest generation that may hold the key.
    #[inline]
    pub(crate) fn newest(&self, hash: u64) -> u32 {
        self.slot(hash).load(Ordering::Relaxed)
    }

    /// Notes that generation `number` is about to get the key.
    #[inline]
    pub(crate) fn raise(&self, hash: u64, number: u32) {
        let slot = self.slot(hash);
        if slot.load(Ordering::Relaxed) < number {
            slot.fetch_max(number, Ordering::Relaxed);
        }
    }
}
