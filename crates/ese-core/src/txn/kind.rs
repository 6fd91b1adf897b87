//! What a version does to its row, in one byte, and which of these get along (the spec's compatibility matrix).
//!
//! Invariant: two kinds are compatible exactly when they are equal and shared. A delta's kind holds its width and its
//! place modulo that width, so that two compatible deltas either hit the same counter or do not overlap at all.

use crate::seam::transaction::{Delta, LockMode};

/// What a version does to its row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Kind(u8);

const PUT: u8 = 0;
const DELETE: u8 = 1;
const WRITE_LOCK: u8 = 2;
const READ_LOCK: u8 = 3;
const DELTA32: u8 = 4; // .. 8, by offset modulo 4
const DELTA64: u8 = 8; // .. 16, by offset modulo 8

impl Kind {
    /// The row has a new value.
    pub const PUT: Kind = Kind(PUT);
    /// The row is gone.
    pub const DELETE: Kind = Kind(DELETE);

    /// A logical lock.
    #[must_use]
    pub const fn lock(mode: LockMode) -> Kind {
        match mode {
            LockMode::Read => Kind(READ_LOCK),
            LockMode::Write => Kind(WRITE_LOCK),
        }
    }

    /// An escrow add at `offset`.
    #[must_use]
    pub const fn delta(offset: u32, delta: Delta) -> Kind {
        match delta {
            Delta::I32(_) => Kind(DELTA32 + (offset % 4) as u8),
            Delta::I64(_) => Kind(DELTA64 + (offset % 8) as u8),
        }
    }

    /// The kind of that number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Kind> {
        if number < 16 { Some(Kind(number)) } else { None }
    }

    /// The number of the kind.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether it is an escrow add.
    #[must_use]
    pub const fn is_delta(self) -> bool {
        self.0 >= DELTA32
    }

    /// Whether an escrow add of this kind is 8 bytes wide.
    #[must_use]
    pub const fn is_wide(self) -> bool {
        self.0 >= DELTA64
    }

    /// Whether several transactions may do it at a time: read locks, and deltas of one kind.
    #[must_use]
    pub const fn is_shared(self) -> bool {
        self.0 >= READ_LOCK
    }

    /// Whether a reader looks at it at all: locks change no value.
    #[must_use]
    pub const fn is_data(self) -> bool {
        self.0 <= DELETE || self.is_delta()
    }

    /// Whether one transaction's `self` and another's `other` exclude each other.
    #[must_use]
    pub const fn clashes(self, other: Kind) -> bool {
        !(self.is_shared() && self.0 == other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrix() {
        let read = Kind::lock(LockMode::Read);
        let write = Kind::lock(LockMode::Write);
        let d32 = Kind::delta(0, Delta::I32(1));
        let d64 = Kind::delta(0, Delta::I64(1));
        let all = [Kind::PUT, Kind::DELETE, write, read, d32, d64, Kind::delta(2, Delta::I32(1))];
        for a in all {
            for b in all {
                let compatible = a == b && (a == read || a.is_delta());
                assert_eq!(!a.clashes(b), compatible, "{a:?} {b:?}");
            }
        }
        assert_eq!(Kind::delta(8, Delta::I32(1)), d32, "offsets a multiple of the width apart commute");
        assert_eq!(Kind::delta(16, Delta::I64(1)), d64);
    }
}
