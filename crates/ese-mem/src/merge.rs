//! The next base in the making.

use crate::{
    arena::ArenaPages,
    base::MemBase,
    store::{MemStore, Shared},
};
use ese_base::{Error, ErrorKind, Position, Result, TreeNo};
use ese_btree::{self as btree, Forest, PageNo, RUN_HEADER_BYTES, Sink, Stretch, TreeMerge};
use ese_core::{Base, Change, DropProgress, Merge};
use std::sync::Arc;

/// How many pages a merge takes from the space at a time, at most.
const BATCH_MAX: usize = 64;

/// A merge. Dropped unfinished it gives its pages back.
pub(crate) struct MemMerge {
    store: Arc<MemStore>,
    /// What it began from; held, because its pages are read.
    from: Arc<MemBase>,
    forest: Forest,
    current: Option<(TreeNo, TreeMerge<ArenaPages>)>,
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
    pub(crate) fn new(store: Arc<MemStore>, from: Arc<MemBase>) -> MemMerge {
        let forest = from.forest.clone();
        let sink = ArenaSink::new(Arc::clone(&store.shared), from.number + 1);
        MemMerge { store, from, forest, current: None, sink, state: State::Going }
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
            let written = merge.finish(&self.from.pages, &mut self.sink)?;
            self.forest.merged(tree, written);
        }
        Ok(())
    }

    /// Makes `tree` the one that changes are given of.
    fn turn_to(&mut self, tree: TreeNo) -> Result<&mut TreeMerge<ArenaPages>> {
        let current = self.current.as_ref().map(|(current, _)| *current);
        if current.is_some_and(|current| current > tree) {
            return Err(Error::new(ErrorKind::InvalidParameter, "the trees of a merge must ascend"));
        }
        if current != Some(tree) {
            self.settle()?;
            if self.forest.is_dropping(tree) {
                let what = format!("tree {} is being dropped", tree.0);
                return Err(Error::new(ErrorKind::InvalidParameter, what));
            }
        }
        let (_, merge) =
            self.current.get_or_insert_with(|| (tree, self.forest.merge(&self.from.pages, tree)));
        Ok(merge)
    }
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
            current.apply(&merge.from.pages, &mut merge.sink, key, change)
        })
    }

    fn drop_tree(&mut self, tree: TreeNo, pages: usize) -> Result<DropProgress> {
        self.step(|merge| {
            if merge.current.as_ref().is_some_and(|(current, _)| *current == tree) {
                merge.settle()?;
            }
            let done = merge.forest.drop_step(&merge.from.pages, &mut merge.sink, tree, pages)?;
            Ok(if done { DropProgress::Done } else { DropProgress::More })
        })
    }

    fn finish(mut self: Box<Self>, _l: Position) -> Result<Arc<dyn Base>> {
        self.step(Self::settle)?;
        let MemMerge { store, forest, mut sink, .. } = *self;
        sink.publish();
        let base = Arc::new(MemBase::new(sink.birth, forest, Arc::clone(&store.shared)));
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
    spare: Vec<PageNo>,
    batch: usize,
    written: Vec<(PageNo, u64)>,
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
        self.shared.space.lock().publish(&self.shared.arena, self.birth, freed);
    }
}

impl Drop for ArenaSink {
    fn drop(&mut self) {
        let mut space = self.shared.space.lock();
        for page in self.spare.drain(..) {
            space.give_back(&self.shared.arena, page, 1);
        }
        for (page, pages) in self.written.drain(..) {
            space.give_back(&self.shared.arena, page, pages);
        }
        drop(space);
        self.shared.end_merge();
    }
}

impl Sink for ArenaSink {
    const CHECKSUMS: bool = false;

    fn birth(&self) -> u64 {
        self.birth
    }

    fn allocate(&mut self, pages: u64) -> Result<PageNo> {
        let page = if pages == 1 {
            if self.spare.is_empty() {
                self.batch = (2 * self.batch).min(BATCH_MAX);
                self.shared.space.lock().take(&self.shared.arena, self.batch, &mut self.spare)?;
            }
            self.spare.pop().ok_or_else(|| Error::new(ErrorKind::DiskFull, "no page was given"))?
        } else {
            self.shared.space.lock().take_run(&self.shared.arena, pages)?
        };
        self.written.push((page, pages));
        Ok(page)
    }

    fn write(&mut self, page: PageNo, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        self.shared.arena.fill_own(page, fill)
    }

    fn write_run(&mut self, page: PageNo, header: &[u8], value: &[u8]) -> Result<()> {
        debug_assert_eq!(header.len(), RUN_HEADER_BYTES);
        self.shared.arena.fill_own_run(page, header, value)
    }

    fn free(&mut self, stretch: Stretch) {
        self.freed.push(stretch);
    }
}
