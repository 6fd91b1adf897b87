//! The overlay as a [`VersionStore`]: snapshots, reads, and writes with their conflicts.
//!
//! Invariant: a slot's view pointer is the view its line names; it is used between pin and unpin only.

#![expect(unsafe_code, reason = "a slot keeps the address of the view it pins")]

use super::{
    conflict::{self, Asker},
    cut::MergePlan,
    gate::{Entered, Gate},
    generation::Generation,
    latch::Latches,
    own::{Mine, OwnWrites},
    recency::Recency,
    slot::{Slot, Slots},
    tree::{SharedTree, Trees},
    view::{Databases, View, Views},
    visibility::{self, Data, Found, Settled, encode_delta},
    walk::{OverlayWalk, OwnWalk, Rows, Visible},
    window::Window,
};
use crate::{
    seam::{
        session::Mode,
        store::{Base, Store},
        transaction::Delta,
        version_store::{
            CounterOf, Culprit, Direction, From, NewBase, Progress, Refusal, Row, Taken, Usage, VersionStore,
            Written,
        },
    },
    txn::{Kind, Owner, TxnState},
};
use ese_base::{
    AttachmentNo, CommitTs, Position, TreeId,
    sync::{
        CacheLine, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering, fence},
    },
};
use std::{
    hash::{BuildHasher, Hasher},
    ptr::NonNull,
    sync::Arc,
};

#[cfg(not(any(loom, shuttle)))]
type Secret = foldhash::quality::RandomState;
#[cfg(any(loom, shuttle))]
type Secret = foldhash::quality::FixedState;

/// A chain with this many deltas asks for a merge: readers walk all of them.
const HOT_DELTAS: u32 = 10_000;

/// Bounds of an overlay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Slots there are.
    pub(crate) slots: usize,
    /// A generation is sealed at this size.
    pub(crate) generation_bytes: u64,
    /// The conflict window may take this much.
    pub(crate) window_bytes: u64,
}

/// Every version younger than the bases.
pub(crate) struct Overlay {
    pub(super) limits: Limits,
    pub(super) gate: Gate,
    latches: Latches,
    recency: Recency,
    pub(super) window: Window,
    trees: Trees,
    pub(crate) slots: Arc<Slots>,
    pub(crate) views: Arc<Views>,
    last_visible: CacheLine<AtomicU64>,
    secret: Secret,
    /// Bytes of the current view's generations.
    pub(super) bytes: CacheLine<AtomicU64>,
    /// Bytes of generations that only older views hold.
    pub(super) reader_bytes: AtomicU64,
    /// The active generation asks to be sealed at this size.
    pub(super) seal_at: AtomicU64,
    pub(super) wants_seal: AtomicBool,
    wants_merge: AtomicBool,
    /// The engine's coarse clock, in nanoseconds.
    pub(super) coarse_nanos: CacheLine<AtomicU64>,
    /// Held by whoever publishes or frees views.
    pub(super) applier: Mutex<()>,
}

/// A session's registration.
pub(crate) struct OverlaySlot {
    slots: Arc<Slots>,
    views: Arc<Views>,
    index: usize,
    view: Option<NonNull<View>>,
    snapshot: CommitTs,
    own: OwnWrites,
}

// SAFETY: the pointers lead to what the line pins; the owner may move to another thread, the line moves with it.
unsafe impl Send for OverlaySlot {}

impl OverlaySlot {
    #[inline]
    fn line(&self) -> &Slot {
        self.slots.line(self.index)
    }

    /// The pinned view.
    #[inline]
    fn view(&self) -> &View {
        let view = self.view.expect("reads and writes happen between pin and unpin");
        // SAFETY: the line names the view since a moment at which it was the current one, until `unpin`, which takes
        // the slot mutably; the views themselves live as long as the slot's Arc.
        unsafe { view.as_ref() }
    }
}

impl Drop for OverlaySlot {
    fn drop(&mut self) {
        self.slots.close(self.index);
    }
}

impl Overlay {
    /// An empty overlay over the given databases; snapshot 0 is their state.
    pub(crate) fn new(limits: Limits, databases: Databases) -> Self {
        let first = Arc::new(Generation::new(1, limits.generation_bytes));
        Overlay {
            limits,
            gate: Gate::default(),
            latches: Latches::new(),
            recency: Recency::new(),
            window: Window::new(),
            trees: Trees::default(),
            slots: Arc::new(Slots::new(limits.slots)),
            views: Arc::new(Views::new(databases, vec![first])),
            last_visible: CacheLine(AtomicU64::new(0)),
            secret: Secret::default(),
            bytes: CacheLine(AtomicU64::new(0)),
            reader_bytes: AtomicU64::new(0),
            seal_at: AtomicU64::new(limits.generation_bytes),
            wants_seal: AtomicBool::new(false),
            wants_merge: AtomicBool::new(false),
            coarse_nanos: CacheLine(AtomicU64::new(0)),
            applier: Mutex::new(()),
        }
    }

    /// The generations of `view` that may hold the row: none of them, or those numbered up to the answer.
    #[inline]
    fn newest_holding(&self, view: &View, tree: &SharedTree, hash: u64) -> Option<u32> {
        let oldest = view.oldest_number();
        if tree.newest_generation() < oldest {
            return None;
        }
        let newest = self.recency.newest(hash);
        (newest >= oldest).then_some(newest)
    }

    /// The conflict check; the caller is inside the gate and holds the row's latch.
    #[inline]
    fn admit(&self, view: &View, row: &Row<'_, Arc<SharedTree>>, asker: &Asker<'_>) -> Result<(), Refusal> {
        if asker.snapshot < self.window.floor() {
            return Err(Refusal::SnapshotTooOld);
        }
        if let Some(newest) = self.newest_holding(view, row.tree, row.hash) {
            conflict::check(view, row.tree.id, row.key, newest, asker)
                .map_err(|met| Refusal::Conflict(met.with))?;
        }
        if self.window.conflicts(row.hash, asker.kind, asker.snapshot) {
            return Err(Refusal::ConflictMerged);
        }
        Ok(())
    }

    /// Conflict check and insert; the caller is inside the gate.
    fn insert(
        &self,
        entered: &Entered<'_>,
        (snapshot, own): (CommitTs, &mut OwnWrites),
        row: &Row<'_, Arc<SharedTree>>,
        (kind, payload): (Kind, &[u8]),
        reading: Reading,
    ) -> Result<Inserted, Refusal> {
        let view = self.views.current(entered);
        let id = row.tree.id;
        let Some((place, database)) = view.database(id.attachment) else { return Err(Refusal::Detached) };
        let _latched = self.latches.lock(row.hash);
        let Some(state) = own.state() else { unreachable!("a transaction begins to write before it writes") };
        self.admit(view, row, &Asker { state, snapshot, kind })?;
        let counter = match reading {
            Reading::Nothing => 0,
            Reading::Counter { l, .. } if l != database.l => return Ok(Inserted::ViewChanged),
            Reading::Counter { l, base, offset } => counter_before(view, row, kind, (l, base, offset)),
        };
        let active = view.active();
        let Some((state, writer)) = own.record(active) else { unreachable!("it has a state, as above") };
        writer.use_database(place);
        // Raised before the insert: who has seen the version must find its generation here.
        self.recency.raise(row.hash, active.number);
        row.tree.raise(active.number);
        let entry = active.index_or_insert(id).get_or_insert(active.arena(), row.key).entry();
        let version = entry.payload().push(active.arena(), state, kind, payload);
        own.push(id, row.hash, entry, version);
        if kind.is_delta() && entry.payload().deltas().is_multiple_of(HOT_DELTAS) {
            self.wants_merge.store(true, Ordering::Relaxed);
        }
        self.account(active);
        Ok(Inserted::With(counter))
    }

    /// Tells the budget about an arena that has grown.
    #[inline]
    fn account(&self, generation: &Generation) {
        let now = generation.bytes();
        if now > generation.accounted.load(Ordering::Relaxed) {
            let before = generation.accounted.fetch_max(now, Ordering::Relaxed);
            if now > before {
                self.bytes.fetch_add(now - before, Ordering::Relaxed);
                if now >= self.seal_at.load(Ordering::Relaxed) {
                    self.wants_seal.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

/// What an insert reads on its way.
enum Reading {
    Nothing,
    /// The counter before the add; `base` is its value in the base whose L is `l`.
    Counter {
        l: Position,
        base: i64,
        offset: u32,
    },
}

enum Inserted {
    /// The counter as it stood before, where it was read.
    With(i64),
    /// The base that was read is not the current one any more.
    ViewChanged,
}

/// Reads a little-endian counter of 8 or 4 bytes.
pub(crate) fn read_counter(value: &[u8], offset: u32, wide: bool) -> Option<i64> {
    let at = value.get(offset as usize..)?;
    if wide {
        Some(i64::from_le_bytes(*at.first_chunk()?))
    } else {
        Some(i64::from(i32::from_le_bytes(*at.first_chunk()?)))
    }
}

/// The counter with everything that is not rolled back and that the base does not hold, committed or not.
fn counter_before(
    view: &View,
    row: &Row<'_, Arc<SharedTree>>,
    kind: Kind,
    reading: (Position, i64, u32),
) -> i64 {
    let (l, base, offset) = reading;
    let mut found = Found::default();
    'newest_first: for generation in &view.generations {
        let Some(entry) = generation.index(row.tree.id).and_then(|index| index.get(row.key)) else {
            continue;
        };
        for version in entry.payload().versions().filter(|version| visibility::stands(*version, l)) {
            if found.take(version) == Settled::Yes {
                break 'newest_first;
            }
        }
    }
    let start = match found.data {
        Data::Put(value) => read_counter(value, offset, kind.is_wide()).unwrap_or(0),
        Data::Nothing => base,
        Data::Deleted => 0,
    };
    found.deltas.added_to(start, offset, kind.is_wide())
}

impl VersionStore for Overlay {
    type Slot = OverlaySlot;
    type Tree = Arc<SharedTree>;
    type Walk<'a> = OverlayWalk<'a>;
    type OwnWalk<'a> = OwnWalk<'a>;
    type Plan = MergePlan;

    fn slot(&self, owner: Arc<Owner>) -> Option<OverlaySlot> {
        let index = self.slots.open(owner)?;
        Some(OverlaySlot {
            slots: Arc::clone(&self.slots),
            views: Arc::clone(&self.views),
            index,
            view: None,
            snapshot: CommitTs(0),
            own: OwnWrites::default(),
        })
    }

    fn tree(&self, id: TreeId) -> Arc<SharedTree> {
        self.trees.get(id)
    }

    #[inline]
    fn hash(&self, tree: TreeId, key: &[u8]) -> u64 {
        let mut hasher = self.secret.build_hasher();
        hasher.write_u64(tree.number.0 ^ (u64::from(tree.attachment.0) << 48));
        hasher.write(key);
        hasher.finish()
    }

    #[inline]
    fn pin(&self, slot: &mut OverlaySlot, mode: Mode) -> CommitTs {
        debug_assert!(slot.view.is_none(), "a slot pins one view at a time");
        let line = slot.slots.line(slot.index);
        line.begun.store(self.coarse_nanos.load(Ordering::Relaxed), Ordering::Relaxed);
        loop {
            let number = self.views.number();
            line.name_view(number, mode == Mode::ReadWrite);
            let snapshot = CommitTs(self.last_visible.load(Ordering::Acquire));
            line.name_snapshot(snapshot);
            // Only now is it known that the view was current when the snapshot was read, and that it is pinned.
            if self.views.number() == number {
                // SAFETY: the line names it, and it was the current one after the line named it.
                slot.view = Some(NonNull::from(unsafe { slot.views.pinned(number) }));
                slot.snapshot = snapshot;
                return snapshot;
            }
        }
    }

    #[inline]
    fn unpin(&self, slot: &mut OverlaySlot) {
        debug_assert!(slot.own.state().is_none(), "a transaction that wrote is committed or aborted first");
        slot.view = None;
        slot.line().clear();
    }

    #[inline]
    fn base<'a>(&'a self, slot: &'a OverlaySlot, attachment: AttachmentNo) -> Option<&'a dyn Base> {
        Some(&*slot.view().database(attachment)?.1.base)
    }

    #[inline]
    fn find<'a>(&'a self, slot: &'a OverlaySlot, row: &Row<'_, Arc<SharedTree>>) -> Found<'a> {
        let mut found = Found::default();
        let view = slot.view();
        let Some(newest) = self.newest_holding(view, row.tree, row.hash) else { return found };
        let Some((_, database)) = view.database(row.tree.id.attachment) else { return found };
        for generation in view.generations.iter().filter(|generation| generation.number <= newest) {
            let Some(entry) = generation.index(row.tree.id).and_then(|index| index.get(row.key)) else {
                continue;
            };
            for version in entry.payload().versions() {
                if visibility::counts(version, slot.snapshot, database.l)
                    && found.take(version) == Settled::Yes
                {
                    return found;
                }
            }
        }
        found
    }

    fn walk<'a>(
        &'a self,
        slot: &'a OverlaySlot,
        tree: &Arc<SharedTree>,
        direction: Direction,
        from: From<'_>,
    ) -> Option<OverlayWalk<'a>> {
        let view = slot.view();
        if tree.newest_generation() < view.oldest_number() {
            return None;
        }
        let (_, database) = view.database(tree.id.attachment)?;
        let visible = Visible { snapshot: slot.snapshot, l: database.l };
        Rows::new(view.generations.iter().map(|g| &**g), tree.id, direction, from, visible)
    }

    fn begin_writes(&self, slot: &mut OverlaySlot, state: Arc<TxnState>) {
        slot.own.begin(state);
    }

    fn end_writes(&self, slot: &mut OverlaySlot) -> Option<Arc<TxnState>> {
        slot.own.end()
    }

    #[inline]
    fn written<'a>(&self, slot: &'a OverlaySlot) -> Written<'a> {
        Written { state: slot.own.state(), versions: slot.own.len(), bytes: slot.own.bytes() }
    }

    fn undo_to(&self, slot: &mut OverlaySlot, versions: usize) {
        slot.own.undo_to(versions);
    }

    fn each_written(&self, slot: &OverlaySlot, take: &mut dyn FnMut(TreeId, &[u8], Kind, &[u8])) {
        slot.own.each(take);
    }

    #[inline]
    fn find_own<'a>(&'a self, slot: &'a OverlaySlot, row: &Row<'_, Arc<SharedTree>>) -> Found<'a> {
        if !slot.own.may_hold(row.hash) {
            return Found::default();
        }
        let newest = self.recency.newest(row.hash);
        if newest < slot.own.oldest() {
            return Found::default();
        }
        slot.own.find(row.tree.id, row.key, newest)
    }

    fn walk_own<'a>(
        &'a self,
        slot: &'a OverlaySlot,
        tree: &Arc<SharedTree>,
        direction: Direction,
        from: From<'_>,
    ) -> Option<OwnWalk<'a>> {
        let state = slot.own.state()?;
        Rows::new(slot.own.generations(u32::MAX), tree.id, direction, from, Mine(state))
    }

    fn write(
        &self,
        slot: &mut OverlaySlot,
        row: &Row<'_, Arc<SharedTree>>,
        kind: Kind,
        payload: &[u8],
    ) -> Result<(), Refusal> {
        let entered = self.gate.enter(slot.slots.line(slot.index));
        let writer = (slot.snapshot, &mut slot.own);
        self.insert(&entered, writer, row, (kind, payload), Reading::Nothing).map(drop)
    }

    fn probe(
        &self,
        slot: &mut OverlaySlot,
        row: &Row<'_, Arc<SharedTree>>,
        kind: Kind,
    ) -> Result<(), Refusal> {
        let entered = self.gate.enter(slot.slots.line(slot.index));
        let view = self.views.current(&entered);
        let Some(state) = slot.own.state() else { return Ok(()) };
        let _latched = self.latches.lock(row.hash);
        self.admit(view, row, &Asker { state, snapshot: slot.snapshot, kind })
    }

    fn write_delta<E>(
        &self,
        slot: &mut OverlaySlot,
        row: &Row<'_, Arc<SharedTree>>,
        (offset, delta): (u32, Delta),
        base_counter: CounterOf<'_, E>,
    ) -> Result<Result<i64, Refusal>, E> {
        let kind = Kind::delta(offset, delta);
        let payload = encode_delta(offset, delta);
        let line = slot.slots.line(slot.index);
        loop {
            let second = SecondPin::new(&self.views, line);
            let Some((_, database)) = second.view().database(row.tree.id.attachment) else {
                return Ok(Err(Refusal::Detached));
            };
            let l = database.l;
            let base = base_counter(&*database.base)?.unwrap_or(0);
            let entered = self.gate.enter(line);
            let writer = (slot.snapshot, &mut slot.own);
            let reading = Reading::Counter { l, base, offset };
            match self.insert(&entered, writer, row, (kind, &payload), reading) {
                Ok(Inserted::With(counter)) => return Ok(Ok(counter)),
                Ok(Inserted::ViewChanged) => {}
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
    }

    fn use_tree(&self, slot: &mut OverlaySlot, tree: &Arc<SharedTree>) {
        slot.line().use_tree(tree.ordinal);
    }

    fn user_of(&self, slot: &OverlaySlot, tree: &Arc<SharedTree>) -> Option<Arc<Owner>> {
        fence(Ordering::SeqCst);
        self.slots
            .lines()
            .filter(|(index, line)| *index != slot.index && line.uses_tree(tree.ordinal))
            .find_map(|(index, _)| self.slots.owner(index))
    }

    fn user_of_database(&self, attachment: AttachmentNo) -> Option<Arc<Owner>> {
        let trees = self.trees.of(attachment);
        fence(Ordering::SeqCst);
        let uses = |line: &Slot| trees.iter().any(|tree| line.uses_tree(tree.ordinal));
        self.slots.lines().filter(|(_, line)| uses(line)).find_map(|(index, _)| self.slots.owner(index))
    }

    fn publish(&self, state: &TxnState) -> CommitTs {
        let ts = CommitTs(self.last_visible.load(Ordering::Relaxed) + 1);
        state.commit(ts);
        self.last_visible.store(ts.0, Ordering::Release);
        ts
    }

    fn last_visible(&self) -> CommitTs {
        CommitTs(self.last_visible.load(Ordering::Acquire))
    }

    fn cut(&self, position: &mut dyn FnMut() -> Position) -> Position {
        self.cut_and_seal(position)
    }

    fn seal_if_large(&self) -> bool {
        self.seal_large()
    }

    fn plan(&self, cut: Position, skip: &[AttachmentNo]) -> MergePlan {
        self.plan_merge(cut, skip)
    }

    fn take(
        &self,
        plan: &mut MergePlan,
        rows: usize,
        sink: &mut dyn FnMut(Taken<'_>) -> ese_base::Result<()>,
    ) -> ese_base::Result<Progress> {
        plan.take_rows(rows, sink)
    }

    fn install(&self, bases: &[NewBase], full: &[AttachmentNo]) -> bool {
        self.install_bases(bases, full)
    }

    fn attach(&self, attachment: AttachmentNo, store: Arc<dyn Store>, l: Position) -> bool {
        self.attach_store(attachment, store, l)
    }

    fn detach(&self, attachment: AttachmentNo) -> Option<Arc<dyn Store>> {
        self.detach_store(attachment)
    }

    fn newest_view(&self) -> u64 {
        self.views.number()
    }

    fn pinned_before(&self, view: u64) -> Option<Arc<Owner>> {
        let index = self.views.named_before(view, &self.slots)?;
        self.slots.owner(index)
    }

    fn free_views(&self) -> usize {
        self.free_retired()
    }

    fn usage(&self) -> Usage {
        self.measure()
    }

    #[inline]
    fn budget_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed) + self.window.bytes()
    }

    fn reader_bytes(&self) -> u64 {
        self.reader_bytes.load(Ordering::Relaxed)
    }

    #[inline]
    fn wants_work(&self) -> bool {
        self.wants_seal.load(Ordering::Relaxed) || self.wants_merge.load(Ordering::Relaxed)
    }

    fn take_merge_wish(&self) -> bool {
        self.wants_merge.swap(false, Ordering::Relaxed)
    }

    fn set_coarse_clock(&self, nanos: u64) {
        self.coarse_nanos.store(nanos, Ordering::Relaxed);
    }

    fn oldest(&self, mode: Mode) -> Option<Culprit> {
        let pinned = self.slots.lines().filter_map(|(index, slot)| Some((index, slot.pinned()?)));
        let (index, pinned) =
            pinned.filter(|(_, p)| p.writes || mode == Mode::ReadOnly).min_by_key(|(_, p)| p.snapshot)?;
        let owner = self.slots.owner(index)?;
        Some(Culprit { owner, snapshot: pinned.snapshot, begun_nanos: pinned.begun_nanos })
    }

    fn open_transactions(&self) -> usize {
        self.slots.lines().filter(|(_, slot)| slot.pinned().is_some()).count()
    }

    fn check(&self, fault: &mut dyn FnMut(String)) {
        self.check_all(fault);
    }
}

/// The slot's second view word, for the time of one escrow read.
struct SecondPin<'s> {
    line: &'s Slot,
    view: &'s View,
}

impl<'s> SecondPin<'s> {
    fn new(views: &'s Views, line: &'s Slot) -> Self {
        loop {
            let number = views.number();
            line.second.store(number, Ordering::Release);
            fence(Ordering::SeqCst);
            if views.number() == number {
                // SAFETY: the line names it, and it was the current one after the line named it.
                return SecondPin { line, view: unsafe { views.pinned(number) } };
            }
        }
    }

    fn view(&self) -> &View {
        self.view
    }
}

impl Drop for SecondPin<'_> {
    fn drop(&mut self) {
        self.line.second.store(0, Ordering::Release);
    }
}
