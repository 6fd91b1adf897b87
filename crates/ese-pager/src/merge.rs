//! The next state in the making.

use crate::{
    base::{FileBase, FilePages},
    medium::Shared,
    pager::Pager,
    pins::Live,
    sink::{FileSink, Made},
};
use ese_base::{Position, Result, TreeNo, sync::atomic::Ordering};
use ese_btree::{self as btree, Forest, ForestMerge};
use ese_core::{Base, Change, DropProgress, Merge};
use std::sync::Arc;

/// A merge. Dropped unfinished it gives its pages back; the last thing it does is to let the next one begin.
pub(crate) struct FileMerge<P: FilePages> {
    pager: Arc<Pager>,
    /// Of the state it began from.
    pages: P,
    merge: ForestMerge<P>,
    sink: FileSink,
    /// Dropped last.
    _turn: Turn,
}

/// The right to merge.
struct Turn(Arc<Shared>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.merging.store(false, Ordering::Release);
    }
}

impl<P: FilePages> FileMerge<P> {
    /// Begins from a state; the caller has set that a merge is going on.
    pub(crate) fn new(pager: Arc<Pager>, from: Forest, pages: P) -> Self {
        let shared = Arc::clone(&pager.shared);
        let sink = FileSink::new(&shared, shared.number() + 1);
        FileMerge { pager, pages, merge: ForestMerge::new(from), sink, _turn: Turn(shared) }
    }
}

impl<P: FilePages> Merge for FileMerge<P> {
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

    fn finish(self: Box<Self>, l: Position) -> Result<Arc<dyn Base>> {
        // The first one is dropped last.
        let FileMerge { _turn, pager, pages, merge, mut sink } = *self;
        let forest = merge.finish(&pages, &mut sink)?;
        let made = sink.finish()?;
        let shared = &pager.shared;
        let live = publish(shared, made)?;
        let base = Arc::new(FileBase::new(live.number(), l, forest, pages.of(live)));
        drop(pages);
        pager.set_newest(Arc::<FileBase<P>>::clone(&base));
        Ok(base)
    }
}

/// What was made is part of the newest state from now on, and what was replaced of older ones only.
fn publish(shared: &Arc<Shared>, made: Made) -> Result<Arc<Live>> {
    let Made { born, mut dead } = made;
    let mut space = shared.space.lock();
    if let Err(error) = space.check_dead(shared, &mut dead) {
        born.iter().for_each(|own| space.give_back(own));
        return Err(error);
    }
    // No failure past this line.
    space.replace(&born, &dead);
    space.count(shared);
    drop(space);
    // A checkpoint may have got a number since the merge began: pages die now, after it.
    let live = Live::new(shared.next_number(), shared);
    shared.pins.lock().die(live.number(), dead);
    Ok(live)
}
