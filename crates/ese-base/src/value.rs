//! One type for every value that is read, whatever it lies in.

use std::{fmt, ops::Deref, sync::Arc};

/// The bytes of a value as a transaction sees them; borrows the transaction.
///
/// Most are borrowed from a page or from the overlay. A counter with pending deltas is computed (inline or shared),
/// and a store without a map (`pread`, remote) hands out shared bytes.
#[derive(Clone)]
pub enum Value<'t> {
    /// Bytes in a page, or in the overlay.
    Borrowed(&'t [u8]),
    /// Up to eight bytes held here: a computed counter.
    Short(ShortBytes),
    /// Bytes on the heap, shared.
    Shared(Arc<[u8]>),
}

/// Up to eight bytes.
///
/// Laid out in whole words, so that a [`Value`] is moved word by word: were its parts of odd sizes, each move on a scan's
/// way would wait for the move before it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct ShortBytes {
    bytes: [u8; ShortBytes::MAX],
    len: usize,
}

impl ShortBytes {
    /// How many fit.
    pub const MAX: usize = 8;

    /// Holds a copy of `bytes`; `None` when they do not fit.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<ShortBytes> {
        let mut short = [0; ShortBytes::MAX];
        short.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(ShortBytes { bytes: short, len: bytes.len() })
    }
}

impl From<[u8; ShortBytes::MAX]> for ShortBytes {
    fn from(bytes: [u8; ShortBytes::MAX]) -> ShortBytes {
        ShortBytes { bytes, len: ShortBytes::MAX }
    }
}

impl Deref for ShortBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Value<'_> {
    /// Copies `bytes` into a value that borrows nothing.
    #[must_use]
    pub fn owned(bytes: &[u8]) -> Value<'static> {
        match ShortBytes::new(bytes) {
            Some(short) => Value::Short(short),
            None => Value::Shared(Arc::from(bytes)),
        }
    }

    /// The same bytes without the borrow.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Borrowed(bytes) => Value::owned(bytes),
            Value::Short(short) => Value::Short(short),
            Value::Shared(shared) => Value::Shared(shared),
        }
    }
}

impl Deref for Value<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Value::Borrowed(bytes) => bytes,
            Value::Short(short) => short,
            Value::Shared(shared) => shared,
        }
    }
}

impl AsRef<[u8]> for Value<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Value<'_> {}

impl PartialEq<[u8]> for Value<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Value<'_> {
    fn eq(&self, other: &&[u8; N]) -> bool {
        **self == other[..]
    }
}

/// Shows the length only: values are the user's, and errors and logs do not print them.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_keeps_bytes() {
        for len in [0, 1, 8, 9, 300] {
            let bytes = vec![7_u8; len];
            assert_eq!(&*Value::owned(&bytes), &bytes[..]);
            assert_eq!(&*Value::Borrowed(&bytes).into_owned(), &bytes[..]);
            assert_eq!(matches!(Value::owned(&bytes), Value::Short(_)), len <= ShortBytes::MAX);
        }
        assert!(ShortBytes::new(&[0; 9]).is_none());
    }

    #[test]
    fn a_value_is_three_words() {
        assert_eq!((size_of::<Value<'_>>(), size_of::<ShortBytes>()), (24, 16));
    }
}
