//! Where keys are encoded into: bytes in place, on the heap only beyond 64 of them.

use smallvec::SmallVec;
use std::{fmt, ops::Deref};

/// The bytes of encoded keys.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyBuffer(SmallVec<[u8; 64]>);

impl KeyBuffer {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> KeyBuffer {
        KeyBuffer(SmallVec::new())
    }

    /// Appends a byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Appends bytes.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Inverts every bit from `from` on.
    pub(crate) fn invert(&mut self, from: usize) {
        for byte in &mut self.0[from..] {
            *byte = !*byte;
        }
    }
}

impl Deref for KeyBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for KeyBuffer {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyBuffer({} bytes)", self.len())
    }
}
