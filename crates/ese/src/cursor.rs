//! A position in a tree, as plain data.

use crate::{Read, Tree, Write};
use ese_base::{Error, ErrorKind, Result, Value};
use ese_core::{CursorPos, Move, Put, Side};

/// A place in a [`Tree`]: plain data that outlives statements and transactions. Each step is given what it reads, and
/// finds its place anew, so rows may come and go under it.
///
/// A cursor stands before the first row, on a key, or after the last row. The row of its key may be gone; the steps to
/// the next and the previous row go on from where it was.
///
/// ```
/// # fn main() -> ese::Result<()> {
/// # let db = ese::Instance::in_memory()?;
/// let stock = db.tree("stock")?;
/// db.write(|tx| {
///     stock.put(tx, "apple", "3")?;
///     stock.put(tx, "pear", "1")?;
///     let mut cursor = stock.cursor();
///     while cursor.next(tx)?.is_some() {
///         cursor.put(tx, "0")?;
///     }
///     assert_eq!(cursor.seek_ge(tx, "b")?.as_deref(), Some(&b"0"[..]));
///     assert_eq!(cursor.key(), Some(&b"pear"[..]));
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a cursor does nothing until it is moved"]
pub struct Cursor {
    tree: Tree,
    at: CursorPos,
}

impl Cursor {
    pub(crate) fn new(tree: Tree) -> Cursor {
        Cursor { tree, at: CursorPos::default() }
    }

    /// The tree it moves in.
    #[must_use]
    pub fn tree(&self) -> Tree {
        self.tree
    }

    /// The key it stands on, whether that has a row now or not; `None` before the first and after the last row.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        (self.at.side == Side::On).then_some(&self.at.key)
    }

    /// The value of the row it stands on, as `s` has it; `None` when there is no such row.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    pub fn value<'s, S: Read + ?Sized>(&self, s: &'s S) -> Result<Option<Value<'s>>> {
        match self.key() {
            Some(key) => self.tree.get(s, key),
            None => Ok(None),
        }
    }

    /// Moves to the first row at or after `key` and reads it; without one it stands after the last row.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    pub fn seek_ge<'s, S: Read + ?Sized>(
        &mut self,
        s: &'s S,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Value<'s>>> {
        self.step(s, Move::SeekGe(key.as_ref()))
    }

    /// Moves to the last row at or before `key` and reads it; without one it stands before the first row.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    pub fn seek_le<'s, S: Read + ?Sized>(
        &mut self,
        s: &'s S,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Value<'s>>> {
        self.step(s, Move::SeekLe(key.as_ref()))
    }

    /// Moves onto `key` and reads its row; without one it stands where the row would be, and the next and the previous
    /// row are those around that place.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads); the cursor stays where it was then.
    pub fn seek_exact<'s, S: Read + ?Sized>(
        &mut self,
        s: &'s S,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Value<'s>>> {
        let key = key.as_ref();
        let value = self.tree.get(s, key)?;
        self.stand_on(key);
        Ok(value)
    }

    /// Moves to the first row and reads it.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    pub fn first<'s, S: Read + ?Sized>(&mut self, s: &'s S) -> Result<Option<Value<'s>>> {
        self.step(s, Move::First)
    }

    /// Moves to the last row and reads it.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    pub fn last<'s, S: Read + ?Sized>(&mut self, s: &'s S) -> Result<Option<Value<'s>>> {
        self.step(s, Move::Last)
    }

    /// Moves to the next row and reads it; from the last one it moves after it.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    pub fn next<'s, S: Read + ?Sized>(&mut self, s: &'s S) -> Result<Option<Value<'s>>> {
        self.step(s, Move::Next)
    }

    /// Moves to the previous row and reads it; from the first one it moves before it.
    ///
    /// # Errors
    /// Those of [reads](Read#errors-of-reads).
    pub fn prev<'s, S: Read + ?Sized>(&mut self, s: &'s S) -> Result<Option<Value<'s>>> {
        self.step(s, Move::Prev)
    }

    /// Writes the row it stands on, which must exist.
    ///
    /// # Errors
    /// `NoCurrentRecord` when it stands on no row of this transaction; else as [`Tree::update`].
    pub fn put(&self, tx: &mut impl Write, value: impl AsRef<[u8]>) -> Result<()> {
        let key = self.current()?;
        if self.tree.write_row(tx, key, value.as_ref(), Put::Replace)? { Ok(()) } else { Err(gone(key)) }
    }

    /// Inserts a row and stands on it.
    ///
    /// # Errors
    /// As [`Tree::insert`]; the cursor stays where it was then.
    pub fn insert(
        &mut self,
        tx: &mut impl Write,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<()> {
        let key = key.as_ref();
        self.tree.insert(tx, key, value)?;
        self.stand_on(key);
        Ok(())
    }

    /// Deletes the row it stands on, which must exist. The cursor keeps its place.
    ///
    /// # Errors
    /// `NoCurrentRecord` when it stands on no row of this transaction; else as [`Tree::delete`].
    pub fn delete(&self, tx: &mut impl Write) -> Result<()> {
        let key = self.current()?;
        if self.tree.delete(tx, key)? { Ok(()) } else { Err(gone(key)) }
    }

    #[inline]
    fn step<'s, S: Read + ?Sized>(&mut self, s: &'s S, how: Move<'_>) -> Result<Option<Value<'s>>> {
        s.snapshot().reader(self.tree.instance_number())?.step(self.tree.id(), &mut self.at, how)
    }

    fn stand_on(&mut self, key: &[u8]) {
        self.at.key.clear();
        self.at.key.extend_from_slice(key);
        self.at.side = Side::On;
    }

    fn current(&self) -> Result<&[u8]> {
        self.key().ok_or_else(|| {
            Error::new(ErrorKind::NoCurrentRecord, "the cursor stands before or after all rows")
        })
    }
}

#[cold]
fn gone(key: &[u8]) -> Error {
    Error::new(ErrorKind::NoCurrentRecord, "there is no row where the cursor stands").at_key(key)
}
