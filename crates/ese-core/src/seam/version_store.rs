//! Recent versions: everything younger than the newest base, committed or not.
//!
//! One owner of the rules about views, generations, chains and the conflict window. Reads are per pinned snapshot; a
//! write finds its conflicts at once. The trait is generic, never `dyn`: it is on every hot path. The overlay of this
//! crate implements it. What the applier asks of it, to merge what is committed into the stores, is [`Merges`].
//!
//! A session owns a [`VersionStore::Slot`]. Between [`VersionStore::pin`] and [`VersionStore::unpin`] the slot holds a
//! snapshot and everything that snapshot reads; both take the slot mutably, so nothing read can outlive the pin.

use super::{merges::Merges, session::Mode, store::Base, transaction::Delta};
use crate::txn::{Kind, Owner, TxnState};
use ese_base::{AttachmentNo, CommitTs, TreeId};
use std::sync::Arc;

pub use super::scan::Direction;
pub use crate::overlay::{Data, Deltas, Found};

/// A row as the version store knows it: the tree's shared object, the key, and the hash of both.
#[derive(Clone, Copy)]
pub struct Row<'k, T> {
    /// The tree.
    pub tree: &'k T,
    /// The key.
    pub key: &'k [u8],
    /// [`VersionStore::hash`] of the two.
    pub hash: u64,
}

/// Why a write was not done. Nothing was changed.
#[derive(Debug)]
pub enum Refusal {
    /// Another transaction's version of the row is uncommitted, or younger than the snapshot.
    Conflict(Arc<TxnState>),
    /// The same, of a version that was merged away: who wrote it is no longer known.
    ConflictMerged,
    /// The snapshot is older than what the conflict window still answers for.
    SnapshotTooOld,
    /// The database is not attached any more.
    Detached,
}

/// Where a walk begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From<'k> {
    /// At the end of the tree that comes first in its direction.
    End,
    /// At the key or, without it, behind it.
    At(&'k [u8]),
    /// Behind the key.
    Behind(&'k [u8]),
}

/// The rows of one tree that have versions that count for the snapshot, in key order.
pub trait Walk<'a> {
    /// The next row.
    fn next(&mut self) -> Option<(&'a [u8], Found<'a>)>;
}

/// What pins most; for errors.
#[derive(Debug, Clone)]
pub struct Culprit {
    /// Who runs the transaction.
    pub owner: Arc<Owner>,
    /// Its snapshot.
    pub snapshot: CommitTs,
    /// When it began, in nanoseconds of the engine's coarse clock.
    pub begun_nanos: u64,
}

/// Recent versions of all databases of an engine, as sessions see them.
pub trait VersionStore: Merges {
    /// A session's registration, the only thing that pins. Dropping it unregisters.
    type Slot: Send;
    /// The shared object of a tree.
    type Tree: Clone + Send + Sync;
    /// An ordered walk.
    type Walk<'a>: Walk<'a> + Send;
    /// An ordered walk over a transaction's own writes.
    type OwnWalk<'a>: Walk<'a>;

    /// Registers a session; `None` when all slots are taken.
    fn slot(&self, owner: Arc<Owner>) -> Option<Self::Slot>;

    /// The shared object of a tree; sessions keep it.
    fn tree(&self, id: TreeId) -> Self::Tree;

    /// The hash under which a row is latched and remembered; secret to the engine.
    fn hash(&self, tree: TreeId, key: &[u8]) -> u64;

    /// Takes a snapshot. It covers every commit that returned before.
    fn pin(&self, slot: &mut Self::Slot, mode: Mode) -> CommitTs;

    /// Gives the snapshot back.
    fn unpin(&self, slot: &mut Self::Slot);

    /// The base of an attached database, as the pinned snapshot has it.
    fn base<'a>(&'a self, slot: &'a Self::Slot, attachment: AttachmentNo) -> Option<&'a dyn Base>;

    /// Whether no version of the tree counts for the slot, its own ones included: what its base says is all there is.
    /// `false` is always right.
    fn is_untouched(&self, slot: &Self::Slot, tree: &Self::Tree) -> bool;

    /// What the versions say about a row at the pinned snapshot; own versions are not looked at.
    fn find<'a>(&'a self, slot: &'a Self::Slot, row: &Row<'_, Self::Tree>) -> Found<'a>;

    /// The newest value or deletion of [`VersionStore::find_own`] and, failing that, of [`VersionStore::find`], without
    /// adding up any delta: however many adds a counter has pending, this looks at a few versions.
    fn find_data<'a>(&'a self, slot: &'a Self::Slot, row: &Row<'_, Self::Tree>) -> Data<'a>;

    /// Walks the rows of a tree that have versions; `None` when there are none at all.
    fn walk<'a>(
        &'a self,
        slot: &'a Self::Slot,
        tree: &Self::Tree,
        direction: Direction,
        from: From<'_>,
    ) -> Option<Self::Walk<'a>>;

    /// The pinned transaction begins to write, under this state.
    fn begin_writes(&self, slot: &mut Self::Slot, state: Arc<TxnState>);

    /// The transaction writes no more: its state, if it had begun to write, which the caller claims a position for or
    /// aborts. What it wrote can no longer be listed or undone.
    fn end_writes(&self, slot: &mut Self::Slot) -> Option<Arc<TxnState>>;

    /// How much the transaction has written; also a savepoint.
    fn written<'a>(&self, slot: &'a Self::Slot) -> Written<'a>;

    /// Marks everything written behind the first `versions` as rolled back. Allocates nothing.
    fn undo_to(&self, slot: &mut Self::Slot, versions: usize);

    /// Whether anything is written and not undone that changes a row; locks do not.
    fn changes_rows(&self, slot: &Self::Slot) -> bool;

    /// Hands everything written and not undone to `take`, in order; locks excluded.
    fn each_written(&self, slot: &Self::Slot, take: &mut dyn FnMut(OwnWrite<'_>));

    /// What the transaction itself did to a row.
    fn find_own<'a>(&'a self, slot: &'a Self::Slot, row: &Row<'_, Self::Tree>) -> Found<'a>;

    /// Walks the rows of a tree that the transaction wrote itself; `None` when there are none.
    fn walk_own<'a>(
        &'a self,
        slot: &'a Self::Slot,
        tree: &Self::Tree,
        direction: Direction,
        from: From<'_>,
    ) -> Option<Self::OwnWalk<'a>>;

    /// Writes a version: conflict check and insert in one step that others see whole.
    ///
    /// # Errors
    /// See [`Refusal`]; at once, nothing is waited for.
    fn write(
        &self,
        slot: &mut Self::Slot,
        row: &Row<'_, Self::Tree>,
        kind: Kind,
        payload: &[u8],
    ) -> Result<(), Refusal>;

    /// The conflict check of [`VersionStore::write`] without the write.
    ///
    /// # Errors
    /// See [`Refusal`].
    fn probe(&self, slot: &mut Self::Slot, row: &Row<'_, Self::Tree>, kind: Kind) -> Result<(), Refusal>;

    /// Writes an escrow delta and returns the counter as it stood before, uncommitted adds of others included.
    ///
    /// # Errors
    /// The outer result carries what a base reports, the inner one is as in [`VersionStore::write`].
    fn write_delta(
        &self,
        slot: &mut Self::Slot,
        row: &Row<'_, Self::Tree>,
        place: (u32, Delta),
    ) -> ese_base::Result<Result<i64, Refusal>>;

    /// Notes that the transaction of the slot writes in the tree, before it looks whether the tree still stands.
    fn use_tree(&self, slot: &mut Self::Slot, tree: &Self::Tree);

    /// Another transaction that wrote in the tree and is still open.
    fn user_of(&self, slot: &Self::Slot, tree: &Self::Tree) -> Option<Arc<Owner>>;

    /// A transaction that wrote in the database and is still open.
    fn user_of_database(&self, attachment: AttachmentNo) -> Option<Arc<Owner>>;

    /// Makes a claimed transaction visible, as the newest commit. The caller holds the publication lock.
    fn publish(&self, state: &TxnState) -> CommitTs;

    /// The newest visible commit.
    fn last_visible(&self) -> CommitTs;

    /// Bytes that count against the budget; cheap.
    fn budget_bytes(&self) -> u64;

    /// Bytes that only older views hold; cheap.
    fn reader_bytes(&self) -> u64;

    /// Bytes that only older views hold, those not counted that nobody but this slot names.
    fn held_by_others(&self, slot: &Self::Slot) -> u64;

    /// Whether the active generation has reached its size, or a counter has so many deltas that a merge is due; cheap.
    fn wants_work(&self) -> bool;

    /// The open transaction with the oldest snapshot: of those that may write, or ([`Mode::ReadOnly`]) of all.
    fn oldest(&self, mode: Mode) -> Option<Culprit>;

    /// How many transactions are open.
    fn open_transactions(&self) -> usize;
}

/// A change that a transaction has written.
#[derive(Clone, Copy)]
pub struct OwnWrite<'a> {
    /// The tree.
    pub tree: TreeId,
    /// The key.
    pub key: &'a [u8],
    /// What it does.
    pub kind: Kind,
    /// The value, or the escrow delta.
    pub payload: &'a [u8],
}

/// How much a transaction has written.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// Its state, once it has begun to write.
    pub state: Option<&'a Arc<TxnState>>,
    /// Versions written and not undone, locks included.
    pub versions: usize,
    /// Bytes that listing them takes.
    pub bytes: u64,
}
