//! SQLite through rusqlite: a `:memory:` database, one connection, taken in turns by the threads.
//!
//! Statements are prepared once and kept in the connection's cache.

use crate::{
    data::Key,
    engine::{Engine, Opening, Read, Session, Write},
};
use anyhow::Result;
use ese_base::sync::Mutex;
use rusqlite::{Connection, OptionalExtension};
use std::sync::Arc;

/// The connection.
#[derive(Clone)]
pub struct Sqlite(pub(super) Arc<Mutex<Connection>>);

impl Engine for Sqlite {
    type Session = Sqlite;
    const NAME: &'static str = "sqlite";
    const SETTINGS: &'static str =
        "SQLite bundled with rusqlite 0.41, :memory:, WITHOUT ROWID, cached statements";

    fn open(_: Opening<'_>) -> Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch("CREATE TABLE rows (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID")?;
        Ok(Sqlite(Arc::new(Mutex::new(connection))))
    }

    fn session(&self) -> Result<Sqlite> {
        Ok(self.clone())
    }
}

fn run(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

const SAVEPOINTS: [&str; 8] = [
    "SAVEPOINT s1",
    "SAVEPOINT s2",
    "SAVEPOINT s3",
    "SAVEPOINT s4",
    "SAVEPOINT s5",
    "SAVEPOINT s6",
    "SAVEPOINT s7",
    "SAVEPOINT s8",
];

impl Session for Sqlite {
    type Read<'t> = Open<'t>;
    type Write<'t> = Open<'t>;

    fn read<T>(&mut self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        let connection = self.0.lock();
        run(&connection, "BEGIN")?;
        let answer = work(&Open(&connection));
        run(&connection, "COMMIT")?;
        answer
    }

    fn write<T>(&mut self, mut work: impl FnMut(&mut Self::Write<'_>) -> Result<T>) -> Result<T> {
        let connection = self.0.lock();
        run(&connection, "BEGIN IMMEDIATE")?;
        let answer = work(&mut Open(&connection));
        run(&connection, if answer.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        answer
    }

    fn empty_read(&mut self) -> Result<()> {
        self.read(|_| Ok(()))
    }

    fn savepoints(&mut self, levels: usize) -> Result<bool> {
        let connection = self.0.lock();
        run(&connection, "BEGIN IMMEDIATE")?;
        for sql in SAVEPOINTS.iter().take(levels) {
            run(&connection, sql)?;
        }
        run(&connection, "ROLLBACK TO s1")?;
        run(&connection, "COMMIT")?;
        Ok(true)
    }
}

/// The connection inside a transaction.
pub struct Open<'t>(&'t Connection);

impl Read for Open<'_> {
    fn get(&self, key: &Key, value: impl FnOnce(&[u8])) -> Result<bool> {
        let mut statement = self.0.prepare_cached("SELECT v FROM rows WHERE k = ?1")?;
        let found = statement
            .query_row([&key[..]], |row| {
                value(row.get_ref(0)?.as_blob()?);
                Ok(())
            })
            .optional()?;
        Ok(found.is_some())
    }

    fn from(&self, key: &Key, limit: usize, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let mut statement = self.0.prepare_cached("SELECT k, v FROM rows WHERE k >= ?1 ORDER BY k")?;
        let mut rows = statement.query([&key[..]])?;
        let mut left = limit;
        while left > 0 {
            let Some(found) = rows.next()? else { break };
            row(found.get_ref(0)?.as_blob()?, found.get_ref(1)?.as_blob()?);
            left -= 1;
        }
        Ok(())
    }

    fn all(&self, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let mut statement = self.0.prepare_cached("SELECT k, v FROM rows ORDER BY k")?;
        let mut rows = statement.query([])?;
        while let Some(found) = rows.next()? {
            row(found.get_ref(0)?.as_blob()?, found.get_ref(1)?.as_blob()?);
        }
        Ok(())
    }
}

impl Write for Open<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        let mut statement = self.0.prepare_cached("INSERT OR REPLACE INTO rows (k, v) VALUES (?1, ?2)")?;
        statement.execute((&key[..], value))?;
        Ok(())
    }

    fn remove(&mut self, key: &Key) -> Result<bool> {
        Ok(self.0.prepare_cached("DELETE FROM rows WHERE k = ?1")?.execute([&key[..]])? > 0)
    }
}
