//! What an adapter provides, so that one workload runs on every engine without a virtual call.
//!
//! Transactions are closures because some engines' transactions own tables that borrow them. A closure for a write may
//! run again where an engine reports a conflict.

use crate::data::Key;
use anyhow::Result;
use std::path::Path;

/// Who moves what is committed to where it rests, where an engine has such a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    /// The engine, as it sees fit.
    Free,
    /// Nobody, until [`Engine::settle`].
    Held,
}

/// When a commit returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When it is durable.
    Sync,
    /// As soon as it is done; durable when the engine sees fit.
    Lazy,
}

/// What a store is opened with.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// An empty directory for engines that need files.
    pub directory: &'a Path,
    /// Whether background work runs by itself.
    pub background: Background,
}

/// A store; clones are handles to the same one.
pub trait Engine: Clone + Send + Sync + Sized + 'static {
    /// What a thread works with.
    type Session: Session;

    /// The word for it on the command line and in tables.
    const NAME: &'static str;

    /// The version and the settings, for the report.
    const SETTINGS: &'static str;

    /// Makes an empty store.
    ///
    /// # Errors
    /// The engine's own.
    fn open(opening: Opening<'_>) -> Result<Self>;

    /// A session; one a thread.
    ///
    /// # Errors
    /// The engine's own.
    fn session(&self) -> Result<Self::Session>;

    /// Finishes all background work.
    ///
    /// # Errors
    /// The engine's own.
    fn settle(&self) -> Result<()> {
        Ok(())
    }

    /// Rows that wait for background work; `None` for engines without.
    fn backlog(&self) -> Option<u64> {
        None
    }
}

/// What a thread works with.
pub trait Session: Send {
    /// A snapshot, with the table open.
    type Read<'t>: Read;
    /// A read-write transaction, with the table open.
    type Write<'t>: Write;

    /// Runs `work` in a read transaction.
    ///
    /// # Errors
    /// The engine's own, or what `work` returns.
    fn read<T>(&mut self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T>;

    /// Runs `work` in a write transaction and commits it: in memory as cheaply as the engine offers
    /// (nothing is synced), in a folder with the session's durability.
    ///
    /// # Errors
    /// The engine's own, or what `work` returns.
    fn write<T>(&mut self, work: impl FnMut(&mut Self::Write<'_>) -> Result<T>) -> Result<T>;

    /// Begins and ends a read transaction that reads nothing.
    ///
    /// # Errors
    /// The engine's own.
    fn empty_read(&mut self) -> Result<()>;

    /// Begins a transaction, nests `levels` savepoints in one another, rolls back to the first, and commits. `false`
    /// where the engine has no nested savepoints.
    ///
    /// # Errors
    /// The engine's own.
    fn savepoints(&mut self, levels: usize) -> Result<bool>;
}

/// A store in a folder, whose sessions commit durably unless they are told otherwise.
pub trait Durable: Engine<Session: DurableSession> {
    /// Opens what is in a directory.
    ///
    /// # Errors
    /// The engine's own.
    fn reopen(directory: &Path) -> Result<Self>;

    /// Closes it as a program should.
    ///
    /// # Errors
    /// The engine's own.
    fn close(self) -> Result<()>;

    /// Syncs of its log since it was opened, where it counts them.
    fn log_syncs(&self) -> Option<u64> {
        None
    }
}

/// A session of such a store.
pub trait DurableSession: Session {
    /// Sets when its commits return, and perhaps those of the store's other sessions.
    ///
    /// # Errors
    /// The engine's own.
    fn set_durability(&mut self, durability: Durability) -> Result<()>;
}

/// Reads of one snapshot.
pub trait Read {
    /// Hands the value at `key` to `value`; `false` when there is none.
    ///
    /// # Errors
    /// The engine's own.
    fn get(&self, key: &Key, value: impl FnOnce(&[u8])) -> Result<bool>;

    /// Hands the values at `keys` to `value`, in any order, and returns how many there were.
    ///
    /// # Errors
    /// The engine's own.
    fn get_many(&self, keys: &[Key], mut value: impl FnMut(&[u8])) -> Result<usize> {
        let mut found = 0;
        for key in keys {
            found += usize::from(self.get(key, &mut value)?);
        }
        Ok(found)
    }

    /// Hands up to `limit` rows from `key` on to `row`, in order.
    ///
    /// # Errors
    /// The engine's own.
    fn from(&self, key: &Key, limit: usize, row: impl FnMut(&[u8], &[u8])) -> Result<()>;

    /// Hands every row to `row`, in order.
    ///
    /// # Errors
    /// The engine's own.
    fn all(&self, row: impl FnMut(&[u8], &[u8])) -> Result<()>;
}

/// A read-write transaction.
pub trait Write {
    /// Inserts or replaces a row.
    ///
    /// # Errors
    /// The engine's own.
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()>;

    /// Inserts a row after all there are, by the fastest way the engine has.
    ///
    /// # Errors
    /// The engine's own.
    fn append(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.put(key, value)
    }

    /// Removes a row; `false` when there was none.
    ///
    /// # Errors
    /// The engine's own.
    fn remove(&mut self, key: &Key) -> Result<bool>;
}
