//! Transactions of the engine itself: blind writes, under a session number of their own, that nobody else competes with.
//!
//! Recovery does again with them what the log says, and the list of attached databases is kept with them.
//!
//! Invariant: between calls no transaction of it is open, but from [`SystemWriter::begin`] to its end.

use super::{
    core::Core,
    frame::{self, Frame},
};
use crate::{
    seam::{
        session::Mode,
        transaction::Durability,
        version_store::{OwnWrite, Refusal, Row, VersionStore},
    },
    txn::{Owner, TxnState},
};
use ese_base::{Error, ErrorKind, Position, Result, TreeId};
use std::{collections::BTreeMap, sync::Arc};

/// See the head of the module.
pub(super) struct SystemWriter<'c, V: VersionStore> {
    core: &'c Core<V>,
    owner: Arc<Owner>,
    slot: V::Slot,
    /// The trees it wrote in, held: what nobody holds is forgotten.
    trees: BTreeMap<TreeId, V::Tree>,
}

impl<'c, V: VersionStore> SystemWriter<'c, V> {
    /// A writer that errors and statistics know by `name`.
    pub(super) fn new(core: &'c Core<V>, name: &str) -> Result<Self> {
        let owner = Arc::new(Owner::new(core.counters.next_session(), name.to_owned()));
        let slot = core.versions.slot(Arc::clone(&owner));
        let slot = slot.ok_or_else(|| Error::new(ErrorKind::OutOfSessions, "all slots are taken"))?;
        Ok(SystemWriter { core, owner, slot, trees: BTreeMap::new() })
    }

    /// Begins a transaction.
    pub(super) fn begin(&mut self) {
        self.core.versions.pin(&mut self.slot, Mode::ReadWrite);
        let state = TxnState::new(Arc::clone(&self.owner), self.core.clock.now());
        self.core.versions.begin_writes(&mut self.slot, Arc::new(state));
    }

    /// Writes one version. A conflict is an error of whoever thought that there is no other writer.
    pub(super) fn write(&mut self, write: OwnWrite<'_>) -> Result<()> {
        let versions = &self.core.versions;
        let tree = self.trees.entry(write.tree).or_insert_with(|| versions.tree(write.tree));
        let row = Row { tree, key: write.key, hash: versions.hash(write.tree, write.key) };
        versions.write(&mut self.slot, &row, write.kind, write.payload).map_err(|refusal| {
            let (kind, what) = match refusal {
                Refusal::Detached => (ErrorKind::DatabaseNotFound, "its database is detached"),
                Refusal::SnapshotTooOld => (ErrorKind::VersionStoreFull, "the conflict window is too small"),
                Refusal::Conflict(_) | Refusal::ConflictMerged => {
                    (ErrorKind::WriteConflict, "somebody else works on the row")
                }
            };
            Error::new(kind, format!("{}: {what}", self.owner))
                .on_tree(write.tree.to_string())
                .at_key(write.key)
        })
    }

    /// Ends the transaction as one that the log has at `position` already, and that is durable.
    pub(super) fn commit_at(&mut self, position: Position) {
        let rows = self.core.versions.written(&self.slot).versions as u64;
        if let Some(state) = self.core.versions.end_writes(&mut self.slot) {
            self.core.publication.skip_to(position);
            self.core.publication.claim(&state, Durability::Lazy, rows, None);
            self.core.publication.publish_ready(&self.core.versions);
        }
        self.core.versions.unpin(&mut self.slot);
    }

    /// Makes room for the transaction in the log: what is left to do can fail by a failure of the log only.
    pub(super) fn prepare(self) -> Result<Prepared<'c, V>> {
        let frame = Frame::of(self.core, &self.slot)?.make_room(self.core)?;
        Ok(Prepared { writer: self, frame: Some(frame) })
    }

    /// Commits and returns when the transaction is durable and visible.
    pub(super) fn commit(self) -> Result<()> {
        self.prepare()?.commit()
    }
}

/// A transaction that has room in the log.
pub(super) struct Prepared<'c, V: VersionStore> {
    writer: SystemWriter<'c, V>,
    frame: Option<Frame>,
}

impl<V: VersionStore> Prepared<'_, V> {
    /// Commits and returns when the transaction is durable and visible.
    pub(super) fn commit(mut self) -> Result<()> {
        let core = self.writer.core;
        let rows = core.versions.written(&self.writer.slot).versions as u64;
        let (Some(frame), Some(state)) = (self.frame.take(), core.versions.end_writes(&mut self.writer.slot))
        else {
            return Ok(());
        };
        let claimed = core.publication.claim(&state, Durability::Sync, rows, frame.bytes);
        core.flush_locked(claimed.position)?;
        core.publication.publish_ready(&core.versions);
        Ok(())
    }
}

/// Gives back the room of what was not committed; the transaction is rolled back.
impl<V: VersionStore> Drop for Prepared<'_, V> {
    fn drop(&mut self) {
        if let Some(frame) = self.frame.take() {
            frame::give_back(self.writer.core, &frame);
        }
    }
}

/// Rolls back what was not committed.
impl<V: VersionStore> Drop for SystemWriter<'_, V> {
    fn drop(&mut self) {
        if let Some(state) = self.core.versions.end_writes(&mut self.slot) {
            state.abort();
        }
        self.core.versions.unpin(&mut self.slot);
    }
}
