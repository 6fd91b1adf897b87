//! The numbered trees of one database: which root belongs to which number. A small sorted list, copied at each merge.
//!
//! `merge` makes the next forest.

mod merge;

pub use merge::ForestMerge;

use crate::{
    pages::{Pages, Sink},
    tree::{self, Path, Range, Root, Taken, TreeMerge, Written},
};
use ese_base::{Error, ErrorKind, Result, TreeNo, Value};
use std::ops::Bound;

/// A tree that has pages. A tree without rows has none and is not in the forest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its number.
    pub tree: TreeNo,
    /// Where it begins.
    pub root: Root,
    /// How many rows it has; 0 while it is being dropped.
    pub rows: u64,
    /// The first leaf that is left of a tree being dropped: such a tree reads as empty.
    pub dropping: Option<Path>,
}

/// The trees of one state of a database.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Forest {
    entries: Vec<Entry>,
}

impl Forest {
    /// A forest of these trees, in any order; of two with one number the later counts.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut forest = Forest::default();
        for entry in entries {
            forest.put(entry);
        }
        forest
    }

    /// The trees, ascending.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The root of a tree that can be read.
    #[inline]
    #[must_use]
    pub fn root(&self, tree: TreeNo) -> Option<Root> {
        let index = self.find(tree).ok()?;
        self.entries.get(index).filter(|entry| entry.dropping.is_none()).map(|entry| entry.root)
    }

    /// Whether what is left of the tree is being freed.
    #[must_use]
    pub fn is_dropping(&self, tree: TreeNo) -> bool {
        self.find(tree)
            .ok()
            .and_then(|index| self.entries.get(index))
            .is_some_and(|entry| entry.dropping.is_some())
    }

    /// How many rows a tree has.
    #[must_use]
    pub fn rows(&self, tree: TreeNo) -> u64 {
        self.find(tree).ok().and_then(|index| self.entries.get(index)).map_or(0, |entry| entry.rows)
    }

    /// The value at `key` of `tree`; `None` when there is no such row or no such tree.
    ///
    /// # Errors
    /// What the pages report.
    #[inline]
    pub fn get<'p, P: Pages>(&self, pages: &'p P, tree: TreeNo, key: &[u8]) -> Result<Option<Value<'p>>> {
        match self.root(tree) {
            Some(root) => tree::get(pages, root, key),
            None => Ok(None),
        }
    }

    /// Several gets, interleaved; `out` gets each index exactly once.
    ///
    /// # Errors
    /// What the pages report.
    pub fn multi_get<'p, P: Pages>(
        &self,
        pages: &'p P,
        tree: TreeNo,
        keys: &[&[u8]],
        out: &mut dyn FnMut(usize, Option<Value<'p>>),
    ) -> Result<()> {
        match self.root(tree) {
            Some(root) => tree::multi_get(pages, root, keys, out),
            None => {
                (0..keys.len()).for_each(|index| out(index, None));
                Ok(())
            }
        }
    }

    /// The rows of `tree` between two bounds.
    pub fn range<'p, P: Pages>(
        &self,
        pages: &'p P,
        tree: TreeNo,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
    ) -> Range<'p, P> {
        Range::new(pages, self.root(tree), low, high)
    }

    /// Begins to merge changes into `tree`; [`Forest::merged`] takes what comes of it.
    ///
    /// # Errors
    /// `InvalidParameter` for a tree that is being dropped: it reads as empty, but what is left of it is still to be
    /// freed, and a new tree in its place would leave that behind.
    pub fn merge<P: Pages>(&self, pages: &P, tree: TreeNo) -> Result<TreeMerge<P>> {
        if self.is_dropping(tree) {
            let what = format!("tree {} is being dropped and takes no changes", tree.0);
            return Err(Error::new(ErrorKind::InvalidParameter, what));
        }
        Ok(TreeMerge::new(pages, self.root(tree)))
    }

    /// Puts the outcome of a merge in place of the tree it began from.
    ///
    /// # Panics
    /// When that tree has begun to be dropped meanwhile: the outcome has pages of it that are free.
    pub fn merged(&mut self, tree: TreeNo, written: Written) {
        assert!(!self.is_dropping(tree), "a tree is merged or dropped, not both at a time");
        let rows = self.rows(tree).saturating_add_signed(written.rows_delta);
        match written.root {
            Some(root) => self.put(Entry { tree, root, rows, dropping: None }),
            None => self.remove(tree),
        }
    }

    /// Frees about `pages` pages of a tree; `true` when nothing of it is left. What is left stays in the forest, as a
    /// tree that reads as empty.
    ///
    /// # Errors
    /// What pages and sink report. Forest and sink are to be dropped then.
    pub fn drop_step<P: Pages, S: Sink>(
        &mut self,
        source: &P,
        sink: &mut S,
        tree: TreeNo,
        pages: usize,
    ) -> Result<bool> {
        let Some(entry) = self.find(tree).ok().and_then(|index| self.entries.get_mut(index)) else {
            return Ok(true);
        };
        entry.rows = 0;
        let path = entry.dropping.get_or_insert_default();
        match tree::take_apart(source, sink, entry.root, path, pages)? {
            Taken::Left(left) => {
                *path = left;
                Ok(false)
            }
            Taken::All => {
                self.remove(tree);
                Ok(true)
            }
        }
    }

    fn put(&mut self, entry: Entry) {
        match self.find(entry.tree) {
            Ok(index) => self.entries[index] = entry,
            Err(index) => self.entries.insert(index, entry),
        }
    }

    fn remove(&mut self, tree: TreeNo) {
        if let Ok(index) = self.find(tree) {
            self.entries.remove(index);
        }
    }

    #[inline]
    fn find(&self, tree: TreeNo) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&tree, |entry| entry.tree)
    }
}
