//! What the log counts: syncs and bytes written.

use ese_base::sync::atomic::{AtomicU64, Ordering};
use ese_core::LogStats;

/// Counts since the log was opened. They order nothing.
#[derive(Default)]
pub(crate) struct Tally {
    syncs: AtomicU64,
    bytes: AtomicU64,
}

impl Tally {
    pub(crate) fn synced(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn written(&self, bytes: usize) {
        self.bytes.fetch_add(crate::format::wide(bytes), Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> LogStats {
        LogStats::new(self.syncs.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}
