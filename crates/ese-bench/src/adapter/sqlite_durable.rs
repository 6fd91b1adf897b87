//! SQLite in a file with a write-ahead log: `synchronous = FULL`; lazy: `NORMAL`. One connection, taken in turns: there
//! is one writer in any case.

use super::sqlite::Sqlite;
use crate::engine::{Durability, Durable, DurableSession, Engine, Opening};
use anyhow::{Result, anyhow};
use ese_base::sync::Mutex;
use rusqlite::Connection;
use std::{path::Path, sync::Arc};

/// The connection.
#[derive(Clone)]
pub struct SqliteDurable(Sqlite);

impl Engine for SqliteDurable {
    type Session = Sqlite;
    const NAME: &'static str = "sqlite-durable";
    const SETTINGS: &'static str = "SQLite bundled with rusqlite 0.41, WAL, synchronous FULL (lazy: NORMAL), map 16 GiB, \
                                    cache 256 MiB, WITHOUT ROWID, cached statements";

    fn open(opening: Opening<'_>) -> Result<Self> {
        Self::reopen(opening.directory)
    }

    fn session(&self) -> Result<Sqlite> {
        Ok(self.0.clone())
    }
}

impl Durable for SqliteDurable {
    fn reopen(directory: &Path) -> Result<Self> {
        let connection = Connection::open(directory.join("sqlite"))?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA mmap_size = 17179869184;
             PRAGMA cache_size = -262144;
             CREATE TABLE IF NOT EXISTS rows (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID",
        )?;
        Ok(SqliteDurable(Sqlite(Arc::new(Mutex::new(connection)))))
    }

    fn close(self) -> Result<()> {
        let connection = Arc::into_inner(self.0.0).ok_or_else(|| anyhow!("a session has the connection"))?;
        connection.into_inner().close().map_err(|(_, error)| error.into())
    }
}

impl DurableSession for Sqlite {
    fn set_durability(&mut self, durability: Durability) -> Result<()> {
        let synchronous = match durability {
            Durability::Sync => "FULL",
            Durability::Lazy => "NORMAL",
        };
        Ok(self.0.lock().execute_batch(&format!("PRAGMA synchronous = {synchronous}"))?)
    }
}
