//! A session: levels, commit, rollback, and reads.

use super::{
    Fault, Shared,
    row::Eyes,
    scan::{Rows, step},
    world::{RowName, Running},
};
use ese_base::{
    AttachmentNo, CommitId, CommitTs, Error, ErrorKind, Position, Result, SessionId, TreeId, Value,
    sync::MutexGuard,
};
use ese_core::{CursorPos, Durability, KeyRange, Mode, Move, Reader, Scan, Session, SessionOptions};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// A level of an open transaction.
#[derive(Debug)]
struct Level {
    /// How long the log was at its begin.
    start: usize,
    /// A conflict was met in it.
    conflict: bool,
}

/// An open transaction.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) txn: u64,
    pub(super) snapshot: u64,
    pub(super) mode: Mode,
    levels: Vec<Level>,
    /// Every version it wrote.
    pub(super) log: Vec<(RowName, u64)>,
}

/// A session of the reference engine.
#[derive(Debug)]
pub(super) struct ReferenceSession {
    pub(super) shared: Arc<Shared>,
    id: SessionId,
    options: SessionOptions,
    pub(super) open: Option<Open>,
    last_commit: Option<CommitTs>,
}

impl ReferenceSession {
    pub(super) fn new(shared: Arc<Shared>, id: SessionId, options: SessionOptions) -> Self {
        ReferenceSession { shared, id, options, open: None, last_commit: None }
    }

    /// What it sees now.
    pub(super) fn eyes(&self) -> Eyes {
        let Some(open) = &self.open else { return Eyes::NEWEST };
        let reads_newest = self.shared.fault == Some(Fault::ReadsNewest);
        let snapshot = if reads_newest { Eyes::NEWEST.snapshot } else { open.snapshot };
        Eyes { snapshot, txn: Some(open.txn) }
    }

    /// Notes a conflict in the innermost level.
    pub(super) fn note_conflict(&mut self) {
        if let Some(level) = self.open.as_mut().and_then(|open| open.levels.last_mut()) {
            level.conflict = true;
        }
    }

    fn world(&self) -> Result<MutexGuard<'_, super::World>> {
        let world = self.shared.world.lock();
        world.open()?;
        Ok(world)
    }

    fn rows(&self, tree: TreeId) -> Result<Rows> {
        let world = self.world()?;
        let database = world.tree(tree, self.eyes())?;
        let all =
            (database, tree.number, Vec::new())..(database, ese_base::TreeNo(tree.number.0 + 1), Vec::new());
        let eyes = self.eyes();
        let seen =
            world.rows.range(all).filter_map(|((_, _, key), row)| Some((key.clone(), row.value(eyes)?)));
        Ok(Rows::new(seen.collect()))
    }
}

impl Drop for ReferenceSession {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut world = shared.world.lock();
        if let Some(open) = self.open.take() {
            world.undo(&open.log);
            world.running.remove(&open.txn);
        }
        world.sessions.remove(&self.id);
    }
}

impl Session for ReferenceSession {
    fn id(&self) -> SessionId {
        self.id
    }

    fn begin(&mut self, mode: Mode) -> Result<u32> {
        let shared = Arc::clone(&self.shared);
        let mut world = shared.world.lock();
        world.open()?;
        let level = self.level();
        if shared.options.levels_max.is_some_and(|most| level >= most) {
            return Err(Error::new(ErrorKind::TransTooDeep, format!("level {level}")));
        }
        if self.open.is_none() {
            let (txn, snapshot) = (world.number(), world.last_visible);
            world.running.insert(txn, Running { session: self.id, snapshot, used: BTreeSet::new() });
            self.open = Some(Open { txn, snapshot, mode, levels: Vec::new(), log: Vec::new() });
        }
        if let Some(open) = &mut self.open {
            open.levels.push(Level { start: open.log.len(), conflict: false });
        }
        Ok(level + 1)
    }

    fn commit(&mut self, _durability: Durability) -> Result<Option<CommitId>> {
        let shared = Arc::clone(&self.shared);
        let mut world = shared.world.lock();
        let Some(open) = &mut self.open else { return Err(ErrorKind::NotInTransaction.into()) };
        let ended = open.levels.pop();
        if let Some(outer) = open.levels.last_mut() {
            outer.conflict |= ended.is_some_and(|level| level.conflict);
            return Ok(None);
        }
        let (txn, log) = (open.txn, std::mem::take(&mut open.log));
        self.open = None;
        world.running.remove(&txn);
        self.last_commit = None;
        if log.is_empty() {
            return Ok(None);
        }
        let is_data = world.commit(&log);
        self.last_commit = Some(CommitTs(world.last_visible));
        if !is_data {
            return Ok(None);
        }
        let position = Position(world.last_visible);
        Ok(Some(CommitId { log: u128::from(shared.number), epoch: 1, position }))
    }

    fn rollback_to(&mut self, level: u32) -> Result<()> {
        if level >= self.level() {
            return Err(ErrorKind::NotInTransaction.into());
        }
        let shared = Arc::clone(&self.shared);
        let mut world = shared.world.lock();
        if let Some(open) = &mut self.open {
            let keep = usize::try_from(level).expect("a level is an index");
            let start = open.levels[keep].start;
            world.undo(&open.log.split_off(start));
            open.levels.truncate(keep);
            if keep == 0 {
                world.running.remove(&open.txn);
                self.open = None;
            }
        }
        Ok(())
    }

    fn level(&self) -> u32 {
        let levels = self.open.as_ref().map_or(0, |open| open.levels.len());
        u32::try_from(levels).expect("nobody opens four billion levels")
    }

    fn snapshot(&self) -> Option<CommitTs> {
        self.open.as_ref().map(|open| CommitTs(open.snapshot))
    }

    fn last_commit(&self) -> Option<CommitTs> {
        self.last_commit
    }

    fn conflict_recorded(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.levels.iter().any(|level| level.conflict))
    }

    fn await_conflicting_commit(&mut self, _limit: Duration) -> bool {
        false
    }

    fn options(&self) -> &SessionOptions {
        &self.options
    }

    fn set_options(&mut self, options: SessionOptions) {
        self.options = options;
    }
}

impl Reader for ReferenceSession {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Value<'_>>> {
        let world = self.world()?;
        let database = world.tree(tree, self.eyes())?;
        let value = world.value(&(database, tree.number, key.to_vec()), self.eyes());
        Ok(value.map(|value| Value::owned(&value)))
    }

    fn get_many<'s>(
        &'s self,
        tree: TreeId,
        keys: &[&[u8]],
        out: &mut dyn FnMut(usize, Option<Value<'s>>),
    ) -> Result<()> {
        let rows = self.rows(tree)?;
        for (index, key) in keys.iter().enumerate() {
            out(index, rows.get(key));
        }
        Ok(())
    }

    fn scan<'s>(&'s self, tree: TreeId, range: KeyRange<'_>) -> Result<Box<dyn Scan<'s> + 's>> {
        if self.open.is_none() {
            return Err(ErrorKind::NotInTransaction.into());
        }
        Ok(Box::new(self.rows(tree)?.within(range)))
    }

    fn step(&self, tree: TreeId, at: &mut CursorPos, how: Move<'_>) -> Result<Option<Value<'_>>> {
        Ok(step(&self.rows(tree)?, at, how))
    }

    fn find_tree(&self, attachment: AttachmentNo, name: &str) -> Result<Option<TreeId>> {
        let world = self.world()?;
        let trees = world.trees(world.database(attachment)?, self.eyes());
        let found = trees.into_iter().find(|(tree, _)| tree == name);
        Ok(found.map(|(_, number)| TreeId { attachment, number }))
    }

    fn tree_names(&self, attachment: AttachmentNo) -> Result<Vec<String>> {
        let world = self.world()?;
        let trees = world.trees(world.database(attachment)?, self.eyes());
        Ok(trees.into_iter().map(|(name, _)| name).collect())
    }
}
