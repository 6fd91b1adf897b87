//! Typed keys: encodings whose bytes sort as the values do.
//!
//! Three properties hold for every [`KeyType`] here, and must for one of your own:
//! - *order*: `a < b` if and only if `encode(a) < encode(b)`, bytes compared from the left (for floats in their total
//!   order);
//! - *round trip*: decoding gives back what was encoded;
//! - *prefix-free*: no encoding is the beginning of another one of the same type, so that encodings one behind the other
//!   sort as the tuple of their values, and each ends where the next begins.
//!
//! | type | bytes |
//! |---|---|
//! | `u8` … `u128` | big-endian |
//! | `i8` … `i128` | big-endian, sign bit flipped |
//! | `f32`, `f64` | big-endian bits; negative ones inverted, else the sign bit flipped |
//! | `bool` | 0 or 1 |
//! | `char` | three bytes, big-endian |
//! | `String`, `Vec<u8>` | the bytes, 0 written as 1 1 and 1 as 1 2; then a 0 |
//! | `[u8; N]` | the bytes |
//! | `Option<T>` | 0 for `None`; 1 and the encoding of the value |
//! | tuples of 1 to 8 | the encodings one behind the other |
//! | [`Reverse<T>`](std::cmp::Reverse) | the encoding with every bit inverted |
//!
//! Floats sort in the total order of [`f64::total_cmp`]: negative NaN, −∞, …, −0.0, +0.0, …, +∞, NaN. So −0.0 and +0.0 are
//! two keys, and so are NaNs of different bits.
//!
//! An owned type is encoded from whatever can stand for it ([`KeyOf`]): a `String` from `&str`, `(u32, String)` from
//! `(7, "a")`.
//!
//! ```
//! # fn main() -> ese::Result<()> {
//! use ese::key::{decode, encode};
//! let low = encode::<(u32, String), _>((7, "apple"));
//! let high = encode::<(u32, String), _>((7, "apple pie"));
//! assert!(*low < *high);
//! assert_eq!(decode::<(u32, String)>(&low)?, (7, "apple".to_owned()));
//! # Ok(())
//! # }
//! ```

use ese_base::{Error, ErrorKind, Result};

mod buffer;
mod bytes;
mod input;
mod number;
mod option;
mod prefix;
mod range;
mod reverse;
mod tuple;

pub use buffer::KeyBuffer;
pub use input::KeyInput;
pub use prefix::PrefixOf;
pub use range::TypedRange;

/// A type that can be a key: what is read back. The module tells the properties an implementation must have.
///
/// ```
/// use ese::{Result, key::{KeyBuffer, KeyInput, KeyOf, KeyType}};
///
/// #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
/// struct OrderId(u64);
///
/// impl KeyOf<OrderId> for OrderId {
///     fn encode(&self, out: &mut KeyBuffer) {
///         self.0.encode(out);
///     }
/// }
/// impl KeyType for OrderId {
///     fn decode(input: &mut KeyInput<'_>) -> Result<Self> {
///         u64::decode(input).map(OrderId)
///     }
/// }
/// assert_eq!(ese::key::decode::<OrderId>(&ese::key::encode(OrderId(7)))?, OrderId(7));
/// # Ok::<(), ese::Error>(())
/// ```
pub trait KeyType: Sized + KeyOf<Self> {
    /// Takes one key off the input.
    ///
    /// # Errors
    /// `InvalidValue` when the bytes are not an encoding of this type.
    fn decode(input: &mut KeyInput<'_>) -> Result<Self>;
}

/// What can stand for a key of type `K` where one is asked for.
pub trait KeyOf<K> {
    /// Appends the encoding to `out`.
    fn encode(&self, out: &mut KeyBuffer);
}

impl<K, T: KeyOf<K> + ?Sized> KeyOf<K> for &T {
    #[inline]
    fn encode(&self, out: &mut KeyBuffer) {
        (**self).encode(out);
    }
}

/// The encoding of a key.
#[must_use]
pub fn encode<K: KeyType, Q: KeyOf<K>>(key: Q) -> KeyBuffer {
    let mut out = KeyBuffer::new();
    key.encode(&mut out);
    out
}

/// The key that `bytes` encode, all of them.
///
/// # Errors
/// `InvalidValue` when the bytes are not exactly one encoding of `K`.
pub fn decode<K: KeyType>(bytes: &[u8]) -> Result<K> {
    let mut input = KeyInput::new(bytes);
    let key = K::decode(&mut input)?;
    if input.is_empty() { Ok(key) } else { Err(invalid("bytes are left over behind the key")) }
}

#[cold]
pub(crate) fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidValue, what)
}
