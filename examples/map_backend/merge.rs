//! The next base in the making.
//!
//! It begins with the trees of the newest base, shared. The first change of a tree copies it (`Arc::make_mut`), so what
//! readers hold stays as it is. Dropping the merge unfinished drops the copies: that is all there is to giving it up.

use crate::{
    base::{MapBase, Tree},
    store::MapStore,
};
use ese_base::{Position, Result, TreeNo};
use ese_core::{Base, Change, DropProgress, Merge};
use std::{collections::BTreeMap, sync::Arc};

/// A merge.
pub(crate) struct MapMerge {
    store: Arc<MapStore>,
    trees: BTreeMap<TreeNo, Arc<Tree>>,
}

impl MapMerge {
    pub(crate) fn new(store: Arc<MapStore>, newest: &MapBase) -> Self {
        MapMerge { store, trees: newest.trees.clone() }
    }
}

impl Merge for MapMerge {
    fn apply(&mut self, tree: TreeNo, key: &[u8], change: Change<'_>) -> Result<()> {
        let rows = Arc::make_mut(self.trees.entry(tree).or_default());
        match change {
            Change::Put(value) => drop(rows.insert(Box::from(key), Arc::from(value))),
            Change::Delete => drop(rows.remove(key)),
        }
        Ok(())
    }

    /// Forgetting a tree is one step, whatever its size: its memory goes with the last base that has it.
    fn drop_tree(&mut self, tree: TreeNo, _pages: usize) -> Result<DropProgress> {
        self.trees.remove(&tree);
        Ok(DropProgress::Done)
    }

    /// The position matters to stores with a disk, which write it into their meta page.
    fn finish(self: Box<Self>, _l: Position) -> Result<Arc<dyn Base>> {
        let base = Arc::new(MapBase { trees: self.trees });
        self.store.set_newest(Arc::clone(&base));
        Ok(base)
    }
}
