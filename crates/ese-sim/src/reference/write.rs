//! Writes of rows: checks in order, then the version.

use super::{
    Fault, KEY_MAX_BYTES, Shared,
    row::{Eyes, What, counter},
    session::ReferenceSession,
    trees,
    world::{RowName, World},
};
use ese_base::{AttachmentNo, Error, ErrorKind, Result, TreeId, limits};
use ese_core::{Delete, Delta, Durability, LockMode, Mode, Put, Session, Transaction};
use std::sync::Arc;

/// What a statement works with.
pub(super) struct Statement<'w> {
    pub(super) world: &'w mut World,
    pub(super) eyes: Eyes,
    pub(super) txn: u64,
    fault: Option<Fault>,
    /// Versions that it wrote.
    pub(super) log: Vec<(RowName, u64)>,
}

impl Statement<'_> {
    /// The row's name, when its tree exists for the transaction and nobody is dropping it.
    fn row(&mut self, tree: TreeId, key: &[u8]) -> Result<RowName> {
        let database = self.world.tree(tree, self.eyes)?;
        if key.len() > KEY_MAX_BYTES {
            return Err(Error::new(ErrorKind::KeyTooLarge, format!("{} bytes", key.len())));
        }
        if let Some(running) = self.world.running.get_mut(&self.txn) {
            running.used.insert((database, tree.number));
        }
        if self.world.is_in_conflict(&trees::standing_row(database, tree.number), self.eyes, &What::ReadLock)
        {
            return Err(Error::new(ErrorKind::WriteConflict, "the tree is being dropped").concurrent());
        }
        Ok((database, tree.number, key.to_vec()))
    }

    pub(super) fn value(&self, row: &RowName) -> Option<Vec<u8>> {
        self.world.value(row, self.eyes)
    }

    /// Writes a version unless another forbids it; the refusal has the given kind.
    pub(super) fn write(&mut self, row: &RowName, what: What, refusal: ErrorKind) -> Result<()> {
        let is_refused = match self.fault {
            Some(Fault::MissesConflicts) => false,
            Some(Fault::MakesUpConflicts) => self.world.rows.get(row).is_some_and(|row| !row.0.is_empty()),
            _ => self.world.is_in_conflict(row, self.eyes, &what),
        };
        if is_refused {
            return Err(Error::new(refusal, "another transaction works on it").at_key(&row.2).concurrent());
        }
        let number = self.world.write(row, self.txn, what);
        self.log.push((row.clone(), number));
        Ok(())
    }

    /// Adds, and returns the counter as it stood with everybody's adds.
    fn add(&mut self, tree: TreeId, key: &[u8], offset: u32, delta: Delta) -> Result<i64> {
        let row = self.row(tree, key)?;
        let Some(value) = self.value(&row) else { return Err(ErrorKind::NoCurrentRecord.into()) };
        if counter(&value, offset, delta).is_none() {
            return Err(ErrorKind::InvalidBufferSize.into());
        }
        let raw = self.world.rows.get(&row).and_then(super::row::Row::raw_value);
        self.write(&row, What::Add { offset, delta }, ErrorKind::WriteConflict)?;
        Ok(raw
            .and_then(|raw| counter(&raw, offset, delta))
            .expect("an add that may be done finds its counter"))
    }

    fn put(&mut self, tree: TreeId, key: &[u8], value: &[u8], how: Put, value_max: u64) -> Result<bool> {
        let row = self.row(tree, key)?;
        if u64::try_from(value.len()).is_ok_and(|len| len > value_max) {
            return Err(Error::new(ErrorKind::ValueTooLarge, format!("{} bytes", value.len())));
        }
        let exists = self.value(&row).is_some();
        match (how, exists) {
            (Put::Insert, true) => return Err(Error::new(ErrorKind::KeyDuplicate, "it exists")),
            (Put::Replace, false) => return Ok(false),
            _ => {}
        }
        let refusal = if how == Put::Insert { ErrorKind::KeyDuplicate } else { ErrorKind::WriteConflict };
        self.write(&row, What::Put(value.to_vec()), refusal)?;
        Ok(true)
    }

    fn delete(&mut self, tree: TreeId, key: &[u8], how: Delete) -> Result<bool> {
        let row = self.row(tree, key)?;
        let exists = self.value(&row).is_some();
        if exists || how == Delete::Blind {
            let loses = self.fault == Some(Fault::LosesDeletes);
            self.write(&row, if loses { What::WriteLock } else { What::Delete }, ErrorKind::WriteConflict)?;
        }
        Ok(exists)
    }
}

/// Whether a statement may run outside a transaction.
#[derive(PartialEq, Eq)]
pub(super) enum Level {
    Any,
    Inside,
}

impl ReferenceSession {
    /// Runs a statement: in the open transaction, or in one of its own. An error takes back what it wrote.
    pub(super) fn statement<T>(
        &mut self,
        level: Level,
        run: impl FnOnce(&mut Statement<'_>, &Shared) -> Result<T>,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        shared.world.lock().open()?;
        if self.open.is_none() {
            if level == Level::Inside {
                return Err(ErrorKind::NotInTransaction.into());
            }
            self.begin(Mode::ReadWrite)?;
            let done = self.statement(level, run);
            if done.is_ok() {
                self.commit(Durability::Sync)?;
            } else {
                self.rollback_to(0)?;
            }
            return done;
        }
        let eyes = self.eyes();
        let open = self.open.as_mut().expect("it was just looked at");
        if open.mode == Mode::ReadOnly {
            return Err(ErrorKind::TransReadOnly.into());
        }
        let mut world = shared.world.lock();
        let mut statement =
            Statement { world: &mut world, eyes, txn: open.txn, fault: shared.fault, log: Vec::new() };
        let done = run(&mut statement, &shared);
        let log = statement.log;
        match &done {
            Ok(_) => open.log.extend(log),
            Err(error) => {
                world.undo(&log);
                // A tree in use is no row in conflict.
                if error.is_concurrent() && error.kind() != ErrorKind::TreeInUse {
                    self.note_conflict();
                }
            }
        }
        done
    }
}

impl Transaction for ReferenceSession {
    fn check_write(&mut self, tree: TreeId) -> Result<()> {
        self.statement(Level::Any, |statement, _| statement.row(tree, &[]).map(drop))
    }

    fn put(&mut self, tree: TreeId, key: &[u8], value: &[u8], how: Put) -> Result<bool> {
        self.statement(Level::Any, |statement, shared| {
            let value_max = shared.options.version_store_bytes / limits::VALUE_BUDGET_SHARE;
            statement.put(tree, key, value, how, value_max)
        })
    }

    fn delete(&mut self, tree: TreeId, key: &[u8], how: Delete) -> Result<bool> {
        self.statement(Level::Any, |statement, _| statement.delete(tree, key, how))
    }

    fn add(&mut self, tree: TreeId, key: &[u8], offset: u32, delta: Delta) -> Result<()> {
        self.fetch_add(tree, key, offset, delta).map(|_| ())
    }

    fn fetch_add(&mut self, tree: TreeId, key: &[u8], offset: u32, delta: Delta) -> Result<i64> {
        self.statement(Level::Inside, |statement, _| statement.add(tree, key, offset, delta))
    }

    fn lock(&mut self, tree: TreeId, key: &[u8], mode: LockMode) -> Result<()> {
        self.statement(Level::Inside, |statement, _| {
            let row = statement.row(tree, key)?;
            let what = match mode {
                LockMode::Read => What::ReadLock,
                LockMode::Write => What::WriteLock,
            };
            statement.write(&row, what, ErrorKind::WriteConflict)
        })
    }

    fn create_tree(&mut self, attachment: AttachmentNo, name: &str) -> Result<TreeId> {
        trees::check_name(name)?;
        self.statement(Level::Any, |statement, _| trees::create(statement, attachment, name))
    }

    fn drop_tree(&mut self, tree: TreeId) -> Result<()> {
        self.statement(Level::Any, |statement, _| trees::drop_tree(statement, tree))
    }

    fn rename_tree(&mut self, tree: TreeId, name: &str) -> Result<()> {
        trees::check_name(name)?;
        self.statement(Level::Any, |statement, _| trees::rename(statement, tree, name))
    }
}
