//! A session of the local engine: levels, commit and rollback.
//!
//! Invariants:
//! - The slot pins exactly while the level is above 0.
//! - When `commit` returns, the commit is visible; only then is the slot cleared.
//! - Rollback allocates nothing, and a commit nothing that can fail once its position is claimed.
//! - A panic below, of a store or a log, leaves no transaction half ended and no statement half done.

use super::{
    core::{Attachment, Core},
    frame::{self, Frame},
    instance::Running,
    reading::Reading,
    trees::TreeCache,
};
use crate::{
    seam::{
        scan::Scan,
        session::{Mode, Session, SessionOptions},
        transaction::{CursorPos, Durability, KeyRange, Move, Reader},
        version_store::VersionStore,
    },
    txn::{Outcome, Owner, TxnState},
};
use ese_base::{
    AttachmentNo, CommitId, CommitTs, Error, ErrorKind, Result, SessionId, TreeId, Value,
    sync::atomic::Ordering,
};
use smallvec::SmallVec;
use std::{cell::RefCell, sync::Arc, time::Duration};

/// A session.
pub(super) struct LocalSession<V: VersionStore> {
    pub(super) core: Arc<Core<V>>,
    /// Keeps the engine running; after `core`, which the applier shares.
    _running: Arc<Running<V>>,
    pub(super) owner: Arc<Owner>,
    options: SessionOptions,
    pub(super) slot: V::Slot,
    /// For reads outside a transaction; made when the first comes.
    statement: RefCell<Option<V::Slot>>,
    pub(super) trees: RefCell<TreeCache<V>>,
    /// Bytes of the list of writes that the budget knows of.
    accounted: u64,
    pub(super) txn: Option<Txn<V>>,
    /// Whom the last conflict was with, if that transaction was still open.
    pub(super) conflicting: Option<Arc<TxnState>>,
    last_commit: Option<CommitTs>,
}

/// An open transaction.
pub(super) struct Txn<V: VersionStore> {
    pub(super) mode: Mode,
    pub(super) snapshot: CommitTs,
    levels: SmallVec<[Level; 4]>,
    /// Trees it wrote in, which its slot names.
    pub(super) used: SmallVec<[TreeId; 4]>,
    /// Databases whose directory it changed.
    pub(super) directories: SmallVec<[Arc<Attachment<V>>; 1]>,
    pub(super) conflict: bool,
}

/// What rolling back a level restores.
struct Level {
    /// Versions written before it.
    written: usize,
    conflict: bool,
}

impl<V: VersionStore> LocalSession<V> {
    pub(super) fn new(running: Arc<Running<V>>, options: SessionOptions) -> Result<Self> {
        let core = Arc::clone(running.core());
        core.state.check()?;
        core.admit_session()?;
        let owner = Arc::new(Owner::new(core.counters.next_session(), options.name.clone()));
        let Some(slot) = core.versions.slot(Arc::clone(&owner)) else {
            core.counters.sessions.fetch_sub(1, Ordering::AcqRel);
            return Err(out_of_slots());
        };
        Ok(LocalSession {
            core,
            _running: running,
            owner,
            options,
            slot,
            statement: RefCell::new(None),
            trees: RefCell::new(TreeCache::default()),
            accounted: 0,
            txn: None,
            conflicting: None,
            last_commit: None,
        })
    }

    /// The open transaction's snapshot and own writes.
    #[inline]
    pub(super) fn reading(&self) -> Reading<'_, V> {
        let snapshot = self.txn.as_ref().map(|txn| txn.snapshot).unwrap_or_default();
        Reading { core: &self.core, slot: &self.slot, snapshot, trees: &self.trees }
    }

    /// Runs one read at level 0, of the newest committed state.
    fn read_now<R>(&self, read: impl FnOnce(&Reading<'_, V>) -> Result<R>) -> Result<R> {
        let mut statement = self.statement.borrow_mut();
        let slot = match &mut *statement {
            Some(slot) => slot,
            None => {
                let slot = self.core.versions.slot(Arc::clone(&self.owner));
                statement.insert(slot.ok_or_else(out_of_slots)?)
            }
        };
        let snapshot = self.core.versions.pin(slot, Mode::ReadOnly);
        let pin = Unpin { core: &self.core, slot };
        self.core.state.check()?;
        read(&Reading { core: &self.core, slot: &*pin.slot, snapshot, trees: &self.trees })
    }

    /// How much the transaction has written; a savepoint.
    pub(super) fn written(&self) -> usize {
        self.core.versions.written(&self.slot).versions
    }

    /// Tells the budget how large the list of writes has become.
    #[inline]
    pub(super) fn account_writes(&mut self) {
        let now = self.core.versions.written(&self.slot).bytes;
        if now != self.accounted {
            let bytes = &self.core.counters.own_write_bytes;
            bytes.fetch_add(now.wrapping_sub(self.accounted), Ordering::Relaxed);
            self.accounted = now;
        }
    }

    /// The end of the transaction: nothing of it is pinned or named any more.
    fn finish(&mut self, txn: Txn<V>) {
        for attachment in &txn.directories {
            attachment.word.end_change(self.core.versions.last_visible());
        }
        self.core.versions.unpin(&mut self.slot);
        self.account_writes();
    }

    fn abort(&mut self, txn: Txn<V>) {
        if let Some(state) = self.core.versions.end_writes(&mut self.slot) {
            state.abort();
            self.core.counters.rollbacks.fetch_add(1, Ordering::Relaxed);
        }
        self.finish(txn);
    }

    /// Rolls back the open transaction, if there is one. Where its writes were ended before, only the rest is done.
    pub(super) fn end(&mut self) {
        if let Some(txn) = self.txn.take() {
            self.abort(txn);
        }
    }

    fn commit_outermost(&mut self, durability: Durability) -> Result<Option<CommitId>> {
        self.last_commit = None;
        let ending = Ending(self);
        ending.0.commit_open(durability)
    }

    /// The transaction is over when this returns: ended here, or by the caller.
    fn commit_open(&mut self, durability: Durability) -> Result<Option<CommitId>> {
        let versions = self.written();
        if versions == 0 {
            // Nothing was written, or all of it was rolled back: there is nothing to commit.
            if let Some(state) = self.core.versions.end_writes(&mut self.slot) {
                state.abort();
            }
            return Ok(None);
        }
        let core = Arc::clone(&self.core);
        let frame = Frame::of(&core, &self.slot)?.make_room(&core)?;
        let Some(state) = core.versions.end_writes(&mut self.slot) else {
            frame::give_back(&core, &frame);
            return Ok(None);
        };
        // No failure past this line takes the commit back: it is in the queue.
        let waits = if frame.changes_rows { durability } else { Durability::Lazy };
        let claimed = core.publication.claim(&state, waits, versions as u64, frame.bytes);
        if durability == Durability::Sync {
            core.flush(claimed.position)?;
        }
        core.publication.publish_ready(&core.versions);
        match state.outcome() {
            Outcome::Committed(ts) => self.last_commit = Some(ts),
            _ => debug_assert!(core.state.is_poisoned()),
        }
        self.end();
        core.note_commit(claimed.rows);
        let (log, epoch) = core.log_identity;
        Ok(frame.changes_rows.then_some(CommitId { log, epoch, position: claimed.position }))
    }

    /// Takes back everything written behind the first `versions`; the transaction stays open.
    pub(super) fn undo_to(&mut self, versions: usize) {
        self.core.versions.undo_to(&mut self.slot, versions);
    }
}

/// Ends the session's transaction when it goes, if that is still open: after an error, and when a store or a log panics.
pub(super) struct Ending<'s, V: VersionStore>(pub(super) &'s mut LocalSession<V>);

impl<V: VersionStore> Drop for Ending<'_, V> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// There are two slots for every session that is admitted.
#[cold]
fn out_of_slots() -> Error {
    Error::new(ErrorKind::OutOfSessions, "all slots are taken")
}

/// Unpins at the end of a statement, also when it panics.
struct Unpin<'a, V: VersionStore> {
    core: &'a Core<V>,
    slot: &'a mut V::Slot,
}

impl<V: VersionStore> Drop for Unpin<'_, V> {
    fn drop(&mut self) {
        self.core.versions.unpin(self.slot);
    }
}

impl<V: VersionStore> Session for LocalSession<V> {
    fn id(&self) -> SessionId {
        self.owner.session()
    }

    fn begin(&mut self, mode: Mode) -> Result<u32> {
        let written = self.written();
        let Some(txn) = &mut self.txn else {
            self.conflicting = None;
            if mode == Mode::ReadWrite {
                self.core.state.check_writes()?;
            }
            let snapshot = self.core.versions.pin(&mut self.slot, mode);
            // After the pin: a close that does not see the pin is seen here.
            if let Err(error) = self.core.state.check() {
                self.core.versions.unpin(&mut self.slot);
                return Err(error);
            }
            let first = Level { written: 0, conflict: false };
            self.txn = Some(Txn {
                mode,
                snapshot,
                levels: smallvec::smallvec![first],
                used: SmallVec::new(),
                directories: SmallVec::new(),
                conflict: false,
            });
            return Ok(1);
        };
        let level = u32::try_from(txn.levels.len()).unwrap_or(u32::MAX);
        if self.core.options.levels_max.is_some_and(|most| level >= most) {
            return Err(Error::new(
                ErrorKind::TransTooDeep,
                format!("{level} levels are open, which is the limit"),
            ));
        }
        txn.levels.push(Level { written, conflict: txn.conflict });
        Ok(level + 1)
    }

    fn commit(&mut self, durability: Durability) -> Result<Option<CommitId>> {
        match &mut self.txn {
            None => Err(ErrorKind::NotInTransaction.into()),
            Some(txn) if txn.levels.len() > 1 => {
                txn.levels.pop();
                Ok(None)
            }
            Some(_) => self.commit_outermost(durability),
        }
    }

    fn rollback_to(&mut self, level: u32) -> Result<()> {
        let below = self.level();
        if level >= below {
            return Err(Error::new(
                ErrorKind::NotInTransaction,
                format!("level {level} is not below the open level {below}"),
            ));
        }
        if level == 0 {
            self.end();
            return Ok(());
        }
        let Some(txn) = &mut self.txn else { return Ok(()) };
        let to = &txn.levels[level as usize];
        let written = to.written;
        txn.conflict = to.conflict;
        txn.levels.truncate(level as usize);
        self.undo_to(written);
        Ok(())
    }

    #[inline]
    fn level(&self) -> u32 {
        self.txn.as_ref().map_or(0, |txn| u32::try_from(txn.levels.len()).unwrap_or(u32::MAX))
    }

    fn snapshot(&self) -> Option<CommitTs> {
        self.txn.as_ref().map(|txn| txn.snapshot)
    }

    fn last_commit(&self) -> Option<CommitTs> {
        self.last_commit
    }

    fn conflict_recorded(&self) -> bool {
        self.txn.as_ref().is_some_and(|txn| txn.conflict)
    }

    fn await_conflicting_commit(&mut self, limit: Duration) -> bool {
        let Some(state) = self.conflicting.take() else { return false };
        if !state.is_committing() {
            // It was open when it was met: what is committed now has become so in between.
            return matches!(state.outcome(), Outcome::Committed(_));
        }
        let core = &self.core;
        core.publication.await_outcome(&state, limit, || core.state.is_poisoned());
        state.outcome() != Outcome::Active || core.state.is_poisoned()
    }

    fn options(&self) -> &SessionOptions {
        &self.options
    }

    fn set_options(&mut self, options: SessionOptions) {
        self.owner.rename(options.name.clone());
        self.options = options;
    }
}

impl<V: VersionStore> Drop for LocalSession<V> {
    fn drop(&mut self) {
        self.end();
        self.core.counters.own_write_bytes.fetch_sub(self.accounted, Ordering::Relaxed);
        self.core.counters.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<V: VersionStore> Reader for LocalSession<V> {
    #[inline]
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Value<'_>>> {
        if self.txn.is_some() {
            return self.reading().get(tree, key);
        }
        self.read_now(|reading| Ok(reading.get(tree, key)?.map(Value::into_owned)))
    }

    fn get_many<'s>(
        &'s self,
        tree: TreeId,
        keys: &[&[u8]],
        out: &mut dyn FnMut(usize, Option<Value<'s>>),
    ) -> Result<()> {
        if self.txn.is_some() {
            return self.reading().get_many(tree, keys, out);
        }
        let mut rows = Vec::with_capacity(keys.len());
        self.read_now(|reading| {
            reading.get_many(tree, keys, &mut |at, value| rows.push((at, value.map(Value::into_owned))))
        })?;
        // Only now: `out` is the user's, and may read with this session.
        for (at, value) in rows {
            out(at, value);
        }
        Ok(())
    }

    fn scan<'s>(&'s self, tree: TreeId, range: KeyRange<'_>) -> Result<Box<dyn Scan<'s> + 's>> {
        if self.txn.is_none() {
            return Err(Error::new(ErrorKind::NotInTransaction, "a scan reads one snapshot"));
        }
        self.reading().scan(tree, range)
    }

    fn step(&self, tree: TreeId, at: &mut CursorPos, how: Move<'_>) -> Result<Option<Value<'_>>> {
        if self.txn.is_some() {
            return self.reading().step(tree, at, how);
        }
        self.read_now(|reading| Ok(reading.step(tree, at, how)?.map(Value::into_owned)))
    }

    fn find_tree(&self, attachment: AttachmentNo, name: &str) -> Result<Option<TreeId>> {
        if self.txn.is_some() {
            return self.reading().find_tree(attachment, name);
        }
        self.read_now(|reading| reading.find_tree(attachment, name))
    }

    fn tree_names(&self, attachment: AttachmentNo) -> Result<Vec<String>> {
        if self.txn.is_some() {
            return self.reading().tree_names(attachment);
        }
        self.read_now(|reading| reading.tree_names(attachment))
    }
}
