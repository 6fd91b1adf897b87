//! Views: what a reader reads, immutable; and the ring in which they are found by number.
//!
//! Invariants:
//! - There is no other "current" pointer than the current number; a view is found by its number.
//! - Only the holder of the overlay's applier lock publishes and frees views: merges, attach and detach, and a writer
//!   that needs room. A view is freed when it is not the current one, every slot that was
//!   inside the gate when it was replaced has been seen outside once, and no slot names it.
//! - A ring place is used again only when the view in it was freed. Numbers ascend and skip places in use; when all are in
//!   use, views are not replaced.

#![expect(unsafe_code, reason = "views are found by number, without a shared count")]

use super::{
    gate::Entered,
    generation::Generation,
    slot::{Slot, Slots},
};
use crate::seam::store::{Base, Store};
use ese_base::{
    AttachmentNo, Position,
    id::stripe,
    limits::DATABASES_MAX,
    sync::{
        CacheLine, Mutex,
        atomic::{AtomicPtr, AtomicU64, Ordering, fence},
    },
};
use std::{ptr, sync::Arc};

const RING: usize = if cfg!(any(loom, shuttle)) { 8 } else { 1024 };

/// One database as a view has it.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) attachment: AttachmentNo,
    /// The base holds exactly the transactions with a position below this.
    pub(crate) l: Position,
    pub(crate) base: Arc<dyn Base>,
    pub(crate) store: Arc<dyn Store>,
}

/// The databases of a view, by place; a place is used again after a detach, an attachment number never.
pub(crate) type Databases = [Option<Database>; DATABASES_MAX];

/// What a reader reads.
pub(crate) struct View {
    pub(crate) number: u64,
    pub(crate) databases: Databases,
    /// Newest first; the first is the active one.
    pub(crate) generations: Vec<Arc<Generation>>,
    /// The number of the last of them, which every read compares with.
    oldest: u32,
}

impl View {
    pub(super) fn new(number: u64, databases: Databases, generations: Vec<Arc<Generation>>) -> Self {
        let oldest = generations[generations.len() - 1].number;
        View { number, databases, generations, oldest }
    }

    /// The place and state of an attached database.
    #[inline]
    pub(crate) fn database(&self, attachment: AttachmentNo) -> Option<(usize, &Database)> {
        self.databases.iter().enumerate().find_map(|(place, database)| {
            Some((place, database.as_ref().filter(|d| d.attachment == attachment)?))
        })
    }

    /// The generation that takes new versions while this view is the current one.
    #[inline]
    pub(crate) fn active(&self) -> &Arc<Generation> {
        &self.generations[0]
    }

    /// The number of the oldest generation.
    #[inline]
    pub(crate) fn oldest_number(&self) -> u32 {
        self.oldest
    }
}

/// The live views.
pub(crate) struct Views {
    current: CacheLine<AtomicU64>,
    ring: Box<[AtomicPtr<View>]>,
    retired: Mutex<Vec<Retired>>,
}

/// A replaced view, and the slots that were inside the gate when it was.
struct Retired {
    view: *mut View,
    inside: Vec<(usize, u64)>,
}

// SAFETY: the pointer is owned by the list and used under its mutex; `View` itself is Send and Sync.
unsafe impl Send for Retired {}

impl Views {
    /// A ring with a first view, number 1.
    pub(crate) fn new(databases: Databases, generations: Vec<Arc<Generation>>) -> Self {
        let ring: Box<[_]> = (0..RING).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        let first = Box::into_raw(Box::new(View::new(1, databases, generations)));
        ring[1 % RING].store(first, Ordering::Release);
        Views { current: CacheLine(AtomicU64::new(1)), ring, retired: Mutex::new(Vec::new()) }
    }

    /// The ring place of a view.
    #[inline]
    fn place(&self, number: u64) -> &AtomicPtr<View> {
        &self.ring[stripe(number, RING)]
    }

    /// The number of the current view. It may be replaced at once; see [`Views::pinned`] and [`Views::current`].
    #[inline]
    pub(crate) fn number(&self) -> u64 {
        self.current.load(Ordering::Acquire)
    }

    /// The view of that number.
    ///
    /// # Safety
    /// A slot has named it since a moment at which it was the current one, and names it for as long as the reference
    /// is used.
    #[inline]
    pub(crate) unsafe fn pinned(&self, number: u64) -> &View {
        // SAFETY: the caller vouches that a slot names the view, so it was not freed, and its ring place not used again.
        unsafe { &*self.place(number).load(Ordering::Acquire) }
    }

    /// The current view, for somebody inside the gate; loaded once per entry.
    #[inline]
    pub(crate) fn current<'e>(&'e self, _inside: &'e Entered<'_>) -> &'e View {
        // SAFETY: the gate bit was set before the number is loaded; who replaces this view from now on sees the bit and
        // waits until it was clear once.
        unsafe { self.pinned(self.number()) }
    }

    /// The current view, for the applier.
    ///
    /// # Safety
    /// The caller holds whatever keeps every other thread from publishing or freeing views.
    pub(crate) unsafe fn current_of_applier(&self) -> &View {
        // SAFETY: the current view is never freed, and nobody else publishes.
        unsafe { self.pinned(self.number()) }
    }

    /// Whether another view fits the ring.
    pub(crate) fn has_room(&self) -> bool {
        self.next_number().is_some()
    }

    /// The next number whose place is free: numbers skip the places of views that somebody still reads, so that one
    /// old reader holds one place and nothing else.
    fn next_number(&self) -> Option<u64> {
        let current = self.number();
        (current + 1..current + RING as u64)
            .find(|number| self.place(*number).load(Ordering::Acquire).is_null())
    }

    /// Replaces the current view. The caller is the applier, and has seen [`Views::has_room`].
    pub(crate) fn publish(&self, databases: Databases, generations: Vec<Arc<Generation>>, slots: &Slots) {
        let old = self.number();
        let number = self.next_number().expect("the caller has seen that the ring has room");
        let view = Box::new(View::new(number, databases, generations));
        self.place(number).store(Box::into_raw(view), Ordering::Release);
        self.current.store(number, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let inside = slots
            .lines()
            .map(|(index, slot)| (index, slot.gate.load(Ordering::Acquire)))
            .filter(|(_, sequence)| !sequence.is_multiple_of(2))
            .collect();
        let view = self.place(old).load(Ordering::Acquire);
        self.retired.lock().push(Retired { view, inside });
    }

    /// Frees the replaced views that nobody uses; returns how many, and hands what they held to the caller to drop.
    pub(crate) fn free(&self, slots: &Slots) -> Vec<View> {
        let mut freed = Vec::new();
        let mut retired = self.retired.lock();
        if retired.is_empty() {
            return freed;
        }
        for view in retired.iter_mut() {
            view.inside
                .retain(|(index, sequence)| slots.line(*index).gate.load(Ordering::Acquire) == *sequence);
        }
        // Once for all of them: each was replaced before, so that who names it from now on finds another number when it
        // looks again.
        let named = named_views(slots.lines());
        retired.retain(|retired| {
            // SAFETY: owned by the list until it is removed below.
            let number = unsafe { (*retired.view).number };
            if !retired.inside.is_empty() || named.binary_search(&number).is_ok() {
                return true;
            }
            self.place(number).store(ptr::null_mut(), Ordering::Release);
            // SAFETY: it came from a Box; nobody is inside the gate since before it was replaced, no slot names it, and
            // who begins from now on finds another number when it looks again.
            freed.push(*unsafe { Box::from_raw(retired.view) });
            false
        });
        freed
    }

    /// How many views are alive.
    pub(crate) fn count(&self) -> usize {
        self.retired.lock().len() + 1
    }

    /// Bytes of the generations that only replaced views hold, of those whose number `counts`.
    pub(crate) fn held_bytes(&self, current: &View, counts: impl Fn(u64) -> bool) -> u64 {
        let retired = self.retired.lock();
        // SAFETY: owned by the list, under its mutex.
        let views = retired.iter().map(|retired| unsafe { &*retired.view });
        let counted = views.filter(|view| counts(view.number));
        let mut held: Vec<&Generation> =
            counted.flat_map(|view| view.generations.iter().map(|generation| &**generation)).collect();
        held.sort_unstable_by_key(|generation| generation.number);
        held.dedup_by_key(|generation| generation.number);
        let stays =
            |generation: &Generation| current.generations.iter().any(|g| g.number == generation.number);
        held.into_iter().filter(|generation| !stays(generation)).map(Generation::bytes).sum()
    }

    /// The number of the oldest generation that any view has.
    pub(crate) fn oldest_generation(&self, current: &View) -> u32 {
        let retired = self.retired.lock();
        // SAFETY: as above.
        let replaced = retired.iter().map(|retired| unsafe { &*retired.view }.oldest_number());
        replaced.fold(current.oldest_number(), u32::min)
    }

    /// The slots that name a view older than `number`.
    pub(crate) fn named_before<'s>(
        &self,
        number: u64,
        slots: &'s Slots,
    ) -> impl Iterator<Item = usize> + use<'s> {
        slots.lines().filter_map(move |(index, slot)| {
            let view = slot.view.load(Ordering::Acquire);
            (view != 0 && view < number).then_some(index)
        })
    }
}

/// The numbers of the views that these slots name, ascending.
pub(crate) fn named_views<'s>(slots: impl Iterator<Item = (usize, &'s Slot)>) -> Vec<u64> {
    let mut named: Vec<u64> =
        slots.flat_map(|(_, slot)| slot.named()).filter(|number| *number != 0).collect();
    named.sort_unstable();
    named
}

impl Drop for Views {
    fn drop(&mut self) {
        for place in &self.ring {
            let view = place.load(Ordering::Acquire);
            if !view.is_null() {
                // SAFETY: exclusive access; every live view stands in its ring place, from a Box.
                drop(unsafe { Box::from_raw(view) });
            }
        }
    }
}
