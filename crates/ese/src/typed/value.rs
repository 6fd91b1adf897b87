//! What a type has to know to be a value.

use ese_base::Result;

/// A type of values in a [`TypedTree`](crate::TypedTree): how they become bytes, and how bytes that may be anything
/// become values. Bytes are handed to closures, so that nothing needs to be copied that lies somewhere already.
pub trait ValueType {
    /// What a write borrows.
    type Input: ?Sized;
    /// What a read lends.
    type View: ?Sized;
    /// What a read hands out.
    type Owned;

    /// Hands the bytes of `value` to `put`.
    ///
    /// # Errors
    /// `InvalidValue` when the value cannot be written.
    fn store<R>(value: &Self::Input, put: impl FnOnce(&[u8]) -> R) -> Result<R>;

    /// Lends the value in `bytes` to `see`.
    ///
    /// # Errors
    /// `InvalidValue` when the bytes are not such a value.
    fn view<R>(bytes: &[u8], see: impl FnOnce(&Self::View) -> R) -> Result<R>;

    /// The value in `bytes`.
    ///
    /// # Errors
    /// `InvalidValue` when the bytes are not such a value.
    fn load(bytes: &[u8]) -> Result<Self::Owned>;
}
