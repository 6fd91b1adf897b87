//! The rows of a range of typed keys.

use super::{ValueType, tree::load_row};
use crate::{
    Range,
    key::{KeyType, decode},
};
use ese_base::{Result, Value};
use std::{fmt, marker::PhantomData};

/// Rows in the order of their keys, from [`TypedTree::range`](crate::TypedTree::range); it borrows what it reads.
///
/// A row whose bytes are not of the types is an `InvalidValue` error with the [key](crate::Error::key); the rows behind
/// it can still be read.
#[must_use = "rows are read when they are asked for"]
pub struct TypedRows<'s, K, V> {
    rows: Range<'s>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<'s, K: KeyType, V: ValueType> TypedRows<'s, K, V> {
    pub(super) fn new(rows: Range<'s>) -> TypedRows<'s, K, V> {
        TypedRows { rows, types: PhantomData }
    }

    /// Hands all remaining rows to `each`, from the front, the values lent where they lie if they can.
    ///
    /// # Errors
    /// What the store reports; `InvalidValue`; what `each` returns.
    pub fn for_each_row(self, mut each: impl FnMut(K, &V::View) -> Result<()>) -> Result<()> {
        self.rows.for_each_row(|bytes, value| {
            let key = decode(bytes).map_err(|error| error.at_key(bytes))?;
            V::view(&value, |value| each(key, value)).map_err(|error| error.at_key(bytes))?
        })
    }
}

fn load<K: KeyType, V: ValueType>(row: Result<Option<(&[u8], Value<'_>)>>) -> Option<Result<(K, V::Owned)>> {
    row.transpose().map(|row| row.and_then(|(key, value)| load_row::<K, V>(key, &value)))
}

impl<K: KeyType, V: ValueType> Iterator for TypedRows<'_, K, V> {
    type Item = Result<(K, V::Owned)>;

    fn next(&mut self) -> Option<Self::Item> {
        load::<K, V>(self.rows.next_row())
    }
}

impl<K: KeyType, V: ValueType> DoubleEndedIterator for TypedRows<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        load::<K, V>(self.rows.next_back_row())
    }
}

impl<K, V> fmt::Debug for TypedRows<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.rows, f)
    }
}
