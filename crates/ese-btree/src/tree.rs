//! One tree: a root and what is done with it. A tree without rows has no root and no pages.
//!
//! Reading order: `get`, `multi_get`, `cursor` (ranges), `merge` (the next root), `overflow` (values in runs of their
//! own), `take_apart` (giving back all pages).

mod cursor;
mod get;
mod merge;
mod multi_get;
pub(crate) mod overflow;
mod take_apart;

pub use cursor::{Range, Side};
pub use get::{get, leaf_of};
pub use merge::{Change, TreeMerge, Written};
pub use multi_get::multi_get;
pub use take_apart::{Path, Taken, take_apart};

use crate::{limits::HEIGHT_MAX, pages::ChildRef};

/// Where a tree with rows begins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Root {
    /// The topmost node.
    pub node: ChildRef,
    /// How many levels the tree has, 1 for a single leaf.
    height: u8,
}

impl Root {
    /// The root of a tree of `height` levels; `None` when no tree has that many.
    #[must_use]
    pub fn new(node: ChildRef, height: u8) -> Option<Root> {
        (1..=HEIGHT_MAX).contains(&height).then_some(Root { node, height })
    }

    /// How many levels the tree has, 1 for a single leaf.
    #[must_use]
    pub fn height(self) -> u8 {
        self.height
    }

    /// The level of the topmost node.
    #[must_use]
    pub fn level(self) -> u8 {
        self.height - 1
    }
}
