//! The overlay as a [`VersionStore`]: what it is made of, and each call led to the part that does it.

use super::{
    chain::VersionRef,
    conflict::Asker,
    gate::Gate,
    generation::Generation,
    insert::{Inserted, Reading},
    latch::Latches,
    own::Mine,
    pin::{OverlaySlot, SecondPin},
    recency::Recency,
    slot::{Slot, Slots},
    spare::Spares,
    tree::{SharedTree, Trees},
    view::{Databases, Views, named_views},
    visibility::{self, Data, Found, Settled, encode_delta},
    walk::{OverlayWalk, OwnWalk, Rows, Visible},
    window::Window,
};
use crate::{
    seam::{
        scan::Direction,
        session::Mode,
        store::Base,
        transaction::Delta,
        version_store::{Culprit, From, OwnWrite, Refusal, Row, VersionStore, Written},
    },
    txn::{Kind, Owner, TxnState},
};
use ese_base::{
    AttachmentNo, CommitTs, TreeId,
    sync::{
        CacheLine, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering, fence},
    },
};
use std::{
    hash::{BuildHasher, Hasher},
    sync::Arc,
};

#[cfg(not(any(loom, shuttle)))]
type Secret = foldhash::quality::RandomState;
#[cfg(any(loom, shuttle))]
type Secret = foldhash::quality::FixedState;

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
    pub(super) spares: Arc<Spares>,
    pub(super) gate: Gate,
    pub(super) latches: Latches,
    pub(super) recency: Recency,
    pub(super) window: Window,
    pub(super) trees: Trees,
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
    pub(super) wants_merge: AtomicBool,
    /// The engine's coarse clock, in nanoseconds.
    pub(super) coarse_nanos: CacheLine<AtomicU64>,
    /// Held by whoever publishes or frees views.
    pub(super) applier: Mutex<()>,
}

impl Overlay {
    /// An empty overlay over the given databases; snapshot 0 is their state.
    pub(crate) fn new(limits: Limits, databases: Databases) -> Self {
        let spares = Arc::new(Spares::new(limits.generation_bytes));
        let first = Arc::new(Generation::with_spares(1, limits.generation_bytes, &spares));
        Overlay {
            limits,
            spares,
            gate: Gate::default(),
            latches: Latches::new(),
            recency: Recency::new(),
            window: Window::new(limits.window_bytes),
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
}

impl VersionStore for Overlay {
    type Slot = OverlaySlot;
    type Tree = Arc<SharedTree>;
    type Walk<'a> = OverlayWalk<'a>;
    type OwnWalk<'a> = OwnWalk<'a>;

    fn slot(&self, owner: Arc<Owner>) -> Option<OverlaySlot> {
        let index = self.slots.open(owner)?;
        Some(OverlaySlot::new(Arc::clone(&self.slots), Arc::clone(&self.views), index))
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
        slot.line().begun.store(self.coarse_nanos.load(Ordering::Relaxed), Ordering::Relaxed);
        slot.pin(mode, || CommitTs(self.last_visible.load(Ordering::Acquire)))
    }

    #[inline]
    fn unpin(&self, slot: &mut OverlaySlot) {
        slot.unpin();
    }

    #[inline]
    fn base<'a>(&'a self, slot: &'a OverlaySlot, attachment: AttachmentNo) -> Option<&'a dyn Base> {
        Some(&*slot.view().database(attachment)?.1.base)
    }

    #[inline]
    fn is_untouched(&self, slot: &OverlaySlot, tree: &Arc<SharedTree>) -> bool {
        // Own versions count, too: whoever wrote one raised the tree to a generation that this view has, or to a
        // newer one.
        tree.newest_generation() < slot.view().oldest_number()
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

    fn find_data<'a>(&'a self, slot: &'a OverlaySlot, row: &Row<'_, Arc<SharedTree>>) -> Data<'a> {
        let (tree, view) = (row.tree.id, slot.view());
        let Some(newest) = self.newest_holding(view, row.tree, row.hash) else { return Data::Nothing };
        if slot.own.may_hold(row.hash) {
            let own = slot.own.find_data(tree, row.key, newest);
            if own != Data::Nothing {
                return own;
            }
        }
        let Some((_, database)) = view.database(tree.attachment) else { return Data::Nothing };
        let counts = |version: VersionRef<'_>| visibility::counts(version, slot.snapshot, database.l);
        let generations = view.generations.iter().filter(|generation| generation.number <= newest);
        let mut chains = generations.filter_map(|generation| generation.index(tree)?.get(row.key));
        chains.find_map(|entry| entry.payload().newest_data(counts)).map_or(Data::Nothing, Data::of)
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

    fn changes_rows(&self, slot: &OverlaySlot) -> bool {
        slot.own.changes_rows()
    }

    fn each_written(&self, slot: &OverlaySlot, take: &mut dyn FnMut(OwnWrite<'_>)) {
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
        self.recency.prefetch(row.hash);
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
        let active = view.active().index(row.tree.id).and_then(|index| index.get(row.key));
        self.admit(view, row, active, &Asker { state, snapshot: slot.snapshot, kind })
    }

    fn write_delta(
        &self,
        slot: &mut OverlaySlot,
        row: &Row<'_, Arc<SharedTree>>,
        (offset, delta): (u32, Delta),
    ) -> ese_base::Result<Result<i64, Refusal>> {
        let kind = Kind::delta(offset, delta);
        let payload = encode_delta(offset, delta);
        let line = slot.slots.line(slot.index);
        loop {
            // The base is read outside the gate, of the current view; inside it must still be the current base.
            let second = SecondPin::new(&self.views, line);
            let Some((_, database)) = second.view().database(row.tree.id.attachment) else {
                return Ok(Err(Refusal::Detached));
            };
            let base = database.base.get(row.tree.id.number, row.key)?;
            let entered = self.gate.enter(line);
            let writer = (slot.snapshot, &mut slot.own);
            let reading =
                Reading::Counter { l: database.l, base: base.as_deref().unwrap_or_default(), offset };
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

    #[inline]
    fn budget_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed) + self.window.bytes()
    }

    fn reader_bytes(&self) -> u64 {
        self.reader_bytes.load(Ordering::Relaxed)
    }

    fn held_by_others(&self, slot: &OverlaySlot) -> u64 {
        let named = named_views(self.slots.lines().filter(|(index, _)| *index != slot.index));
        self.measure_held(|view| named.binary_search(&view).is_ok())
    }

    #[inline]
    fn wants_work(&self) -> bool {
        self.wants_seal.load(Ordering::Relaxed)
            || self.wants_merge.load(Ordering::Relaxed)
            || self.spares.are_wanted()
    }

    fn oldest(&self, mode: Mode) -> Option<Culprit> {
        // A close or a detach has stored its flag before it asks here who is inside.
        fence(Ordering::SeqCst);
        let pinned = self.slots.lines().filter_map(|(index, slot)| Some((index, slot.pinned()?)));
        let counted = pinned.filter(|(_, p)| p.writes || mode == Mode::ReadOnly);
        // A slot without an owner was closed while we looked: its transaction has ended, others may not have.
        let owned = counted.filter_map(|(index, p)| Some((self.slots.owner(index)?, p)));
        let (owner, pinned) = owned.min_by_key(|(_, p)| p.snapshot)?;
        Some(Culprit { owner, snapshot: pinned.snapshot, begun_nanos: pinned.begun_nanos })
    }

    fn open_transactions(&self) -> usize {
        self.slots.lines().filter(|(_, slot)| slot.pinned().is_some()).count()
    }
}
