//! The next base in the making: a merge of the forest, and what it writes.
#![expect(unsafe_code, reason = "says which pages a merge reads, and which ones its base has")]

use crate::{
    arena::OwnPages,
    base::{BasePages, MemBase},
    store::{MemStore, Shared},
};
use ese_base::{Error, ErrorKind, Position, Result, TreeNo};
use ese_btree::{self as btree, ForestMerge, PageNo, Sink, Stretch};
use ese_core::{Base, Change, DropProgress, Merge};
use std::sync::Arc;

/// How many pages a merge takes from the space at a time, at most.
const BATCH_MAX: usize = 64;

/// A merge. Dropped unfinished it gives its pages back.
///
/// Nothing hangs on the order in which the fields go: what reads pages of the old base holds it, and the sink lets the
/// next merge begin after it has given back what it has.
pub(crate) struct MemMerge {
    store: Arc<MemStore>,
    /// Of the base it began from.
    pages: BasePages,
    merge: ForestMerge<BasePages>,
    sink: ArenaSink,
}

impl MemMerge {
    pub(crate) fn new(store: Arc<MemStore>, from: &MemBase) -> MemMerge {
        let merge = ForestMerge::new(from.forest.clone());
        let sink = ArenaSink::new(Arc::clone(&store.shared), from.number + 1);
        // SAFETY: the pages are given to `merge` alone, which follows references of the forest of `from`: from a root it
        // reads what was there before, nothing that it writes.
        let pages = unsafe { from.pages() };
        MemMerge { store, pages, merge, sink }
    }
}

#[cold]
fn misuse(what: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, what)
}

impl Merge for MemMerge {
    fn apply(&mut self, tree: TreeNo, key: &[u8], change: Change<'_>) -> Result<()> {
        let change = match change {
            Change::Put(value) => btree::Change::Put(value),
            Change::Delete => btree::Change::Delete,
        };
        self.merge.apply(&self.pages, &mut self.sink, tree, key, change)
    }

    fn drop_tree(&mut self, tree: TreeNo, pages: usize) -> Result<DropProgress> {
        let done = self.merge.drop_step(&self.pages, &mut self.sink, tree, pages)?;
        Ok(if done { DropProgress::Done } else { DropProgress::More })
    }

    fn finish(self: Box<Self>, _l: Position) -> Result<Arc<dyn Base>> {
        let MemMerge { store, pages, merge, mut sink } = *self;
        let forest = merge.finish(&pages, &mut sink)?;
        drop(pages);
        sink.publish();
        // SAFETY: `publish` has made the number live, for the first time: a store's merges come one after the other, and
        // each has a number above its base's. All that `forest` reaches was in the base before, and not freed, or was
        // written by this merge, whose own pages `publish` gave up.
        let base = Arc::new(unsafe { MemBase::new(sink.birth, forest, &store.shared) });
        store.set_newest(Arc::clone(&base));
        // Only now may another merge begin: from this base.
        drop(sink);
        Ok(base)
    }
}

/// Writes the pages of one merge into the arena; dropped before it is published it gives them all back.
struct ArenaSink {
    shared: Arc<Shared>,
    birth: u64,
    /// Taken from the space and not yet written.
    spare: Vec<OwnPages>,
    batch: usize,
    /// What the tree asked for; the last one is written next.
    written: Vec<OwnPages>,
    freed: Vec<Stretch>,
}

impl ArenaSink {
    fn new(shared: Arc<Shared>, birth: u64) -> Self {
        ArenaSink { shared, birth, spare: Vec::new(), batch: 4, written: Vec::new(), freed: Vec::new() }
    }

    /// What was written belongs to the new base; what was freed waits for the older ones.
    fn publish(&mut self) {
        let freed = std::mem::take(&mut self.freed);
        self.written.clear();
        // SAFETY: the tree frees what it takes out of the old forest, each page once and with its own birth (the checks
        // of the tests account for every page), and no base of this number was published before.
        unsafe { self.shared.space.lock().publish(&self.shared.arena, self.birth, freed) };
    }
}

/// The pages at `page`, if they are those that were asked for last.
fn last(written: &mut [OwnPages], page: PageNo) -> Result<&mut OwnPages> {
    let last = written.last_mut().filter(|own| own.page() == page);
    last.ok_or_else(|| misuse("a merge writes what it asked for last"))
}

impl Drop for ArenaSink {
    fn drop(&mut self) {
        let mut space = self.shared.space.lock();
        for own in self.spare.drain(..).chain(self.written.drain(..)) {
            space.give_back(&self.shared.arena, own);
        }
        drop(space);
        // The last thing a merge does.
        self.shared.end_merge();
    }
}

impl Sink for ArenaSink {
    const CHECKSUMS: bool = false;

    fn birth(&self) -> u64 {
        self.birth
    }

    fn allocate(&mut self, pages: u64) -> Result<PageNo> {
        let own = if pages == 1 {
            if self.spare.is_empty() {
                self.batch = (2 * self.batch).min(BATCH_MAX);
                self.shared.space.lock().take(&self.shared.arena, self.batch, &mut self.spare)?;
            }
            self.spare.pop().ok_or_else(|| Error::new(ErrorKind::DiskFull, "no page was given"))?
        } else {
            self.shared.space.lock().take_run(&self.shared.arena, pages)?
        };
        let page = own.page();
        self.written.push(own);
        Ok(page)
    }

    fn write(&mut self, page: PageNo, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        let own = last(&mut self.written, page)?;
        self.shared.arena.fill(own, fill)
    }

    fn write_run(&mut self, page: PageNo, header: &[u8], value: &[u8]) -> Result<()> {
        let own = last(&mut self.written, page)?;
        self.shared.arena.fill_run(own, header, value)
    }

    fn free(&mut self, stretch: Stretch) -> Result<()> {
        self.freed.push(stretch);
        Ok(())
    }
}
