//! Reading: own writes, then the generations of a view newest first, then its base.

use super::Engine;
use crate::model::{
    Run,
    rules::Rule,
    state::{Generation, Key, Kind, Txn, Version, View},
};
use std::rc::Rc;

/// The own writes of a key, folded.
enum Own {
    /// A row or none: nothing below matters.
    Settled(Option<i64>),
    /// A sum that comes on top of what the view gives.
    Add(i64),
}

fn own(txn: &Txn, key: Key) -> Own {
    let mut add = 0;
    for op in txn.ops(Some(key)).iter().rev() {
        match op.kind {
            Kind::Delta => add += op.value,
            Kind::Put => return Own::Settled(Some(op.value + add)),
            _ => return Own::Settled(None),
        }
    }
    Own::Add(add)
}

/// Deltas add up, down to the first version that sets the row, or to the base.
pub(super) fn fold(
    generations: &[Rc<Generation>],
    key: Key,
    counts: impl Fn(&Version) -> bool,
    base: Option<i64>,
    mut add: i64,
) -> Option<i64> {
    for version in generations.iter().flat_map(|generation| generation.chain(key)) {
        if !version.kind.is_data() || version.is_dead() || !counts(&version) {
            continue;
        }
        match version.kind {
            Kind::Delta => add += version.value,
            Kind::Put => return Some(version.value + add),
            _ => return None,
        }
    }
    base.map(|value| value + add)
}

impl Engine {
    /// The value of a row at a snapshot, and for a transaction with its own writes.
    pub(in crate::model) fn read(
        &self,
        pinned: &Rc<View>,
        snapshot: u64,
        key: Key,
        txn: Option<&Txn>,
    ) -> Run<Option<i64>> {
        let view = if self.on(Rule::PinnedRead) { Rc::clone(pinned) } else { self.view() };
        self.in_use(&view)?;
        let add = match txn.filter(|_| self.on(Rule::OwnApart)).map(|txn| own(txn, key)) {
            Some(Own::Settled(value)) => return Ok(value),
            Some(Own::Add(add)) => add,
            None => 0,
        };
        let l = view.l[key.database()];
        let counts = |version: &Version| {
            if txn.is_some_and(|txn| Rc::ptr_eq(&version.state, &txn.state)) {
                return !self.on(Rule::OwnApart);
            }
            let visible = version.state.ts.get().is_some_and(|ts| ts <= snapshot);
            visible && !(version.state.pos.get() < l && self.on(Rule::Skip))
        };
        let generations = if self.misses(&view, key) { &[][..] } else { &view.generations };
        Ok(fold(generations, key, counts, view.base(key), add))
    }

    /// Does the recency table say that no generation of the view has the key?
    fn misses(&self, view: &View, key: Key) -> bool {
        let newest = self.recency[key.recency()].get();
        let first = view.generations.first().map_or(0, |generation| generation.number);
        let last = view.generations.last().map_or(0, |generation| generation.number);
        newest < last || (newest > first && !self.on(Rule::RecencyBelow))
    }
}
