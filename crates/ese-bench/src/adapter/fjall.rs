//! fjall: a log-structured merge tree with a journal, one optimistic keyspace.

use crate::{
    data::Key,
    engine::{Durability, Durable, DurableSession, Engine, Opening, Read, Session, Write},
};
use anyhow::{Result, bail};
use fjall::{
    KeyspaceCreateOptions, OptimisticTxDatabase, OptimisticTxKeyspace, OptimisticWriteTx, PersistMode,
    Readable, Snapshot,
};
use std::path::Path;

const CACHE_BYTES: u64 = 1 << 30;

/// A database with one keyspace.
#[derive(Clone)]
pub struct Fjall {
    db: OptimisticTxDatabase,
    rows: OptimisticTxKeyspace,
}

impl Engine for Fjall {
    type Session = FjallSession;
    const NAME: &'static str = "fjall";
    const SETTINGS: &'static str =
        "fjall 3.1, OptimisticTxDatabase, cache 1 GiB, PersistMode::SyncData; lazy: Buffer";

    fn open(opening: Opening<'_>) -> Result<Self> {
        Self::reopen(opening.directory)
    }

    fn session(&self) -> Result<FjallSession> {
        Ok(FjallSession { store: self.clone(), mode: PersistMode::SyncData })
    }
}

impl Durable for Fjall {
    fn reopen(directory: &Path) -> Result<Self> {
        let db = OptimisticTxDatabase::builder(directory.join("fjall")).cache_size(CACHE_BYTES).open()?;
        let rows = db.keyspace("rows", KeyspaceCreateOptions::default)?;
        Ok(Fjall { db, rows })
    }

    // It has no close; what it does when the last handle goes is done here.
    fn close(self) -> Result<()> {
        self.db.persist(PersistMode::SyncData)?;
        drop(self);
        Ok(())
    }
}

/// A handle with a durability.
pub struct FjallSession {
    store: Fjall,
    mode: PersistMode,
}

impl DurableSession for FjallSession {
    fn set_durability(&mut self, durability: Durability) -> Result<()> {
        self.mode = match durability {
            Durability::Sync => PersistMode::SyncData,
            Durability::Lazy => PersistMode::Buffer,
        };
        Ok(())
    }
}

impl Session for FjallSession {
    type Read<'t> = FjallRead<'t>;
    type Write<'t> = FjallWrite<'t>;

    fn read<T>(&mut self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        work(&FjallRead { tx: self.store.db.read_tx(), rows: &self.store.rows })
    }

    // No row of the bench has two writers of one key.
    fn write<T>(&mut self, mut work: impl FnMut(&mut Self::Write<'_>) -> Result<T>) -> Result<T> {
        let tx = self.store.db.write_tx()?.durability(Some(self.mode));
        let mut write = FjallWrite { tx, rows: &self.store.rows };
        let answer = work(&mut write)?;
        if write.tx.commit()?.is_err() {
            bail!("fjall reports a conflict");
        }
        Ok(answer)
    }

    fn empty_read(&mut self) -> Result<()> {
        drop(self.store.db.read_tx());
        Ok(())
    }

    fn savepoints(&mut self, _: usize) -> Result<bool> {
        Ok(false)
    }
}

/// A snapshot.
pub struct FjallRead<'t> {
    tx: Snapshot,
    rows: &'t OptimisticTxKeyspace,
}

impl Read for FjallRead<'_> {
    fn get(&self, key: &Key, value: impl FnOnce(&[u8])) -> Result<bool> {
        Ok(self.tx.get(self.rows, key)?.map(|found| value(&found)).is_some())
    }

    fn from(&self, key: &Key, limit: usize, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for entry in self.tx.range(self.rows, &key[..]..).take(limit) {
            let (key, value) = entry.into_inner()?;
            row(&key, &value);
        }
        Ok(())
    }

    fn all(&self, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for entry in self.tx.iter(self.rows) {
            let (key, value) = entry.into_inner()?;
            row(&key, &value);
        }
        Ok(())
    }
}

/// A write transaction.
pub struct FjallWrite<'t> {
    tx: OptimisticWriteTx,
    rows: &'t OptimisticTxKeyspace,
}

impl Write for FjallWrite<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.tx.insert(self.rows, &key[..], value);
        Ok(())
    }

    fn remove(&mut self, key: &Key) -> Result<bool> {
        let is_there = self.tx.contains_key(self.rows, key)?;
        self.tx.remove(self.rows, &key[..]);
        Ok(is_there)
    }
}
