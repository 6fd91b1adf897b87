//! One end of a range: a path of nodes down to a leaf, and a place in that leaf.

use crate::{
    node::{NodeView, RowParts},
    pages::{ChildRef, Pages},
    prefetch,
    tree::Root,
};
use ese_base::Result;
use smallvec::SmallVec;

/// How many bytes of rows are asked for when a range comes to a leaf that nobody asked for before.
const FIRST_ROWS_BYTES: usize = 1024;

/// See the head of the module. The rows `at .. limit` (front) or `limit .. at` (back) are still to come.
pub(super) struct End<'p, P: Pages + 'p> {
    /// Inner nodes from the root down, each with the child that was taken.
    path: SmallVec<[(NodeView<P::Bytes<'p>>, usize); 4]>,
    pub(super) leaf: NodeView<P::Bytes<'p>>,
    pub(super) parts: RowParts,
    pub(super) at_page: ChildRef,
    pub(super) at: usize,
    /// Where the rows end: the nearer one of `hard` and the place of the range's stop.
    pub(super) limit: usize,
    /// Where the range's bound, the other end or the leaf ends the rows.
    pub(super) hard: usize,
    /// The row at the key of the stop, if the leaf has one.
    pub(super) stop_row: Option<usize>,
    /// The leaf that comes after this one, if both have one parent: it is asked for while this one is read. An error of
    /// asking is nothing: it comes back when the leaf is entered, if ever.
    ahead: Option<P::Bytes<'p>>,
    /// How many bytes of it to ask for at each row.
    stride: usize,
}

/// Which way an end goes.
#[derive(Clone, Copy)]
enum Way {
    Forward,
    Backward,
}

impl<'p, P: Pages> End<'p, P> {
    /// The front in the leaf to which `child` leads, before its first row.
    pub(super) fn front(
        pages: &'p P,
        root: Root,
        child: impl FnMut(&NodeView<P::Bytes<'p>>) -> usize,
    ) -> Result<Self> {
        Self::descend(pages, root, child, Way::Forward)
    }

    /// The back in the leaf to which `child` leads; before its first row, too.
    pub(super) fn back(
        pages: &'p P,
        root: Root,
        child: impl FnMut(&NodeView<P::Bytes<'p>>) -> usize,
    ) -> Result<Self> {
        Self::descend(pages, root, child, Way::Backward)
    }

    fn descend(
        pages: &'p P,
        root: Root,
        mut child: impl FnMut(&NodeView<P::Bytes<'p>>) -> usize,
        way: Way,
    ) -> Result<Self> {
        let mut path = SmallVec::new();
        let mut at = root.node;
        for level in (1..root.height()).rev() {
            let node = pages.node(at, level)?;
            let index = child(&node);
            at = node.child(index);
            path.push((node, index));
        }
        let leaf = pages.node(at, 0)?;
        let parts = leaf.row_parts();
        let mut end = End {
            path,
            leaf,
            parts,
            at_page: at,
            at: 0,
            limit: 0,
            hard: 0,
            stop_row: None,
            ahead: None,
            stride: 0,
        };
        end.look_ahead(pages, way);
        Ok(end)
    }

    /// Lets the rows end before `stop`, read from the front.
    pub(super) fn stop_front(&mut self, stop: &[u8]) {
        let found = self.leaf.search(stop);
        self.stop_row = found.ok();
        self.limit = self.hard.min(found.unwrap_or_else(|row| row)).max(self.at);
    }

    /// Lets the rows end before `stop`, read from the back.
    pub(super) fn stop_back(&mut self, stop: &[u8]) {
        let found = self.leaf.search(stop);
        self.stop_row = found.ok();
        self.limit = self.hard.max(found.map_or_else(|row| row, |row| row + 1)).min(self.at);
    }

    /// Asks for the rows from `index` on, of which nothing was asked for before.
    pub(super) fn prefetch_rows(&self, index: usize) {
        let from = self.leaf.row_at(&self.parts, index);
        prefetch::lines(self.leaf.bytes(), from, FIRST_ROWS_BYTES.min(self.parts.end.saturating_sub(from)));
    }

    /// Goes on to the first row of the next leaf; `false` when there is none.
    pub(super) fn next_leaf(&mut self, pages: &'p P) -> Result<bool> {
        self.other_leaf(pages, Way::Forward)
    }

    /// Goes back behind the last row of the leaf before; `false` when there is none.
    pub(super) fn previous_leaf(&mut self, pages: &'p P) -> Result<bool> {
        let went = self.other_leaf(pages, Way::Backward)?;
        if went {
            self.at = self.leaf.count();
        }
        Ok(went)
    }

    fn other_leaf(&mut self, pages: &'p P, way: Way) -> Result<bool> {
        let mut level = 0_u8;
        let mut at = loop {
            let Some((node, index)) = self.path.last_mut() else { return Ok(false) };
            level += 1;
            if let Some(other) = beside(node, *index, way) {
                *index = other;
                break node.child(other);
            }
            self.path.pop();
        };
        while level > 1 {
            level -= 1;
            let node = pages.node(at, level)?;
            let index = match way {
                Way::Forward => 0,
                Way::Backward => node.count(),
            };
            at = node.child(index);
            self.path.push((node, index));
        }
        self.leaf = pages.node(at, 0)?;
        self.parts = self.leaf.row_parts();
        self.at_page = at;
        self.at = 0;
        self.look_ahead(pages, way);
        Ok(true)
    }

    /// Finds the leaf that comes after this one.
    fn look_ahead(&mut self, pages: &'p P, way: Way) {
        self.stride = self.leaf.bytes().len() / self.leaf.count().max(1);
        self.ahead = self.path.last().and_then(|(node, index)| {
            let other = beside(node, *index, way)?;
            pages.page(node.child(other), 0).ok()
        });
    }

    /// At row `index` of this leaf, asks for as much of the leaf that comes after it: without this, the first rows of
    /// each leaf wait for memory.
    #[inline(always)]
    pub(super) fn prefetch_ahead(&self, index: usize) {
        if let Some(ahead) = &self.ahead {
            prefetch::lines(ahead, index * self.stride, self.stride);
        }
    }
}

/// The child beside another one.
fn beside<B: std::ops::Deref<Target = [u8]>>(node: &NodeView<B>, index: usize, way: Way) -> Option<usize> {
    match way {
        Way::Forward => (index < node.count()).then(|| index + 1),
        Way::Backward => index.checked_sub(1),
    }
}
