//! Which versions count, and what they add up to.
//!
//! Invariants:
//! - In a view a version counts when it is not rolled back, its timestamp is at most the snapshot, and its position is
//!   at least L of its database in that view: what lies below L is in the base already.
//! - Every version of one transaction is judged by one state: all of them count or none.

use super::chain::VersionRef;
use crate::{seam::transaction::Delta, txn::Kind};
use ese_base::{CommitTs, Position};
use smallvec::SmallVec;

/// What versions say about a row, newest first, down to the first that holds a value or a deletion.
#[derive(Debug, Clone, Default)]
pub struct Found<'g> {
    /// The newest value or deletion.
    pub data: Data<'g>,
    /// What is to be added to it (or to the base's value), by place.
    pub deltas: Deltas,
}

/// The newest version of a row that is not a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Data<'g> {
    /// There is none: ask the base.
    #[default]
    Nothing,
    /// The row has this value.
    Put(&'g [u8]),
    /// There is no row.
    Deleted,
}

/// Escrow adds, newest first; those of one counter are added up where nothing between them overlaps it.
///
/// Adds of one kind commute; adds to overlapping places do not, because each wraps in its own width. They can come from
/// one transaction, or from several one after the other, so they are applied in the order in which they were made.
#[derive(Debug, Clone, Default)]
pub struct Deltas(SmallVec<[(u32, Delta); 1]>);

/// Whether two counters share a byte without being the same.
fn overlap((a, x): (u32, Delta), (b, y): (u32, Delta)) -> bool {
    let (a, b) = (u64::from(a), u64::from(b));
    a < b + y.width() as u64 && b < a + x.width() as u64
}

impl Deltas {
    /// Takes in the next older delta.
    pub fn add(&mut self, offset: u32, delta: Delta) {
        for (place, sum) in self.0.iter_mut().rev() {
            if *place == offset && sum.width() == delta.width() {
                *sum = match (*sum, delta) {
                    (Delta::I32(a), Delta::I32(b)) => Delta::I32(a.wrapping_add(b)),
                    (Delta::I64(a), Delta::I64(b)) => Delta::I64(a.wrapping_add(b)),
                    (other, _) => other,
                };
                return;
            }
            if overlap((*place, *sum), (offset, delta)) {
                break;
            }
        }
        self.0.push((offset, delta));
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds all of them to the counters in `value`, oldest first; a counter outside of it is left alone.
    pub fn apply(&self, value: &mut [u8]) {
        for (offset, delta) in self.0.iter().rev() {
            let at = *offset as usize;
            match delta {
                Delta::I32(by) => {
                    if let Some(counter) = value.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>) {
                        *counter = i32::from_le_bytes(*counter).wrapping_add(*by).to_le_bytes();
                    }
                }
                Delta::I64(by) => {
                    if let Some(counter) = value.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<8>) {
                        *counter = i64::from_le_bytes(*counter).wrapping_add(*by).to_le_bytes();
                    }
                }
            }
        }
    }
}

/// The bytes a delta is kept as behind its version and in the log: offset u32, amount i64, little-endian.
pub(crate) type DeltaBytes = [u8; 12];

/// A delta as bytes.
#[must_use]
pub(crate) fn encode_delta(offset: u32, delta: Delta) -> DeltaBytes {
    let amount = match delta {
        Delta::I32(by) => i64::from(by),
        Delta::I64(by) => by,
    };
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&offset.to_le_bytes());
    bytes[4..].copy_from_slice(&amount.to_le_bytes());
    bytes
}

/// The delta that [`encode_delta`] made, of a kind that is one.
#[must_use]
pub(crate) fn decode_delta(kind: Kind, bytes: &[u8]) -> Option<(u32, Delta)> {
    let offset = u32::from_le_bytes(*bytes.first_chunk()?);
    let amount = i64::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    let delta = if kind.is_wide() { Delta::I64(amount) } else { Delta::I32(i32::try_from(amount).ok()?) };
    Some((offset, delta))
}

/// Whether these are the bytes of a delta of that kind: what a version of it may carry.
#[must_use]
pub(crate) fn is_delta(kind: Kind, bytes: &[u8]) -> bool {
    let is_whole = bytes.len() == size_of::<DeltaBytes>();
    is_whole && decode_delta(kind, bytes).is_some_and(|(offset, delta)| Kind::delta(offset, delta) == kind)
}

impl<'g> Data<'g> {
    /// What a version that holds a value or a deletion says.
    #[inline]
    pub(crate) fn of(version: VersionRef<'g>) -> Data<'g> {
        if version.kind() == Kind::PUT { Data::Put(version.payload()) } else { Data::Deleted }
    }
}

impl<'g> Found<'g> {
    /// Takes in the next older version that counts.
    #[inline]
    pub(crate) fn take(&mut self, version: VersionRef<'g>) -> Settled {
        let kind = version.kind();
        if !kind.is_delta() {
            self.data = Data::of(version);
            return Settled::Yes;
        }
        if let Some((offset, delta)) = decode_delta(kind, version.payload()) {
            self.deltas.add(offset, delta);
        }
        Settled::No
    }
}

/// Whether older versions can still matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// A value or a deletion was found.
    Yes,
    /// Deltas at most.
    No,
}

/// Whether a version counts for a reader of `snapshot` in a view whose base holds everything before `l`.
#[inline]
pub(crate) fn counts(version: VersionRef<'_>, snapshot: CommitTs, l: Position) -> bool {
    let state = version.state();
    version.kind().is_data()
        && state.visible_at(snapshot)
        && state.position() >= l
        && !version.is_rolled_back()
}

/// Whether a merge from `l` to `cut` takes the version: published, not rolled back, not in the base yet.
#[inline]
pub(crate) fn merges(version: VersionRef<'_>, l: Position, cut: Position) -> bool {
    let position = version.state().position();
    version.kind().is_data()
        && position >= l
        && position < cut
        && !version.is_rolled_back()
        && version.state().outcome() != crate::txn::Outcome::Aborted
}

/// Whether a version stands for escrow's old value: everything not rolled back that the base does not hold yet,
/// committed or not.
#[inline]
pub(crate) fn stands(version: VersionRef<'_>, l: Position) -> bool {
    version.kind().is_data()
        && !version.is_rolled_back()
        && version.state().outcome() != crate::txn::Outcome::Aborted
        && version.state().position() >= l
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_add_up_by_place_and_width() {
        let mut deltas = Deltas::default();
        deltas.add(0, Delta::I64(i64::MAX));
        deltas.add(0, Delta::I64(1));
        deltas.add(8, Delta::I32(-1));
        deltas.add(400, Delta::I32(7));
        let mut value = [0_u8; 12];
        deltas.apply(&mut value);
        assert_eq!(i64::from_le_bytes(value[..8].try_into().unwrap()), i64::MIN, "wraps");
        assert_eq!(i32::from_le_bytes(value[8..].try_into().unwrap()), -1);
    }

    #[test]
    fn overlapping_deltas_keep_their_order() {
        // Newest first, as they are found: the older add wraps within its eight bytes before the newer one adds.
        let (newer, older) = ((1, Delta::I64(1 << 56)), (8, Delta::I64(255)));
        let mut deltas = Deltas::default();
        let mut made = vec![0_u8; 16];
        for (offset, delta) in [newer, older, newer, older] {
            deltas.add(offset, delta);
        }
        for (offset, delta) in [older, newer, older, newer] {
            let mut one = Deltas::default();
            one.add(offset, delta);
            one.apply(&mut made);
        }
        let mut value = vec![0_u8; 16];
        deltas.apply(&mut value);
        assert_eq!(value, made);
    }

    #[test]
    fn delta_bytes_round_trip() {
        for delta in [Delta::I32(i32::MIN), Delta::I32(5), Delta::I64(i64::MIN), Delta::I64(-1)] {
            let bytes = encode_delta(77, delta);
            assert_eq!(decode_delta(Kind::delta(77, delta), &bytes), Some((77, delta)));
        }
        assert_eq!(decode_delta(Kind::delta(0, Delta::I32(0)), &[0; 3]), None);
    }
}
