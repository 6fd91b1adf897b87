//! LMDB through heed: a copy-on-write B-tree in a file map of 16 GiB.
//!
//! Nothing is synced (`MDB_NOSYNC`), and the harness gives it a directory in memory where the machine has one, so no
//! disk is in its way. Appends use `MDB_APPEND`.
#![expect(unsafe_code, reason = "heed cannot open an environment without")]

use crate::{
    data::Key,
    engine::{Engine, Opening, Read, Session, Write},
};
use anyhow::Result;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, PutFlags, RoTxn, RwTxn, WithTls, types::Bytes};
use std::ops::Bound;

type Table = Database<Bytes, Bytes>;

pub(super) const MAP_BYTES: usize = 16 << 30;

/// An environment and its one database.
#[derive(Clone, Debug)]
pub struct Lmdb {
    pub(super) env: Env,
    pub(super) table: Table,
}

impl Engine for Lmdb {
    type Session = Lmdb;
    const NAME: &'static str = "lmdb";
    const SETTINGS: &'static str =
        "LMDB by heed 0.22, map 16 GiB, MDB_NOSYNC | MDB_NOMETASYNC, MDB_APPEND for appends";

    fn open(opening: Opening<'_>) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_readers(126);
        // SAFETY: without syncs a crash of the machine may damage the file; it is temporary and nobody opens it again.
        unsafe { options.flags(EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC) };
        // SAFETY: the directory is this store's own and fresh: no other process or environment maps the file.
        let env = unsafe { options.open(opening.directory) }?;
        let mut tx = env.write_txn()?;
        let table = env.create_database(&mut tx, None)?;
        tx.commit()?;
        Ok(Lmdb { env, table })
    }

    fn session(&self) -> Result<Lmdb> {
        Ok(self.clone())
    }
}

impl Session for Lmdb {
    type Read<'t> = LmdbRead<'t>;
    type Write<'t> = LmdbWrite<'t>;

    fn read<T>(&mut self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        work(&LmdbRead { tx: self.env.read_txn()?, table: self.table })
    }

    fn write<T>(&mut self, mut work: impl FnMut(&mut Self::Write<'_>) -> Result<T>) -> Result<T> {
        let mut write = LmdbWrite { tx: self.env.write_txn()?, table: self.table };
        let answer = work(&mut write)?;
        write.tx.commit()?;
        Ok(answer)
    }

    fn empty_read(&mut self) -> Result<()> {
        drop(self.env.read_txn()?);
        Ok(())
    }

    fn savepoints(&mut self, levels: usize) -> Result<bool> {
        let mut tx = self.env.write_txn()?;
        nest(&self.env, &mut tx, levels)?;
        tx.commit()?;
        Ok(true)
    }
}

/// Nests transactions; aborting the outermost of them aborts all.
fn nest(env: &Env, parent: &mut RwTxn<'_>, levels: usize) -> Result<()> {
    if levels > 0 {
        let mut child = env.nested_write_txn(parent)?;
        nest(env, &mut child, levels - 1)?;
        child.abort();
    }
    Ok(())
}

/// A read transaction.
pub struct LmdbRead<'t> {
    tx: RoTxn<'t, WithTls>,
    table: Table,
}

impl Read for LmdbRead<'_> {
    fn get(&self, key: &Key, value: impl FnOnce(&[u8])) -> Result<bool> {
        Ok(self.table.get(&self.tx, key)?.map(value).is_some())
    }

    fn from(&self, key: &Key, limit: usize, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let range = (Bound::Included(&key[..]), Bound::Unbounded);
        for entry in self.table.range(&self.tx, &range)?.take(limit) {
            let (key, value) = entry?;
            row(key, value);
        }
        Ok(())
    }

    fn all(&self, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for entry in self.table.iter(&self.tx)? {
            let (key, value) = entry?;
            row(key, value);
        }
        Ok(())
    }
}

/// A write transaction.
pub struct LmdbWrite<'t> {
    tx: RwTxn<'t>,
    table: Table,
}

impl Write for LmdbWrite<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        Ok(self.table.put(&mut self.tx, key, value)?)
    }

    fn append(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        Ok(self.table.put_with_flags(&mut self.tx, PutFlags::APPEND, key, value)?)
    }

    fn remove(&mut self, key: &Key) -> Result<bool> {
        Ok(self.table.delete(&mut self.tx, key)?)
    }
}
