//! The recency table: which generation last got a key of this hash, so that a miss costs one load.
//!
//! Invariants:
//! - A slot is raised before the version is inserted, and never lowered.
//! - Only a number below all generations of a view is a miss. A number above the view's newest generation says nothing
//!   about the view: every generation is asked.

use super::{
    index::prefetch_line,
    latch::{LATCHES, Latched},
};
use ese_base::{
    id::stripe,
    sync::atomic::{AtomicU32, Ordering},
};

const SLOTS: usize = if cfg!(any(loom, shuttle)) { 2 } else { 1 << 21 };
const _: () = assert!(SLOTS.is_multiple_of(LATCHES));

/// For each slot of key hashes, the newest generation that got such a key.
pub(crate) struct Recency(Box<[AtomicU32]>);

/// Zeroed by the allocator: pages that are never touched are never there.
#[cfg(not(any(loom, shuttle)))]
fn zeroed() -> Box<[AtomicU32]> {
    use zerocopy::FromZeros;
    match <[AtomicU32]>::new_box_zeroed_with_elems(SLOTS) {
        Ok(slots) => slots,
        Err(_) => std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u32; SLOTS]>()),
    }
}

/// A model checker's atomics are not plain memory.
#[cfg(any(loom, shuttle))]
fn zeroed() -> Box<[AtomicU32]> {
    (0..SLOTS).map(|_| AtomicU32::new(0)).collect()
}

impl Recency {
    pub(crate) fn new() -> Self {
        Recency(zeroed())
    }

    /// Rows of one slot have one latch.
    #[inline]
    fn slot(&self, hash: u64) -> &AtomicU32 {
        let of_latch = stripe(hash >> u32::BITS, SLOTS / LATCHES);
        &self.0[stripe(hash, LATCHES) * (SLOTS / LATCHES) + of_latch]
    }

    /// Asks for the slot.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        prefetch_line(std::ptr::from_ref(self.slot(hash)).cast());
    }

    /// The newest generation that may hold the key.
    #[inline]
    pub(crate) fn newest(&self, hash: u64) -> u32 {
        self.slot(hash).load(Ordering::Relaxed)
    }

    /// Notes that generation `number` is about to get the key that the latch was taken for. It is the latch of all rows of
    /// the slot: nobody else writes it meanwhile.
    #[inline]
    pub(crate) fn raise(&self, latched: &Latched<'_>, number: u32) {
        let slot = self.slot(latched.hash());
        if slot.load(Ordering::Relaxed) < number {
            slot.store(number, Ordering::Relaxed);
        }
    }
}
