//! When a writer waits for memory, for how long, and whom the error names.
//!
//! Invariant: every wait ends with the end of the first merge that began after the writer asked (a poison or a merge
//! given up for want of space end it too); if there is still no room, the write fails.

use super::core::Core;
use crate::seam::{
    session::Mode,
    version_store::{Culprit, VersionStore},
};
use ese_base::{Error, ErrorKind, Result, sync::atomic::Ordering};
use std::time::Duration;

impl<V: VersionStore> Core<V> {
    /// Makes sure that versions may be written; called before the gate.
    #[inline]
    pub(super) fn ensure_room(&self) -> Result<()> {
        if self.has_room() { Ok(()) } else { self.make_room() }
    }

    #[inline]
    fn has_room(&self) -> bool {
        self.used_bytes() <= self.options.version_store_bytes
            && self.versions.reader_bytes() <= self.options.version_store_bytes
    }

    /// Bytes of the current generations, the window and the lists of own writes.
    pub(super) fn used_bytes(&self) -> u64 {
        self.versions.budget_bytes() + self.counters.own_write_bytes.load(Ordering::Relaxed)
    }

    #[cold]
    fn make_room(&self) -> Result<()> {
        self.versions.free_views();
        if self.has_room() {
            return Ok(());
        }
        self.await_merge()?;
        self.versions.free_views();
        if self.has_room() {
            return Ok(());
        }
        let bound = self.options.version_store_bytes;
        let (used, by, mode) = if self.used_bytes() > bound {
            (self.used_bytes(), "the oldest read-write transaction is", Mode::ReadWrite)
        } else {
            (
                self.versions.reader_bytes(),
                "only readers of old snapshots hold it, the oldest is",
                Mode::ReadOnly,
            )
        };
        let who = match self.versions.oldest(mode) {
            Some(culprit) => format!("{by} {}", self.describe(&culprit)),
            None => "no transaction is open: raise the budget".to_owned(),
        };
        Err(Error::new(ErrorKind::VersionStoreFull, format!("{used} of {bound} bytes are used; {who}")))
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
