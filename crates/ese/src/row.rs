//! The key of a row that was read, in a small buffer of its own.

use smallvec::SmallVec;
use std::{borrow::Borrow, fmt, ops::Deref};

/// The key of a row: bytes, held here up to 24 of them and on the heap beyond.
///
/// Keys are cut in the nodes of a tree, so an iterator that hands out rows has to put each key together somewhere; the
/// loop of [`Range::next_row`](crate::Range::next_row) does without this copy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(SmallVec<[u8; 24]>);

// Four words of 64 bits: a row of key and value is eight, and goes by memory copy of a cache line.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Key>() == 32);

impl Key {
    #[inline]
    pub(crate) fn new(bytes: &[u8]) -> Key {
        Key(SmallVec::from_slice(bytes))
    }

    /// The bytes on their own.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0.into_vec()
    }
}

impl Deref for Key {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Key {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<[u8]> for Key {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl PartialEq<&[u8]> for Key {
    fn eq(&self, other: &&[u8]) -> bool {
        **self == **other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Key {
    fn eq(&self, other: &&[u8; N]) -> bool {
        **self == other[..]
    }
}

/// Shows the length only: keys are the user's, and logs do not print them.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.len())
    }
}
