//! redb in a file with its syncs: `Durability::Immediate`; lazy: `Durability::None`, which keeps commits in memory.

use super::redb::{CACHE_BYTES, TABLE};
use crate::engine::{Durability, Durable, DurableSession, Engine, Opening, Session};
use anyhow::Result;
use redb::{Database, ReadOnlyTable, ReadableDatabase, Table};
use std::{path::Path, sync::Arc};

/// A database.
#[derive(Clone)]
pub struct RedbDurable(Arc<Database>);

impl Engine for RedbDurable {
    type Session = RedbSession;
    const NAME: &'static str = "redb-durable";
    const SETTINGS: &'static str =
        "redb 4.4, file, cache 1 GiB, Durability::Immediate; lazy: Durability::None";

    fn open(opening: Opening<'_>) -> Result<Self> {
        Self::reopen(opening.directory)
    }

    fn session(&self) -> Result<RedbSession> {
        Ok(RedbSession { db: Arc::clone(&self.0), durability: redb::Durability::Immediate })
    }
}

impl Durable for RedbDurable {
    fn reopen(directory: &Path) -> Result<Self> {
        let db = Database::builder().set_cache_size(CACHE_BYTES).create(directory.join("redb"))?;
        let tx = db.begin_write()?;
        tx.open_table(TABLE)?;
        tx.commit()?;
        Ok(RedbDurable(Arc::new(db)))
    }

    // It has no close; what it does when the last handle goes is done here.
    fn close(self) -> Result<()> {
        drop(self);
        Ok(())
    }
}

/// A handle with a durability.
pub struct RedbSession {
    db: Arc<Database>,
    durability: redb::Durability,
}

impl DurableSession for RedbSession {
    fn set_durability(&mut self, durability: Durability) -> Result<()> {
        self.durability = match durability {
            Durability::Sync => redb::Durability::Immediate,
            Durability::Lazy => redb::Durability::None,
        };
        Ok(())
    }
}

impl Session for RedbSession {
    type Read<'t> = ReadOnlyTable<&'static [u8], &'static [u8]>;
    type Write<'t> = Table<'t, &'static [u8], &'static [u8]>;

    fn read<T>(&mut self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        work(&self.db.begin_read()?.open_table(TABLE)?)
    }

    fn write<T>(&mut self, mut work: impl FnMut(&mut Self::Write<'_>) -> Result<T>) -> Result<T> {
        let mut tx = self.db.begin_write()?;
        tx.set_durability(self.durability)?;
        let answer = {
            let mut table = tx.open_table(TABLE)?;
            work(&mut table)?
        };
        tx.commit()?;
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
