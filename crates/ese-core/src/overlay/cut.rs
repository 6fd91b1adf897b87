//! The overlay as merges see it: where a merge ends, and how its result becomes the next view.
//!
//! Invariants:
//! - At the cut no writer is inside the gate: every version of a transaction below the cut has been written.
//! - Committed versions that the next view will miss are in the window before that view is published.
//! - A view is always made from the then-current one, under the applier's lock.
//! - At most four generations are in a view; with four the active one is not sealed and merges take from it as well.

#![expect(unsafe_code, reason = "the applier reads the current view without pinning it")]

use super::{
    generation::Generation,
    plan::MergePlan,
    store::Overlay,
    view::{Database, Databases, View},
};
use crate::{
    seam::{
        merges::{Cut, Merges, NewBase, Progress, Taken, Usage},
        store::Store,
        version_store::VersionStore,
    },
    txn::{Outcome, Owner},
};
use ese_base::{
    AttachmentNo, CommitTs, Position, Result, TreeId,
    limits::{DATABASES_MAX, GENERATIONS_MAX},
    sync::{
        MutexGuard,
        atomic::{Ordering, fence},
    },
};
use std::sync::Arc;

impl Merges for Overlay {
    type Plan = MergePlan;

    fn cut(&self, position: &mut dyn FnMut() -> Position) -> Cut {
        let applier = self.applier.lock();
        let view = self.view(&applier);
        let next = self.may_seal(view).then(|| self.next_generation(view));
        let closed = self.gate.close(&self.slots);
        let at = position();
        let unsealed = next.is_none() && view.active().bytes() > 0;
        if let Some(next) = next {
            self.publish_sealed(view, next);
        }
        drop(closed);
        Cut { at, unsealed }
    }

    fn seal_if_large(&self) -> bool {
        if !self.wants_seal.load(Ordering::Relaxed) || !self.wants_seal.swap(false, Ordering::Relaxed) {
            return false;
        }
        let applier = self.applier.lock();
        let view = self.view(&applier);
        let size = view.active().bytes();
        if size < self.limits.generation_bytes {
            return false;
        }
        if !self.may_seal(view) {
            // It grows on; asked again when it has grown by a generation's size.
            self.seal_at.store(size + self.limits.generation_bytes, Ordering::Relaxed);
            return false;
        }
        let next = self.next_generation(view);
        let closed = self.gate.close(&self.slots);
        self.publish_sealed(view, next);
        drop(closed);
        true
    }

    fn plan(&self, cut: Position) -> MergePlan {
        let applier = self.applier.lock();
        MergePlan::new(self.view(&applier), cut)
    }

    fn take(
        &self,
        plan: &mut MergePlan,
        rows: usize,
        sink: &mut dyn FnMut(Taken<'_>) -> Result<()>,
    ) -> Result<Progress> {
        plan.take_rows(rows, sink)
    }

    fn install(&self, bases: &[NewBase], full: &[AttachmentNo]) -> bool {
        let applier = self.applier.lock();
        let view = self.view(&applier);
        if !self.views.has_room() {
            return false;
        }
        let mut databases = view.databases.clone();
        for new in bases {
            let Some(database) = databases.iter_mut().flatten().find(|d| d.attachment == new.attachment)
            else {
                continue;
            };
            // L never goes back: in a recovery a database may be ahead of the others, and of what was done again.
            database.l = database.l.max(new.l);
            if let Some(base) = &new.base {
                database.base = Arc::clone(base);
            }
        }
        self.publish_and_let_go(&applier, databases, Some(full));
        true
    }

    fn attach(&self, attachment: AttachmentNo, store: Arc<dyn Store>, l: Position) -> bool {
        let applier = self.applier.lock();
        let view = self.view(&applier);
        let mut databases = view.databases.clone();
        let Some(place) = databases.iter_mut().find(|place| place.is_none()) else { return false };
        if !self.views.has_room() {
            return false;
        }
        *place = Some(Database { attachment, l, base: store.newest(), store });
        self.views.publish(databases, view.generations.clone(), &self.slots);
        true
    }

    fn detach(&self, attachment: AttachmentNo) -> Option<Arc<dyn Store>> {
        let applier = self.applier.lock();
        let view = self.view(&applier);
        let (place, database) = view.database(attachment)?;
        if !self.views.has_room() {
            return None;
        }
        let store = Arc::clone(&database.store);
        let mut databases = view.databases.clone();
        databases[place] = None;
        self.publish_and_let_go(&applier, databases, None);
        Some(store)
    }

    fn newest_bases(&self) -> Vec<NewBase> {
        let applier = self.applier.lock();
        let databases = self.view(&applier).databases.iter().flatten();
        databases
            .map(|d| NewBase { attachment: d.attachment, l: d.l, base: Some(Arc::clone(&d.base)) })
            .collect()
    }

    fn newest_view(&self) -> u64 {
        self.views.number()
    }

    fn pinned_before(&self, view: u64) -> Option<Arc<Owner>> {
        fence(Ordering::SeqCst);
        self.views.named_before(view, &self.slots).find_map(|index| self.slots.owner(index))
    }

    fn free_views(&self) -> usize {
        let applier = self.applier.lock();
        let freed = self.views.free(&self.slots);
        let count = freed.len();
        if count > 0 {
            self.recount_readers(&applier);
        }
        drop(applier);
        // Arenas and bases go here, under no lock.
        drop(freed);
        count
    }

    fn usage(&self) -> Usage {
        let applier = self.applier.lock();
        let view = self.view(&applier);
        Usage {
            generations: view.generations.len() as u64,
            views: self.views.count() as u64,
            recycled_chunks: self.spares.recycled(),
            window_entries: self.window.entries() as u64,
            merged_below: view.databases.iter().flatten().map(|d| d.l).min().unwrap_or(Position::UNCLAIMED),
        }
    }

    fn take_merge_wish(&self) -> bool {
        self.wants_merge.swap(false, Ordering::Relaxed)
    }

    fn prepare_memory(&self) -> bool {
        self.spares.prepare()
    }

    fn set_coarse_clock(&self, nanos: u64) {
        self.coarse_nanos.store(nanos, Ordering::Relaxed);
    }

    fn check(&self, fault: &mut dyn FnMut(String)) {
        let applier = self.applier.lock();
        let view = self.view(&applier);
        let mut newer = u32::MAX;
        for generation in &view.generations {
            if generation.number >= newer {
                fault(format!("generation {} stands behind {newer}", generation.number));
            }
            newer = generation.number;
            for tree in generation.trees() {
                self.check_index(generation, tree, fault);
            }
        }
        if view.generations.len() > GENERATIONS_MAX && !view.generations.iter().any(|g| g.is_held_by_full()) {
            fault(format!("{} generations in a view", view.generations.len()));
        }
    }
}

impl Overlay {
    /// The current view, under the applier's lock.
    fn view<'a>(&'a self, _applier: &'a MutexGuard<'_, ()>) -> &'a View {
        // SAFETY: views are published and freed under the applier's lock only, which the caller holds.
        unsafe { self.views.current_of_applier() }
    }

    /// Whether the view may get another generation.
    fn may_seal(&self, view: &View) -> bool {
        if view.active().bytes() == 0 || !self.views.has_room() {
            return false;
        }
        // What only a database without space holds back does not count.
        let counted =
            view.generations.iter().skip(1).filter(|generation| !generation.is_held_by_full()).count() + 1;
        counted < GENERATIONS_MAX
    }

    fn publish_sealed(&self, view: &View, active: Arc<Generation>) {
        let mut generations = Vec::with_capacity(view.generations.len() + 1);
        generations.push(active);
        generations.extend(view.generations.iter().cloned());
        self.views.publish(view.databases.clone(), generations, &self.slots);
        self.seal_at.store(self.limits.generation_bytes, Ordering::Relaxed);
    }

    fn next_generation(&self, view: &View) -> Arc<Generation> {
        let number = view.active().number + 1;
        Arc::new(Generation::with_spares(number, self.limits.generation_bytes, &self.spares))
    }

    /// Publishes a view with these databases, and lets those generations go that nobody needs in it any more. `full`
    /// names the databases without space; `None`: they are as they were.
    fn publish_and_let_go(
        &self,
        applier: &MutexGuard<'_, ()>,
        databases: Databases,
        full: Option<&[AttachmentNo]>,
    ) {
        let (stay, leave) = divide(self.view(applier), &databases, full);
        self.remember(&leave);
        self.views.publish(databases, stay, &self.slots);
        self.count_out(applier, &leave);
        self.trees.clean(|| self.views.oldest_generation(self.view(applier)), &self.slots);
    }

    /// Drops from the window what conflict checks need no more, and enters what they may still need of generations that
    /// are about to leave.
    fn remember(&self, leave: &[Arc<Generation>]) {
        let newest = self.last_visible();
        let low = self.oldest_writing_snapshot().unwrap_or(CommitTs(u64::MAX));
        self.window.trim(low.min(newest));
        if low < newest {
            for generation in leave {
                self.enter_window(generation, low);
            }
        }
    }

    /// Takes what has left out of the budget: old views may hold it still.
    fn count_out(&self, applier: &MutexGuard<'_, ()>, left: &[Arc<Generation>]) {
        let bytes: u64 = left.iter().map(|generation| generation.accounted.load(Ordering::Relaxed)).sum();
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if !left.is_empty() || self.reader_bytes.load(Ordering::Relaxed) > 0 {
            self.recount_readers(applier);
        }
    }

    /// Enters what conflict checks of snapshots from `low` on may still need of a generation that leaves.
    fn enter_window(&self, generation: &Generation, low: CommitTs) {
        for tree in generation.trees() {
            let Some(index) = generation.index(tree) else { continue };
            let mut cursor = index.cursor();
            let mut next = cursor.first();
            while let Some(entry) = next {
                for version in entry.payload().versions() {
                    match version.state().outcome() {
                        Outcome::Committed(ts) if ts > low && !version.is_rolled_back() => {
                            self.window.enter(self.hash(tree, entry.key()), version.kind(), ts);
                        }
                        _ => {}
                    }
                }
                next = cursor.next();
            }
        }
    }

    /// The oldest snapshot of a transaction that may write; one that is just beginning counts as 0.
    ///
    /// Who is not seen here has a snapshot that is not older than what was visible before the call.
    fn oldest_writing_snapshot(&self) -> Option<CommitTs> {
        fence(Ordering::SeqCst);
        self.slots
            .lines()
            .filter_map(|(_, slot)| slot.pinned())
            .filter(|p| p.writes)
            .map(|p| p.snapshot)
            .min()
    }

    /// Counts anew what only older views hold.
    fn recount_readers(&self, applier: &MutexGuard<'_, ()>) {
        let held = self.views.held_bytes(self.view(applier), |_| true);
        self.reader_bytes.store(held, Ordering::Relaxed);
    }

    /// Bytes that only those replaced views hold whose number `counts`.
    pub(super) fn measure_held(&self, counts: impl Fn(u64) -> bool) -> u64 {
        let applier = self.applier.lock();
        self.views.held_bytes(self.view(&applier), counts)
    }

    /// Keys ascend, and every entry has a version.
    fn check_index(&self, generation: &Generation, tree: TreeId, fault: &mut dyn FnMut(String)) {
        let Some(index) = generation.index(tree) else { return };
        let mut cursor = index.cursor();
        let mut last: Option<&[u8]> = None;
        let mut next = cursor.first();
        while let Some(entry) = next {
            if last.is_some_and(|last| last >= entry.key()) {
                fault(format!("generation {}: keys of tree {tree} do not ascend", generation.number));
            }
            if entry.payload().newest().is_none() {
                // A write that is refused makes no entry, and one that makes it puts the version in under the same hold
                // of the row's latch: behind that there is one.
                let _latched = self.latches.lock(self.hash(tree, entry.key()));
                if entry.payload().newest().is_none() {
                    fault(format!("generation {}: a row of tree {tree} has no version", generation.number));
                }
            }
            last = Some(entry.key());
            next = cursor.next();
        }
    }
}

/// The generations that stay in a view with these databases, and those that may leave it; notes of those that stay
/// whether only databases without space, `full`, keep them.
fn divide(
    view: &View,
    databases: &Databases,
    full: Option<&[AttachmentNo]>,
) -> (Vec<Arc<Generation>>, Vec<Arc<Generation>>) {
    let mut l = [Position::UNCLAIMED; DATABASES_MAX];
    let mut l_but_full = l;
    for (place, database) in databases.iter().enumerate() {
        let Some(database) = database else { continue };
        l[place] = database.l;
        if !full.is_some_and(|full| full.contains(&database.attachment)) {
            l_but_full[place] = database.l;
        }
    }
    let (mut stay, mut leave) = (vec![Arc::clone(view.active())], Vec::new());
    for generation in &view.generations[1..] {
        if generation.may_leave(&l) {
            leave.push(Arc::clone(generation));
            continue;
        }
        if let Some(full) = full {
            generation.note_held_by_full(!full.is_empty() && generation.is_settled(&l_but_full));
        }
        stay.push(Arc::clone(generation));
    }
    (stay, leave)
}
