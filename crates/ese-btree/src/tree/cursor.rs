//! A range read from either end, or from both until they meet.
//!
//! Each end is a path of nodes down to a leaf and a place in that leaf. The end of the range is looked for once in each
//! leaf, not once a row. The back is set up when it is first used. Once both ends are in one leaf, each is the other's
//! limit; as leaves are visited in order they cannot pass each other before.

use super::{Root, get::value_of};
use crate::{
    limits::tree_key_max_bytes,
    node::{COPY_SLACK, NodeView},
    pages::{ChildRef, Pages},
    prefetch,
};
use ese_base::{Error, Result, Value};
use smallvec::SmallVec;
use std::ops::Bound;

/// The rows of a tree between two bounds. The key is lent from a buffer: nodes cut keys.
pub struct Range<'p, P: Pages> {
    pages: &'p P,
    root: Option<Root>,
    low: Bound<Box<[u8]>>,
    high: Bound<Box<[u8]>>,
    front: Option<End<'p, P>>,
    back: Option<End<'p, P>>,
    state: State,
    /// The key of the row last returned: the prefix of the leaf of the end it came from, then its suffix.
    key: Box<[u8]>,
    /// Whose prefix is in `key`.
    prefix_of: Option<Side>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// An end reached the other, or its bound.
    Done,
    /// A page could not be read: no row may be passed over in silence.
    Failed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Front,
    Back,
}

/// One end: the rows `at .. limit` (front) or `limit .. at` (back) of the leaf are still to come.
struct End<'p, P: Pages + 'p> {
    /// Inner nodes from the root down, each with the child that was taken.
    path: SmallVec<[(NodeView<P::Bytes<'p>>, usize); 6]>,
    leaf: NodeView<P::Bytes<'p>>,
    at_page: ChildRef,
    at: usize,
    limit: usize,
    /// The leaf that comes after this one, if both have one parent: it is asked for while this one is read. An error of
    /// asking is nothing: it comes back when the leaf is entered, if ever.
    ahead: Option<P::Bytes<'p>>,
    /// How many bytes of it to ask for at each row.
    stride: usize,
}

impl<'p, P: Pages> Range<'p, P> {
    /// The rows of the tree at `root` between `low` and `high`; none when `low` lies above `high`.
    ///
    /// Nothing is read before the first row is asked for.
    #[must_use]
    pub fn new(pages: &'p P, root: Option<Root>, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Self {
        let state = if root.is_none() || is_empty(low, high) { State::Done } else { State::Open };
        let room = if state == State::Open { tree_key_max_bytes(pages.page_size()) + COPY_SLACK } else { 0 };
        Range {
            pages,
            root,
            low: low.map(Box::from),
            high: high.map(Box::from),
            front: None,
            back: None,
            state,
            key: vec![0; room].into_boxed_slice(),
            prefix_of: None,
        }
    }

    /// The next row from the front; after `None` both ends return `None`, after an error both return errors.
    ///
    /// # Errors
    /// What the pages report.
    #[expect(clippy::should_implement_trait, reason = "it lends the key")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<(&[u8], Value<'p>)>> {
        let ready =
            self.state == State::Open && self.front.as_ref().is_some_and(|front| front.at < front.limit);
        if !ready && !self.reach(Side::Front)? {
            return Ok(None);
        }
        let Some(front) = &mut self.front else { return Ok(None) };
        let row = front.at;
        front.at += 1;
        if let Some(back) = self.back.as_mut().filter(|back| back.at_page == front.at_page) {
            back.limit = front.at;
        }
        self.row(Side::Front, row).map(Some)
    }

    /// The next row from the back; after `None` both ends return `None`, after an error both return errors.
    ///
    /// # Errors
    /// What the pages report.
    #[inline]
    pub fn next_back(&mut self) -> Result<Option<(&[u8], Value<'p>)>> {
        let ready = self.state == State::Open && self.back.as_ref().is_some_and(|back| back.limit < back.at);
        if !ready && !self.reach(Side::Back)? {
            return Ok(None);
        }
        let Some(back) = &mut self.back else { return Ok(None) };
        back.at -= 1;
        let row = back.at;
        if let Some(front) = self.front.as_mut().filter(|front| front.at_page == back.at_page) {
            front.limit = back.at;
        }
        self.row(Side::Back, row).map(Some)
    }

    /// Lends row `index` of the leaf of that end.
    #[inline]
    fn row(&mut self, side: Side, index: usize) -> Result<(&[u8], Value<'p>)> {
        let end = match side {
            Side::Front => self.front.as_ref(),
            Side::Back => self.back.as_ref(),
        };
        let Some(end) = end else { return Err(failed()) };
        end.prefetch_ahead(index);
        let prefix = end.leaf.prefix();
        if self.prefix_of != Some(side) {
            self.key[..prefix.len()].copy_from_slice(prefix);
            self.prefix_of = Some(side);
        }
        let (len, cell) = end.leaf.copy_row(index, &mut self.key, prefix.len());
        let len = prefix.len() + len;
        match value_of(self.pages, &end.leaf, cell) {
            Ok(value) => Ok((&self.key[..len], value)),
            Err(error) => {
                self.state = State::Failed;
                Err(error)
            }
        }
    }

    /// Brings an end to a leaf with a row for it; `false` when there is none.
    #[cold]
    fn reach(&mut self, side: Side) -> Result<bool> {
        match self.state {
            State::Done => return Ok(false),
            State::Failed => return Err(failed()),
            State::Open => {}
        }
        // Until the new place is known the range counts as failed; an error leaves it so.
        self.state = State::Failed;
        self.prefix_of = None;
        let reached = match side {
            Side::Front => self.reach_front()?,
            Side::Back => self.reach_back()?,
        };
        self.state = if reached { State::Open } else { State::Done };
        Ok(reached)
    }

    fn reach_front(&mut self) -> Result<bool> {
        let Some(root) = self.root else { return Ok(false) };
        let mut front = match self.front.take() {
            Some(front) => {
                // Short of the last row: the bound, or the other end, is in this leaf.
                if front.limit < front.leaf.count() || self.meets(self.back.as_ref(), &front) {
                    return Ok(false);
                }
                match front.next_leaf(self.pages)? {
                    Some(front) => front,
                    None => return Ok(false),
                }
            }
            None => match &self.low {
                Bound::Unbounded => End::descend(self.pages, root, |_| 0)?,
                Bound::Included(key) | Bound::Excluded(key) => {
                    let mut front = End::descend(self.pages, root, |node| node.child_index(key))?;
                    front.at = match front.leaf.search(key) {
                        Ok(index) => index + usize::from(matches!(self.low, Bound::Excluded(_))),
                        Err(index) => index,
                    };
                    front
                }
            },
        };
        loop {
            let met = self.back.as_ref().filter(|back| back.at_page == front.at_page);
            front.limit = match met {
                Some(back) => back.at,
                None => rows_below(&front.leaf, &self.high),
            };
            let is_last = met.is_some() || front.limit < front.leaf.count();
            if front.at < front.limit || is_last {
                break;
            }
            front = match front.next_leaf(self.pages)? {
                Some(front) => front,
                None => return Ok(false),
            };
        }
        if let Some(back) = self.back.as_mut().filter(|back| back.at_page == front.at_page) {
            back.limit = front.at;
        }
        let reached = front.at < front.limit;
        self.front = Some(front);
        Ok(reached)
    }

    fn reach_back(&mut self) -> Result<bool> {
        let Some(root) = self.root else { return Ok(false) };
        let mut back = match self.back.take() {
            Some(back) => {
                if back.limit > 0 || self.meets(self.front.as_ref(), &back) {
                    return Ok(false);
                }
                match back.previous_leaf(self.pages)? {
                    Some(back) => back,
                    None => return Ok(false),
                }
            }
            None => match &self.high {
                Bound::Unbounded => {
                    let mut back = End::descend(self.pages, root, NodeView::count)?;
                    back.at = back.leaf.count();
                    back
                }
                Bound::Included(key) | Bound::Excluded(key) => {
                    let mut back = End::descend(self.pages, root, |node| node.child_index(key))?;
                    back.at = rows_below(&back.leaf, &self.high);
                    back
                }
            },
        };
        loop {
            let met = self.front.as_ref().filter(|front| front.at_page == back.at_page);
            back.limit = match met {
                Some(front) => front.at,
                None => rows_before(&back.leaf, &self.low),
            };
            let is_last = met.is_some() || back.limit > 0;
            if back.limit < back.at || is_last {
                break;
            }
            back = match back.previous_leaf(self.pages)? {
                Some(back) => back,
                None => return Ok(false),
            };
        }
        if let Some(front) = self.front.as_mut().filter(|front| front.at_page == back.at_page) {
            front.limit = back.at;
        }
        let reached = back.limit < back.at;
        self.back = Some(back);
        Ok(reached)
    }

    fn meets(&self, other: Option<&End<'p, P>>, end: &End<'p, P>) -> bool {
        other.is_some_and(|other| other.at_page == end.at_page)
    }
}

impl<'p, P: Pages> End<'p, P> {
    /// Goes down from the root by the children that `child` chooses, to the first row of a leaf.
    fn descend(
        pages: &'p P,
        root: Root,
        mut child: impl FnMut(&NodeView<P::Bytes<'p>>) -> usize,
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
        Ok(End { path, leaf, at_page: at, at: 0, limit: 0, ahead: None, stride: 0 })
    }

    /// The same end at the first row of the next leaf.
    fn next_leaf(mut self, pages: &'p P) -> Result<Option<Self>> {
        let mut level = 0_u8;
        let mut at = loop {
            let Some((node, index)) = self.path.last_mut() else { return Ok(None) };
            level += 1;
            if *index < node.count() {
                *index += 1;
                let at = node.child(*index);
                let more = level == 1 && *index < node.count();
                self.ahead = if more { pages.page(node.child(*index + 1), 0).ok() } else { None };
                break at;
            }
            self.path.pop();
        };
        while level > 1 {
            level -= 1;
            let node = pages.node(at, level)?;
            at = node.child(0);
            self.path.push((node, 0));
        }
        self.leaf = pages.node(at, 0)?;
        self.at_page = at;
        self.at = 0;
        self.stride = self.leaf.bytes().len() / self.leaf.count().max(1);
        Ok(Some(self))
    }

    /// The same end behind the last row of the leaf before.
    fn previous_leaf(mut self, pages: &'p P) -> Result<Option<Self>> {
        let mut level = 0_u8;
        let mut at = loop {
            let Some((node, index)) = self.path.last_mut() else { return Ok(None) };
            level += 1;
            if let Some(before) = index.checked_sub(1) {
                *index = before;
                let at = node.child(before);
                let more = level == 1 && before > 0;
                self.ahead = if more { pages.page(node.child(before - 1), 0).ok() } else { None };
                break at;
            }
            self.path.pop();
        };
        while level > 1 {
            level -= 1;
            let node = pages.node(at, level)?;
            let index = node.count();
            at = node.child(index);
            self.path.push((node, index));
        }
        self.leaf = pages.node(at, 0)?;
        self.at_page = at;
        self.at = self.leaf.count();
        self.stride = self.leaf.bytes().len() / self.leaf.count().max(1);
        Ok(Some(self))
    }

    /// At row `index` of this leaf, asks for as much of the leaf that comes after it: without this, the first rows of
    /// each leaf wait for memory.
    #[inline(always)]
    fn prefetch_ahead(&self, index: usize) {
        if let Some(ahead) = &self.ahead {
            prefetch::lines(ahead, index * self.stride, self.stride);
        }
    }
}

/// How many rows of a leaf lie within the upper bound.
fn rows_below<B: std::ops::Deref<Target = [u8]>>(leaf: &NodeView<B>, high: &Bound<Box<[u8]>>) -> usize {
    match high {
        Bound::Unbounded => leaf.count(),
        Bound::Included(key) => leaf.search(key).map_or_else(|index| index, |index| index + 1),
        Bound::Excluded(key) => leaf.search(key).unwrap_or_else(|index| index),
    }
}

/// How many rows of a leaf lie before the lower bound.
fn rows_before<B: std::ops::Deref<Target = [u8]>>(leaf: &NodeView<B>, low: &Bound<Box<[u8]>>) -> usize {
    match low {
        Bound::Unbounded => 0,
        Bound::Included(key) => leaf.search(key).unwrap_or_else(|index| index),
        Bound::Excluded(key) => leaf.search(key).map_or_else(|index| index, |index| index + 1),
    }
}

/// Whether no key can lie between the bounds.
fn is_empty(low: Bound<&[u8]>, high: Bound<&[u8]>) -> bool {
    match (low, high) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => {
            low >= high
        }
    }
}

#[cold]
fn failed() -> Error {
    Error::new(ese_base::ErrorKind::DatabaseCorrupted, "the range stopped at a page that could not be read")
}
