//! What a session holds of the overlay: its slot, the view it pins, and its own writes.
//!
//! Invariants:
//! - The view pointer is the view that the slot's line names; it is used between pin and unpin only, both of which take
//!   the slot mutably.
//! - A view is current at the moment its reader's snapshot is read.

#![expect(unsafe_code, reason = "a slot keeps the address of the view it pins")]

use super::{
    own::OwnWrites,
    slot::{Slot, Slots},
    view::{View, Views},
};
use crate::seam::session::Mode;
use ese_base::{
    CommitTs,
    sync::atomic::{Ordering, fence},
};
use std::{ptr::NonNull, sync::Arc};

/// A session's registration.
pub(crate) struct OverlaySlot {
    pub(super) slots: Arc<Slots>,
    views: Arc<Views>,
    pub(super) index: usize,
    view: Option<NonNull<View>>,
    pub(super) snapshot: CommitTs,
    pub(super) own: OwnWrites,
}

// SAFETY: the pointers lead to what the line pins; the owner may move to another thread, the line moves with it.
unsafe impl Send for OverlaySlot {}

impl OverlaySlot {
    /// The owner of the line at `index`, which pins nothing yet.
    pub(super) fn new(slots: Arc<Slots>, views: Arc<Views>, index: usize) -> Self {
        OverlaySlot { slots, views, index, view: None, snapshot: CommitTs(0), own: OwnWrites::default() }
    }

    /// Takes a snapshot: names the current view, reads `last_visible`, and starts over if the view was replaced in
    /// between. Either order alone is wrong: the view first misses what a seal moved on, the snapshot first sees the
    /// future.
    #[inline]
    pub(super) fn pin(&mut self, mode: Mode, last_visible: impl Fn() -> CommitTs) -> CommitTs {
        debug_assert!(self.view.is_none(), "a slot pins one view at a time");
        let line = self.slots.line(self.index);
        loop {
            let number = self.views.number();
            line.name_view(number, mode == Mode::ReadWrite);
            let snapshot = last_visible();
            line.name_snapshot(snapshot);
            // Only now is it known that the view was current when the snapshot was read, and that it is pinned.
            if self.views.number() == number {
                // SAFETY: the line names it, and it was the current one after the line named it.
                self.view = Some(NonNull::from(unsafe { self.views.pinned(number) }));
                self.snapshot = snapshot;
                return snapshot;
            }
        }
    }

    /// Gives the snapshot back.
    #[inline]
    pub(super) fn unpin(&mut self) {
        debug_assert!(self.own.state().is_none(), "a transaction that wrote is committed or aborted first");
        self.view = None;
        self.line().clear();
    }

    #[inline]
    pub(super) fn line(&self) -> &Slot {
        self.slots.line(self.index)
    }

    /// The pinned view.
    #[inline]
    pub(super) fn view(&self) -> &View {
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

/// The slot's second view word, for the time of one escrow read.
pub(super) struct SecondPin<'s> {
    line: &'s Slot,
    view: &'s View,
}

impl<'s> SecondPin<'s> {
    pub(super) fn new(views: &'s Views, line: &'s Slot) -> Self {
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

    pub(super) fn view(&self) -> &View {
        self.view
    }
}

impl Drop for SecondPin<'_> {
    fn drop(&mut self) {
        self.line.second.store(0, Ordering::Release);
    }
}
