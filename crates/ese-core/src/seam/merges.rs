//! Recent versions as the applier sees them: cut, take, install; views and memory that are given back.
//!
//! The other half of [`VersionStore`](super::version_store::VersionStore), of which nothing is on a hot path. A merge
//! calls [`Merges::cut`], waits until everything below the cut is published, makes a [`Merges::plan`], takes its rows and
//! installs the new bases. Cut, seal, plan, take, install, attach and detach are called by one thread at a time; the rest
//! by any.

use super::store::{Base, Change, Store};
use crate::txn::Owner;
use ese_base::{AttachmentNo, Position, Result, TreeNo};
use std::sync::Arc;

/// What merges ask of a version store.
pub trait Merges: Send + Sync + Sized + 'static {
    /// A merge's place in what it takes.
    type Plan: Send;

    /// Seals the active generation where that is possible, and reads the cut at a moment when no writer is at work:
    /// `position` is called once, and everything claimed below its answer has been written.
    fn cut(&self, position: &mut dyn FnMut() -> Position) -> Cut;

    /// Seals the active generation if it has reached its size; whether it did. Called by any thread outside the gate.
    fn seal_if_large(&self) -> bool;

    /// What a merge up to `cut` will look at.
    fn plan(&self, cut: Position) -> Self::Plan;

    /// Hands the changes of up to about `rows` rows to `sink`, in order of (database, tree, key); everything below the
    /// cut is published by now.
    ///
    /// # Errors
    /// What `sink` or a base returns; the plan then goes on behind the row, or is dropped.
    fn take(
        &self,
        plan: &mut Self::Plan,
        rows: usize,
        sink: &mut dyn FnMut(Taken<'_>) -> Result<()>,
    ) -> Result<Progress>;

    /// Makes new bases part of the next view and lets generations go; `false` when that has to wait for readers.
    ///
    /// `full` names databases whose merge failed for want of space: what only they hold back does not count against the
    /// bound of generations.
    fn install(&self, bases: &[NewBase], full: &[AttachmentNo]) -> bool;

    /// Makes a database part of the next view; `l` is the position at which its attachment begins. `false` as above.
    fn attach(&self, attachment: AttachmentNo, store: Arc<dyn Store>, l: Position) -> bool;

    /// Takes a database out of the next view; `None` when it is not there, or when that has to wait for readers.
    fn detach(&self, attachment: AttachmentNo) -> Option<Arc<dyn Store>>;

    /// The bases of the newest view, for a checkpoint.
    fn newest_bases(&self) -> Vec<NewBase>;

    /// The number of the newest view.
    fn newest_view(&self) -> u64;

    /// Somebody who pins a view older than that.
    fn pinned_before(&self, view: u64) -> Option<Arc<Owner>>;

    /// Frees what nobody uses any more; how many views.
    fn free_views(&self) -> usize;

    /// How much there is of everything.
    fn usage(&self) -> Usage;

    /// Has the system give memory that writers will need next, a little at a time; whether it did. For a background
    /// thread with nothing else to do.
    fn prepare_memory(&self) -> bool;

    /// Whether a merge was wished for since the last call.
    fn take_merge_wish(&self) -> bool;

    /// Sets the clock that dates transactions.
    fn set_coarse_clock(&self, nanos: u64);

    /// Walks everything and reports each fault.
    fn check(&self, fault: &mut dyn FnMut(String));
}

/// Where a merge ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The merge takes everything below this position.
    pub at: Position,
    /// What was active stayed active, because the view had as many generations as it may: it cannot leave with this
    /// merge, whatever becomes of its writers.
    pub unsealed: bool,
}

/// A change of one row, for a merge.
pub struct Taken<'a> {
    /// The database.
    pub attachment: AttachmentNo,
    /// The tree.
    pub tree: TreeNo,
    /// The key.
    pub key: &'a [u8],
    /// What becomes of the row.
    pub change: Change<'a>,
}

/// Whether a merge has more to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Call again.
    More,
    /// Everything was taken.
    Done,
}

/// A database's next base.
#[derive(Clone)]
pub struct NewBase {
    /// The database.
    pub attachment: AttachmentNo,
    /// Its base holds exactly the transactions below this position.
    pub l: Position,
    /// The base; `None`: the one it has holds them already.
    pub base: Option<Arc<dyn Base>>,
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Generations in the current view.
    pub generations: u64,
    /// Views alive.
    pub views: u64,
    /// Entries of the conflict window.
    pub window_entries: u64,
    /// Chunks of memory that a generation left and a later one took.
    pub recycled_chunks: u64,
    /// L of the database that lags most.
    pub merged_below: Position,
}
