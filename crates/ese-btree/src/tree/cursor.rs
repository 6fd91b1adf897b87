//! A range read from either end, or from both until they meet.
//!
//! Each end is a path of nodes down to a leaf and a place in that leaf. The end of the range is looked for once in each
//! leaf, not once a row. The back is set up when it is first used. Once both ends are in one leaf, each is the other's
//! limit; as leaves are visited in order they cannot pass each other before.
//!
//! Who joins a range with other sorted rows gives it a *stop*, the next key of the others: the range ends there until it
//! is told otherwise, and the stop, too, is looked for once in each leaf.

mod end;
mod key;

use super::{Root, get::value_of};
use crate::{node::NodeView, pages::Pages};
use end::End;
use ese_base::{Result, Value, error::Failure};
use key::KeyBuffer;
use smallvec::SmallVec;
use std::ops::Bound;

/// A key of usual length takes no memory of its own.
type KeyBytes = SmallVec<[u8; 40]>;

/// The rows of a tree between two bounds. The key is lent from a buffer: nodes cut keys.
pub struct Range<'p, P: Pages> {
    pages: &'p P,
    root: Option<Root>,
    low: Bound<KeyBytes>,
    high: Bound<KeyBytes>,
    front: Option<End<'p, P>>,
    back: Option<End<'p, P>>,
    state: State,
    stop: Option<KeyBytes>,
    /// The key of the row last returned.
    key: KeyBuffer,
}

enum State {
    Open,
    /// An end reached the other, or its bound.
    Done,
    /// A page could not be read: no row may be passed over in silence.
    Failed(Failure),
}

/// An end of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Where the keys begin.
    Front,
    /// Where they end.
    Back,
}

/// Where the search for a row ended.
#[derive(PartialEq, Eq)]
enum Reached {
    Row,
    /// The stop comes before the next row, or at it.
    Stop,
    End,
}

impl<'p, P: Pages> Range<'p, P> {
    /// The rows of the tree at `root` between `low` and `high`; none when `low` lies above `high`.
    ///
    /// Nothing is read before the first row is asked for.
    #[must_use]
    pub fn new(pages: &'p P, root: Option<Root>, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Self {
        let is_done = root.is_none() || is_empty(low, high);
        Range {
            pages,
            root,
            low: low.map(KeyBytes::from_slice),
            high: high.map(KeyBytes::from_slice),
            front: None,
            back: None,
            state: if is_done { State::Done } else { State::Open },
            stop: None,
            key: KeyBuffer::new(),
        }
    }

    /// The key of the row given last; empty before the first.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.key.get()
    }

    /// The next row from the front; after `None` both ends return `None` (but see [`Range::stop_at`]), after an error
    /// both return errors.
    ///
    /// # Errors
    /// What the pages report.
    #[expect(clippy::should_implement_trait, reason = "it lends the key")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<(&[u8], Value<'p>)>> {
        if !self.is_at_hand(Side::Front)
            && (self.is_stopped(Side::Front) || self.reach(Side::Front)? != Reached::Row)
        {
            return Ok(None);
        }
        let Some(index) = self.take_front() else { return Ok(None) };
        self.row(Side::Front, index).map(Some)
    }

    /// The next row from the back; as [`Range::next`].
    ///
    /// # Errors
    /// What the pages report.
    #[inline]
    pub fn next_back(&mut self) -> Result<Option<(&[u8], Value<'p>)>> {
        if !self.is_at_hand(Side::Back)
            && (self.is_stopped(Side::Back) || self.reach(Side::Back)? != Reached::Row)
        {
            return Ok(None);
        }
        let Some(index) = self.take_back() else { return Ok(None) };
        self.row(Side::Back, index).map(Some)
    }

    /// Whether the next row from that end lies in the leaf that the end has come to.
    #[inline]
    #[must_use]
    pub fn is_at_hand(&self, side: Side) -> bool {
        match side {
            Side::Front => self.front.as_ref().is_some_and(|front| front.at < front.limit),
            Side::Back => self.back.as_ref().is_some_and(|back| back.limit < back.at),
        }
    }

    /// Whether there are rows in the leaf that the end has come to, none of them before the stop.
    #[inline]
    fn is_stopped(&self, side: Side) -> bool {
        match side {
            Side::Front => self.front.as_ref().is_some_and(|f| f.at == f.limit && f.at < f.hard),
            Side::Back => self.back.as_ref().is_some_and(|b| b.at == b.limit && b.hard < b.at),
        }
    }

    /// Makes the range end before `key`, whichever end is read: `next` returns `None` there until
    /// [`Range::take_stop`]. Only one end is used of a range with stops.
    pub fn stop_at(&mut self, key: &[u8]) {
        let stop = self.stop.insert(KeyBytes::from_slice(key));
        if !matches!(self.state, State::Open) {
            return;
        }
        if let Some(front) = &mut self.front {
            front.stop_front(stop);
        }
        if let Some(back) = &mut self.back {
            back.stop_back(stop);
        }
    }

    /// Takes the stop away, and the row at its key, if there is one and it comes next from that end: its value.
    ///
    /// # Errors
    /// What the pages report.
    pub fn take_stop(&mut self, side: Side) -> Result<Option<Value<'p>>> {
        if self.stop.is_none() {
            return Ok(None);
        }
        let is_stopped = self.is_stopped(side) || self.reach(side)? == Reached::Stop;
        self.stop = None;
        for end in [&mut self.front, &mut self.back].into_iter().flatten() {
            end.limit = end.hard;
        }
        if !is_stopped {
            return Ok(None);
        }
        let (end, row_behind) = match side {
            Side::Front => (&mut self.front, 0),
            Side::Back => (&mut self.back, 1),
        };
        if end.as_ref().is_none_or(|end| end.stop_row.is_none_or(|row| row + row_behind != end.at)) {
            return Ok(None);
        }
        let index = match side {
            Side::Front => self.take_front(),
            Side::Back => self.take_back(),
        };
        let Some(index) = index else { return Ok(None) };
        self.row(side, index).map(|(_, value)| Some(value))
    }

    /// Takes the next row of the front, which is there.
    #[inline(always)]
    fn take_front(&mut self) -> Option<usize> {
        let front = self.front.as_mut()?;
        let index = front.at;
        front.at += 1;
        if let Some(back) = &mut self.back
            && back.at_page == front.at_page
        {
            back.hard = front.at;
            back.limit = back.limit.max(front.at);
        }
        Some(index)
    }

    /// Takes the next row of the back, which is there.
    #[inline(always)]
    fn take_back(&mut self) -> Option<usize> {
        let back = self.back.as_mut()?;
        back.at -= 1;
        if let Some(front) = &mut self.front
            && back.at_page == front.at_page
        {
            front.hard = back.at;
            front.limit = front.limit.min(back.at);
        }
        Some(back.at)
    }

    /// Lends row `index` of the leaf of that end.
    #[inline(always)]
    fn row(&mut self, side: Side, index: usize) -> Result<(&[u8], Value<'p>)> {
        let end = match side {
            Side::Front => self.front.as_ref(),
            Side::Back => self.back.as_ref(),
        };
        let Some(end) = end else { unreachable!("an end that gives a row is there") };
        end.prefetch_ahead(index);
        let row = end.leaf.row(&end.parts, index);
        self.key.take(side, &end.leaf, &end.parts, &row);
        match value_of(self.pages, &end.leaf, end.leaf.row_cell(&row)) {
            Ok(value) => Ok((self.key.get(), value)),
            Err(error) => {
                self.close(State::Failed(Failure::of(&error)));
                Err(error)
            }
        }
    }

    /// No row is ready any more.
    #[cold]
    fn close(&mut self, state: State) {
        self.state = state;
        (self.front, self.back) = (None, None);
    }

    /// Brings an end to a leaf with a row for it.
    #[cold]
    fn reach(&mut self, side: Side) -> Result<Reached> {
        match &self.state {
            State::Done => return Ok(Reached::End),
            State::Failed(failure) => return Err(failure.again()),
            State::Open => {}
        }
        let reached = match side {
            Side::Front => self.reach_front(),
            Side::Back => self.reach_back(),
        };
        match &reached {
            Ok(Reached::Row | Reached::Stop) => {}
            Ok(Reached::End) => self.close(State::Done),
            Err(error) => self.close(State::Failed(Failure::of(error))),
        }
        reached
    }

    fn reach_front(&mut self) -> Result<Reached> {
        let Some(root) = self.root else { return Ok(Reached::End) };
        let mut is_new = self.front.is_none();
        if is_new {
            let front = match &self.low {
                Bound::Unbounded => End::front(self.pages, root, |_| 0)?,
                Bound::Included(key) => {
                    let mut front = End::front(self.pages, root, |node| node.child_index(key))?;
                    front.at = lower_bound(&front.leaf, key);
                    front
                }
                Bound::Excluded(key) => {
                    let mut front = End::front(self.pages, root, |node| node.child_index(key))?;
                    front.at = upper_bound(&front.leaf, key);
                    front
                }
            };
            front.prefetch_rows(front.at);
            self.front = Some(front);
        }
        let (Some(front), back) = (&mut self.front, &mut self.back) else { return Ok(Reached::End) };
        loop {
            if is_new {
                self.key.forget_prefix();
                let met = back.as_ref().filter(|back| back.at_page == front.at_page);
                front.hard = match met {
                    Some(back) => back.at,
                    None => rows_below(&front.leaf, &self.high),
                };
                front.limit = front.hard.max(front.at);
                if let Some(stop) = &self.stop {
                    front.stop_front(stop);
                }
            }
            if front.at < front.limit {
                break;
            }
            if front.at < front.hard {
                return Ok(Reached::Stop);
            }
            // Short of the last row: the bound, or the other end, is in this leaf.
            let met = back.as_ref().is_some_and(|back| back.at_page == front.at_page);
            if met || front.hard < front.leaf.count() || !front.next_leaf(self.pages)? {
                return Ok(Reached::End);
            }
            is_new = true;
        }
        if let Some(back) = back
            && back.at_page == front.at_page
        {
            back.hard = front.at;
            back.limit = back.limit.max(front.at);
        }
        Ok(Reached::Row)
    }

    fn reach_back(&mut self) -> Result<Reached> {
        let Some(root) = self.root else { return Ok(Reached::End) };
        let mut is_new = self.back.is_none();
        if is_new {
            let back = match &self.high {
                Bound::Unbounded => {
                    let mut back = End::back(self.pages, root, NodeView::count)?;
                    back.at = back.leaf.count();
                    back
                }
                Bound::Included(key) | Bound::Excluded(key) => {
                    let mut back = End::back(self.pages, root, |node| node.child_index(key))?;
                    back.at = rows_below(&back.leaf, &self.high);
                    back
                }
            };
            self.back = Some(back);
        }
        let (front, Some(back)) = (&mut self.front, &mut self.back) else { return Ok(Reached::End) };
        loop {
            if is_new {
                self.key.forget_prefix();
                let met = front.as_ref().filter(|front| front.at_page == back.at_page);
                back.hard = match met {
                    Some(front) => front.at,
                    None => rows_before(&back.leaf, &self.low),
                };
                back.limit = back.hard.min(back.at);
                if let Some(stop) = &self.stop {
                    back.stop_back(stop);
                }
            }
            if back.limit < back.at {
                break;
            }
            if back.hard < back.at {
                return Ok(Reached::Stop);
            }
            let met = front.as_ref().is_some_and(|front| front.at_page == back.at_page);
            if met || back.hard > 0 || !back.previous_leaf(self.pages)? {
                return Ok(Reached::End);
            }
            is_new = true;
        }
        if let Some(front) = front
            && front.at_page == back.at_page
        {
            front.hard = back.at;
            front.limit = front.limit.min(back.at);
        }
        Ok(Reached::Row)
    }
}

/// How many rows of a leaf lie before the key.
fn lower_bound<B: std::ops::Deref<Target = [u8]>>(leaf: &NodeView<B>, key: &[u8]) -> usize {
    leaf.search(key).unwrap_or_else(|index| index)
}

/// How many rows of a leaf lie before the key or at it.
fn upper_bound<B: std::ops::Deref<Target = [u8]>>(leaf: &NodeView<B>, key: &[u8]) -> usize {
    leaf.search(key).map_or_else(|index| index, |index| index + 1)
}

/// How many rows of a leaf lie within the upper bound.
fn rows_below<B: std::ops::Deref<Target = [u8]>>(leaf: &NodeView<B>, high: &Bound<KeyBytes>) -> usize {
    match high {
        Bound::Unbounded => leaf.count(),
        Bound::Included(key) => upper_bound(leaf, key),
        Bound::Excluded(key) => lower_bound(leaf, key),
    }
}

/// How many rows of a leaf lie before the lower bound.
fn rows_before<B: std::ops::Deref<Target = [u8]>>(leaf: &NodeView<B>, low: &Bound<KeyBytes>) -> usize {
    match low {
        Bound::Unbounded => 0,
        Bound::Included(key) => lower_bound(leaf, key),
        Bound::Excluded(key) => upper_bound(leaf, key),
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
