//! The handle of a tree with typed keys and values.

use super::{TypedRows, ValueType};
use crate::{
    Counter, Read, Tree, Write,
    key::{KeyBuffer, KeyOf, KeyType, PrefixOf, TypedRange, decode},
};
use ese_base::{Error, Result, Value};
use ese_core::{KeyRange, LockMode, Put};
use std::{fmt, hash, marker::PhantomData, ops::Bound};

/// A [`Tree`] whose keys are `K`s and whose values are `V`s, from
/// [`Instance::typed_tree`](crate::Instance::typed_tree) or [`Tree::typed`]. Like a [`Tree`] it is plain data.
///
/// Keys are given as whatever can stand for a `K` ([`KeyOf`]), values by a reference to what `V` is written from.
///
/// ```
/// # fn main() -> ese::Result<()> {
/// let db = ese::Instance::in_memory()?;
/// let delays = db.typed_tree::<(String, u32), i64>("delays")?;
/// db.write(|tx| {
///     delays.put(tx, ("UA", 1), &-4)?;
///     delays.put(tx, ("UA", 2), &12)?;
///     delays.add(tx, ("UA", 2), 3)
/// })?;
/// db.read(|s| {
///     assert_eq!(delays.get(s, ("UA", 2))?, Some(15));
///     let (key, delay) = delays.range(s, ("UA", 2)..)?.next().expect("there is one")?;
///     assert_eq!((key, delay), (("UA".to_owned(), 2), 15));
///     Ok(())
/// })
/// # }
/// ```
pub struct TypedTree<K, V> {
    tree: Tree,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: KeyType, V: ValueType> TypedTree<K, V> {
    /// The value at `key`, or `None`.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads); `InvalidValue` when the bytes there are not a `V`.
    pub fn get<S: Read + ?Sized>(&self, s: &S, key: impl KeyOf<K>) -> Result<Option<V::Owned>> {
        let key = encoded(key);
        let value = self.tree.get(s, &key)?;
        value.map(|value| V::load(&value).map_err(|error| error.at_key(&key))).transpose()
    }

    /// Lends the value at `key` to `see`, where it lies if it can.
    ///
    /// # Errors
    /// As [`TypedTree::get`].
    pub fn get_with<R, S: Read + ?Sized>(
        &self,
        s: &S,
        key: impl KeyOf<K>,
        see: impl FnOnce(&V::View) -> R,
    ) -> Result<Option<R>> {
        let key = encoded(key);
        let value = self.tree.get(s, &key)?;
        value.map(|value| V::view(&value, see).map_err(|error| error.at_key(&key))).transpose()
    }

    /// The values at several keys, in the order of the keys; see [`Tree::get_many`].
    ///
    /// # Errors
    /// As [`TypedTree::get`].
    pub fn get_many<S: Read + ?Sized>(
        &self,
        s: &S,
        keys: impl IntoIterator<Item: KeyOf<K>>,
    ) -> Result<Vec<Option<V::Owned>>> {
        let keys: Vec<KeyBuffer> = keys.into_iter().map(encoded).collect();
        let values = self.tree.get_many(s, &keys)?;
        let load = |(value, key): (Option<Value<'_>>, &KeyBuffer)| {
            value.map(|value| V::load(&value).map_err(|error| error.at_key(key))).transpose()
        };
        values.into_iter().zip(&keys).map(load).collect()
    }

    /// Whether there is a row at `key`, whatever its value.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    pub fn contains_key<S: Read + ?Sized>(&self, s: &S, key: impl KeyOf<K>) -> Result<bool> {
        self.tree.contains_key(s, encoded(key))
    }

    /// The first row.
    ///
    /// # Errors
    /// As [`TypedTree::get`].
    pub fn first<S: Read + ?Sized>(&self, s: &S) -> Result<Option<(K, V::Owned)>> {
        self.tree.first(s)?.map(|(key, value)| load_row::<K, V>(&key, &value)).transpose()
    }

    /// The last row.
    ///
    /// # Errors
    /// As [`TypedTree::get`].
    pub fn last<S: Read + ?Sized>(&self, s: &S) -> Result<Option<(K, V::Owned)>> {
        self.tree.last(s)?.map(|(key, value)| load_row::<K, V>(&key, &value)).transpose()
    }

    /// The rows of a range of keys, from either end.
    ///
    /// # Errors
    /// As [`Tree::range`].
    pub fn range<'s, S: Read + ?Sized>(
        &self,
        s: &'s S,
        range: impl TypedRange<K>,
    ) -> Result<TypedRows<'s, K, V>> {
        let ends = range.encode();
        Ok(TypedRows::new(self.tree.scan(s, borrowed(&ends))?))
    }

    /// The rows whose keys begin with `prefix`: the first parts of a tuple, the beginning of a string.
    ///
    /// # Errors
    /// As [`Tree::range`].
    pub fn prefix<'s, S: Read + ?Sized>(
        &self,
        s: &'s S,
        prefix: impl PrefixOf<K>,
    ) -> Result<TypedRows<'s, K, V>> {
        let mut bytes = KeyBuffer::new();
        prefix.encode_prefix(&mut bytes);
        Ok(TypedRows::new(self.tree.prefix(s, &bytes)?))
    }

    /// Writes a row, whether it exists or not.
    ///
    /// # Errors
    /// As [`Tree::put`]; `InvalidValue` when the value cannot be written.
    pub fn put(&self, tx: &mut impl Write, key: impl KeyOf<K>, value: &V::Input) -> Result<()> {
        self.write_row(tx, key, value, Put::Upsert).map(drop)
    }

    /// Writes a row that must not exist.
    ///
    /// # Errors
    /// As [`Tree::insert`]; `InvalidValue` when the value cannot be written.
    pub fn insert(&self, tx: &mut impl Write, key: impl KeyOf<K>, value: &V::Input) -> Result<()> {
        self.write_row(tx, key, value, Put::Insert).map(drop)
    }

    /// Writes a row if it exists, and tells whether it does.
    ///
    /// # Errors
    /// As [`Tree::update`]; `InvalidValue` when the value cannot be written.
    pub fn update(&self, tx: &mut impl Write, key: impl KeyOf<K>, value: &V::Input) -> Result<bool> {
        self.write_row(tx, key, value, Put::Replace)
    }

    /// Deletes a row, and tells whether it existed.
    ///
    /// # Errors
    /// As [`Tree::delete`].
    pub fn delete(&self, tx: &mut impl Write, key: impl KeyOf<K>) -> Result<bool> {
        self.tree.delete(tx, encoded(key))
    }

    /// Deletes the rows of a range that the transaction sees, all or none, and tells how many.
    ///
    /// # Errors
    /// As [`Tree::remove_range`].
    pub fn remove_range(&self, tx: &mut impl Write, range: impl TypedRange<K>) -> Result<u64> {
        let ends = range.encode();
        self.tree.remove_between(tx, borrowed(&ends))
    }

    /// Locks a key until the transaction or savepoint ends.
    ///
    /// # Errors
    /// As [`Tree::lock`].
    pub fn lock(&self, tx: &mut impl Write, key: impl KeyOf<K>, mode: LockMode) -> Result<()> {
        self.tree.lock(tx, encoded(key), mode)
    }

    fn write_row(&self, tx: &mut impl Write, key: impl KeyOf<K>, value: &V::Input, how: Put) -> Result<bool> {
        let key = encoded(key);
        V::store(value, |value| self.tree.write_row(tx, &key, value, how))?
    }
}

impl<K: KeyType, V: ValueType + Counter> TypedTree<K, V> {
    /// Adds to the value of an existing row; adds of several transactions do not conflict.
    ///
    /// # Errors
    /// As [`Tree::add`].
    pub fn add(&self, tx: &mut impl Write, key: impl KeyOf<K>, by: V) -> Result<()> {
        self.tree.add(tx, encoded(key), 0, by)
    }

    /// As [`TypedTree::add`], and returns the value as it was before, with the adds of others that are not committed.
    ///
    /// # Errors
    /// As [`Tree::add`].
    pub fn fetch_add(&self, tx: &mut impl Write, key: impl KeyOf<K>, by: V) -> Result<V> {
        self.tree.fetch_add(tx, encoded(key), 0, by)
    }
}

impl<K, V> TypedTree<K, V> {
    /// The tree of bytes.
    #[must_use]
    pub fn tree(self) -> Tree {
        self.tree
    }

    pub(crate) fn new(tree: Tree) -> TypedTree<K, V> {
        TypedTree { tree, types: PhantomData }
    }
}

pub(super) fn load_row<K: KeyType, V: ValueType>(key: &[u8], value: &[u8]) -> Result<(K, V::Owned)> {
    let load = || Ok((decode(key)?, V::load(value)?));
    load().map_err(|error: Error| error.at_key(key))
}

fn encoded<K>(key: impl KeyOf<K>) -> KeyBuffer {
    let mut out = KeyBuffer::new();
    key.encode(&mut out);
    out
}

fn borrowed(ends: &(Bound<KeyBuffer>, Bound<KeyBuffer>)) -> KeyRange<'_> {
    (ends.0.as_ref().map(|key| &**key), ends.1.as_ref().map(|key| &**key))
}

// By hand, because derives would ask the same of the types.
impl<K, V> Clone for TypedTree<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for TypedTree<K, V> {}

impl<K, V> PartialEq for TypedTree<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.tree == other.tree
    }
}

impl<K, V> Eq for TypedTree<K, V> {}

impl<K, V> hash::Hash for TypedTree<K, V> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.tree.hash(state);
    }
}

impl<K, V> fmt::Debug for TypedTree<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Typed{:?}", self.tree)
    }
}
