//! Rows of a tree, taken out whole, and what walks over them.

use ese_base::{Result, Value};
use ese_core::{CursorPos, KeyRange, Move, Scan, Side};
use std::{
    collections::VecDeque,
    ops::{Bound, RangeBounds},
};

/// The rows of a tree as one reader sees them, in key order.
#[derive(Debug)]
pub(super) struct Rows {
    rows: VecDeque<(Vec<u8>, Vec<u8>)>,
    /// The key that was lent last.
    lent: Vec<u8>,
}

impl Rows {
    pub(super) fn new(rows: VecDeque<(Vec<u8>, Vec<u8>)>) -> Self {
        Rows { rows, lent: Vec::new() }
    }

    pub(super) fn within(mut self, range: KeyRange<'_>) -> Self {
        self.rows.retain(|(key, _)| RangeBounds::<[u8]>::contains(&range, key.as_slice()));
        self
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Value<'static>> {
        self.rows.iter().find(|(other, _)| other == key).map(|(_, value)| Value::owned(value))
    }

    fn lend(&mut self, row: Option<(Vec<u8>, Vec<u8>)>) -> Option<(&[u8], Value<'static>)> {
        let (key, value) = row?;
        self.lent = key;
        Some((&self.lent, Value::owned(&value)))
    }
}

impl<'s> Scan<'s> for Rows {
    fn next(&mut self) -> Result<Option<(&[u8], Value<'s>)>> {
        let row = self.rows.pop_front();
        Ok(self.lend(row))
    }

    fn next_back(&mut self) -> Result<Option<(&[u8], Value<'s>)>> {
        let row = self.rows.pop_back();
        Ok(self.lend(row))
    }
}

/// Moves a cursor.
pub(super) fn step(rows: &Rows, at: &mut CursorPos, how: Move<'_>) -> Option<Value<'static>> {
    let key = at.key.clone();
    let here = key.as_slice();
    let unbounded = Bound::Unbounded;
    // Where to look, and from which end.
    let (range, forward): (KeyRange<'_>, bool) = match (how, at.side) {
        (Move::SeekGe(key), _) => ((Bound::Included(key), unbounded), true),
        (Move::SeekLe(key), _) => ((unbounded, Bound::Included(key)), false),
        (Move::First, _) | (Move::Next, Side::BeforeFirst) => ((unbounded, unbounded), true),
        (Move::Last, _) | (Move::Prev, Side::AfterLast) => ((unbounded, unbounded), false),
        (Move::Next, Side::On) => ((Bound::Excluded(here), unbounded), true),
        (Move::Prev, Side::On) => ((unbounded, Bound::Excluded(here)), false),
        (Move::Next, Side::AfterLast) | (Move::Prev, Side::BeforeFirst) => return None,
    };
    let mut inside =
        rows.rows.iter().filter(|(key, _)| RangeBounds::<[u8]>::contains(&range, key.as_slice()));
    match if forward { inside.next() } else { inside.next_back() } {
        Some((key, value)) => {
            at.side = Side::On;
            at.key.clone_from(key);
            Some(Value::owned(value))
        }
        None => {
            at.side = if forward { Side::AfterLast } else { Side::BeforeFirst };
            None
        }
    }
}
