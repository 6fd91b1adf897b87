//! An ordered tree of bytes: the handle, and its reads.
//!
//! The handle holds nothing but numbers. What is read or written goes through the transaction that every call is given.

use crate::{
    Cursor, IntoRange, Key, Range, Read, TypedTree,
    key::KeyType,
    key_range::{is_inverted, prefix_end},
    typed::ValueType,
};
use ese_base::{Result, TreeId, Value};
use ese_core::{CursorPos, KeyRange, Move};
use std::{fmt, ops::Bound};

mod writes;

/// A range without a key whose ends are in order.
const NO_KEY: KeyRange<'static> = (Bound::Unbounded, Bound::Excluded(&[]));

/// An ordered tree of byte keys and byte values, from [`Instance::tree`](crate::Instance::tree): plain data to copy,
/// keep and send anywhere. Keys are in the order of their bytes; [`key`](crate::key) encodes other types so that this is
/// their own order.
///
/// Reads take whatever can be read ([`Snapshot`](crate::Snapshot), [`Transaction`](crate::Transaction),
/// [`Session`](crate::Session)), writes a transaction or a session by `&mut`. The handle follows its tree when that is
/// renamed. Used with another instance it fails with `InvalidHandle`, after its tree was dropped with `ObjectNotFound`.
///
/// ```
/// # fn main() -> ese::Result<()> {
/// let db = ese::Instance::in_memory()?;
/// let stock = db.tree("stock")?;
/// db.write(|tx| {
///     for (fruit, number) in [("apple", "3"), ("pear", "1"), ("plum", "7")] {
///         stock.put(tx, fruit, number)?;
///     }
///     Ok(())
/// })?;
/// db.read(|s| {
///     let last = stock.range(s, "p"..)?.next_back().expect("there are two")?;
///     assert_eq!((&*last.0, &*last.1), (&b"plum"[..], &b"7"[..]));
///     assert_eq!(stock.prefix(s, "p")?.count(), 2);
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tree {
    instance: u64,
    id: TreeId,
}

impl Tree {
    /// The value at `key`, or `None`. It borrows `s`.
    ///
    /// # Errors
    /// `ObjectNotFound` when the tree does not exist in this snapshot; `InvalidHandle`; what the store reports.
    #[inline]
    pub fn get<'s, S: Read + ?Sized>(&self, s: &'s S, key: impl AsRef<[u8]>) -> Result<Option<Value<'s>>> {
        s.snapshot().reader(self.instance)?.get(self.id, key.as_ref())
    }

    /// The values at several keys, in the order of the keys. The engine interleaves the searches, so this is faster
    /// than one [`Tree::get`] after the other.
    ///
    /// ```
    /// # fn main() -> ese::Result<()> {
    /// # let db = ese::Instance::in_memory()?;
    /// # let stock = db.tree("stock")?;
    /// db.read(|s| {
    ///     let three = stock.get_many(s, [b"a", b"b", b"c"])?;
    ///     assert_eq!(three, [None, None, None]);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    pub fn get_many<'s, S: Read + ?Sized>(
        &self,
        s: &'s S,
        keys: impl IntoIterator<Item: AsRef<[u8]>>,
    ) -> Result<Vec<Option<Value<'s>>>> {
        let keys: Vec<_> = keys.into_iter().collect();
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        let mut values = vec![None; keys.len()];
        self.get_many_with(s, &keys, |index, value| values[index] = value)?;
        Ok(values)
    }

    /// As [`Tree::get_many`], without collecting: `found` gets the index of each key exactly once with its value, in
    /// any order.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    pub fn get_many_with<'s, S: Read + ?Sized>(
        &self,
        s: &'s S,
        keys: &[&[u8]],
        mut found: impl FnMut(usize, Option<Value<'s>>),
    ) -> Result<()> {
        s.snapshot().reader(self.instance)?.get_many(self.id, keys, &mut found)
    }

    /// Whether there is a row at `key`.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    #[inline]
    pub fn contains_key<S: Read + ?Sized>(&self, s: &S, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.get(s, key)?.is_some())
    }

    /// The first row, in the order of keys.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    pub fn first<'s, S: Read + ?Sized>(&self, s: &'s S) -> Result<Option<(Key, Value<'s>)>> {
        self.end_row(s, Move::First)
    }

    /// The last row, in the order of keys.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    pub fn last<'s, S: Read + ?Sized>(&self, s: &'s S) -> Result<Option<(Key, Value<'s>)>> {
        self.end_row(s, Move::Last)
    }

    /// The rows of a range of keys, from either end: `..`, `"a"..`, `"a".."c"`, `"a"..="c"`, pairs of
    /// [`Bound`]s. A range that ends before it begins is empty.
    ///
    /// # Errors
    /// As [`Tree::get`]; `NotInTransaction` on a session outside a transaction, where two steps could see two states.
    pub fn range<'s, S: Read + ?Sized>(&self, s: &'s S, range: impl IntoRange) -> Result<Range<'s>> {
        self.scan(s, range.bounds())
    }

    /// The rows whose keys begin with `prefix`.
    ///
    /// # Errors
    /// As [`Tree::range`].
    pub fn prefix<'s, S: Read + ?Sized>(&self, s: &'s S, prefix: impl AsRef<[u8]>) -> Result<Range<'s>> {
        let prefix = prefix.as_ref();
        let end = prefix_end(prefix);
        let upper = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.scan(s, (Bound::Included(prefix), upper))
    }

    /// A cursor on the tree, before its first row.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(*self)
    }

    /// The same tree with typed keys and values. Nothing is checked here: bytes that are not of these types are found
    /// when they are read.
    #[must_use]
    pub fn typed<K: KeyType, V: ValueType>(self) -> TypedTree<K, V> {
        TypedTree::new(self)
    }

    pub(crate) fn new(instance: u64, id: TreeId) -> Tree {
        Tree { instance, id }
    }

    pub(crate) fn instance_number(self) -> u64 {
        self.instance
    }

    pub(crate) fn id(self) -> TreeId {
        self.id
    }

    pub(crate) fn scan<'s, S: Read + ?Sized>(&self, s: &'s S, range: KeyRange<'_>) -> Result<Range<'s>> {
        let reader = s.snapshot().reader(self.instance)?;
        if is_inverted(range) {
            // Stores are asked for no such range. What is checked must not depend on the bounds, though.
            return reader.scan(self.id, NO_KEY).map(|_| Range::empty());
        }
        Ok(Range::new(reader.scan(self.id, range)?))
    }

    fn end_row<'s, S: Read + ?Sized>(&self, s: &'s S, end: Move<'_>) -> Result<Option<(Key, Value<'s>)>> {
        let mut at = CursorPos::default();
        let value = s.snapshot().reader(self.instance)?.step(self.id, &mut at, end)?;
        Ok(value.map(|value| (Key::new(&at.key), value)))
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree({} of instance {})", self.id, self.instance)
    }
}
