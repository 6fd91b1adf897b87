//! What keeps commits: lazy ones are flushed in time, checkpoints bound the log, segments are ready before they are
//! needed; a loop over `step`.
//!
//! It has a thread of its own, so that a slow disk stops neither the commits that need no sync nor, but for a step of a
//! checkpoint, the merges.

use super::{
    applier,
    checkpoint::{Checkpoint, Progress, needed_from},
    core::Core,
    databases::too_many_views,
};
use crate::seam::{engine::Step, version_store::VersionStore};
use ese_base::{Error, ErrorKind, Position, Result, sync::thread};
use std::time::Duration;

/// What the keeper is doing.
pub(super) struct Keeper<V: VersionStore> {
    checkpoint: Option<Checkpoint<V>>,
    flushed_at: Duration,
    /// The last checkpoint: what it made durable, when it ended, and what the log had written by then.
    below: Position,
    checkpointed_at: Duration,
    log_bytes: u64,
    /// Claims seen at the last look, and when they last changed.
    seen_claims: u64,
    seen_at: Duration,
    /// The log has space ready.
    is_prepared: bool,
}

impl<V: VersionStore> Default for Keeper<V> {
    fn default() -> Self {
        Keeper {
            checkpoint: None,
            flushed_at: Duration::ZERO,
            below: Position::FIRST,
            checkpointed_at: Duration::ZERO,
            log_bytes: 0,
            seen_claims: 0,
            seen_at: Duration::ZERO,
            is_prepared: false,
        }
    }
}

impl<V: VersionStore> Core<V> {
    /// Whether anything of it outlives the process.
    pub(super) fn is_durable(&self) -> bool {
        self.publication.log().is_some() || self.backend.is_durable()
    }

    /// Makes everything that is merged durable without the log, by whoever calls it.
    pub(super) fn checkpoint(&self) -> Result<()> {
        let mut keeper = self.keeper.lock();
        let done = keeper.checkpoint_now(self);
        if let Err(error) = &done
            && !matches!(error.kind(), ErrorKind::DiskFull | ErrorKind::VersionStoreFull)
        {
            self.poison(error);
        }
        done
    }
}

/// One bounded step of it.
pub(super) fn step<V: VersionStore>(core: &Core<V>) -> Result<Step> {
    if core.state.is_poisoned() {
        return Err(core.state.poison_error());
    }
    let mut keeper = core.keeper.lock();
    let stepped = keeper.advance(core);
    if let Err(error) = &stepped {
        core.poison(error);
    }
    stepped
}

impl<V: VersionStore> Keeper<V> {
    /// Forgets the checkpoint under way; the next one takes up what it left.
    pub(super) fn give_up(&mut self) {
        self.checkpoint = None;
    }

    fn advance(&mut self, core: &Core<V>) -> Result<Step> {
        if self.flush_lazy(core)? {
            return Ok(Step::Flushed);
        }
        if self.checkpoint.is_none() && self.is_due(core) {
            self.checkpoint = Some(Checkpoint::begin(core));
            return Ok(Step::Checkpointed);
        }
        if let Some(checkpoint) = &mut self.checkpoint {
            return Ok(match checkpoint.step(core)? {
                Progress::More => Step::Checkpointed,
                Progress::Waits => Step::Waited,
                progress => {
                    self.checkpoint = None;
                    self.note(core, progress);
                    Step::Checkpointed
                }
            });
        }
        Ok(if self.prepare(core)? { Step::Prepared } else { Step::Idle })
    }

    /// Flushes what lazy commits left, when the last flush was long enough ago.
    fn flush_lazy(&mut self, core: &Core<V>) -> Result<bool> {
        let Some(log) = core.publication.log() else { return Ok(false) };
        let now = core.clock.now();
        if now.saturating_sub(self.flushed_at) < core.options.flush_interval {
            return Ok(false);
        }
        self.flushed_at = now;
        let claimed = core.publication.claimed();
        if log.durable() >= claimed.next {
            return Ok(false);
        }
        core.flush_locked(claimed.position)?;
        // Synchronous commits whose sessions died wait for nobody else.
        core.publication.publish_ready(&core.versions);
        self.is_prepared = false;
        Ok(true)
    }

    /// Whether a checkpoint should begin without being asked for.
    fn is_due(&mut self, core: &Core<V>) -> bool {
        let (now, claimed) = (core.clock.now(), core.publication.claimed());
        if claimed.claims != self.seen_claims {
            self.seen_claims = claimed.claims;
            self.seen_at = now;
            self.is_prepared = false;
        }
        let merged = core.versions.usage().merged_below;
        let since = now.saturating_sub(self.checkpointed_at);
        let written = core.publication.log().map_or(0, |log| log.stats().bytes);
        let is_deep = written.saturating_sub(self.log_bytes) >= core.options.checkpoint_depth_bytes / 2;
        if merged <= self.below {
            if is_deep && claimed.next > merged && core.check_space().is_ok() {
                core.order_merge();
            }
            // With nothing new the older of two durable states still holds the log back: one more brings it forward.
            let holds = needed_from(core).is_some_and(|needed| needed < merged);
            return holds && claimed.next == merged && self.is_quiet(core, now);
        }
        is_deep
            || since >= core.options.checkpoint_age
            || (claimed.next == merged && self.is_quiet(core, now))
    }

    /// Whether nothing was committed for a while.
    fn is_quiet(&self, core: &Core<V>, now: Duration) -> bool {
        now.saturating_sub(self.seen_at.max(self.checkpointed_at)) >= core.options.merge_idle
    }

    /// Remembers a checkpoint that has ended, well or without space.
    fn note(&mut self, core: &Core<V>, progress: Progress) {
        self.checkpointed_at = core.clock.now();
        self.log_bytes = core.publication.log().map_or(0, |log| log.stats().bytes);
        if let Progress::Done(below) = progress {
            self.below = below;
        }
        self.is_prepared = false;
    }

    fn checkpoint_now(&mut self, core: &Core<V>) -> Result<()> {
        self.checkpoint = None;
        let mut checkpoint = Checkpoint::begin(core);
        loop {
            let progress = checkpoint.step(core)?;
            match progress {
                Progress::More => continue,
                Progress::Waits => {
                    if core.state.is_poisoned() {
                        return Err(core.state.poison_error());
                    }
                    if core.applier.lock().is_held_up_by_readers() {
                        return Err(too_many_views());
                    }
                    // Driven on from here: the applier's thread may have been told to stop.
                    if applier::step(core)? == Step::Waited {
                        thread::yield_now();
                    }
                    continue;
                }
                Progress::Done(_) => self.note(core, progress),
                Progress::Full => {
                    self.note(core, progress);
                    return Err(Error::new(ErrorKind::DiskFull, "a database has no space for a checkpoint"));
                }
            }
            return Ok(());
        }
    }

    /// Has the log make space ready; what it lacks it says to those who need it.
    fn prepare(&mut self, core: &Core<V>) -> Result<bool> {
        let Some(log) = core.publication.log() else { return Ok(false) };
        if self.is_prepared {
            return Ok(false);
        }
        match log.prepare() {
            Ok(more) => {
                self.is_prepared = !more;
                Ok(more)
            }
            Err(_) => {
                self.is_prepared = true;
                Ok(false)
            }
        }
    }
}

/// The keeper's thread: steps until it is told to stop.
pub(super) fn run<V: VersionStore>(core: &Core<V>) {
    loop {
        // An error has poisoned the engine; there is nothing to do but to wait for the end.
        let step = step(core).unwrap_or(Step::Idle);
        core.report_durable();
        let mut orders = core.work.orders.lock();
        if orders.stop {
            return;
        }
        if matches!(step, Step::Idle | Step::Waited) {
            let pause =
                core.options.flush_interval.clamp(Duration::from_millis(1), Duration::from_millis(100));
            core.work.keep.wait_for(&mut orders, pause);
        }
    }
}
