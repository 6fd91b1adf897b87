//! redb, in memory and in a file: a copy-on-write B-tree with its own cache of 1 GiB; commits are not synced.

use crate::{
    data::Key,
    engine::{Engine, Opening, Read, Session, Write},
};
use anyhow::Result;
use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, Table, TableDefinition,
    WriteTransaction, backends::InMemoryBackend,
};
use std::{marker::PhantomData, sync::Arc};

pub(super) const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
pub(super) const CACHE_BYTES: usize = 1 << 30;

/// Where a database lies.
pub trait Place: Send + Sync + 'static {
    /// The adapter's name.
    const NAME: &'static str;
    /// The adapter's settings.
    const SETTINGS: &'static str;

    /// Makes an empty database.
    ///
    /// # Errors
    /// redb's own.
    fn create(opening: Opening<'_>) -> Result<Database>;
}

/// In a vector.
#[derive(Debug)]
pub struct Memory;

impl Place for Memory {
    const NAME: &'static str = "redb";
    const SETTINGS: &'static str = "redb 4.4, InMemoryBackend, cache 1 GiB, Durability::None";

    fn create(_: Opening<'_>) -> Result<Database> {
        Ok(Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(InMemoryBackend::new())?)
    }
}

/// In a file.
#[derive(Debug)]
pub struct File;

impl Place for File {
    const NAME: &'static str = "redb-file";
    const SETTINGS: &'static str = "redb 4.4, file, cache 1 GiB, Durability::None";

    fn create(opening: Opening<'_>) -> Result<Database> {
        Ok(Database::builder().set_cache_size(CACHE_BYTES).create(opening.directory.join("redb"))?)
    }
}

/// A database.
pub struct Redb<P>(Arc<Database>, PhantomData<P>);

impl<P> Clone for Redb<P> {
    fn clone(&self) -> Self {
        Redb(Arc::clone(&self.0), PhantomData)
    }
}

impl<P: Place> Redb<P> {
    fn begin(&self) -> Result<WriteTransaction> {
        let mut tx = self.0.begin_write()?;
        tx.set_durability(Durability::None)?;
        Ok(tx)
    }
}

impl<P: Place> Engine for Redb<P> {
    type Session = Redb<P>;
    const NAME: &'static str = P::NAME;
    const SETTINGS: &'static str = P::SETTINGS;

    fn open(opening: Opening<'_>) -> Result<Self> {
        let store: Self = Redb(Arc::new(P::create(opening)?), PhantomData);
        let tx = store.begin()?;
        tx.open_table(TABLE)?;
        tx.commit()?;
        Ok(store)
    }

    fn session(&self) -> Result<Redb<P>> {
        Ok(self.clone())
    }
}

impl<P: Place> Session for Redb<P> {
    type Read<'t> = ReadOnlyTable<&'static [u8], &'static [u8]>;
    type Write<'t> = Table<'t, &'static [u8], &'static [u8]>;

    fn read<T>(&mut self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        work(&self.0.begin_read()?.open_table(TABLE)?)
    }

    fn write<T>(&mut self, mut work: impl FnMut(&mut Self::Write<'_>) -> Result<T>) -> Result<T> {
        let tx = self.begin()?;
        let answer = {
            let mut table = tx.open_table(TABLE)?;
            work(&mut table)?
        };
        tx.commit()?;
        Ok(answer)
    }

    fn empty_read(&mut self) -> Result<()> {
        drop(self.0.begin_read()?);
        Ok(())
    }

    // Its savepoints are a list of whole states, not levels inside one another.
    fn savepoints(&mut self, _: usize) -> Result<bool> {
        Ok(false)
    }
}

impl Read for ReadOnlyTable<&'static [u8], &'static [u8]> {
    fn get(&self, key: &Key, value: impl FnOnce(&[u8])) -> Result<bool> {
        Ok(ReadableTable::get(self, &key[..])?.map(|found| value(found.value())).is_some())
    }

    fn from(&self, key: &Key, limit: usize, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for entry in self.range::<&[u8]>(&key[..]..)?.take(limit) {
            let (key, value) = entry?;
            row(key.value(), value.value());
        }
        Ok(())
    }

    fn all(&self, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for entry in self.iter()? {
            let (key, value) = entry?;
            row(key.value(), value.value());
        }
        Ok(())
    }
}

impl Write for Table<'_, &'static [u8], &'static [u8]> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.insert(&key[..], value)?;
        Ok(())
    }

    fn remove(&mut self, key: &Key) -> Result<bool> {
        Ok(Table::remove(self, &key[..])?.is_some())
    }
}
