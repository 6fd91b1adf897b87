//! Typed trees: keys of a [`KeyType`](crate::key::KeyType), values of a [`ValueType`], over a [`Tree`](crate::Tree) of bytes.
//!
//! | value type | written from | read as | bytes |
//! |---|---|---|---|
//! | `()` | `&()` | `()` | none |
//! | integers, `f32`, `f64`, `bool` | a reference | themselves | little-endian; `bool` 0 or 1 |
//! | `[u8; N]` | a reference | itself | the bytes |
//! | `Vec<u8>` | `&[u8]` | `Vec<u8>` | the bytes |
//! | `String` | `&str` | `String` | UTF-8 |
//! | [`Rkyv<T>`] | `&T` | `T`, or `T::Archived` lent | an archive of rkyv 0.8 |
//!
//! The bytes in a tree may be anything (another program wrote them, or an older version of this one): every read
//! validates them and reports `InvalidValue`.

mod archive;
mod plain;
mod rows;
mod tree;
mod value;

pub use archive::{Archivable, Rkyv, Validated};
pub use rkyv;
pub use rows::TypedRows;
pub use tree::TypedTree;
pub use value::ValueType;
