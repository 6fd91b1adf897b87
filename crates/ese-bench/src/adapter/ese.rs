//! ese in memory, through its public interface: sessions and guards, as a program on a hot path uses them.
//!
//! Background work runs on the engine's thread and takes part in every measured time; [`Engine::settle`] merges all
//! that is committed.

use crate::{
    data::Key,
    engine::{Background, Engine, Opening, Read, Session, Write},
};
use anyhow::Result;
use ese::{Durability, Instance, Transaction, Tree};

/// Room for a load in one transaction.
pub(super) const VERSION_STORE_BYTES: u64 = 4 << 30;
/// Keys of one call of `get_many`.
const KEYS_A_CALL: usize = 8;

/// An instance with one tree.
#[derive(Clone, Debug)]
pub struct Ese {
    db: Instance,
    tree: Tree,
}

impl Engine for Ese {
    type Session = EseSession;
    const NAME: &'static str = "ese";
    const SETTINGS: &'static str =
        "ese in memory, pages of 4 KiB, version store 4 GiB, merges by its own thread";

    fn open(opening: Opening<'_>) -> Result<Self> {
        let background = match opening.background {
            Background::Free => ese::Background::Threads,
            Background::Held => ese::Background::Manual,
        };
        let db = Instance::builder()
            .version_store_bytes(VERSION_STORE_BYTES)
            .durability(Durability::Lazy)
            .background(background)
            .in_memory()?;
        let tree = db.tree("rows")?;
        Ok(Ese { db, tree })
    }

    fn session(&self) -> Result<EseSession> {
        Ok(EseSession::new(self.db.session()?, self.tree))
    }

    fn settle(&self) -> Result<()> {
        Ok(self.db.merge()?)
    }

    fn backlog(&self) -> Option<u64> {
        Some(self.db.stats().backlog_rows)
    }
}

/// A session.
#[derive(Debug)]
pub struct EseSession {
    pub(super) session: ese::Session,
    tree: Tree,
}

impl EseSession {
    pub(super) fn new(session: ese::Session, tree: Tree) -> EseSession {
        EseSession { session, tree }
    }
}

impl Session for EseSession {
    type Read<'t> = EseTransaction<'t>;
    type Write<'t> = EseTransaction<'t>;

    fn read<T>(&mut self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        work(&EseTransaction { tx: self.session.begin_read_only()?, tree: self.tree })
    }

    // No row of the bench has two writers of one key, so a conflict would be a fault of the engine: no retry.
    fn write<T>(&mut self, mut work: impl FnMut(&mut Self::Write<'_>) -> Result<T>) -> Result<T> {
        let mut write = EseTransaction { tx: self.session.begin()?, tree: self.tree };
        let answer = work(&mut write)?;
        write.tx.commit()?;
        Ok(answer)
    }

    fn empty_read(&mut self) -> Result<()> {
        drop(self.session.begin_read_only()?);
        Ok(())
    }

    fn savepoints(&mut self, levels: usize) -> Result<bool> {
        let mut tx = self.session.begin()?;
        nest(&mut tx, levels)?;
        tx.commit()?;
        Ok(true)
    }
}

/// Nests savepoints; rolling back the outermost of them rolls back all.
fn nest(parent: &mut Transaction<'_>, levels: usize) -> Result<()> {
    if levels > 0 {
        let mut savepoint = parent.savepoint()?;
        nest(&mut savepoint, levels - 1)?;
        savepoint.rollback()?;
    }
    Ok(())
}

/// A transaction.
#[derive(Debug)]
pub struct EseTransaction<'t> {
    tx: Transaction<'t>,
    tree: Tree,
}

impl Read for EseTransaction<'_> {
    fn get(&self, key: &Key, value: impl FnOnce(&[u8])) -> Result<bool> {
        Ok(self.tree.get(&self.tx, key)?.map(|found| value(&found)).is_some())
    }

    fn get_many(&self, keys: &[Key], mut value: impl FnMut(&[u8])) -> Result<usize> {
        let mut found = 0;
        for group in keys.chunks(KEYS_A_CALL) {
            let mut borrowed: [&[u8]; KEYS_A_CALL] = [&[]; KEYS_A_CALL];
            borrowed.iter_mut().zip(group).for_each(|(place, key)| *place = key);
            self.tree.get_many_with(&self.tx, &borrowed[..group.len()], |_, read| {
                if let Some(read) = read {
                    found += 1;
                    value(&read);
                }
            })?;
        }
        Ok(found)
    }

    fn from(&self, key: &Key, limit: usize, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let mut rows = self.tree.range(&self.tx, &key[..]..)?;
        for _ in 0..limit {
            let Some((key, value)) = rows.next_row()? else { break };
            row(key, &value);
        }
        Ok(())
    }

    fn all(&self, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let mut rows = self.tree.range(&self.tx, ..)?;
        while let Some((key, value)) = rows.next_row()? {
            row(key, &value);
        }
        Ok(())
    }
}

impl Write for EseTransaction<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        Ok(self.tree.put(&mut self.tx, key, value)?)
    }

    fn remove(&mut self, key: &Key) -> Result<bool> {
        Ok(self.tree.delete(&mut self.tx, key)?)
    }
}
