//! One immutable state of a database: a forest, and a hold on the pages it reaches.
//!
//! Invariant: a base is live in the space from its publication until the last of its holders is gone: the base itself,
//! a merge that began from it, and each page that this merge still has of it. They may go in any order.
#![expect(unsafe_code, reason = "vouches for which pages a base may read")]

use crate::{
    arena::{Arena, outside},
    store::Shared,
};
use ese_base::{Result, TreeNo, Value};
use ese_btree::{
    ChildRef, Forest, NodeView, Pages, RUN_HEADER_BYTES, Range, RunRef, Side, check, prefetch, run_pages,
};
use ese_core::{Base, BaseScan, Direction, KeyRange, Scan};
use std::{ops::Deref, ptr::NonNull, sync::Arc};

/// A state. While it lives, no page it reaches is handed out again.
pub(crate) struct MemBase {
    pub(crate) number: u64,
    pub(crate) forest: Forest,
    pages: BasePages,
}

impl MemBase {
    /// A store's first base, which has no pages, and what the store shares with it.
    pub(crate) fn first(page_size: usize) -> (Arc<Shared>, MemBase) {
        let shared = Arc::new(Shared::new(page_size));
        // SAFETY: a new space has base 0 live, nobody else has it, and an empty forest reaches nothing.
        let first = unsafe { MemBase::new(0, Forest::default(), &shared) };
        (shared, first)
    }

    /// The base of that number.
    ///
    /// # Safety
    /// Base `number` is live in the space of `shared`, and this is called once for it. It has every page that `forest`
    /// reaches: each was written as a whole, none is in an `OwnPages`, and space keeps them until the number retires.
    pub(crate) unsafe fn new(number: u64, forest: Forest, shared: &Arc<Shared>) -> MemBase {
        let live = Arc::new(Live { number, shared: Arc::clone(shared) });
        MemBase { number, forest, pages: BasePages { arena: Arc::clone(&shared.arena), live } }
    }

    /// Its pages, held apart from it.
    ///
    /// # Safety
    /// The references given to the result's methods come from this base's forest, or from pages so reached.
    pub(crate) unsafe fn pages(&self) -> BasePages {
        BasePages { arena: Arc::clone(&self.pages.arena), live: Arc::clone(&self.pages.live) }
    }

    /// Walks everything it reaches and tells of each fault.
    pub(crate) fn check(&self, fault: &mut dyn FnMut(String)) -> check::Reached {
        check::check(&self.pages, &self.forest, self.number, check::NoChecksums, fault)
    }
}

impl Base for MemBase {
    #[inline]
    fn get<'b>(&'b self, tree: TreeNo, key: &[u8]) -> Result<Option<Value<'b>>> {
        self.forest.get(&self.pages, tree, key)
    }

    fn get_many<'b>(
        &'b self,
        tree: TreeNo,
        keys: &[&[u8]],
        out: &mut dyn FnMut(usize, Option<Value<'b>>),
    ) -> Result<()> {
        self.forest.multi_get(&self.pages, tree, keys, out)
    }

    fn scan<'b>(&'b self, tree: TreeNo, range: KeyRange<'_>) -> Result<Box<dyn BaseScan<'b> + 'b>> {
        Ok(Box::new(MemScan(self.forest.range(&self.pages, tree, range.0, range.1))))
    }

    fn trees(&self) -> Vec<TreeNo> {
        self.forest.entries().iter().map(|entry| entry.tree).collect()
    }
}

/// A range behind the engine's trait.
struct MemScan<'b>(Range<'b, BasePages>);

impl<'b> Scan<'b> for MemScan<'b> {
    #[inline]
    fn next(&mut self) -> Result<Option<(&[u8], Value<'b>)>> {
        self.0.next()
    }

    #[inline]
    fn next_back(&mut self) -> Result<Option<(&[u8], Value<'b>)>> {
        self.0.next_back()
    }
}

impl<'b> BaseScan<'b> for MemScan<'b> {
    #[inline]
    fn key(&self) -> &[u8] {
        self.0.key()
    }

    #[inline]
    fn is_at_hand(&self, direction: Direction) -> bool {
        self.0.is_at_hand(side(direction))
    }

    fn stop_at(&mut self, key: &[u8]) {
        self.0.stop_at(key);
    }

    fn take_stop(&mut self, direction: Direction) -> Result<Option<Value<'b>>> {
        self.0.take_stop(side(direction))
    }
}

/// The end that a scan in that direction reads from.
#[inline]
fn side(direction: Direction) -> Side {
    match direction {
        Direction::Forward => Side::Front,
        Direction::Backward => Side::Back,
    }
}

/// A number that is live in the space; its end is told to the space.
struct Live {
    number: u64,
    shared: Arc<Shared>,
}

impl Drop for Live {
    fn drop(&mut self) {
        // SAFETY: whoever reads pages of this base has a reference of this value, and there is one for the number.
        unsafe { self.shared.space.lock().retire(&self.shared.arena, self.number) };
    }
}

/// The arena as the tree reads it, for one base, which it holds.
///
/// Its methods are safe to call because [`MemBase`] alone makes it and says whom it is given to: functions of
/// `ese-btree` that follow references of that base's forest.
pub(crate) struct BasePages {
    /// The arena of `live`, one step nearer.
    arena: Arc<Arena>,
    live: Arc<Live>,
}

/// A page that holds its base.
pub(crate) struct HeldPage {
    start: NonNull<[u8]>,
    _live: Arc<Live>,
}

// SAFETY: it is a shared reference to bytes that do not change, and an `Arc` of something `Send` and `Sync`.
unsafe impl Send for HeldPage {}

impl Deref for HeldPage {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `start` came from a reference to a page of the base that `_live` holds, and that holds the arena.
        unsafe { self.start.as_ref() }
    }
}

impl Pages for BasePages {
    type Bytes<'p> = &'p [u8];
    type Held = HeldPage;

    #[inline]
    fn page_size(&self) -> usize {
        self.arena.page_size()
    }

    #[inline(always)]
    fn page(&self, at: ChildRef, level: u8) -> Result<&[u8]> {
        // SAFETY: who made this value vouches for the reference, and the base is held by it.
        let bytes = unsafe { self.arena.bytes(at.page, 1) }?;
        prefetch::node(bytes, level);
        Ok(bytes)
    }

    fn held(&self, at: ChildRef, level: u8) -> Result<NodeView<HeldPage>> {
        let node = self.node(at, level)?;
        let start = NonNull::from(*node.bytes());
        Ok(NodeView::trusted(HeldPage { start, _live: Arc::clone(&self.live) }))
    }

    fn run(&self, at: RunRef) -> Result<Value<'_>> {
        let Value::Borrowed(bytes) = self.run_pages(at)? else { return Err(outside(at.page)) };
        Ok(Value::Borrowed(&bytes[RUN_HEADER_BYTES..]))
    }

    fn run_pages(&self, at: RunRef) -> Result<Value<'_>> {
        let pages = usize::try_from(run_pages(at.len, self.page_size())).map_err(|_| outside(at.page))?;
        let len = usize::try_from(at.len).map_err(|_| outside(at.page))?;
        // SAFETY: as in `page`.
        let bytes = unsafe { self.arena.bytes(at.page, pages) }?;
        Ok(Value::Borrowed(&bytes[..RUN_HEADER_BYTES + len]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemStore;
    use ese_base::Position;
    use ese_btree::node::Cell;
    use ese_core::{Change, Store};

    const TREE: TreeNo = TreeNo(1);

    fn put(store: &Arc<MemStore>, value: &[u8]) {
        let mut merge = Arc::clone(store).begin_merge().unwrap();
        merge.apply(TREE, b"key", Change::Put(value)).unwrap();
        merge.finish(Position(1)).unwrap();
    }

    #[test]
    fn a_page_that_a_merge_has_holds_its_base() {
        let store = Arc::new(MemStore::new(4096, None));
        put(&store, b"old");
        let base = store.newest_base();
        // SAFETY: the only reference asked for is the root of this base.
        let pages = unsafe { base.pages() };
        let held = pages.held(base.forest.root(TREE).unwrap().node, 0).unwrap();
        drop((pages, base));
        // Freed pages are overwritten in this build, and handed out again in any.
        put(&store, b"new");
        put(&store, b"newer");
        assert_eq!(store.stats().pinned_pages, 1);
        assert_eq!(held.search(b"key"), Ok(0));
        let Cell::Inline(value) = held.cell(0) else { panic!("a short value lies in its leaf") };
        assert_eq!(held.bytes()[value], *b"old");
        drop(held);
        assert_eq!(store.stats().pinned_pages, 0);
    }
}
