//! Commit: claim, durability, publication.

use super::Engine;
use crate::model::{
    disk::Frame,
    pause,
    rules::Rule,
    state::{Op, Txn, TxnState},
};
use std::rc::Rc;

/// How a commit ended.
#[derive(PartialEq, Eq)]
pub(in crate::model) enum Committed {
    Returned,
    /// The owner died after the claim; others publish for it.
    OwnerDied,
}

impl Engine {
    pub(in crate::model) async fn commit(&self, txn: &Rc<Txn>, sync: bool) -> Committed {
        let (slot, state, ops) = (&txn.slot, &txn.state, Rc::<[Op]>::from(txn.ops(None)));
        if ops.is_empty() && !(self.on(Rule::LockPosition) && self.on(Rule::LockQueue)) {
            self.commit_locks_at_once(txn).await;
            return Committed::Returned;
        }
        let pos = self.claim(&ops);
        if !self.on(Rule::AtomicClaim) {
            pause().await;
            pause().await;
        }
        state.pos.set(pos);
        txn.sync.set(sync && !ops.is_empty()); // Nothing to log: ready at once.
        self.queue.borrow_mut().push(Rc::clone(txn));
        self.count(|counts| counts.commits += 1);
        pause().await;
        if self.dice.percent(3) {
            self.end(slot);
            return Committed::OwnerDied;
        }
        *slot.last_commit.borrow_mut() = Some(Rc::clone(state));
        if self.on(Rule::CommitVisible) {
            self.wait_until_visible(txn).await;
            if txn.sync.get() {
                self.oracle.acknowledge(pos);
            }
        }
        self.end(slot);
        Committed::Returned
    }

    /// What the rules of locks replace: a timestamp at once, with position 0 or none.
    async fn commit_locks_at_once(&self, txn: &Txn) {
        if !self.on(Rule::LockQueue) {
            txn.state.pos.set(0);
        }
        while self.publishing.get() {
            pause().await;
        }
        self.give_timestamp(&txn.state, &[]).await;
        self.end(&txn.slot);
    }

    fn claim(&self, ops: &Rc<[Op]>) -> u64 {
        let mut disk = self.disk.borrow_mut();
        let pos = disk.next;
        disk.next += 1;
        if !ops.is_empty() {
            disk.frames.push(Frame { pos, ops: Rc::clone(ops) });
            self.oracle.claim(pos, ops);
        }
        pos
    }

    async fn wait_until_visible(&self, txn: &Rc<Txn>) {
        while !self.is_ready(txn) {
            if self.dice.percent(50) {
                self.sync().await;
            }
            pause().await;
        }
        while txn.state.ts.get().is_none_or(|ts| self.last_visible.get() < ts) {
            self.publish(if self.on(Rule::AnyonePublishes) { None } else { Some(txn) }).await;
            pause().await;
        }
    }

    fn is_ready(&self, entry: &Txn) -> bool {
        let durable = self.disk.borrow().durable > entry.state.pos.get();
        !entry.sync.get() || durable || !self.on(Rule::SyncReady)
    }

    /// Makes the log durable up to where it ends now.
    pub(super) async fn sync(&self) {
        let target = self.disk.borrow().next;
        pause().await;
        let mut disk = self.disk.borrow_mut();
        disk.durable = disk.durable.max(target);
    }

    /// Under the publication lock: the timestamp into the state, then `last_visible`.
    async fn give_timestamp(&self, state: &TxnState, ops: &[Op]) {
        self.publishing.set(true);
        let ts = self.oracle.publish(ops);
        if !self.on(Rule::TsFirst) {
            self.last_visible.set(ts);
            pause().await;
        }
        state.ts.set(Some(ts));
        pause().await;
        self.last_visible.set(ts);
        pause().await;
        self.publishing.set(false);
    }

    /// Publishes ready entries from anywhere in the queue (or one only, with the rule off).
    pub(super) async fn publish(&self, only: Option<&Rc<Txn>>) {
        let wanted = |entry: &Rc<Txn>| only.is_none_or(|one| Rc::ptr_eq(one, entry)) && self.is_ready(entry);
        let entries: Vec<_> = self.queue.borrow().iter().filter(|entry| wanted(entry)).cloned().collect();
        for entry in entries {
            let place = |queue: &[Rc<Txn>]| queue.iter().position(|other| Rc::ptr_eq(other, &entry));
            if self.publishing.get() || place(&self.queue.borrow()).is_none() {
                return;
            }
            let dequeue = || {
                let mut queue = self.queue.borrow_mut();
                if let Some(place) = place(&queue) {
                    queue.remove(place);
                }
            };
            if !self.on(Rule::DequeueLast) {
                dequeue();
            }
            self.give_timestamp(&entry.state, &entry.ops(None)).await;
            if self.on(Rule::DequeueLast) {
                dequeue();
            }
        }
    }
}
