//! The applier: merges what is committed into the bases, seals, publishes views and frees them; a loop over `step`.
//!
//! A merge: (1) cut: close the gate, read L, seal; (2) wait until everything below L is published; (3) hand all rows
//! below L to the stores, in order; (4) install the new bases in a new view. One merge at a time.
//!
//! Invariants:
//! - Only the holder of the applier's lock makes roots and views.
//! - A base gets everything below its L: step 3 begins when the queue's head lies at or after L.
//! - A store without space is left alone for this merge; any other error of a store poisons the engine, and so does a
//!   panic of one, on whichever thread the step runs. Either way the merge ends for those who wait for it.

use super::{
    core::{Attachment, Core},
    directory, trace,
};
use crate::seam::{
    engine::Step,
    merges::{Cut, NewBase, Progress, Taken},
    store::{Base, Change, DropProgress, Merge},
    version_store::VersionStore,
};
use ese_base::{
    AttachmentNo, Error, ErrorKind, Position, Result, TreeNo,
    sync::{MutexGuard, atomic::Ordering},
};
use std::{ops::Bound, sync::Arc, time::Duration};

/// Rows that one step hands to the stores.
const ROWS_PER_STEP: usize = 1024;
/// Pages of a dropped tree that one call gives back, and how many calls one merge makes.
const DROP_PAGES: usize = 256;
const DROP_CALLS: usize = 64;

/// What the applier is doing.
pub(super) struct Applier<V: VersionStore> {
    phase: Phase<V>,
    /// What was claimed at the last cut, and when that was.
    cut: Position,
    cut_at: Duration,
    /// Bytes that stayed after the last merge.
    bytes_left: u64,
    /// Claims seen at the last look, and when they last changed.
    seen_claims: u64,
    seen_at: Duration,
    /// A dropped tree still has pages.
    drops_left: bool,
    /// A database without space is owed a merge, tried again from then on.
    retry_at: Option<Duration>,
}

enum Phase<V: VersionStore> {
    Idle,
    /// Step 2.
    Waiting(Cut),
    /// Step 3.
    Merging(Box<Merging<V>>),
    /// Step 4.
    Installing(Merged),
    /// The same, tried before: readers hold every place for a view.
    HeldUp(Merged),
}

/// What a merge has made.
struct Merged {
    cut: Cut,
    bases: Vec<NewBase>,
    full: Vec<AttachmentNo>,
}

struct Merging<V: VersionStore> {
    cut: Cut,
    plan: V::Plan,
    databases: Vec<InMerge<V>>,
}

/// A database in a merge.
struct InMerge<V: VersionStore> {
    attachment: Arc<Attachment<V>>,
    merge: Option<Box<dyn Merge>>,
    /// Rows of the directory about trees whose last page was given back, in order.
    dropped: Vec<[u8; 9]>,
    full: bool,
}

impl<V: VersionStore> Applier<V> {
    pub(super) fn new(next: Position) -> Self {
        Applier {
            phase: Phase::Idle,
            cut: next,
            cut_at: Duration::ZERO,
            bytes_left: 0,
            seen_claims: 0,
            seen_at: Duration::ZERO,
            drops_left: false,
            retry_at: None,
        }
    }

    /// Whether a finished merge waits for a place for its view.
    pub(super) fn is_held_up_by_readers(&self) -> bool {
        matches!(self.phase, Phase::HeldUp(_))
    }

    /// Forgets the merge under way.
    pub(super) fn give_up(&mut self) {
        self.phase = Phase::Idle;
    }

    /// Whether no merge is under way.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }
}

/// One bounded step of background work.
pub(super) fn step<V: VersionStore>(core: &Core<V>) -> Result<Step> {
    let mut applier = core.applier.lock();
    step_locked(core, &mut applier)
}

/// The same for who holds the applier already.
pub(super) fn step_locked<V: VersionStore>(
    core: &Core<V>,
    applier: &mut MutexGuard<'_, Applier<V>>,
) -> Result<Step> {
    let guard = PanicGuard(core);
    let stepped = try_step(core, applier);
    std::mem::forget(guard);
    stepped
}

/// Dropped by a panic inside a step: what the merge was doing is lost, and nobody may wait for its end. The panic goes
/// on.
struct PanicGuard<'c, V: VersionStore>(&'c Core<V>);

impl<V: VersionStore> Drop for PanicGuard<'_, V> {
    fn drop(&mut self) {
        self.0.poison(&Error::new(ErrorKind::InstanceUnavailable, "background work panicked"));
        end_merge(self.0);
    }
}

fn try_step<V: VersionStore>(core: &Core<V>, applier: &mut Applier<V>) -> Result<Step> {
    core.versions.set_coarse_clock(u64::try_from(core.clock.now().as_nanos()).unwrap_or(u64::MAX));
    if core.state.is_poisoned() {
        applier.phase = Phase::Idle;
        end_merge(core);
        return Err(core.state.poison_error());
    }
    let stepped = advance(core, applier);
    if let Err(error) = &stepped {
        applier.phase = Phase::Idle;
        core.poison(error);
        end_merge(core);
    }
    stepped
}

fn advance<V: VersionStore>(core: &Core<V>, applier: &mut Applier<V>) -> Result<Step> {
    match std::mem::replace(&mut applier.phase, Phase::Idle) {
        Phase::Idle => Ok(idle(core, applier)),
        Phase::Waiting(cut) => wait(core, applier, cut),
        Phase::Merging(merging) => merge(core, applier, merging),
        Phase::Installing(merged) | Phase::HeldUp(merged) => Ok(install(core, applier, merged)),
    }
}

/// Looks for something to do.
fn idle<V: VersionStore>(core: &Core<V>, applier: &mut Applier<V>) -> Step {
    core.work.woken.store(false, Ordering::Release);
    let ordered = std::mem::take(&mut core.work.orders.lock().merge);
    let wished = core.versions.take_merge_wish();
    if ordered || wished || is_due(core, applier) {
        core.work.orders.lock().begun += 1;
        core.publication.publish_ready(&core.versions);
        applier.phase = Phase::Waiting(cut(core, applier));
        return Step::Sealed;
    }
    if core.versions.seal_if_large() {
        return Step::Sealed;
    }
    if core.versions.free_views() > 0 { Step::Freed } else { Step::Idle }
}

/// Step 1: reads the cut and seals.
fn cut<V: VersionStore>(core: &Core<V>, applier: &mut Applier<V>) -> Cut {
    let mut rows = 0;
    let cut = core.versions.cut(&mut || {
        let claimed = core.publication.claimed();
        rows = claimed.rows;
        claimed.next
    });
    core.rows_at_cut.store(rows, Ordering::Relaxed);
    applier.cut = cut.at;
    applier.cut_at = core.clock.now();
    cut
}

/// Whether a merge should begin without being asked for.
fn is_due<V: VersionStore>(core: &Core<V>, applier: &mut Applier<V>) -> bool {
    let claimed = core.publication.claimed();
    let now = core.clock.now();
    if claimed.claims != applier.seen_claims {
        applier.seen_claims = claimed.claims;
        applier.seen_at = now;
    }
    if applier.drops_left || applier.retry_at.is_some_and(|retry_at| now >= retry_at) {
        return true;
    }
    if claimed.next == applier.cut {
        return false;
    }
    let options = &core.options;
    let rows = claimed.rows - core.rows_at_cut.load(Ordering::Relaxed).min(claimed.rows);
    rows >= options.merge_rows
        || core.versions.budget_bytes() >= applier.bytes_left + options.generation_bytes
        || now.saturating_sub(applier.cut_at) >= options.merge_age
        || now.saturating_sub(applier.seen_at) >= options.merge_idle
}

/// Step 2: everything below the cut becomes visible.
fn wait<V: VersionStore>(core: &Core<V>, applier: &mut Applier<V>, cut: Cut) -> Result<Step> {
    core.publication.publish_ready(&core.versions);
    if core.publication.head().is_some_and(|head| head < cut.at) {
        core.flush_locked(Position(cut.at.0 - 1))?;
        applier.phase = Phase::Waiting(cut);
        return Ok(Step::Waited);
    }
    let mut databases: Vec<_> = core
        .attachments
        .read()
        .iter()
        .filter(|attachment| !attachment.out.load(Ordering::SeqCst))
        .map(|attachment| InMerge {
            attachment: Arc::clone(attachment),
            merge: None,
            dropped: Vec::new(),
            full: false,
        })
        .collect();
    applier.drops_left = false;
    for database in &mut databases {
        database.give_back_dropped(&mut applier.drops_left)?;
    }
    let plan = core.versions.plan(cut.at);
    applier.phase = Phase::Merging(Box::new(Merging { cut, plan, databases }));
    Ok(Step::Merged)
}

impl<V: VersionStore> InMerge<V> {
    /// The merge, begun with the first change.
    fn merge(&mut self) -> Result<&mut dyn Merge> {
        if self.merge.is_none() {
            self.merge = Some(Arc::clone(&self.attachment.store).begin_merge()?);
        }
        match &mut self.merge {
            Some(merge) => Ok(&mut **merge),
            None => Err(Error::new(ErrorKind::OutOfMemory, "a merge could not begin")),
        }
    }

    /// Runs a part of the merge; a full disk ends this database's merge and no other.
    fn attempt(&mut self, part: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.full {
            return Ok(());
        }
        match part(self) {
            Err(error) if error.kind() == ErrorKind::DiskFull => {
                self.full = true;
                self.merge = None;
                Ok(())
            }
            result => result,
        }
    }

    /// Goes on with giving back dropped trees, whose names no newer snapshot has.
    fn give_back_dropped(&mut self, left: &mut bool) -> Result<()> {
        let base = self.attachment.store.newest();
        let trees = dropped_trees(&*base)?;
        let mut calls = 0;
        for tree in trees {
            self.attempt(|database| {
                while calls < DROP_CALLS {
                    calls += 1;
                    if database.merge()?.drop_tree(tree, DROP_PAGES)? == DropProgress::Done {
                        database.dropped.push(directory::dropped_key(tree));
                        return Ok(());
                    }
                }
                Ok(())
            })?;
        }
        *left |= calls >= DROP_CALLS && !self.full;
        Ok(())
    }

    /// Takes out the directory rows of trees that are gone, those that sort before `key`.
    fn clear_dropped(&mut self, before: Option<(TreeNo, &[u8])>) -> Result<()> {
        while let Some(row) = self.dropped.first().copied() {
            if before.is_some_and(|(tree, key)| tree == TreeNo::DIRECTORY && key <= &row[..]) {
                break;
            }
            self.merge()?.apply(TreeNo::DIRECTORY, &row, Change::Delete)?;
            self.dropped.remove(0);
        }
        Ok(())
    }
}

/// The trees that a base's directory says were dropped.
fn dropped_trees(base: &dyn Base) -> Result<Vec<TreeNo>> {
    let range = (Bound::Included(directory::DROPPED.start), Bound::Excluded(directory::DROPPED.end));
    let mut scan = base.scan(TreeNo::DIRECTORY, range)?;
    let mut trees = Vec::new();
    while let Some((key, _)) = scan.next()? {
        trees.extend(directory::numbered_tree(key));
    }
    Ok(trees)
}

/// Step 3, a part of it.
fn merge<V: VersionStore>(
    core: &Core<V>,
    applier: &mut Applier<V>,
    mut merging: Box<Merging<V>>,
) -> Result<Step> {
    core.versions.seal_if_large();
    let (mut rows, mut drops_left) = (0, false);
    let databases = &mut merging.databases;
    let progress = core.versions.take(&mut merging.plan, ROWS_PER_STEP, &mut |taken: Taken<'_>| {
        let Some(database) = databases.iter_mut().find(|d| d.attachment.number == taken.attachment) else {
            return Ok(());
        };
        rows += 1;
        drops_left |=
            taken.tree == TreeNo::DIRECTORY && directory::is_dropped_key(taken.key) && !database.full;
        database.attempt(|database| {
            database.clear_dropped(Some((taken.tree, taken.key)))?;
            database.merge()?.apply(taken.tree, taken.key, taken.change)
        })
    })?;
    applier.drops_left |= drops_left;
    core.counters.merged_rows.fetch_add(rows, Ordering::Relaxed);
    if progress == Progress::More {
        applier.phase = Phase::Merging(merging);
        return Ok(Step::Merged);
    }
    let (mut bases, mut full) = (Vec::new(), Vec::new());
    for mut database in merging.databases {
        let mut base = None;
        database.attempt(|database| {
            database.clear_dropped(None)?;
            if let Some(merge) = database.merge.take() {
                base = Some(merge.finish(merging.cut.at)?);
            }
            Ok(())
        })?;
        let attachment = &database.attachment;
        attachment.full.store(database.full, Ordering::Relaxed);
        if database.full {
            full.push(attachment.number);
        } else {
            bases.push(NewBase { attachment: attachment.number, l: merging.cut.at, base });
        }
    }
    applier.phase = Phase::Installing(Merged { cut: merging.cut, bases, full });
    Ok(Step::Merged)
}

/// Step 4.
fn install<V: VersionStore>(core: &Core<V>, applier: &mut Applier<V>, merged: Merged) -> Step {
    core.versions.free_views();
    if !core.versions.install(&merged.bases, &merged.full) {
        // Readers hold every place for a view. Who waits for a merge is told that it has ended: there is no more room
        // than before. What was made is installed when a reader ends.
        applier.phase = Phase::HeldUp(merged);
        end_asked_merge(core);
        return Step::Waited;
    }
    if merged.cut.unsealed && merged.full.is_empty() {
        // What was active is merged and still in the way of every read. Now that others have left it can be sealed,
        // and leave by a second round, which finds next to nothing to take.
        let again = cut(core, applier);
        if !again.unsealed {
            applier.phase = Phase::Waiting(again);
            return Step::Sealed;
        }
    }
    applier.retry_at = (!merged.full.is_empty()).then(|| core.clock.now() + core.options.merge_age);
    applier.bytes_left = core.versions.budget_bytes();
    let merges = core.counters.merges.fetch_add(1, Ordering::Relaxed) + 1;
    trace::merge_published(applier.cut, merges, core.counters.merged_rows.load(Ordering::Relaxed));
    if !merged.full.is_empty() {
        trace::merge_without_space(merged.full.len());
    }
    end_merge(core);
    Step::Published
}

/// Ends the merge that is under way for those who wait, and one that was asked for since with it.
fn end_asked_merge<V: VersionStore>(core: &Core<V>) {
    let mut orders = core.work.orders.lock();
    orders.begun += u64::from(std::mem::take(&mut orders.merge));
    orders.ended = orders.begun;
    drop(orders);
    core.work.done.notify_all();
}

/// Tells who waits that the merge has ended.
fn end_merge<V: VersionStore>(core: &Core<V>) {
    let mut orders = core.work.orders.lock();
    orders.ended = orders.begun;
    drop(orders);
    core.work.done.notify_all();
}

/// Makes something ready that will be needed soon, a little at a time; whether it did. When nothing is to be done and
/// yet there is more in the overlay than a merge waits for, a large transaction is being written: it will want room.
fn prepare<V: VersionStore>(core: &Core<V>) -> bool {
    if core.versions.prepare_memory() {
        return true;
    }
    let bytes = core.versions.budget_bytes();
    if bytes <= core.options.generation_bytes {
        return false;
    }
    // Of several nobody knows whose the bytes are. About half of them is rows, the rest is what versions need.
    let only = match &core.attachments.read()[..] {
        [only] => Arc::clone(only),
        _ => return false,
    };
    only.store.prepare(bytes / 2)
}

/// The applier's thread: steps until it is told to stop.
pub(super) fn run<V: VersionStore>(core: &Core<V>) {
    loop {
        // An error has poisoned the engine; there is nothing to do but to wait for the end.
        let step = step(core).unwrap_or(Step::Idle);
        core.report_durable();
        if core.work.orders.lock().stop {
            return;
        }
        if step == Step::Idle && !core.state.is_poisoned() && prepare(core) {
            continue;
        }
        let mut orders = core.work.orders.lock();
        if orders.stop {
            return;
        }
        let pause = core.options.merge_idle.clamp(Duration::from_millis(1), Duration::from_secs(1));
        match step {
            Step::Idle if orders.merge || core.work.woken.load(Ordering::Acquire) => {}
            Step::Idle => {
                core.work.wake.wait_for(&mut orders, pause);
            }
            // A reader holds the ring of views, or a commit its sync: look again soon.
            Step::Waited => {
                core.work.wake.wait_for(&mut orders, Duration::from_micros(200));
            }
            _ => {}
        }
    }
}
