//! canopydb, behind the feature of that name: a copy-on-write B-tree with a write-ahead log and checkpoints.

use crate::{
    data::Key,
    engine::{Durability, Durable, DurableSession, Engine, Opening, Read, Session, Write},
};
use anyhow::{Result, anyhow};
use canopydb::{Database, DbOptions, EnvOptions, Tree};
use std::{path::Path, sync::Arc};

const TREE: &[u8] = b"rows";
const CACHE_BYTES: usize = 1 << 30;

/// A database.
#[derive(Clone)]
pub struct Canopydb(Arc<Database>);

impl Engine for Canopydb {
    type Session = CanopydbSession;
    const NAME: &'static str = "canopydb";
    const SETTINGS: &'static str =
        "canopydb 0.2, WAL, cache 1 GiB, one writer at a time, commit_with(true); lazy: (false)";

    fn open(opening: Opening<'_>) -> Result<Self> {
        Self::reopen(opening.directory)
    }

    fn session(&self) -> Result<CanopydbSession> {
        Ok(CanopydbSession { db: Arc::clone(&self.0), durability: Durability::Sync })
    }

    fn settle(&self) -> Result<()> {
        Ok(self.0.checkpoint()?)
    }
}

impl Durable for Canopydb {
    fn reopen(directory: &Path) -> Result<Self> {
        let mut options = EnvOptions::new(directory);
        options.page_cache_size = CACHE_BYTES;
        // A close is over when its threads are.
        options.wait_bg_threads_on_drop = true;
        let db = Database::with_options(options, DbOptions::new())?;
        let tx = db.begin_write()?;
        drop(tx.get_or_create_tree(TREE)?);
        tx.commit()?;
        Ok(Canopydb(Arc::new(db)))
    }

    // It has no close; what it does when the last handle goes is done here.
    fn close(self) -> Result<()> {
        self.0.sync()?;
        drop(self);
        Ok(())
    }
}

/// A handle with a durability.
pub struct CanopydbSession {
    db: Arc<Database>,
    durability: Durability,
}

impl DurableSession for CanopydbSession {
    fn set_durability(&mut self, durability: Durability) -> Result<()> {
        self.durability = durability;
        Ok(())
    }
}

/// The table in a transaction.
pub struct Table<'t>(Tree<'t>);

impl Session for CanopydbSession {
    type Read<'t> = Table<'t>;
    type Write<'t> = Table<'t>;

    fn read<T>(&mut self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        let tx = self.db.begin_read()?;
        let tree = tx.get_tree(TREE)?.ok_or_else(|| anyhow!("canopydb has lost its tree"))?;
        work(&Table(tree))
    }

    fn write<T>(&mut self, mut work: impl FnMut(&mut Self::Write<'_>) -> Result<T>) -> Result<T> {
        let tx = self.db.begin_write()?;
        let answer = work(&mut Table(tx.get_or_create_tree(TREE)?))?;
        tx.commit_with(self.durability == Durability::Sync)?;
        Ok(answer)
    }

    fn empty_read(&mut self) -> Result<()> {
        drop(self.db.begin_read()?);
        Ok(())
    }

    fn savepoints(&mut self, _: usize) -> Result<bool> {
        Ok(false)
    }
}

impl Read for Table<'_> {
    fn get(&self, key: &Key, value: impl FnOnce(&[u8])) -> Result<bool> {
        Ok(self.0.get(key)?.map(|found| value(&found)).is_some())
    }

    fn from(&self, key: &Key, limit: usize, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for entry in self.0.range(&key[..]..)?.take(limit) {
            let (key, value) = entry?;
            row(&key, &value);
        }
        Ok(())
    }

    fn all(&self, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for entry in self.0.iter()? {
            let (key, value) = entry?;
            row(&key, &value);
        }
        Ok(())
    }
}

impl Write for Table<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        Ok(self.0.insert(key, value)?)
    }

    fn remove(&mut self, key: &Key) -> Result<bool> {
        Ok(self.0.delete(key)?)
    }
}
