//! What happens inside a transaction: reads of one snapshot, writes with immediate conflicts, trees that come and go.
//!
//! Reads take `&self` and writes `&mut self`: a value can therefore not live across a write, and no page is recycled
//! under it. Bytes only; nothing here is local to one machine.

use super::scan::Scan;
use ese_base::{AttachmentNo, Result, TreeId, Value};
use std::ops::Bound;

/// A range of keys, borrowed.
pub type KeyRange<'k> = (Bound<&'k [u8]>, Bound<&'k [u8]>);

/// When a commit may return.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Durability {
    /// When it is durable (`JET_CommitTransaction` without a bit). Others see it only from then on.
    #[default]
    Sync,
    /// At once, visible to all (`JET_bitCommitLazyFlush`); durable a little later. A crash keeps a prefix.
    Lazy,
}

/// The two logical record locks of `JetGetLock`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LockMode {
    /// Shared: others may read-lock, nobody else may write (`JET_bitReadLock`).
    Read,
    /// Exclusive: as if the row were written (`JET_bitWriteLock`).
    Write,
}

/// What an escrow add adds; the width is the width of the counter. Little-endian in the value, wrapping.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Delta {
    /// To a 32-bit counter (`JET_coltypLong`).
    I32(i32),
    /// To a 64-bit counter (`JET_coltypLongLong`).
    I64(i64),
}

impl Delta {
    /// The width of the counter in bytes.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Delta::I32(_) => 4,
            Delta::I64(_) => 8,
        }
    }
}

/// What a put does with a row that exists, or does not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Put {
    /// The row must not exist: else `KeyDuplicate`.
    Insert,
    /// Whether it exists or not.
    Upsert,
    /// The row must exist: else nothing happens and the answer is `false`.
    Replace,
}

/// What a delete does where there is no row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Delete {
    /// Nothing.
    IfPresent,
    /// It leaves a tombstone that others conflict with (an index build relies on it).
    Blind,
}

/// Reads, all of one snapshot. Outside a transaction (level 0) every call sees the newest committed state.
pub trait Reader {
    /// The value at `key`, or `None`.
    ///
    /// # Errors
    /// `ObjectNotFound` when the tree does not exist in this snapshot; what the store reports.
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Value<'_>>>;

    /// The values at several keys of one tree, the descents interleaved; `out` gets each index exactly once, in any
    /// order.
    ///
    /// # Errors
    /// As [`Reader::get`].
    fn get_many<'s>(
        &'s self,
        tree: TreeId,
        keys: &[&[u8]],
        out: &mut dyn FnMut(usize, Option<Value<'s>>),
    ) -> Result<()>;

    /// The rows of `range` in key order, from either end.
    ///
    /// # Errors
    /// As [`Reader::get`]; `NotInTransaction` at level 0, where two steps could see two states.
    fn scan<'s>(&'s self, tree: TreeId, range: KeyRange<'_>) -> Result<Box<dyn Scan<'s> + 's>>;

    /// Moves a cursor and reads the row it comes to; `None` puts it before the first or after the last row.
    ///
    /// # Errors
    /// As [`Reader::get`].
    fn step(&self, tree: TreeId, at: &mut CursorPos, how: Move<'_>) -> Result<Option<Value<'_>>>;

    /// The tree of that name, as this snapshot has it.
    ///
    /// # Errors
    /// `DatabaseNotFound` when nothing is attached under that number.
    fn find_tree(&self, attachment: AttachmentNo, name: &str) -> Result<Option<TreeId>>;

    /// The names of the trees of a database, in byte order.
    ///
    /// # Errors
    /// As [`Reader::find_tree`].
    fn tree_names(&self, attachment: AttachmentNo) -> Result<Vec<String>>;
}

/// Writes. At level 0 each is a transaction of its own, with the session's commit default.
///
/// A statement that fails changes nothing, and its transaction lives on. A conflict is reported at once; nobody waits
/// for another's row.
pub trait Transaction: Reader {
    /// Checks what every write in the tree checks before it looks at rows, and writes nothing: for statements of several
    /// writes, which may turn out to be none.
    ///
    /// # Errors
    /// Those of [`Transaction::put`] that do not depend on the row.
    fn check_write(&mut self, tree: TreeId) -> Result<()>;

    /// Writes a row; the answer tells whether it was written (`false` only for [`Put::Replace`] without a row).
    ///
    /// # Errors
    /// `WriteConflict` (for [`Put::Insert`]: `KeyDuplicate`), `TransReadOnly`, `KeyTooLarge`, `ValueTooLarge`,
    /// `VersionStoreFull`, `ObjectNotFound`, `InstanceUnavailable`.
    fn put(&mut self, tree: TreeId, key: &[u8], value: &[u8], how: Put) -> Result<bool>;

    /// Deletes a row; the answer tells whether it existed for this transaction.
    ///
    /// # Errors
    /// As [`Transaction::put`].
    fn delete(&mut self, tree: TreeId, key: &[u8], how: Delete) -> Result<bool>;

    /// Adds to a counter inside a value; commutes with the adds of others (`JetEscrowUpdate`).
    ///
    /// # Errors
    /// `NoCurrentRecord` without a row, `InvalidBufferSize` when the counter does not lie inside the value,
    /// `NotInTransaction` at level 0; else as [`Transaction::put`].
    fn add(&mut self, tree: TreeId, key: &[u8], offset: u32, delta: Delta) -> Result<()>;

    /// As [`Transaction::add`], and returns the counter as it stood before, *with* the uncommitted adds of others.
    ///
    /// # Errors
    /// As [`Transaction::add`].
    fn fetch_add(&mut self, tree: TreeId, key: &[u8], offset: u32, delta: Delta) -> Result<i64>;

    /// Locks a key, whether it has a row or not, until the level that took the lock ends (`JetGetLock`).
    ///
    /// # Errors
    /// `WriteConflict`, `NotInTransaction` at level 0, `TransReadOnly`; else as [`Transaction::put`].
    fn lock(&mut self, tree: TreeId, key: &[u8], mode: LockMode) -> Result<()>;

    /// Creates a tree; others see it in transactions begun after the commit.
    ///
    /// # Errors
    /// `TreeDuplicate` when the name exists or another transaction is creating it; `InvalidName`.
    fn create_tree(&mut self, attachment: AttachmentNo, name: &str) -> Result<TreeId>;

    /// Drops a tree.
    ///
    /// # Errors
    /// `TreeInUse` when another open transaction wrote in it; `ObjectNotFound`; `WriteConflict`.
    fn drop_tree(&mut self, tree: TreeId) -> Result<()>;

    /// Renames a tree.
    ///
    /// # Errors
    /// `TreeDuplicate`, `ObjectNotFound`, `InvalidName`, `WriteConflict`.
    fn rename_tree(&mut self, tree: TreeId, name: &str) -> Result<()>;
}

/// Where a cursor stands: plain data that outlives statements and transactions; each step finds its place anew.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CursorPos {
    /// The key it is at, or was at when the row went away.
    pub key: Vec<u8>,
    /// How it stands to that key.
    pub side: Side,
}

/// How a cursor stands to its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Side {
    /// Before the first row of the tree.
    #[default]
    BeforeFirst,
    /// On the key.
    On,
    /// After the last row of the tree.
    AfterLast,
}

/// A movement of a cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move<'k> {
    /// To the first row at or after the key.
    SeekGe(&'k [u8]),
    /// To the last row at or before the key.
    SeekLe(&'k [u8]),
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// To the next row.
    Next,
    /// To the previous row.
    Prev,
}
