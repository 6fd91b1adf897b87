//! LMDB through heed with its syncs: data, then meta page, at each commit; `MDB_NOSYNC` while commits are lazy.
#![expect(unsafe_code, reason = "heed cannot open an environment or change its flags without")]

use super::lmdb::{Lmdb, MAP_BYTES};
use crate::engine::{Durability, Durable, DurableSession, Engine, Opening};
use anyhow::Result;
use heed::{EnvFlags, EnvOpenOptions, FlagSetMode};
use std::path::Path;

/// An environment and its one database.
#[derive(Clone, Debug)]
pub struct LmdbDurable(Lmdb);

impl Engine for LmdbDurable {
    type Session = Lmdb;
    const NAME: &'static str = "lmdb-durable";
    const SETTINGS: &'static str = "LMDB by heed 0.22, map 16 GiB, synced; lazy: MDB_NOSYNC";

    fn open(opening: Opening<'_>) -> Result<Self> {
        Self::reopen(opening.directory)
    }

    fn session(&self) -> Result<Lmdb> {
        Ok(self.0.clone())
    }
}

impl Durable for LmdbDurable {
    fn reopen(directory: &Path) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_readers(126);
        // SAFETY: the directory is this store's own: no other process or environment has the file open now.
        let env = unsafe { options.open(directory) }?;
        let mut tx = env.write_txn()?;
        let table = env.create_database(&mut tx, None)?;
        tx.commit()?;
        Ok(LmdbDurable(Lmdb { env, table }))
    }

    fn close(self) -> Result<()> {
        self.0.env.force_sync()?;
        let closing = self.0.env.prepare_for_closing();
        closing.wait();
        Ok(())
    }
}

impl DurableSession for Lmdb {
    fn set_durability(&mut self, durability: Durability) -> Result<()> {
        let mode = match durability {
            Durability::Sync => FlagSetMode::Disable,
            Durability::Lazy => FlagSetMode::Enable,
        };
        // SAFETY: rows that change it do so from one thread, before their first commit; without syncs a crash of the
        // machine may damage the file, which is temporary.
        unsafe { self.env.set_flags(EnvFlags::NO_SYNC, mode) }?;
        Ok(())
    }
}
