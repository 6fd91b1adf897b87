//! Where a database rests: immutable bases, and merges that make the next one.
//!
//! A store holds one database: numbered ordered trees of bytes. The engine above keeps every version younger than the
//! newest base in memory and now and then *merges* what is committed into a new base. A base never changes; readers
//! hold it by an `Arc`, and dropping the last one frees what only it needs.
//!
//! To write a store, implement [`Base`] (reads of one state), [`Merge`] (sorted changes in, next base out) and
//! [`Store`] (which base is the newest). The conformance suite in `ese-sim` tells whether it is right, and
//! `examples/map_backend` is a complete one on an ordered map.

use super::{log::LogPoint, scan::BaseScan, transaction::KeyRange};
use ese_base::{AttachmentNo, Position, Result, TreeNo, Value};
use std::sync::Arc;

/// One immutable state of a database.
pub trait Base: Send + Sync {
    /// The value at `key`; `None` also when the tree does not exist in this base.
    ///
    /// # Errors
    /// What the medium reports; `PageChecksum` and `DatabaseCorrupted` for damaged pages.
    fn get<'b>(&'b self, tree: TreeNo, key: &[u8]) -> Result<Option<Value<'b>>>;

    /// Several gets; a store may interleave them. `out` gets each index exactly once, in any order.
    ///
    /// # Errors
    /// As [`Base::get`].
    fn get_many<'b>(
        &'b self,
        tree: TreeNo,
        keys: &[&[u8]],
        out: &mut dyn FnMut(usize, Option<Value<'b>>),
    ) -> Result<()> {
        for (index, key) in keys.iter().enumerate() {
            out(index, self.get(tree, key)?);
        }
        Ok(())
    }

    /// The rows of `range` from either end.
    ///
    /// # Errors
    /// As [`Base::get`].
    fn scan<'b>(&'b self, tree: TreeNo, range: KeyRange<'_>) -> Result<Box<dyn BaseScan<'b> + 'b>>;

    /// The numbers of the trees that this base holds rows or roots of, ascending.
    fn trees(&self) -> Vec<TreeNo>;
}

/// A change to one row, as a merge gets it: escrow deltas have been added up already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change<'a> {
    /// The row has this value now.
    Put(&'a [u8]),
    /// There is no such row now (there may have been none before).
    Delete,
}

/// A base in the making. Dropping it unfinished abandons it and gives back what it took.
pub trait Merge: Send {
    /// Takes the next change. Changes come in strictly ascending order of (tree, key).
    ///
    /// # Errors
    /// `DiskFull` (the engine abandons the merge and tries again later); any other error of writing is fatal to the
    /// instance.
    fn apply(&mut self, tree: TreeNo, key: &[u8], change: Change<'_>) -> Result<()>;

    /// Takes one bounded step (about `pages` pages) in giving back a tree that was dropped; the engine gives no change
    /// of that tree to the same merge, and calls until [`DropProgress::Done`], over as many merges as that takes. A
    /// tree that the base does not have is done at once.
    ///
    /// # Errors
    /// As [`Merge::apply`].
    fn drop_tree(&mut self, tree: TreeNo, pages: usize) -> Result<DropProgress>;

    /// Completes the new base and makes it the store's newest.
    ///
    /// # Errors
    /// As [`Merge::apply`].
    fn finish(self: Box<Self>, l: Position) -> Result<Arc<dyn Base>>;
}

/// How far a dropped tree is taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropProgress {
    /// Call again.
    More,
    /// Nothing of the tree is left.
    Done,
}

/// What a store that outlives the process remembers of the log it stands under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The number it was attached under.
    pub attachment: AttachmentNo,
    /// Its newest base holds exactly the transactions of that log below this point.
    pub at: LogPoint,
    /// It was closed with everything in its newest base: no log is needed to read it.
    pub is_clean: bool,
}

/// What a store tells about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StoreStats {
    /// Bytes of a page; 0 for a store without pages.
    pub page_size_bytes: u64,
    /// Pages the store has, used or free.
    pub pages: u64,
    /// Pages that the next merge may take.
    pub free_pages: u64,
    /// Pages that only bases older than the newest need.
    pub pinned_pages: u64,
}

impl StoreStats {
    /// Figures of a store with pages.
    #[must_use]
    pub const fn of_pages(page_size_bytes: u64, pages: u64, free_pages: u64, pinned_pages: u64) -> Self {
        StoreStats { page_size_bytes, pages, free_pages, pinned_pages }
    }
}

/// The home of one database. The engine calls the methods that change something from one thread at a time.
pub trait Store: Send + Sync {
    /// The newest finished base.
    fn newest(&self) -> Arc<dyn Base>;

    /// Begins the next base; its starting point is the newest one.
    ///
    /// # Errors
    /// As [`Merge::apply`].
    fn begin_merge(self: Arc<Self>) -> Result<Box<dyn Merge>>;

    /// Reserves `count` tree numbers and returns the first. Numbers are never given twice, not even after a crash.
    ///
    /// # Errors
    /// As [`Merge::apply`].
    fn reserve_tree_numbers(&self, count: u64) -> Result<TreeNo>;

    /// The longest key it takes, in bytes.
    fn key_max_bytes(&self) -> usize;

    /// Walks everything that `base`, one of this store's, reaches and reports each fault in a sentence. The caller sees
    /// to it that no call of a merge of this store runs meanwhile; one may be under way between two of its calls, and
    /// then what it has taken need not be accounted for.
    ///
    /// # Errors
    /// What keeps the walk itself from going on.
    fn check(&self, base: &Arc<dyn Base>, fault: &mut dyn FnMut(String)) -> Result<()>;

    /// Figures for statistics.
    fn stats(&self) -> StoreStats;

    /// One bounded step in having room for about `bytes` more, before a merge brings them; whether there was something
    /// to do. A hint, given while nothing else is to be done: what is made ready and not used stays for later merges.
    fn prepare(&self, bytes: u64) -> bool {
        let _ = bytes;
        false
    }

    /// What it remembers of its log; `None` for a new store, and for one that remembers nothing.
    fn stamp(&self) -> Option<Stamp> {
        None
    }

    /// Makes durable where the store stands from now on, and that it is clean no more, before the first position under
    /// it is claimed; until then there are merges only. `None`: the engine has no log.
    ///
    /// # Errors
    /// `DatabaseDirtyShutdown` when what the store lacks is in another log, or not from that point on; as
    /// [`Merge::apply`].
    fn adopt(&self, under: Option<(AttachmentNo, LogPoint)>) -> Result<()> {
        let _ = under;
        Ok(())
    }

    /// One bounded step in making `base` durable, named by the log point `at`; `true` when it is. It is the newest base
    /// when the first step is taken; merges may go on between steps. A further call when it is durable brings what is
    /// kept beside it up to it as well, so that it does not hold the log back. A store without a
    /// disk has nothing to do.
    ///
    /// # Errors
    /// As [`Merge::apply`].
    fn checkpoint_step(&self, base: &Arc<dyn Base>, at: Option<LogPoint>) -> Result<bool> {
        let _ = (base, at);
        Ok(true)
    }

    /// The position from which on the log must be kept for this store; `None`: it needs no log.
    fn needed_from(&self) -> Option<Position> {
        None
    }

    /// Closes the store; `clean` when everything committed is in the newest base and durable.
    ///
    /// # Errors
    /// What the medium reports.
    fn close(&self, clean: bool) -> Result<()> {
        let _ = clean;
        Ok(())
    }
}
