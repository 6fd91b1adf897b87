//! The floor: the standard library's `BTreeMap` behind a reader-writer lock, held for the length of a transaction.
//!
//! No versions, no rollback, no snapshots beside a writer. Keys are byte strings of any length, as with the others.

use crate::{
    data::Key,
    engine::{Engine, Opening, Read, Session, Write},
};
use anyhow::Result;
use ese_base::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A locked map.
#[derive(Clone, Debug, Default)]
pub struct Locked(Arc<RwLock<Map>>);

impl Engine for Locked {
    type Session = Locked;
    const NAME: &'static str = "btreemap";
    const SETTINGS: &'static str =
        "std BTreeMap<Vec<u8>, Vec<u8>> in a parking_lot RwLock, no versions, no rollback";

    fn open(_: Opening<'_>) -> Result<Self> {
        Ok(Self::default())
    }

    fn session(&self) -> Result<Locked> {
        Ok(self.clone())
    }
}

impl Session for Locked {
    type Read<'t> = RwLockReadGuard<'t, Map>;
    type Write<'t> = RwLockWriteGuard<'t, Map>;

    fn read<T>(&mut self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        work(&self.0.read())
    }

    fn write<T>(&mut self, mut work: impl FnMut(&mut Self::Write<'_>) -> Result<T>) -> Result<T> {
        work(&mut self.0.write())
    }

    fn empty_read(&mut self) -> Result<()> {
        drop(self.0.read());
        Ok(())
    }

    fn savepoints(&mut self, _: usize) -> Result<bool> {
        Ok(false)
    }
}

impl Read for RwLockReadGuard<'_, Map> {
    fn get(&self, key: &Key, value: impl FnOnce(&[u8])) -> Result<bool> {
        Ok(BTreeMap::get(self, &key[..]).map(|found| value(found)).is_some())
    }

    fn from(&self, key: &Key, limit: usize, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        self.range::<[u8], _>((Bound::Included(&key[..]), Bound::Unbounded))
            .take(limit)
            .for_each(|(key, value)| row(key, value));
        Ok(())
    }

    fn all(&self, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        self.iter().for_each(|(key, value)| row(key, value));
        Ok(())
    }
}

impl Write for RwLockWriteGuard<'_, Map> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: &Key) -> Result<bool> {
        Ok(BTreeMap::remove(self, &key[..]).is_some())
    }
}
