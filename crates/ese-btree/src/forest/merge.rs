//! The next forest in the making, for every store alike.
//!
//! Invariant: a merge reads pages of the forest it began from and none that it wrote. So it takes the changes of each tree
//! in one go, and none of a tree that it takes apart.

use super::Forest;
use crate::{
    pages::{Pages, Sink},
    tree::{Change, TreeMerge},
};
use ese_base::{Error, ErrorKind, Result, TreeNo};

/// A merge of sorted changes into a forest. One that failed takes nothing more: it is dropped, and the sink takes back
/// what it gave.
pub struct ForestMerge<P: Pages> {
    forest: Forest,
    current: Option<(TreeNo, TreeMerge<P>)>,
    /// The trees that changes were given of, ascending.
    changed: Vec<TreeNo>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Going,
    /// A change failed half-way: only dropping the merge is left.
    Failed,
}

impl<P: Pages> ForestMerge<P> {
    /// Begins with `forest`.
    #[must_use]
    pub fn new(forest: Forest) -> Self {
        ForestMerge { forest, current: None, changed: Vec::new(), state: State::Going }
    }

    /// Takes the next change; (tree, key) ascend strictly.
    ///
    /// # Errors
    /// `InvalidParameter` for a wrong order, a tree that is being dropped, and after an error; what pages and sink report.
    pub fn apply<S: Sink>(
        &mut self,
        pages: &P,
        sink: &mut S,
        tree: TreeNo,
        key: &[u8],
        change: Change<'_>,
    ) -> Result<()> {
        self.step(|merge| {
            merge.turn_to(pages, sink, tree)?;
            let Some((_, current)) = &mut merge.current else { return Ok(()) };
            current.apply(pages, sink, key, change)
        })
    }

    /// Frees about `count` pages of a tree; `true` when nothing of it is left.
    ///
    /// # Errors
    /// `InvalidParameter` for a tree that this merge changed, and after an error; what pages and sink report.
    pub fn drop_step<S: Sink>(
        &mut self,
        pages: &P,
        sink: &mut S,
        tree: TreeNo,
        count: usize,
    ) -> Result<bool> {
        self.step(|merge| {
            if merge.changed.binary_search(&tree).is_ok() {
                return Err(misuse("a tree that a merge changes cannot be dropped in it"));
            }
            merge.forest.drop_step(pages, sink, tree, count)
        })
    }

    /// Completes the next forest.
    ///
    /// # Errors
    /// What pages and sink report.
    pub fn finish<S: Sink>(mut self, pages: &P, sink: &mut S) -> Result<Forest> {
        self.step(|merge| merge.settle(pages, sink))?;
        Ok(self.forest)
    }

    /// Runs a step; a failed one leaves the merge unusable.
    fn step<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.state == State::Failed {
            return Err(misuse("the merge has failed before"));
        }
        let result = step(self);
        if result.is_err() {
            self.state = State::Failed;
            self.current = None;
        }
        result
    }

    /// Completes the tree that changes were given of.
    fn settle<S: Sink>(&mut self, pages: &P, sink: &mut S) -> Result<()> {
        if let Some((tree, merge)) = self.current.take() {
            let written = merge.finish(pages, sink)?;
            self.forest.merged(tree, written);
        }
        Ok(())
    }

    /// Makes `tree` the one that changes are given of.
    fn turn_to<S: Sink>(&mut self, pages: &P, sink: &mut S, tree: TreeNo) -> Result<()> {
        if self.current.as_ref().is_some_and(|(current, _)| *current == tree) {
            return Ok(());
        }
        if self.changed.last().is_some_and(|last| *last >= tree) {
            return Err(misuse("the trees of a merge must ascend"));
        }
        self.settle(pages, sink)?;
        let merge = self.forest.merge(pages, tree)?;
        self.changed.push(tree);
        self.current = Some((tree, merge));
        Ok(())
    }
}

#[cold]
fn misuse(what: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, what)
}
