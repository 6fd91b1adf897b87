//! Makes the next root of a tree from ascending changes: new leaves and their ancestors, all else as it was.
//!
//! Two walks go side by side. The old tree is held as one path, root to leaf ([`Level`]); the new one as what is not
//! yet written of each level ([`Pending`]). A node of the path is *touched* once a change in it takes effect: its
//! page is freed, and from then on its items go to the pending ones, one behind the other. Of a touched inner node the
//! untouched children go up as references; nothing below them is read. So:
//!
//! - A change moves the path to its leaf, copies the rows before it, and adds itself. Memory is O(height), work per
//!   change O(height) plus the rows of a leaf.
//! - Rows pending from one touched leaf stay pending when the next leaf is touched as well: runs of touched leaves are
//!   packed full. Before an untouched one goes up they are written, split evenly; too few of them take the untouched
//!   leaf in (it is its neighbour), and where there is none, the untouched leaf before them.
//! - Appending rows at the end of the tree leaves full pages behind; only the last may be underfull.
//! - Levels above leaves work in the same way on children instead of rows.
//!
//! This file has the walk through the old tree, `output` what becomes of the new one.
//!
//! A merge that failed is dropped; the sink takes back what it gave.

mod output;

use super::{Root, overflow};
use crate::{
    limits::{HEIGHT_MAX, tree_key_max_bytes},
    node::{
        Cell, NodeView,
        build::{Payload, Pending},
        layout::{encode_child, encode_run_ref},
    },
    pages::{ChildRef, Pages, Sink, Stretch},
};
use ese_base::{Error, ErrorKind, Result};

/// A change to one row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change<'a> {
    /// The row has this value now.
    Put(&'a [u8]),
    /// There is no such row now.
    Delete,
}

/// What a merge of a tree came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// The next root; `None` when no row is left.
    pub root: Option<Root>,
    /// Rows added, less rows deleted.
    pub rows_delta: i64,
}

/// The next root of one tree in the making.
pub struct TreeMerge<P: Pages> {
    root: Option<Root>,
    /// The path in the old tree, leaf first; empty before the first change and for an empty tree.
    path: Vec<Level<P::Held>>,
    /// What is still to be written, leaf level first.
    pending: Vec<Pending>,
    page_size: usize,
    rows_delta: i64,
    /// Whether the last row added lies behind all old ones.
    appending: bool,
    /// The last key, to tell a wrong order.
    last: Option<Vec<u8>>,
}

/// A node of the path.
struct Level<B> {
    node: NodeView<B>,
    at: ChildRef,
    /// Its keys are at or above this …
    low: Vec<u8>,
    /// … and below this, if it is not the last of its level.
    high: Option<Vec<u8>>,
    touched: bool,
    /// The first row or child that is not yet pending (touched), or the one behind the child on the path.
    next: usize,
}

impl<B> Level<B> {
    #[inline]
    fn covers(&self, key: &[u8]) -> bool {
        self.high.as_ref().is_none_or(|high| key < &high[..])
    }
}

impl<P: Pages> TreeMerge<P> {
    /// Begins with the tree at `root`.
    #[must_use]
    pub fn new(pages: &P, root: Option<Root>) -> Self {
        let page_size = pages.page_size();
        TreeMerge {
            root,
            path: Vec::new(),
            pending: vec![Pending::new(0, page_size)],
            page_size,
            rows_delta: 0,
            appending: false,
            last: None,
        }
    }

    /// Takes the next change; keys ascend strictly.
    ///
    /// # Errors
    /// `InvalidParameter` for a key that is not above the last one; `KeyTooLarge`, `ValueTooLarge`; what pages and
    /// sink report. The merge is to be dropped then.
    pub fn apply<S: Sink>(&mut self, pages: &P, sink: &mut S, key: &[u8], change: Change<'_>) -> Result<()> {
        self.accept(key)?;
        self.seek(pages, sink, key)?;
        let Some(leaf) = self.path.first() else {
            // The tree was empty: a bulk build.
            if let Change::Put(value) = change {
                self.add(sink, key, value)?;
                self.rows_delta += 1;
                self.appending = true;
            }
            return Ok(());
        };
        let place = leaf.node.search(key);
        if place.is_err() && change == Change::Delete {
            return Ok(());
        }
        if !leaf.touched {
            self.touch(pages, sink)?;
        }
        let index = place.unwrap_or_else(|index| index);
        self.take_rows(sink, index)?;
        if place.is_ok() {
            self.drop_row(sink)?;
            self.rows_delta -= 1;
        }
        if let Change::Put(value) = change {
            self.appending = self.path[0].high.is_none() && self.path[0].next == self.path[0].node.count();
            self.add(sink, key, value)?;
            self.rows_delta += 1;
        }
        Ok(())
    }

    /// Writes what is left and returns the new root. Without a change that took effect it is the old one.
    ///
    /// # Errors
    /// What pages and sink report; `DatabaseCorrupted` when rows of different old nodes did not ascend. The merge is to
    /// be dropped then.
    pub fn finish<S: Sink>(mut self, pages: &P, sink: &mut S) -> Result<Written> {
        for level in 0..self.path.len() {
            self.close(pages, sink, level)?;
        }
        let untouched = self.path.last().map_or(self.root.is_some(), |top| !top.touched);
        let root = if untouched { self.root } else { self.write_rest(pages, sink)? };
        if !self.pending.iter().all(Pending::is_ascending) {
            let what = "nodes of a tree lie in each other's range of keys";
            return Err(Error::new(ErrorKind::DatabaseCorrupted, what));
        }
        Ok(Written { root, rows_delta: self.rows_delta })
    }

    fn accept(&mut self, key: &[u8]) -> Result<()> {
        if key.len() > tree_key_max_bytes(self.page_size) {
            let max = tree_key_max_bytes(self.page_size);
            return Err(Error::new(ErrorKind::KeyTooLarge, format!("{} bytes, at most {max}", key.len())));
        }
        match &mut self.last {
            Some(last) if key <= &last[..] => {
                Err(Error::new(ErrorKind::InvalidParameter, "the changes of a merge must ascend"))
            }
            Some(last) => {
                last.clear();
                last.extend_from_slice(key);
                Ok(())
            }
            None => {
                self.last = Some(key.to_vec());
                Ok(())
            }
        }
    }

    // The path through the old tree.

    /// Moves the path to the leaf whose range has `key`.
    fn seek<S: Sink>(&mut self, pages: &P, sink: &mut S, key: &[u8]) -> Result<()> {
        let Some(root) = self.root else { return Ok(()) };
        match self.path.first() {
            Some(leaf) if leaf.covers(key) => Ok(()),
            Some(_) => {
                let mut level = 0;
                // The topmost node covers all keys.
                while !self.path[level].covers(key) {
                    self.close(pages, sink, level)?;
                    level += 1;
                }
                self.descend(pages, sink, level, key)
            }
            None => {
                for level in 0..root.height() {
                    // Filled from the top by the descent; until then every level shows the root.
                    let node = pages.held(root.node, root.level())?;
                    let (low, high, at) = (Vec::new(), None, root.node);
                    self.path.push(Level { node, at, low, high, touched: false, next: 0 });
                    self.pending.push(Pending::new(level + 1, self.page_size));
                }
                self.descend(pages, sink, usize::from(root.level()), key)
            }
        }
    }

    /// Fills the path below `level` on the way to `key`.
    fn descend<S: Sink>(&mut self, pages: &P, sink: &mut S, level: usize, key: &[u8]) -> Result<()> {
        for level in (1..=level).rev() {
            let index = self.path[level].node.child_index(key);
            if self.path[level].touched {
                self.pass_children(pages, sink, level, index)?;
            }
            let (below, rest) = self.path.split_at_mut(level);
            let (Some(below), Some(parent)) = (below.last_mut(), rest.first_mut()) else { break };
            parent.next = index + 1;
            below.at = parent.node.child(index);
            below.node = pages.held(below.at, below_level(level))?;
            below.touched = false;
            below.next = 0;
            low_of(parent, index, &mut below.low);
            let mut high = below.high.take().unwrap_or_default();
            high.clear();
            below.high = if index < parent.node.count() {
                parent.node.append_key(index, &mut high);
                Some(high)
            } else {
                parent.high.as_ref().map(|of_parent| {
                    high.extend_from_slice(of_parent);
                    high
                })
            };
        }
        Ok(())
    }

    /// Leaves the node at `level` of the path: all of it goes up.
    fn close<S: Sink>(&mut self, pages: &P, sink: &mut S, level: usize) -> Result<()> {
        let here = &self.path[level];
        if here.touched {
            let count = here.node.count();
            return if level == 0 {
                self.take_rows(sink, count)
            } else {
                self.pass_children(pages, sink, level, count + 1)
            };
        }
        if self.path.get(level + 1).is_some_and(|parent| parent.touched) {
            let (at, low) = (here.at, here.low.clone());
            self.pass(pages, sink, level + 1, &low, at)?;
        }
        Ok(())
    }

    /// A change takes effect in the leaf on the path: its nodes are taken out of the old tree, top first.
    fn touch<S: Sink>(&mut self, pages: &P, sink: &mut S) -> Result<()> {
        for level in (0..self.path.len()).rev() {
            let here = &mut self.path[level];
            if here.touched {
                continue;
            }
            here.touched = true;
            sink.free(Stretch { page: here.at.page, pages: 1, birth: here.node.birth() })?;
            if level == 0 {
                self.pending[0].set_low(&here.low);
            } else {
                let on_path = here.next - 1;
                here.next = 0;
                self.pass_children(pages, sink, level, on_path)?;
                self.path[level].next = on_path + 1;
            }
        }
        Ok(())
    }

    /// Passes the children from the next one up to `end` up as they are.
    fn pass_children<S: Sink>(&mut self, pages: &P, sink: &mut S, level: usize, end: usize) -> Result<()> {
        let mut low = Vec::new();
        while self.path[level].next < end {
            let nothing_below = self.pending.iter().take(level).all(Pending::is_empty);
            let here = &mut self.path[level];
            let index = here.next;
            here.next += 1;
            let child = here.node.child(index);
            if nothing_below && index > 0 {
                // Nearly all children of a node go up like this: straight from the old node.
                self.pending[level].push(
                    Payload::Old,
                    |out| here.node.append_key(index - 1, out),
                    &encode_child(child),
                );
                self.write_ready(sink, level)?;
                continue;
            }
            low_of(here, index, &mut low);
            self.pass(pages, sink, level, &low, child)?;
        }
        Ok(())
    }

    /// Moves the rows from the next one up to `end` of the leaf on the path.
    fn take_rows<S: Sink>(&mut self, sink: &mut S, end: usize) -> Result<()> {
        if self.path[0].next < end {
            self.appending = false;
        }
        while self.path[0].next < end {
            let leaf = &mut self.path[0];
            push_row(&mut self.pending[0], &leaf.node, leaf.next);
            leaf.next += 1;
            self.write_ready(sink, 0)?;
        }
        Ok(())
    }

    /// Passes over the next row of the leaf on the path.
    fn drop_row<S: Sink>(&mut self, sink: &mut S) -> Result<()> {
        let leaf = &mut self.path[0];
        if let Cell::Run(run) = leaf.node.cell(leaf.next) {
            sink.free(overflow::stretch(run, self.page_size))?;
        }
        leaf.next += 1;
        Ok(())
    }
}

/// The level below `level`, which is at most the highest there is.
fn below_level(level: usize) -> u8 {
    u8::try_from(level - 1).unwrap_or(HEIGHT_MAX)
}

/// What separates child `index` from the one before.
fn low_of<B: std::ops::Deref<Target = [u8]>>(parent: &Level<B>, index: usize, low: &mut Vec<u8>) {
    low.clear();
    match index.checked_sub(1) {
        Some(separator) => parent.node.append_key(separator, low),
        None => low.extend_from_slice(&parent.low),
    }
}

/// Copies row `index` of an old leaf.
fn push_row<B: std::ops::Deref<Target = [u8]>>(pending: &mut Pending, leaf: &NodeView<B>, index: usize) {
    let key = |out: &mut Vec<u8>| leaf.append_key(index, out);
    match leaf.cell(index) {
        Cell::Inline(range) => pending.push(Payload::Inline, key, &leaf.bytes()[range]),
        Cell::Run(run) => pending.push(Payload::Run, key, &encode_run_ref(run)),
    }
}
