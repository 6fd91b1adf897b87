//! A scan over a tree that versions or own writes touch: three sorted sources joined, from either end.
//!
//! Each end has its own sources, so that reading ahead at one end takes nothing from the other; the ends stop where they
//! meet.
//!
//! Invariants:
//! - Of one key the own write wins over versions, those over the base; deltas are added up on the way.
//! - Keys come strictly ascending from the front and descending from the back, each once.
//! - After an error every further call returns an error.

use super::reading::{Reading, with_deltas};
use crate::{
    overlay::{Data, Deltas, Found},
    seam::{
        transaction::{KeyRange, Scan},
        version_store::{Direction, From, VersionStore, Walk},
    },
};
use ese_base::{Error, ErrorKind, Result, TreeId, Value};
use std::{cmp::Ordering, ops::Bound};

/// A key and its value, owned and borrowed.
type OwnedRow<'s> = (Vec<u8>, Value<'s>);

/// See the head of the module.
pub(super) struct MergedScan<'s, V: VersionStore> {
    reading: Reading<'s, V>,
    id: TreeId,
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
    front: Option<Side<'s, V>>,
    back: Option<Side<'s, V>>,
    state: ScanState,
}

enum ScanState {
    Running,
    Ended,
    Failed(ErrorKind, String),
}

fn as_range<'k>(lower: &'k Bound<Vec<u8>>, upper: &'k Bound<Vec<u8>>) -> KeyRange<'k> {
    (lower.as_ref().map(Vec::as_slice), upper.as_ref().map(Vec::as_slice))
}

impl<'s, V: VersionStore> MergedScan<'s, V> {
    pub(super) fn new(reading: Reading<'s, V>, id: TreeId, range: KeyRange<'_>) -> Self {
        MergedScan {
            reading,
            id,
            lower: range.0.map(<[u8]>::to_vec),
            upper: range.1.map(<[u8]>::to_vec),
            front: None,
            back: None,
            state: ScanState::Running,
        }
    }

    /// Takes the next row of one end; `None` where the ends met.
    fn take(&mut self, direction: Direction) -> Result<Option<Value<'s>>> {
        match &self.state {
            ScanState::Running => {}
            ScanState::Ended => return Ok(None),
            ScanState::Failed(kind, what) => return Err(Error::new(*kind, what.clone())),
        }
        let taken = self.advance(direction);
        match &taken {
            Ok(Some(_)) => {}
            Ok(None) => self.state = ScanState::Ended,
            Err(error) => {
                self.state = ScanState::Failed(error.kind(), format!("the scan failed before: {error}"))
            }
        }
        taken
    }

    fn advance(&mut self, direction: Direction) -> Result<Option<Value<'s>>> {
        let range = as_range(&self.lower, &self.upper);
        let (side, other) = match direction {
            Direction::Forward => (&mut self.front, &self.back),
            Direction::Backward => (&mut self.back, &self.front),
        };
        let side = match side {
            Some(side) => side,
            None => {
                let begun = self
                    .reading
                    .with_tree(self.id, |tree| Side::new(&self.reading, self.id, tree, direction, range))?;
                side.insert(begun?)
            }
        };
        let Some(value) = side.next(range)? else { return Ok(None) };
        let met = other.as_ref().is_some_and(|other| match (direction, other.has_begun) {
            (_, false) => false,
            (Direction::Forward, true) => side.key >= other.key,
            (Direction::Backward, true) => side.key <= other.key,
        });
        Ok((!met).then_some(value))
    }
}

impl<'s, V: VersionStore> Scan<'s> for MergedScan<'s, V> {
    fn next(&mut self) -> Result<Option<(&[u8], Value<'s>)>> {
        let value = self.take(Direction::Forward)?;
        Ok(value.and_then(|value| Some((self.front.as_ref()?.key.as_slice(), value))))
    }

    fn next_back(&mut self) -> Result<Option<(&[u8], Value<'s>)>> {
        let value = self.take(Direction::Backward)?;
        Ok(value.and_then(|value| Some((self.back.as_ref()?.key.as_slice(), value))))
    }
}

/// One end of a scan: the sources, each with the row it stands at.
pub(super) struct Side<'s, V: VersionStore> {
    direction: Direction,
    walk: Option<V::Walk<'s>>,
    version: Option<(&'s [u8], Found<'s>)>,
    own_walk: Option<V::OwnWalk<'s>>,
    own: Option<(&'s [u8], Found<'s>)>,
    base: Box<dyn Scan<'s> + 's>,
    base_key: Vec<u8>,
    base_value: Option<Value<'s>>,
    /// The key of the row taken last.
    key: Vec<u8>,
    has_begun: bool,
}

impl<'s, V: VersionStore> Side<'s, V> {
    pub(super) fn new(
        reading: &Reading<'s, V>,
        id: TreeId,
        tree: &V::Tree,
        direction: Direction,
        range: KeyRange<'_>,
    ) -> Result<Self> {
        let from = match direction {
            Direction::Forward => range.0,
            Direction::Backward => range.1,
        };
        let from = match from {
            Bound::Unbounded => From::End,
            Bound::Included(key) => From::At(key),
            Bound::Excluded(key) => From::Behind(key),
        };
        let mut side = Side {
            direction,
            walk: reading.core.versions.walk(reading.slot, tree, direction, from),
            version: None,
            own_walk: reading.core.versions.walk_own(reading.slot, tree, direction, from),
            own: None,
            base: reading.base(id)?.scan(id.number, range)?,
            base_key: Vec::new(),
            base_value: None,
            key: Vec::new(),
            has_begun: false,
        };
        side.step_walk();
        side.step_own();
        side.step_base()?;
        Ok(side)
    }

    fn step_walk(&mut self) {
        self.version = self.walk.as_mut().and_then(Walk::next);
    }

    fn step_own(&mut self) {
        self.own = self.own_walk.as_mut().and_then(Walk::next);
    }

    fn step_base(&mut self) -> Result<()> {
        let row = match self.direction {
            Direction::Forward => self.base.next()?,
            Direction::Backward => self.base.next_back()?,
        };
        self.base_value = row.map(|(key, value)| {
            self.base_key.clear();
            self.base_key.extend_from_slice(key);
            value
        });
        Ok(())
    }

    /// How a key stands to the nearest one so far.
    fn nearer(&self, key: &[u8], than: Option<&[u8]>) -> bool {
        let Some(than) = than else { return true };
        match self.direction {
            Direction::Forward => key.cmp(than) == Ordering::Less,
            Direction::Backward => key.cmp(than) == Ordering::Greater,
        }
    }

    /// Whether a key of the versions lies within the far end of the range; the others are cut by their sources.
    fn is_within(&self, key: &[u8], range: KeyRange<'_>) -> bool {
        match (self.direction, range) {
            (Direction::Forward, (_, Bound::Included(upper))) => key <= upper,
            (Direction::Forward, (_, Bound::Excluded(upper))) => key < upper,
            (Direction::Backward, (Bound::Included(lower), _)) => key >= lower,
            (Direction::Backward, (Bound::Excluded(lower), _)) => key > lower,
            _ => true,
        }
    }

    /// The next row that exists; its key is in `self.key` then.
    fn next(&mut self, range: KeyRange<'_>) -> Result<Option<Value<'s>>> {
        loop {
            if self.version.as_ref().is_some_and(|(key, _)| !self.is_within(key, range)) {
                (self.version, self.walk) = (None, None);
            }
            if self.own.as_ref().is_some_and(|(key, _)| !self.is_within(key, range)) {
                (self.own, self.own_walk) = (None, None);
            }
            let mut nearest: Option<&[u8]> = self.base_value.as_ref().map(|_| self.base_key.as_slice());
            if let Some((key, _)) = &self.version
                && self.nearer(key, nearest)
            {
                nearest = Some(key);
            }
            if let Some((key, _)) = &self.own
                && self.nearer(key, nearest)
            {
                nearest = Some(key);
            }
            let Some(nearest) = nearest else { return Ok(None) };
            let mut key = std::mem::take(&mut self.key);
            key.clear();
            key.extend_from_slice(nearest);
            self.key = key;
            let value = self.take_row()?;
            if value.is_some() {
                self.has_begun = true;
                return Ok(value);
            }
        }
    }

    /// Takes the row at `self.key` out of every source that has it, and joins what they say.
    fn take_row(&mut self) -> Result<Option<Value<'s>>> {
        let mut own = Found::default();
        if self.own.as_ref().is_some_and(|(key, _)| *key == self.key) {
            own = self.own.take().map(|(_, own)| own).unwrap_or_default();
            self.step_own();
        }
        let mut found = Found::default();
        if self.version.as_ref().is_some_and(|(key, _)| *key == self.key) {
            found = self.version.take().map(|(_, found)| found).unwrap_or_default();
            self.step_walk();
        }
        let mut base = None;
        if self.base_value.is_some() && self.base_key == self.key {
            base = self.base_value.take();
            self.step_base()?;
        }
        if own.data != Data::Nothing {
            found = Found { data: own.data, deltas: Deltas::default() };
        }
        let value = match found.data {
            Data::Put(value) => Some(Value::Borrowed(value)),
            Data::Deleted => None,
            Data::Nothing => base,
        };
        Ok(value.map(|value| with_deltas(value, &own.deltas, &found.deltas)))
    }

    /// The first row, with its key.
    pub(super) fn into_first(mut self, range: KeyRange<'_>) -> Result<Option<OwnedRow<'s>>> {
        let value = self.next(range)?;
        Ok(value.map(|value| (self.key, value)))
    }
}
