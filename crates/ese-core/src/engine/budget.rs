//! When a writer waits for memory, for how long, and whom the error names.
//!
//! Invariant: every wait ends with the end of the first merge that began after the writer asked (a poison or a merge
//! given up for want of space end it too); if there is still no room, the write fails.

use super::{core::Core, trace};
use crate::seam::{
    session::Mode,
    version_store::{Culprit, VersionStore},
};
use ese_base::{Error, ErrorKind, Result, sync::atomic::Ordering};
use std::time::Duration;

/// What only old views hold may take this many times the budget: one old view can hold a full budget, and a bound that a
/// single long reader reaches would let it stop the writers.
const HELD_BUDGETS: u64 = 2;

impl<V: VersionStore> Core<V> {
    /// Makes sure that versions may be written; called before the gate.
    #[inline]
    pub(super) fn ensure_room(&self, slot: &V::Slot) -> Result<()> {
        if self.used_bytes() <= self.options.version_store_bytes
            && self.versions.reader_bytes() <= self.held_bound()
        {
            return Ok(());
        }
        self.make_room(slot)
    }

    /// Whether there is room, now that old views were freed as far as they can be. What the writer's own view holds is
    /// not held against it: it goes when the writer ends.
    fn has_room(&self, slot: &V::Slot) -> bool {
        self.versions.free_views();
        self.used_bytes() <= self.options.version_store_bytes
            && (self.versions.reader_bytes() <= self.held_bound()
                || self.versions.held_by_others(slot) <= self.held_bound())
    }

    fn held_bound(&self) -> u64 {
        self.options.version_store_bytes.saturating_mul(HELD_BUDGETS)
    }

    /// Bytes of the current generations, the window and the lists of own writes.
    pub(super) fn used_bytes(&self) -> u64 {
        self.versions.budget_bytes() + self.counters.own_write_bytes.load(Ordering::Relaxed)
    }

    #[cold]
    fn make_room(&self, slot: &V::Slot) -> Result<()> {
        if self.has_room(slot) {
            return Ok(());
        }
        trace::waits_for_room(self.used_bytes(), self.options.version_store_bytes);
        self.await_merge()?;
        if self.has_room(slot) {
            return Ok(());
        }
        let budget = self.options.version_store_bytes;
        let (used, bound, by, mode) = if self.used_bytes() > budget {
            (self.used_bytes(), budget, "the oldest read-write transaction is", Mode::ReadWrite)
        } else {
            let held = self.versions.held_by_others(slot);
            (held, self.held_bound(), "only old snapshots hold it, the oldest is", Mode::ReadOnly)
        };
        let who = match self.versions.oldest(mode) {
            Some(culprit) => format!("{by} {}", self.describe(&culprit)),
            None => "no transaction is open: raise the budget".to_owned(),
        };
        Err(Error::new(
            ErrorKind::VersionStoreFull,
            format!("{used} bytes are used, the bound is {bound}; {who}"),
        ))
    }

    /// Names a transaction for an error.
    pub(super) fn describe(&self, culprit: &Culprit) -> String {
        let now = self.clock.now();
        let age = now.saturating_sub(Duration::from_nanos(culprit.begun_nanos));
        format!(
            "that of {}, open for about {} ms, snapshot {}",
            culprit.owner,
            age.as_millis(),
            culprit.snapshot
        )
    }
}
