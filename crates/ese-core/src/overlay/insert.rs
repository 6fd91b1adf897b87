//! A write: conflict check and insert in one step, inside the gate and under the row's latch.
//!
//! Invariants:
//! - Recency and the tree's newest generation are raised before the version is inserted.
//! - Nothing here waits for a transaction, reads a page or calls back.

use super::{
    chain::Chain,
    conflict::{self, Asker},
    gate::Entered,
    generation::Generation,
    index::{Entry, Place},
    own::OwnWrites,
    store::Overlay,
    tree::SharedTree,
    view::View,
    visibility::{self, Data, Found, Settled},
};
use crate::{
    seam::version_store::{Refusal, Row},
    txn::Kind,
};
use ese_base::{CommitTs, Position, sync::atomic::Ordering};
use smallvec::SmallVec;
use std::sync::Arc;

/// A chain with this many deltas asks for a merge: readers walk all of them.
const HOT_DELTAS: u32 = 10_000;

impl Overlay {
    /// The generations of `view` that may hold the row: none of them, or those numbered up to the answer.
    #[inline]
    pub(super) fn newest_holding(&self, view: &View, tree: &SharedTree, hash: u64) -> Option<u32> {
        let oldest = view.oldest_number();
        if tree.newest_generation() < oldest {
            return None;
        }
        let newest = self.recency.newest(hash);
        (newest >= oldest).then_some(newest)
    }

    /// The conflict check; the caller is inside the gate and holds the row's latch. `active` is what the active
    /// generation has of the row.
    #[inline]
    pub(super) fn admit(
        &self,
        view: &View,
        row: &Row<'_, Arc<SharedTree>>,
        active: Option<&Entry<Chain>>,
        asker: &Asker<'_>,
    ) -> Result<(), Refusal> {
        if let Some(newest) = self.newest_holding(view, row.tree, row.hash) {
            let held = (active.map(Entry::payload), newest);
            conflict::check(view, row.tree.id, row.key, held, asker)
                .map_err(|met| Refusal::Conflict(met.with))?;
        }
        if self.window.conflicts(row.hash, asker.kind, asker.snapshot) {
            return Err(Refusal::ConflictMerged);
        }
        // After the window: who found that an entry has gone finds the floor raised.
        if asker.snapshot < self.window.floor() {
            return Err(Refusal::SnapshotTooOld);
        }
        Ok(())
    }

    /// Conflict check and insert; the caller is inside the gate.
    pub(super) fn insert(
        &self,
        entered: &Entered<'_>,
        (snapshot, own): (CommitTs, &mut OwnWrites),
        row: &Row<'_, Arc<SharedTree>>,
        (kind, payload): (Kind, &[u8]),
        reading: Reading<'_>,
    ) -> Result<Inserted, Refusal> {
        let view = self.views.current(entered);
        let id = row.tree.id;
        let Some((database_place, database)) = view.database(id.attachment) else {
            return Err(Refusal::Detached);
        };
        let latched = self.latches.lock(row.hash);
        let Some(state) = own.state() else { unreachable!("a transaction begins to write before it writes") };
        let active = view.active();
        let index = active.index(id);
        // One descent finds what conflicts and where to insert.
        let place = index.map(|index| index.place(row.key));
        self.admit(view, row, place.as_ref().and_then(Place::entry), &Asker { state, snapshot, kind })?;
        let counter = match reading {
            Reading::Nothing => 0,
            Reading::Counter { l, .. } if l != database.l => return Ok(Inserted::ViewChanged),
            Reading::Counter { l, base, offset } => {
                counter_before(view, row, kind.is_wide(), (l, base, offset))
            }
        };
        let Some((state, writer)) = own.record(active) else { unreachable!("it has a state, as above") };
        writer.use_database(database_place);
        // Raised before the insert: who has seen the version must find its generation here.
        self.recency.raise(&latched, active.number);
        row.tree.raise(active.number);
        let placed = match (index, place) {
            (Some(index), Some(place)) => index.insert_at(place, active.arena(), row.key),
            _ => active.index_or_insert(id).get_or_insert(active.arena(), row.key),
        };
        let entry = placed.entry();
        let version = entry.payload().push(active.arena(), state, kind, payload);
        own.push(id, row.hash, entry, version);
        if kind.is_delta() && entry.payload().deltas().is_multiple_of(HOT_DELTAS) {
            self.wants_merge.store(true, Ordering::Relaxed);
        }
        self.account(active);
        Ok(Inserted::With(counter))
    }

    /// Tells the budget about an arena that has grown.
    #[inline]
    fn account(&self, generation: &Generation) {
        let now = generation.bytes();
        if now > generation.accounted.load(Ordering::Relaxed) {
            let before = generation.accounted.fetch_max(now, Ordering::Relaxed);
            if now > before {
                self.bytes.fetch_add(now - before, Ordering::Relaxed);
                if now >= self.seal_at.load(Ordering::Relaxed) {
                    self.wants_seal.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

/// What an insert reads on its way.
pub(super) enum Reading<'a> {
    Nothing,
    /// The counter at `offset` before the add; `base` is the row's value in the base whose L is `l`.
    Counter {
        l: Position,
        base: &'a [u8],
        offset: u32,
    },
}

pub(super) enum Inserted {
    /// The counter as it stood before, where it was read.
    With(i64),
    /// The base that was read is not the current one any more.
    ViewChanged,
}

/// Reads a little-endian counter of 8 or 4 bytes; 0 where the value does not have it.
fn read_counter(value: &[u8], offset: u32, wide: bool) -> i64 {
    let at = value.get(offset as usize..).unwrap_or_default();
    if wide {
        at.first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes))
    } else {
        at.first_chunk().map_or(0, |bytes| i64::from(i32::from_le_bytes(*bytes)))
    }
}

/// The counter with everything that is not rolled back and that the base does not hold, committed or not.
fn counter_before(
    view: &View,
    row: &Row<'_, Arc<SharedTree>>,
    wide: bool,
    reading: (Position, &[u8], u32),
) -> i64 {
    let (l, base, offset) = reading;
    let mut found = Found::default();
    'newest_first: for generation in &view.generations {
        let Some(entry) = generation.index(row.tree.id).and_then(|index| index.get(row.key)) else {
            continue;
        };
        for version in entry.payload().versions().filter(|version| visibility::stands(*version, l)) {
            if found.take(version) == Settled::Yes {
                break 'newest_first;
            }
        }
    }
    let value = match found.data {
        Data::Put(value) => value,
        Data::Nothing => base,
        Data::Deleted => &[],
    };
    if found.deltas.is_empty() {
        return read_counter(value, offset, wide);
    }
    let mut value: SmallVec<[u8; 64]> = SmallVec::from_slice(value);
    found.deltas.apply(&mut value);
    read_counter(&value, offset, wide)
}
