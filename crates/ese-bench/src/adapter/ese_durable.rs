//! ese in a folder, through its public interface.
//!
//! Background work runs on the engine's own threads and takes part in every measured time; [`Engine::settle`] makes a
//! checkpoint.

use super::ese::{EseSession, VERSION_STORE_BYTES};
use crate::engine::{Background, Durability, Durable, DurableSession, Engine, Opening};
use anyhow::Result;
use ese::{Builder, Instance, Tree};
use std::path::Path;

/// An instance with one tree.
#[derive(Clone, Debug)]
pub struct EseDurable {
    db: Instance,
    tree: Tree,
}

impl EseDurable {
    fn of(builder: Builder, directory: &Path) -> Result<Self> {
        let db = builder.version_store_bytes(VERSION_STORE_BYTES).open(directory.join("ese"))?;
        let tree = db.tree("rows")?;
        Ok(EseDurable { db, tree })
    }
}

impl Engine for EseDurable {
    type Session = EseSession;
    const NAME: &'static str = "ese-durable";
    const SETTINGS: &'static str = "ese in a folder, defaults, version store 4 GiB";

    fn open(opening: Opening<'_>) -> Result<Self> {
        let background = match opening.background {
            Background::Free => ese::Background::Threads,
            Background::Held => ese::Background::Manual,
        };
        Self::of(Instance::builder().background(background), opening.directory)
    }

    fn session(&self) -> Result<EseSession> {
        Ok(EseSession::new(self.db.session()?, self.tree))
    }

    fn settle(&self) -> Result<()> {
        Ok(self.db.checkpoint()?)
    }

    fn backlog(&self) -> Option<u64> {
        Some(self.db.stats().backlog_rows)
    }
}

impl Durable for EseDurable {
    fn reopen(directory: &Path) -> Result<Self> {
        Self::of(Instance::builder(), directory)
    }

    fn close(self) -> Result<()> {
        Ok(self.db.close()?)
    }

    fn log_syncs(&self) -> Option<u64> {
        Some(self.db.stats().log_syncs)
    }
}

impl DurableSession for EseSession {
    fn set_durability(&mut self, durability: Durability) -> Result<()> {
        self.session.set_durability(match durability {
            Durability::Sync => ese::Durability::Sync,
            Durability::Lazy => ese::Durability::Lazy,
        });
        Ok(())
    }
}
