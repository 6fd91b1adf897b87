//! Writes: each one a statement that succeeds as a whole or changes nothing.

use crate::{Counter, IntoRange, Snapshot, Transaction, Tree, Write, statement};
use ese_base::{Result, TreeId};
use ese_core::{Delete, KeyRange, LockMode, Mode, Put, Session as CoreSession};
use std::ops::Bound;

/// How many rows of a range are read before they are deleted …
const BATCH_ROWS: usize = 256;
/// … unless their keys reach this many bytes before.
const BATCH_BYTES: usize = 64 << 10;

impl Tree {
    /// Writes a row, whether it exists or not.
    ///
    /// # Errors
    /// Those of [writes](Write#errors-of-writes): `WriteConflict` when another transaction wrote or holds the row, and so
    /// on.
    #[inline]
    pub fn put(&self, tx: &mut impl Write, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.write_row(tx, key.as_ref(), value.as_ref(), Put::Upsert).map(drop)
    }

    /// Writes a row that must not exist.
    ///
    /// # Errors
    /// `KeyDuplicate` when it exists, or another transaction works on the key ([`Error::is_concurrent`] tells which);
    /// else as [`Tree::put`].
    ///
    /// [`Error::is_concurrent`]: crate::Error::is_concurrent
    #[inline]
    pub fn insert(&self, tx: &mut impl Write, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.write_row(tx, key.as_ref(), value.as_ref(), Put::Insert).map(drop)
    }

    /// Writes a row if it exists, and tells whether it does.
    ///
    /// # Errors
    /// As [`Tree::put`].
    #[inline]
    pub fn update(
        &self,
        tx: &mut impl Write,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<bool> {
        self.write_row(tx, key.as_ref(), value.as_ref(), Put::Replace)
    }

    /// Deletes a row, and tells whether it existed.
    ///
    /// # Errors
    /// As [`Tree::put`].
    #[inline]
    pub fn delete(&self, tx: &mut impl Write, key: impl AsRef<[u8]>) -> Result<bool> {
        self.statement(tx, |core| core.delete(self.id, key.as_ref(), Delete::IfPresent))
    }

    /// Deletes the rows of a range that the transaction sees, all or none, and tells how many. A row that somebody else
    /// inserts meanwhile stays. A range that ends before it begins is empty.
    ///
    /// # Errors
    /// As [`Tree::put`], also where there is nothing to delete; `TransTooDeep`, because it takes a level of its own.
    pub fn remove_range(&self, tx: &mut impl Write, range: impl IntoRange) -> Result<u64> {
        self.remove_between(tx, range.bounds())
    }

    /// Adds to the counter that lies at `offset` in the value of an existing row: a little-endian `i32` or `i64`,
    /// wrapping. Adds of several transactions to one counter do not conflict, and each is rolled back alone.
    ///
    /// ```
    /// # fn main() -> ese::Result<()> {
    /// # let db = ese::Instance::in_memory()?;
    /// let counters = db.tree("counters")?;
    /// db.write(|tx| {
    ///     counters.put(tx, "hits", 0_i64.to_le_bytes())?;
    ///     counters.add(tx, "hits", 0, 2_i64)?;
    ///     assert_eq!(counters.fetch_add(tx, "hits", 0, 1_i64)?, 2);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// `NoCurrentRecord` without a row; `InvalidBufferSize` when the counter does not lie inside the value;
    /// `NotInTransaction` on a session outside a transaction; `WriteConflict` when another transaction has the row for
    /// anything but adds of this width; else as [`Tree::put`].
    pub fn add(
        &self,
        tx: &mut impl Write,
        key: impl AsRef<[u8]>,
        offset: u32,
        by: impl Counter,
    ) -> Result<()> {
        self.statement(tx, |core| core.add(self.id, key.as_ref(), offset, by.delta()))
    }

    /// As [`Tree::add`], and returns the counter as it was before, *with* the adds of others that are not committed.
    ///
    /// # Errors
    /// As [`Tree::add`].
    pub fn fetch_add<C: Counter>(
        &self,
        tx: &mut impl Write,
        key: impl AsRef<[u8]>,
        offset: u32,
        by: C,
    ) -> Result<C> {
        let old = self.statement(tx, |core| core.fetch_add(self.id, key.as_ref(), offset, by.delta()))?;
        Ok(C::from_counter(old))
    }

    /// Locks a key, whether it has a row or not, until the transaction or savepoint ends: a conflict now, not later.
    ///
    /// # Errors
    /// `WriteConflict`; `NotInTransaction` on a session outside a transaction; else as [`Tree::put`].
    pub fn lock(&self, tx: &mut impl Write, key: impl AsRef<[u8]>, mode: LockMode) -> Result<()> {
        self.statement(tx, |core| core.lock(self.id, key.as_ref(), mode))
    }

    #[inline]
    pub(crate) fn write_row(&self, tx: &mut impl Write, key: &[u8], value: &[u8], how: Put) -> Result<bool> {
        self.statement(tx, |core| core.put(self.id, key, value, how))
    }

    /// Deletes in a level of its own, so that a conflict half-way undoes what was deleted; the conflict itself still
    /// counts for the transaction around it.
    pub(crate) fn remove_between(&self, tx: &mut impl Write, range: KeyRange<'_>) -> Result<u64> {
        let attempt = tx.attempt();
        let on = tx.sink()?;
        on.check_instance(self.instance)?;
        let mut conflict = false;
        let removed = remove_rows(on, *self, range, &mut conflict);
        if conflict {
            on.keep_conflict();
        }
        removed.map_err(|error| attempt.note(error))
    }

    /// Runs one write of the engine.
    #[inline]
    fn statement<R>(
        &self,
        tx: &mut impl Write,
        run: impl FnOnce(&mut dyn CoreSession) -> Result<R>,
    ) -> Result<R> {
        let attempt = tx.attempt();
        statement::run(tx.sink()?, self.instance, attempt, run)
    }
}

fn remove_rows(on: &mut Snapshot, tree: Tree, range: KeyRange<'_>, conflict: &mut bool) -> Result<u64> {
    let mut level = Transaction::begin(on, Mode::ReadWrite)?;
    match remove_batches(&mut level, tree, range) {
        Ok(removed) => level.commit().map(|_| removed),
        Err(error) => {
            *conflict = level.has_conflict();
            Err(error)
        }
    }
}

fn remove_batches(tx: &mut Transaction<'_>, tree: Tree, range: KeyRange<'_>) -> Result<u64> {
    // A range without rows is a write all the same, and fails where one would.
    tx.at_own_level()?.core_mut().check_write(tree.id)?;
    let mut removed = 0;
    let mut batch = Batch::default();
    while batch.fill(tx, tree, range)? {
        removed += batch.delete(tx, tree.id)?;
    }
    Ok(removed)
}

/// Keys of one batch, one behind the other in one buffer.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    /// Reads the next keys of the range: those behind the last key of the batch before. False: there are none.
    fn fill(&mut self, tx: &Transaction<'_>, tree: Tree, range: KeyRange<'_>) -> Result<bool> {
        let last = self.keys().next_back().map(<[u8]>::to_vec);
        let from = last.as_deref().map_or(range.0, Bound::Excluded);
        self.bytes.clear();
        self.ends.clear();
        let mut rows = tree.scan(tx, (from, range.1))?;
        while self.ends.len() < BATCH_ROWS && self.bytes.len() < BATCH_BYTES {
            let Some((key, _)) = rows.next_row()? else { break };
            self.bytes.extend_from_slice(key);
            self.ends.push(self.bytes.len());
        }
        Ok(!self.ends.is_empty())
    }

    fn delete(&self, tx: &mut Transaction<'_>, tree: TreeId) -> Result<u64> {
        let writer = tx.at_own_level()?.core_mut();
        let mut deleted = 0;
        for key in self.keys() {
            deleted += u64::from(writer.delete(tree, key, Delete::IfPresent)?);
        }
        Ok(deleted)
    }

    fn keys(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        (0..self.ends.len()).map(|at| {
            let from = if at == 0 { 0 } else { self.ends[at - 1] };
            &self.bytes[from..self.ends[at]]
        })
    }
}
