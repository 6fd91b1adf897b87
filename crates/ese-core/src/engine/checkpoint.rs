//! A checkpoint: the newest bases become what a crash falls back to, and the log below them is let go.
//!
//! (1) the log is settled up to the bases' L, (2) every database makes its base durable and says so, (3) the part of the
//! log that no database needs any more is recycled. Merges may come in between; the bases were chosen before.
//!
//! Invariants:
//! - A base is named with an L below which the log is durable, and only after all it reaches is.
//! - The log is recycled below what every attached database needs, those included that this checkpoint left out.

use super::{
    core::{Attachment, Core},
    trace,
};
use crate::seam::{log::LogPoint, store::Base, version_store::VersionStore};
use ese_base::{ErrorKind, Position, Result, sync::atomic::Ordering};
use std::sync::Arc;

/// See the head of the module.
pub(super) struct Checkpoint<V: VersionStore> {
    databases: Vec<InCheckpoint<V>>,
    /// The lowest of their L.
    below: Position,
    full: bool,
}

struct InCheckpoint<V: VersionStore> {
    attachment: Arc<Attachment<V>>,
    base: Arc<dyn Base>,
    at: Option<LogPoint>,
}

/// What a step of a checkpoint came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    /// Everything below is durable without the log.
    Done(Position),
    /// A database has no space; what it could do is done.
    Full,
}

impl<V: VersionStore> Checkpoint<V> {
    /// Chooses the newest bases and settles the log below them.
    pub(super) fn begin(core: &Core<V>) -> Result<Self> {
        let bases = core.versions.newest_bases();
        let end = bases.iter().map(|base| base.l).max().unwrap_or(Position::FIRST);
        let settled = core.publication.log().map(|log| log.settle(end)).transpose()?;
        let mut databases = Vec::with_capacity(bases.len());
        let mut below = end;
        for new in bases {
            // One that is gone in between was brought to its end by its detach.
            let (Ok(attachment), Some(base)) = (core.attachment(new.attachment), new.base) else { continue };
            below = below.min(new.l);
            let at = settled.map(|point| LogPoint { at: new.l, ..point });
            databases.push(InCheckpoint { attachment, base, at });
        }
        databases.reverse();
        Ok(Checkpoint { databases, below, full: false })
    }

    /// Takes one bounded step.
    pub(super) fn step(&mut self, core: &Core<V>) -> Result<Progress> {
        let Some(next) = self.databases.last() else { return self.recycle(core) };
        // A store's changes come from one thread at a time: a merge has its turn between steps.
        let applier = core.applier.lock();
        let is_out = next.attachment.out.load(Ordering::SeqCst);
        let stepped =
            if is_out { Ok(true) } else { next.attachment.store.checkpoint_step(&next.base, next.at) };
        drop(applier);
        match stepped {
            Ok(false) => {}
            Ok(true) => {
                self.databases.pop();
            }
            Err(error) if error.kind() == ErrorKind::DiskFull => {
                self.full = true;
                self.databases.pop();
            }
            Err(error) => return Err(error),
        }
        Ok(Progress::More)
    }

    fn recycle(&self, core: &Core<V>) -> Result<Progress> {
        if let (Some(log), Some(needed)) = (core.publication.log(), needed_from(core)) {
            log.recycle(needed)?;
        }
        if self.full {
            return Ok(Progress::Full);
        }
        core.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        trace::checkpointed(self.below);
        Ok(Progress::Done(self.below))
    }
}

/// The position from which on an attached database needs the log; `None` when none does.
pub(super) fn needed_from<V: VersionStore>(core: &Core<V>) -> Option<Position> {
    core.attachments.read().iter().filter_map(|attachment| attachment.store.needed_from()).min()
}
