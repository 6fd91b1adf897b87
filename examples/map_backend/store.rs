//! One database: its newest base, and the next number for a tree.

use crate::{base::MapBase, merge::MapMerge};
use ese_base::{
    Result, TreeNo, limits,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use ese_core::{Base, Merge, Store, StoreStats};
use std::sync::Arc;

/// One database.
pub(crate) struct MapStore {
    newest: Mutex<Arc<MapBase>>,
    next_tree: AtomicU64,
}

impl Default for MapStore {
    fn default() -> Self {
        // Tree 0 is the directory of the database: numbers for others begin behind it.
        MapStore { newest: Mutex::default(), next_tree: AtomicU64::new(TreeNo::DIRECTORY.0 + 1) }
    }
}

impl MapStore {
    pub(crate) fn set_newest(&self, base: Arc<MapBase>) {
        let before = std::mem::replace(&mut *self.newest.lock(), base);
        // Nobody waits for the lock while an old base that no reader holds goes away, which may be much.
        drop(before);
    }
}

impl Store for MapStore {
    fn newest(&self) -> Arc<dyn Base> {
        let newest: Arc<MapBase> = Arc::clone(&self.newest.lock());
        newest
    }

    fn begin_merge(self: Arc<Self>) -> Result<Box<dyn Merge>> {
        let newest = Arc::clone(&self.newest.lock());
        Ok(Box::new(MapMerge::new(self, &newest)))
    }

    fn reserve_tree_numbers(&self, count: u64) -> Result<TreeNo> {
        Ok(TreeNo(self.next_tree.fetch_add(count, Ordering::Relaxed)))
    }

    /// A map takes any key; the limit is the one that other backends have, so that data can move between them.
    fn key_max_bytes(&self) -> usize {
        limits::key_max_bytes(limits::PAGE_SIZE_DEFAULT_BYTES)
    }

    /// A map cannot be out of order; there is nothing to find.
    fn check(&self, _base: &Arc<dyn Base>, _fault: &mut dyn FnMut(String)) -> Result<()> {
        Ok(())
    }

    /// No pages, no figures.
    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }
}
