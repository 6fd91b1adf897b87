//! What a merge takes out of the overlay: the rows of all generations below the cut, in order, a part at a time.
//!
//! Invariants:
//! - Everything below the cut was written before the plan was made, and is published before the first row is taken.
//! - A row is handed over once, with its deltas added up; what the database's base has already is passed over.

use super::{
    generation::Generation,
    view::{Database, View},
    visibility::Data,
    walk::{Mergeable, Rows},
};
use crate::seam::{
    merges::{Progress, Taken},
    scan::Direction,
    store::Change,
    version_store::From,
};
use ese_base::{Position, Result, TreeId};
use std::sync::Arc;

/// A merge's place in what it takes.
pub(crate) struct MergePlan {
    cut: Position,
    /// Newest first; what lies below the cut was written before the plan was made.
    generations: Vec<Arc<Generation>>,
    /// Ascending; each with the database as the view had it when the merge began.
    trees: Vec<(TreeId, Database)>,
    at: usize,
    /// The last key taken of the tree at `at`.
    after: Option<Vec<u8>>,
}

impl MergePlan {
    /// Everything that `view` has of versions below the cut; called under the applier's lock.
    pub(super) fn new(view: &View, cut: Position) -> Self {
        let mut trees: Vec<TreeId> =
            view.generations.iter().flat_map(|generation| generation.trees()).collect();
        trees.sort_unstable_by_key(|tree| (tree.attachment, tree.number));
        trees.dedup();
        let trees = trees
            .into_iter()
            .filter_map(|tree| Some((tree, view.database(tree.attachment)?.1.clone())))
            .collect();
        MergePlan { cut, generations: view.generations.clone(), trees, at: 0, after: None }
    }

    /// Hands the changes of up to about `rows` rows to `sink`.
    pub(super) fn take_rows(
        &mut self,
        rows: usize,
        sink: &mut dyn FnMut(Taken<'_>) -> Result<()>,
    ) -> Result<Progress> {
        let mut left = rows;
        while let Some((tree, database)) = self.trees.get(self.at) {
            let from = self.after.as_deref().map_or(From::End, From::Behind);
            let filter = Mergeable { l: database.l, cut: self.cut };
            let Some(mut walk) =
                Rows::new(self.generations.iter().map(|g| &**g), *tree, Direction::Forward, from, filter)
            else {
                self.at += 1;
                self.after = None;
                continue;
            };
            let mut last = None;
            while let Some((key, found)) = walk.next_row() {
                if left == 0 {
                    self.after = last.map(<[u8]>::to_vec).or(self.after.take());
                    return Ok(Progress::More);
                }
                left -= 1;
                last = Some(key);
                let taken = |change| Taken { attachment: tree.attachment, tree: tree.number, key, change };
                match found.data {
                    Data::Deleted => sink(taken(Change::Delete))?,
                    Data::Put(value) if found.deltas.is_empty() => sink(taken(Change::Put(value)))?,
                    Data::Put(value) => {
                        let mut sum = value.to_vec();
                        found.deltas.apply(&mut sum);
                        sink(taken(Change::Put(&sum)))?;
                    }
                    Data::Nothing => {
                        // Adds of transactions that saw a row: it is in the base, unless a later delete took it.
                        let Some(value) = database.base.get(tree.number, key)? else { continue };
                        let mut sum = value.to_vec();
                        found.deltas.apply(&mut sum);
                        sink(taken(Change::Put(&sum)))?;
                    }
                }
            }
            self.at += 1;
            self.after = None;
        }
        Ok(Progress::Done)
    }
}
