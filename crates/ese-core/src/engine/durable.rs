//! How far the log is durable: flushes by whoever needs one, and whom they are told to.
//!
//! Invariant: a position is reported after it is durable; the highest reported one only rises. No lock is held across a
//! report.

use super::core::Core;
use crate::seam::{engine::DurableCallback, version_store::VersionStore};
use ese_base::{
    CommitId, Position, Result,
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
};
use std::sync::Arc;

/// Who is told what became durable.
#[derive(Default)]
pub(super) struct Reports {
    callback: RwLock<Option<Arc<DurableCallback>>>,
    reported: AtomicU64,
}

impl Reports {
    pub(super) fn set(&self, callback: Option<Arc<DurableCallback>>) {
        *self.callback.write() = callback;
    }
}

impl<V: VersionStore> Core<V> {
    /// Makes everything up to and with `up_to` durable, where there is a log, and tells so; a failure ends the engine.
    pub(super) fn flush(&self, up_to: Position) -> Result<()> {
        self.flush_locked(up_to)?;
        self.report_durable();
        Ok(())
    }

    /// As [`Core::flush`], for whoever holds a lock: tells nobody, which [`Core::report_durable`] makes good.
    pub(super) fn flush_locked(&self, up_to: Position) -> Result<()> {
        let Some(log) = self.publication.log() else { return Ok(()) };
        log.flush(up_to).map(|_| ()).inspect_err(|error| self.poison(error))
    }

    /// Tells what has become durable since the last time.
    pub(super) fn report_durable(&self) {
        let Some(log) = self.publication.log() else { return };
        let durable = log.durable();
        if self.reports.reported.load(Ordering::Relaxed) >= durable.0 {
            return;
        }
        let callback = self.reports.callback.read().clone();
        if let Some(callback) = callback
            && self.reports.reported.fetch_max(durable.0, Ordering::AcqRel) < durable.0
        {
            let (log, epoch) = self.log_identity;
            callback(CommitId { log, epoch, position: durable });
        }
    }
}
