//! One database in memory: its newest base, the space its pages come from, and the one merge that may be going on.

use crate::{arena::Arena, base::MemBase, merge::MemMerge, space::Space};
use ese_base::{
    Error, ErrorKind, Result, TreeNo, limits,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use ese_btree::{Stretch, check};
use ese_core::{Base, Merge, Store, StoreStats};
use std::sync::{Arc, Weak};

/// What bases, merges and the store share.
pub(crate) struct Shared {
    pub(crate) arena: Arc<Arena>,
    pub(crate) space: Mutex<Space>,
    merging: AtomicBool,
}

impl Shared {
    pub(crate) fn new(page_size: usize) -> Shared {
        Shared {
            arena: Arc::new(Arena::new(page_size)),
            space: Mutex::new(Space::new(page_size)),
            merging: AtomicBool::new(false),
        }
    }

    /// The merge has ended; another may begin.
    pub(crate) fn end_merge(&self) {
        self.merging.store(false, Ordering::Release);
    }
}

/// A database.
pub(crate) struct MemStore {
    pub(crate) shared: Arc<Shared>,
    newest: Mutex<Arc<MemBase>>,
    /// Every base that may still be held, for [`Store::check`].
    bases: Mutex<Vec<Weak<MemBase>>>,
    next_tree: AtomicU64,
    page_size: usize,
}

impl MemStore {
    /// An empty database.
    pub(crate) fn new(page_size: usize, limit_bytes: Option<u64>) -> MemStore {
        let (shared, first) = MemBase::first(page_size);
        shared.space.lock().set_limit(limit_bytes);
        let first = Arc::new(first);
        MemStore {
            shared,
            bases: Mutex::new(vec![Arc::downgrade(&first)]),
            newest: Mutex::new(first),
            next_tree: AtomicU64::new(1),
            page_size,
        }
    }

    pub(crate) fn set_limit(&self, bytes: Option<u64>) {
        self.shared.space.lock().set_limit(bytes);
    }

    pub(crate) fn newest_base(&self) -> Arc<MemBase> {
        Arc::clone(&self.newest.lock())
    }

    pub(crate) fn set_newest(&self, base: Arc<MemBase>) {
        let mut bases = self.bases.lock();
        bases.retain(|base| base.strong_count() > 0);
        bases.push(Arc::downgrade(&base));
        drop(bases);
        let before = std::mem::replace(&mut *self.newest.lock(), base);
        // The end of a base takes the lock of the space: not under another one.
        drop(before);
    }

    /// The base of this store that `base` is.
    fn own(&self, base: &Arc<dyn Base>) -> Result<Arc<MemBase>> {
        let address = Arc::as_ptr(base).cast::<()>();
        let found =
            self.bases.lock().iter().find(|base| base.as_ptr().cast() == address).and_then(Weak::upgrade);
        found.ok_or_else(|| Error::new(ErrorKind::InvalidParameter, "the base belongs to another store"))
    }
}

impl Store for MemStore {
    fn newest(&self) -> Arc<dyn Base> {
        self.newest_base()
    }

    fn begin_merge(self: Arc<Self>) -> Result<Box<dyn Merge>> {
        if self.shared.merging.swap(true, Ordering::Acquire) {
            return Err(Error::new(ErrorKind::InvalidParameter, "a merge of this database is going on"));
        }
        let newest = self.newest_base();
        Ok(Box::new(MemMerge::new(self, &newest)))
    }

    fn reserve_tree_numbers(&self, count: u64) -> Result<TreeNo> {
        let reserved = self
            .next_tree
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| next.checked_add(count))
            .map_err(|_| Error::new(ErrorKind::OutOfMemory, "all tree numbers are used"))?;
        Ok(TreeNo(reserved))
    }

    fn key_max_bytes(&self) -> usize {
        limits::key_max_bytes(self.page_size)
    }

    fn check(&self, base: &Arc<dyn Base>, fault: &mut dyn FnMut(String)) -> Result<()> {
        let base = self.own(base)?;
        let reached = base.check(fault);
        let newest = self.newest.lock().number;
        // Pages that a merge has taken are nobody's yet, and pages of the newest base are dead in older ones.
        if self.shared.merging.load(Ordering::Acquire) {
            return Ok(());
        }
        let space = self.shared.space.lock();
        let stretch = |(page, pages): (_, u64)| Stretch { page, pages, birth: 0 };
        let free: Vec<Stretch> = space.free_pages().map(stretch).collect();
        if base.number == newest {
            let unreachable = free.into_iter().chain(space.waiting_pages().map(stretch));
            check::account(reached, unreachable, space.all_pages().map(stretch), fault);
        } else {
            check::disjoint(reached, free, fault);
        }
        Ok(())
    }

    fn prepare(&self, bytes: u64) -> bool {
        let arena = &self.shared.arena;
        let Some((extent, from, pages)) = self.shared.space.lock().next_to_make_ready(arena, bytes) else {
            return false;
        };
        // Outside the lock: it is here that the system clears memory, or finds some.
        arena.make_ready(extent, from, pages);
        true
    }

    fn stats(&self) -> StoreStats {
        let (pages, free, waiting) = self.shared.space.lock().counts();
        StoreStats::of_pages(self.page_size as u64, pages, free, waiting)
    }
}
