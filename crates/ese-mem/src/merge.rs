//! The next base in the making.
//!
//! Invariant: a merge reads pages of the base it began from and none that it wrote. So it takes the changes of each tree
//! in one go, and none of a tree that it takes apart.
#![expect(unsafe_code, reason = "says which pages a merge reads, and which ones its base has")]

use crate::{
    arena::OwnPages,
    base::{BasePages, MemBase},
    store::{MemStore, Shared},
};
use ese_base::{Error, ErrorKind, Position, Result, TreeNo};
use ese_btree::{self as btree, Forest, PageNo, Sink, Stretch, TreeMerge};
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
    forest: Forest,
    current: Option<(TreeNo, TreeMerge<BasePages>)>,
    /// The trees that changes were given of, ascending.
    changed: Vec<TreeNo>,
    sink: ArenaSink,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Going,
    /// A change failed half-way: only dropping the merge is left.
    Failed,
}

impl MemMerge {
    pub(crate) fn new(store: Arc<MemStore>, from: &MemBase) -> MemMerge {
        let forest = from.forest.clone();
        let sink = ArenaSink::new(Arc::clone(&store.shared), from.number + 1);
        // SAFETY: the pages are given to merges of trees that `changed` has not got, and to steps of dropping such: their
        // roots are those of `from`. From a root the tree reads what was there before, nothing that it writes.
        let pages = unsafe { from.pages() };
        MemMerge { store, pages, forest, current: None, changed: Vec::new(), sink, state: State::Going }
    }

    /// Runs a step; a failed one leaves the merge unusable.
    fn step<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.state == State::Failed {
            return Err(Error::new(ErrorKind::InvalidParameter, "the merge has failed before"));
        }
        let result = step(self);
        if result.is_err() {
            self.state = State::Failed;
            self.current = None;
        }
        result
    }

    /// Completes the tree that changes were given of.
    fn settle(&mut self) -> Result<()> {
        if let Some((tree, merge)) = self.current.take() {
            let written = merge.finish(&self.pages, &mut self.sink)?;
            self.forest.merged(tree, written);
        }
        Ok(())
    }

    /// Makes `tree` the one that changes are given of.
    fn turn_to(&mut self, tree: TreeNo) -> Result<()> {
        if self.current.as_ref().is_some_and(|(current, _)| *current == tree) {
            return Ok(());
        }
        if self.changed.last().is_some_and(|last| *last >= tree) {
            return Err(misuse("the trees of a merge must ascend"));
        }
        self.settle()?;
        let merge = self.forest.merge(&self.pages, tree)?;
        self.changed.push(tree);
        self.current = Some((tree, merge));
        Ok(())
    }
}

#[cold]
fn misuse(what: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, what)
}

impl Merge for MemMerge {
    fn apply(&mut self, tree: TreeNo, key: &[u8], change: Change<'_>) -> Result<()> {
        self.step(|merge| {
            let change = match change {
                Change::Put(value) => btree::Change::Put(value),
                Change::Delete => btree::Change::Delete,
            };
            merge.turn_to(tree)?;
            let Some((_, current)) = &mut merge.current else { return Ok(()) };
            current.apply(&merge.pages, &mut merge.sink, key, change)
        })
    }

    fn drop_tree(&mut self, tree: TreeNo, pages: usize) -> Result<DropProgress> {
        self.step(|merge| {
            if merge.changed.binary_search(&tree).is_ok() {
                return Err(misuse("a tree that a merge changes cannot be dropped in it"));
            }
            let done = merge.forest.drop_step(&merge.pages, &mut merge.sink, tree, pages)?;
            Ok(if done { DropProgress::Done } else { DropProgress::More })
        })
    }

    fn finish(mut self: Box<Self>, _l: Position) -> Result<Arc<dyn Base>> {
        self.step(Self::settle)?;
        let MemMerge { store, pages, forest, mut sink, .. } = *self;
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

    fn free(&mut self, stretch: Stretch) {
        self.freed.push(stretch);
    }
}
