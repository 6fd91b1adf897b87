//! Where keys are decoded from: bytes that may be anything, taken from the front.

use super::invalid;
use ese_base::Result;

/// Encoded keys, read from the front. Inside a [`Reverse`](std::cmp::Reverse) it gives the inverted bytes.
#[derive(Debug)]
pub struct KeyInput<'k> {
    bytes: &'k [u8],
    /// 0, or all ones where bytes are inverted.
    mask: u8,
}

impl<'k> KeyInput<'k> {
    /// Reads from the beginning of `bytes`.
    #[must_use]
    pub fn new(bytes: &'k [u8]) -> KeyInput<'k> {
        KeyInput { bytes, mask: 0 }
    }

    /// Whether everything is read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next byte.
    ///
    /// # Errors
    /// `InvalidValue` at the end.
    #[inline]
    pub fn byte(&mut self) -> Result<u8> {
        let (&byte, rest) = self.bytes.split_first().ok_or_else(|| invalid("the key ends too early"))?;
        self.bytes = rest;
        Ok(byte ^ self.mask)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// `InvalidValue` when there are fewer.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (&bytes, rest) =
            self.bytes.split_first_chunk().ok_or_else(|| invalid("the key ends too early"))?;
        self.bytes = rest;
        Ok(bytes.map(|byte| byte ^ self.mask))
    }

    /// Decodes with every bit inverted.
    pub(crate) fn inverted<R>(&mut self, decode: impl FnOnce(&mut Self) -> R) -> R {
        self.mask = !self.mask;
        let decoded = decode(self);
        self.mask = !self.mask;
        decoded
    }
}
