//! A scan over a tree that versions or own writes touch: three sorted sources joined, from either end.
//!
//! The base is told where the next row of the other two comes (its *stop*): the rows before it are given out as they
//! come, and only at the stop are the sources joined. Each end has its own sources, so that reading ahead at one end
//! takes nothing from the other; the ends stop where they meet.
//!
//! Invariants:
//! - Of one key the own write wins over versions, those over the base; deltas are added up on the way.
//! - Keys come strictly ascending from the front and descending from the back, each once.
//! - After an error every further call returns an error of the same kind.

use super::reading::{Reading, with_deltas};
use crate::{
    overlay::{Data, Deltas, Found},
    seam::{
        scan::{BaseScan, Direction, Scan},
        transaction::KeyRange,
        version_store::{From, VersionStore, Walk},
    },
};
use ese_base::{Result, TreeId, Value, error::Failure};
use smallvec::SmallVec;
use std::ops::Bound;

/// A key and its value, owned and borrowed.
type OwnedRow<'s> = (Vec<u8>, Value<'s>);

/// A bound of usual length takes no memory of its own.
type KeyBytes = SmallVec<[u8; 40]>;

/// See the head of the module.
pub(super) struct MergedScan<'s, V: VersionStore> {
    reading: Reading<'s, V>,
    id: TreeId,
    lower: Bound<KeyBytes>,
    upper: Bound<KeyBytes>,
    front: Option<Joined<'s, V>>,
    back: Option<Joined<'s, V>>,
    state: ScanState,
}

enum ScanState {
    Running,
    Ended,
    Failed(Failure),
}

fn as_range<'k>(lower: &'k Bound<KeyBytes>, upper: &'k Bound<KeyBytes>) -> KeyRange<'k> {
    (lower.as_ref().map(SmallVec::as_slice), upper.as_ref().map(SmallVec::as_slice))
}

impl<'s, V: VersionStore> MergedScan<'s, V> {
    pub(super) fn new(reading: Reading<'s, V>, id: TreeId, range: KeyRange<'_>) -> Self {
        MergedScan {
            reading,
            id,
            lower: range.0.map(KeyBytes::from_slice),
            upper: range.1.map(KeyBytes::from_slice),
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
            ScanState::Failed(failure) => return Err(failure.again()),
        }
        let taken = self.advance(direction);
        match &taken {
            Ok(Some(_)) => {}
            Ok(None) => self.state = ScanState::Ended,
            Err(error) => {
                self.state = ScanState::Failed(Failure::of(error));
                // Nothing is at hand any more.
                (self.front, self.back) = (None, None);
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
                    .with_tree(self.id, |tree| Joined::new(&self.reading, self.id, tree, direction, range))?;
                side.insert(begun?)
            }
        };
        let Some(value) = side.next(range)? else { return Ok(None) };
        let met = other.as_ref().is_some_and(|other| match (direction, other.last) {
            (_, Last::Nothing) => false,
            (Direction::Forward, _) => side.key() >= other.key(),
            (Direction::Backward, _) => side.key() <= other.key(),
        });
        Ok((!met).then_some(value))
    }
}

impl<'s, V: VersionStore> Scan<'s> for MergedScan<'s, V> {
    fn next(&mut self) -> Result<Option<(&[u8], Value<'s>)>> {
        if is_at_hand(&self.front, &self.back, Direction::Forward) {
            return match hand_through(&mut self.front) {
                Err(error) => {
                    self.state = ScanState::Failed(Failure::of(&error));
                    Err(error)
                }
                row => row,
            };
        }
        let value = self.take(Direction::Forward)?;
        Ok(value.and_then(|value| Some((self.front.as_ref()?.key(), value))))
    }

    fn next_back(&mut self) -> Result<Option<(&[u8], Value<'s>)>> {
        if is_at_hand(&self.back, &self.front, Direction::Backward) {
            return match hand_through(&mut self.back) {
                Err(error) => {
                    self.state = ScanState::Failed(Failure::of(&error));
                    Err(error)
                }
                row => row,
            };
        }
        let value = self.take(Direction::Backward)?;
        Ok(value.and_then(|value| Some((self.back.as_ref()?.key(), value))))
    }
}

/// Whether the next row of an end is one that the base has at hand, with nothing else before it, and the other end not
/// begun: nothing has to be looked at, or moved through several hands.
#[inline]
fn is_at_hand<V: VersionStore>(
    end: &Option<Joined<'_, V>>,
    other: &Option<Joined<'_, V>>,
    direction: Direction,
) -> bool {
    other.is_none() && end.as_ref().is_some_and(|end| end.base.is_at_hand(direction))
}

/// Gives the row that the base of an end has at hand.
#[inline]
fn hand_through<'j, 's, V: VersionStore>(
    end: &'j mut Option<Joined<'s, V>>,
) -> Result<Option<(&'j [u8], Value<'s>)>> {
    let Some(end) = end else { return Ok(None) };
    end.last = Last::Base;
    match end.direction {
        Direction::Forward => end.base.next(),
        Direction::Backward => end.base.next_back(),
    }
}

/// One end of a scan: the sources, those of versions each with the row it stands at.
pub(super) struct Joined<'s, V: VersionStore> {
    direction: Direction,
    walk: Option<V::Walk<'s>>,
    version: Option<(&'s [u8], Found<'s>)>,
    own_walk: Option<V::OwnWalk<'s>>,
    own: Option<(&'s [u8], Found<'s>)>,
    base: Box<dyn BaseScan<'s> + 's>,
    last: Last<'s>,
}

/// Whose key the row taken last has.
#[derive(Clone, Copy)]
enum Last<'s> {
    Nothing,
    /// The base's.
    Base,
    /// A version's.
    Version(&'s [u8]),
}

impl<'s, V: VersionStore> Joined<'s, V> {
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
        let mut joined = Joined {
            direction,
            walk: reading.core.versions.walk(reading.slot, tree, direction, from),
            version: None,
            own_walk: reading.core.versions.walk_own(reading.slot, tree, direction, from),
            own: None,
            base: reading.base(id)?.scan(id.number, range)?,
            last: Last::Nothing,
        };
        joined.step_walk(range);
        joined.step_own(range);
        joined.set_stop();
        Ok(joined)
    }

    fn step_walk(&mut self, range: KeyRange<'_>) {
        self.version = self.walk.as_mut().and_then(Walk::next).filter(|row| self.is_within(row.0, range));
    }

    fn step_own(&mut self, range: KeyRange<'_>) {
        self.own = self.own_walk.as_mut().and_then(Walk::next).filter(|row| self.is_within(row.0, range));
    }

    /// Whether a key of the versions lies within the far end of the range; the base cuts its rows itself.
    fn is_within(&self, key: &[u8], range: KeyRange<'_>) -> bool {
        match (self.direction, range) {
            (Direction::Forward, (_, Bound::Included(upper))) => key <= upper,
            (Direction::Forward, (_, Bound::Excluded(upper))) => key < upper,
            (Direction::Backward, (Bound::Included(lower), _)) => key >= lower,
            (Direction::Backward, (Bound::Excluded(lower), _)) => key > lower,
            _ => true,
        }
    }

    /// The nearest key of versions and own writes.
    #[inline]
    fn stop(&self) -> Option<&'s [u8]> {
        let (version, own) = (self.version.as_ref().map(|row| row.0), self.own.as_ref().map(|row| row.0));
        match (version, own, self.direction) {
            (Some(version), Some(own), Direction::Forward) => Some(version.min(own)),
            (Some(version), Some(own), Direction::Backward) => Some(version.max(own)),
            (version, own, _) => version.or(own),
        }
    }

    fn set_stop(&mut self) {
        if let Some(stop) = self.stop() {
            self.base.stop_at(stop);
        }
    }

    /// The key of the row taken last.
    #[inline]
    fn key(&self) -> &[u8] {
        match self.last {
            Last::Nothing => &[],
            Last::Base => self.base.key(),
            Last::Version(key) => key,
        }
    }

    /// The next row that exists; its key is [`Self::key`] then.
    #[inline]
    fn next(&mut self, range: KeyRange<'_>) -> Result<Option<Value<'s>>> {
        loop {
            let row = match self.direction {
                Direction::Forward => self.base.next()?,
                Direction::Backward => self.base.next_back()?,
            };
            if let Some((_, value)) = row {
                self.last = Last::Base;
                return Ok(Some(value));
            }
            let Some(key) = self.stop() else { return Ok(None) };
            if let Some(value) = self.join(key, range)? {
                self.last = Last::Version(key);
                return Ok(Some(value));
            }
        }
    }

    /// Takes the row at the stop out of every source that has it, and joins what they say.
    fn join(&mut self, key: &[u8], range: KeyRange<'_>) -> Result<Option<Value<'s>>> {
        let base = self.base.take_stop(self.direction)?;
        let mut own = Found::default();
        if self.own.as_ref().is_some_and(|row| row.0 == key) {
            own = self.own.take().map(|(_, own)| own).unwrap_or_default();
            self.step_own(range);
        }
        let mut found = Found::default();
        if self.version.as_ref().is_some_and(|row| row.0 == key) {
            found = self.version.take().map(|(_, found)| found).unwrap_or_default();
            self.step_walk(range);
        }
        self.set_stop();
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
        Ok(value.map(|value| (self.key().to_vec(), value)))
    }
}
