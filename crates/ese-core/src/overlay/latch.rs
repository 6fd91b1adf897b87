//! Striped latches: the row a key hashes to is checked and written by one thread at a time.
//!
//! Held for one conflict check and one insert; nothing under a latch waits, reads a page or calls back. Lock order:
//! gate → latch → arena.

use ese_base::sync::{
    CacheLine,
    atomic::{AtomicBool, Ordering},
    spin_until,
};

/// How many latches there are; a row's is its hash modulo this.
pub(super) const LATCHES: usize = if cfg!(any(loom, shuttle)) { 2 } else { 1024 };

/// The latches of an overlay.
#[derive(Debug)]
pub(crate) struct Latches(Box<[CacheLine<AtomicBool>]>);

/// Holds the latch of the rows of one stripe, taken for a row of this hash.
#[derive(Debug)]
pub(crate) struct Latched<'l> {
    latch: &'l AtomicBool,
    hash: u64,
}

impl Latched<'_> {
    /// The hash of the row it was taken for.
    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

impl Latches {
    pub(crate) fn new() -> Self {
        Latches((0..LATCHES).map(|_| CacheLine(AtomicBool::new(false))).collect())
    }

    /// Takes the latch of the stripe that `hash` falls into.
    #[inline]
    pub(crate) fn lock(&self, hash: u64) -> Latched<'_> {
        let latch = &self.0[ese_base::id::stripe(hash, LATCHES)].0;
        spin_until(|| {
            !latch.load(Ordering::Relaxed)
                && latch.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
        });
        Latched { latch, hash }
    }
}

impl Drop for Latched<'_> {
    #[inline]
    fn drop(&mut self) {
        self.latch.store(false, Ordering::Release);
    }
}
