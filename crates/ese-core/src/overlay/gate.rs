//! The gate: writers pass it once per key operation; sealing closes it for a moment.
//!
//! Invariants:
//! - While the gate is closed no writer is inside: the applier saw every slot outside after the flag was set.
//! - Inside nobody waits, reads a page, calls back or enters again.
//! - Who entered and then loads the current view number may use that view until it leaves: the applier, having
//!   replaced a view, frees it only after each slot it then saw inside was seen outside once.

use super::slot::{Slot, Slots};
use ese_base::sync::{
    CacheLine,
    atomic::{AtomicBool, Ordering, fence},
    spin_until,
};

/// The flag that writers look at.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed: CacheLine<AtomicBool>,
}

/// Proves that its slot is inside the gate.
#[derive(Debug)]
pub(crate) struct Entered<'s>(&'s Slot);

impl Gate {
    /// Goes in, stepping back while the gate is closed.
    #[inline]
    pub(crate) fn enter<'s>(&self, slot: &'s Slot) -> Entered<'s> {
        loop {
            let sequence = slot.gate.load(Ordering::Relaxed);
            debug_assert!(sequence.is_multiple_of(2), "the gate is entered once at a time");
            // A release: who sees this entry instead of the exit before it must have all that was done until then.
            slot.gate.store(sequence + 1, Ordering::Release);
            fence(Ordering::SeqCst);
            if !self.closed.load(Ordering::Acquire) {
                return Entered(slot);
            }
            slot.gate.store(sequence + 2, Ordering::Release);
            spin_until(|| !self.closed.load(Ordering::Acquire));
        }
    }

    /// Closes the gate and waits until nobody of `slots` is inside.
    pub(crate) fn close(&self, slots: &Slots) -> Closed<'_> {
        self.closed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        // Asked for only now: whoever opens a slot that is not among them finds the flag set.
        for (_, slot) in slots.lines() {
            spin_until(|| slot.gate.load(Ordering::Acquire).is_multiple_of(2));
        }
        Closed(self)
    }
}

/// Proves that the gate is closed and empty.
#[derive(Debug)]
pub(crate) struct Closed<'g>(&'g Gate);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.closed.store(false, Ordering::Release);
    }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        let sequence = self.0.gate.load(Ordering::Relaxed);
        self.0.gate.store(sequence + 1, Ordering::Release);
    }
}
