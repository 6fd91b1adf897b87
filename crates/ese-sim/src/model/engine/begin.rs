//! Begin and end, the gate, and what pins a view.

use super::Engine;
use crate::model::{
    Run, pause,
    rules::Rule,
    state::{Generation, Roots, Slot, Txn, TxnState, View},
    violation,
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

impl Engine {
    /// Begins: publish the view's number, then read and publish the snapshot, then look whether the view is still the
    /// current one.
    pub(in crate::model) async fn begin(&self, slot: &Rc<Slot>, writes: bool) -> Run<Rc<Txn>> {
        let (number, snapshot) = loop {
            let number = self.view().number;
            slot.snapshot.set(None);
            slot.writes.set(writes);
            pause().await;
            slot.view.set(Some(number));
            pause().await;
            let snapshot = self.last_visible.get();
            pause().await;
            slot.snapshot.set(Some(snapshot));
            pause().await;
            if self.view().number == number || !self.on(Rule::Recheck) {
                break (number, snapshot);
            }
        };
        // A session sees its own commits.
        if let Some(last) = &*slot.last_commit.borrow()
            && last.ts.get().is_none_or(|ts| ts > snapshot)
        {
            return violation("own commit not visible");
        }
        let view = Rc::clone(&self.ring.borrow()[&number]);
        let (state, log, sync) = (TxnState::open(), RefCell::default(), Cell::new(false));
        Ok(Rc::new(Txn { slot: Rc::clone(slot), view, snapshot, state, log, sync }))
    }

    /// Ends a transaction: an idle session pins nothing.
    pub(in crate::model) fn end(&self, slot: &Slot) {
        slot.snapshot.set(None);
        slot.view.set(None);
    }

    /// Every look into a view goes through here.
    pub(super) fn in_use(&self, view: &View) -> Run<()> {
        if view.freed.get() { violation("freed view used") } else { Ok(()) }
    }

    /// Enters the gate; who sees it closing steps back. The current view is loaded once per entry.
    pub(super) async fn enter_gate(&self, slot: &Slot) -> Rc<View> {
        loop {
            slot.gate.set(true);
            slot.entries.set(slot.entries.get() + 1);
            pause().await;
            if !self.gate_closed.get() {
                pause().await;
                return self.view();
            }
            slot.gate.set(false);
            pause().await;
        }
    }

    /// Pins the current view in the second word of a slot, with the same second look as begin.
    pub(super) async fn pin_second(&self, slot: &Slot) -> Rc<View> {
        loop {
            let number = self.view().number;
            pause().await;
            slot.second.set(Some(number));
            pause().await;
            if self.view().number == number || !self.on(Rule::SecondRecheck) {
                return Rc::clone(&self.ring.borrow()[&number]);
            }
        }
    }

    /// Makes a view the current one. The applier alone does this.
    pub(super) async fn publish_view(&self, l: [u64; 2], roots: Roots, generations: Vec<Rc<Generation>>) {
        let old = self.view();
        let new = View::new(old.number + 1, l, roots, generations);
        self.ring.borrow_mut().insert(new.number, Rc::clone(&new));
        *self.current.borrow_mut() = new;
        pause().await;
        let inside = self.slots.iter().filter(|slot| slot.gate.get());
        *old.waiting.borrow_mut() = inside.map(|slot| (Rc::clone(slot), slot.entries.get())).collect();
        self.replaced.borrow_mut().push(old);
    }

    /// Frees replaced views: everybody who was in the gate at the replacement has been seen outside or in a later
    /// entry, and no slot names the view.
    pub(super) async fn free_views(&self) {
        let replaced = self.replaced.borrow().clone();
        for view in replaced {
            view.waiting.borrow_mut().retain(|(slot, entry)| slot.gate.get() && slot.entries.get() == *entry);
            let mut named = false;
            for slot in &self.slots {
                named |= [slot.view.get(), slot.second.get()].contains(&Some(view.number));
                pause().await;
            }
            let held = !view.waiting.borrow().is_empty() && self.on(Rule::GatePin);
            view.freed.set(!named && !held);
        }
        self.replaced.borrow_mut().retain(|view| !view.freed.get());
    }
}
