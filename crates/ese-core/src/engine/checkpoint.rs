//! A checkpoint: the newest bases become what a crash falls back to, and the log below them is let go.
//!
//! Of each database, one after the other: (1) the newest base is chosen and the log settled up to its L, (2) the base is
//! made durable, and the database says so. At the end (3) the part of the log that no database needs any more is recycled.
//! Merges may come in between.
//!
//! Invariants:
//! - A base is named with an L below which the log is durable, and only after all it reaches is.
//! - The log is recycled below what every attached database needs, those included that this checkpoint left out.

use super::{
    core::{Attachment, Core},
    trace,
};
use crate::seam::{log::LogPoint, merges::NewBase, store::Base, version_store::VersionStore};
use ese_base::{ErrorKind, Position, Result, sync::atomic::Ordering};
use std::sync::Arc;

/// See the head of the module.
pub(super) struct Checkpoint<V: VersionStore> {
    /// The databases that are still to come, the next one last.
    databases: Vec<Arc<Attachment<V>>>,
    /// The base of the last of them, once its first step was taken.
    chosen: Option<(Arc<dyn Base>, Position, Option<LogPoint>)>,
    /// The lowest L of the others.
    below: Position,
    full: bool,
}

/// What a step of a checkpoint came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    /// A merge has to be published first.
    Waits,
    /// Everything below is durable without the log.
    Done(Position),
    /// A database has no space; what it could do is done.
    Full,
}

impl<V: VersionStore> Checkpoint<V> {
    /// A checkpoint of all attached databases.
    pub(super) fn begin(core: &Core<V>) -> Self {
        let mut databases: Vec<_> = core.attachments.read().iter().cloned().collect();
        databases.reverse();
        Checkpoint { databases, chosen: None, below: Position::UNCLAIMED, full: false }
    }

    /// Takes one bounded step.
    pub(super) fn step(&mut self, core: &Core<V>) -> Result<Progress> {
        let Some(next) = self.databases.last().cloned() else { return self.recycle(core) };
        match self.step_database(core, &next) {
            Ok(Progress::Done(below)) => {
                self.below = self.below.min(below);
                self.leave_database();
                Ok(Progress::More)
            }
            Err(error) if error.kind() == ErrorKind::DiskFull => {
                self.full = true;
                self.leave_database();
                Ok(Progress::More)
            }
            progress => progress,
        }
    }

    fn leave_database(&mut self) {
        self.databases.pop();
        self.chosen = None;
    }

    fn step_database(&mut self, core: &Core<V>, database: &Attachment<V>) -> Result<Progress> {
        // One that is on its way out is brought to its end by its detach.
        let gone = Ok(Progress::Done(Position::UNCLAIMED));
        if let Some((base, l, at)) = &self.chosen {
            // A store's changes come from one thread at a time: a merge has its turn between steps.
            let _applier = core.applier.lock();
            if database.out.load(Ordering::SeqCst) {
                return gone;
            }
            let done = database.store.checkpoint_step(base, *at)?;
            return Ok(if done { Progress::Done(*l) } else { Progress::More });
        }
        let find = || core.versions.newest_bases().into_iter().find(|new| new.attachment == database.number);
        let Some(NewBase { l, base: Some(base), .. }) = find() else { return gone };
        let settled = core.publication.log().map(|log| log.settle(l)).transpose()?;
        let at = settled.map(|point| LogPoint { at: l, ..point });
        let _applier = core.applier.lock();
        if database.out.load(Ordering::SeqCst) {
            return gone;
        }
        // A merge may have made a newer base since, or one that is not published yet.
        let is_newest = |newest: Arc<dyn Base>| std::ptr::addr_eq(Arc::as_ptr(&newest), Arc::as_ptr(&base));
        if !is_newest(database.store.newest()) {
            return Ok(Progress::Waits);
        }
        let done = database.store.checkpoint_step(&base, at)?;
        self.chosen = Some((base, l, at));
        Ok(if done { Progress::Done(l) } else { Progress::More })
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
