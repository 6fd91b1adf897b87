//! What an engine tells about itself: a plain struct, read without stopping a reader or a writer, each figure of its own moment.

use ese_base::{CommitTs, Position};
use std::time::Duration;

/// What an engine did again when it was started, because the log had it and the databases had not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Transactions.
    pub transactions: u64,
    /// Rows that they changed.
    pub rows: u64,
    /// Bytes of the log that they took.
    pub bytes: u64,
    /// How long it took, the new epoch of the log included.
    pub took: Duration,
}

/// Figures of an engine.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// The backend's word for itself.
    pub backend: &'static str,
    /// Sessions that are open.
    pub sessions: u64,
    /// Transactions that are open, read-only ones included.
    pub transactions: u64,
    /// The snapshot of the oldest open transaction.
    pub oldest_snapshot: Option<CommitTs>,
    /// How long that transaction has been open.
    pub oldest_snapshot_age: Option<Duration>,
    /// The newest visible commit.
    pub last_visible: CommitTs,
    /// The position that will be claimed next.
    pub next_position: Position,
    /// Transactions committed that left a version.
    pub commits: u64,
    /// Transactions rolled back as a whole that had left a version.
    pub rollbacks: u64,
    /// Statements that met a conflict.
    pub conflicts: u64,
    /// Bytes of generations in the current view, lists of own writes and the conflict window.
    pub version_store_bytes: u64,
    /// Bytes of generations that only older views hold.
    pub reader_held_bytes: u64,
    /// The budget of the first; the bound of the second is twice that.
    pub version_store_limit_bytes: u64,
    /// Generations in the current view.
    pub generations: u64,
    /// Chunks of memory (4 MiB) that a generation left and a later one took. Generations of less than 64 MiB
    /// ([`Options::generation_bytes`](crate::Options::generation_bytes)) have none of that size.
    pub recycled_chunks: u64,
    /// Entries of the conflict window.
    pub window_entries: u64,
    /// Views that are alive, the current one included.
    pub views: u64,
    /// Merges that published a view.
    pub merges: u64,
    /// Changed rows that merges wrote into bases.
    pub merged_rows: u64,
    /// Rows that are committed or not and wait to be merged, about.
    pub backlog_rows: u64,
    /// Bytes of a page of the main database; 0 without pages.
    pub page_size_bytes: u64,
    /// Pages of all databases.
    pub pages: u64,
    /// Pages of them that are free.
    pub free_pages: u64,
    /// Pages that only older views need.
    pub pinned_pages: u64,
    /// Syncs of the log; 0 without one, and from one that does not count them.
    pub log_syncs: u64,
    /// Bytes that the log wrote.
    pub log_bytes: u64,
    /// Checkpoints that were completed.
    pub checkpoints: u64,
    /// What was done again at the start.
    pub recovered: Recovered,
}

impl Stats {
    /// Commits a sync of the log, how many share one: lazy commits, and synchronous ones of several sessions at once,
    /// raise it. `None` before the first sync, and so without a log.
    ///
    /// ```
    /// # fn shown(engine: &dyn ese_core::Engine) {
    /// if let Some(shared) = engine.stats().commits_per_sync() {
    ///     println!("{shared:.1} commits a sync");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn commits_per_sync(&self) -> Option<f64> {
        (self.log_syncs > 0).then(|| self.commits as f64 / self.log_syncs as f64)
    }
}
