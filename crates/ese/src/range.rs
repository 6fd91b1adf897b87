//! The rows of a range of keys, from either end.
//!
//! Invariants:
//! - No row comes twice, whichever ends they are taken from.
//! - After an error every further step is an error of the same kind: a loop cannot take a broken range for a short one.
//!   (Who makes a [`Scan`] keeps this; nothing is looked at here for each row.)

use crate::Key;
use ese_base::{Result, Value};
use ese_core::Scan;
use std::fmt;

/// A row: its key, and its value as the transaction sees it.
pub type Row<'s> = (Key, Value<'s>);

/// Rows in the order of their keys, from [`Tree::range`](crate::Tree::range) or [`Tree::prefix`](crate::Tree::prefix);
/// it borrows what it reads.
///
/// As an iterator it hands out [`Row`]s. Where each copied key counts, loop with [`Range::next_row`] or
/// [`Range::for_each_row`], which lend the key:
///
/// ```
/// # fn main() -> ese::Result<()> {
/// # let db = ese::Instance::in_memory()?;
/// # let stock = db.tree("stock")?;
/// db.read(|s| {
///     let mut bytes = 0;
///     let mut rows = stock.range(s, ..)?;
///     while let Some((key, value)) = rows.next_row()? {
///         bytes += key.len() + value.len();
///     }
///     Ok(bytes)
/// })?;
/// # Ok(())
/// # }
/// ```
#[must_use = "rows are read when they are asked for"]
pub struct Range<'s> {
    scan: Box<dyn Scan<'s> + 's>,
}

impl<'s> Range<'s> {
    pub(crate) fn new(scan: Box<dyn Scan<'s> + 's>) -> Range<'s> {
        Range { scan }
    }

    pub(crate) fn empty() -> Range<'s> {
        Range { scan: Box::new(NoRows) }
    }

    /// The next row from the front, its key lent.
    ///
    /// # Errors
    /// What the store reports.
    #[inline]
    pub fn next_row(&mut self) -> Result<Option<(&[u8], Value<'s>)>> {
        self.scan.next()
    }

    /// The next row from the back, its key lent.
    ///
    /// # Errors
    /// What the store reports.
    #[inline]
    pub fn next_back_row(&mut self) -> Result<Option<(&[u8], Value<'s>)>> {
        self.scan.next_back()
    }

    /// Hands all remaining rows to `each`, from the front.
    ///
    /// # Errors
    /// What the store reports; what `each` returns.
    pub fn for_each_row(mut self, mut each: impl FnMut(&[u8], Value<'s>) -> Result<()>) -> Result<()> {
        while let Some((key, value)) = self.next_row()? {
            each(key, value)?;
        }
        Ok(())
    }
}

impl<'s> Iterator for Range<'s> {
    type Item = Result<Row<'s>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().map(|row| row.map(|(key, value)| (Key::new(key), value))).transpose()
    }
}

impl DoubleEndedIterator for Range<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.next_back_row().map(|row| row.map(|(key, value)| (Key::new(key), value))).transpose()
    }
}

/// The rows of a range that has none.
struct NoRows;

impl<'s> Scan<'s> for NoRows {
    fn next(&mut self) -> Result<Option<(&[u8], Value<'s>)>> {
        Ok(None)
    }

    fn next_back(&mut self) -> Result<Option<(&[u8], Value<'s>)>> {
        Ok(None)
    }
}

impl fmt::Debug for Range<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Range").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use ese_base::{Error, ErrorKind};

    /// Two rows, then an error.
    struct Breaks(u32);

    impl<'s> Scan<'s> for Breaks {
        fn next(&mut self) -> Result<Option<(&[u8], Value<'s>)>> {
            self.0 += 1;
            match self.0 {
                1 | 2 => Ok(Some((b"k", Value::Borrowed(b"v")))),
                _ => Err(Error::new(ErrorKind::PageChecksum, "page 7")),
            }
        }

        fn next_back(&mut self) -> Result<Option<(&[u8], Value<'s>)>> {
            self.next()
        }
    }

    #[test]
    fn rows_are_handed_out_until_the_error() {
        let mut rows = Range::new(Box::new(Breaks(0)));
        assert_eq!(rows.next().unwrap().unwrap().0, b"k");
        assert_eq!(rows.next_back().unwrap().unwrap().0, b"k");
        assert_eq!(rows.next().unwrap().unwrap_err().kind(), ErrorKind::PageChecksum);
        let mut count = 0;
        let failed = Range::new(Box::new(Breaks(0))).for_each_row(|_, _| {
            count += 1;
            Ok(())
        });
        assert_eq!((count, failed.unwrap_err().kind()), (2, ErrorKind::PageChecksum));
    }

    #[test]
    fn an_empty_range_has_no_rows() {
        let mut rows = Range::empty();
        assert!(rows.next().is_none() && rows.next_back().is_none());
    }
}
