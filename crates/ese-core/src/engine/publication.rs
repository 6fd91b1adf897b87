//! From claim to visible: the append lock, the publication queue, and who may publish.
//!
//! Invariants:
//! - Claiming a position, storing it in the state and entering the queue are one step under the append lock, in which
//!   nothing allocates or fails.
//! - A transaction becomes visible by its timestamp first, then `last_visible`, and only then leaves the queue.
//! - Whoever holds the publication lock publishes whatever is ready: a dead owner blocks nobody.
//! - Lock order: publication → append.

use crate::{
    seam::{log::Log, transaction::Durability, version_store::VersionStore},
    txn::{Outcome, TxnState},
};
use ese_base::{
    Position,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// The queue between claim and visibility.
pub(super) struct Publication {
    append: Mutex<Append>,
    publishing: Mutex<()>,
    log: Option<Arc<dyn Log>>,
    /// Who waits for somebody else's publication.
    waiters: AtomicUsize,
    published: (Mutex<()>, Condvar),
}

struct Append {
    next: Position,
    queue: VecDeque<Entry>,
    claims: u64,
    rows: u64,
}

/// A claimed transaction that is not visible yet.
struct Entry {
    state: Arc<TxnState>,
    durability: Durability,
}

/// How much was committed since the engine began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claimed {
    /// The position claimed last, by whoever asks.
    pub(super) position: Position,
    pub(super) next: Position,
    pub(super) claims: u64,
    pub(super) rows: u64,
}

impl Publication {
    /// An empty queue with room for `sessions` at a time.
    pub(super) fn new(log: Option<Arc<dyn Log>>, next: Position, sessions: usize) -> Self {
        let append = Append { next, queue: VecDeque::with_capacity(sessions), claims: 0, rows: 0 };
        Publication {
            append: Mutex::new(append),
            publishing: Mutex::new(()),
            log,
            waiters: AtomicUsize::new(0),
            published: (Mutex::new(()), Condvar::new()),
        }
    }

    pub(super) fn log(&self) -> Option<&Arc<dyn Log>> {
        self.log.as_ref()
    }

    /// Claims the next position for a transaction that wrote `rows` versions. Room for the frame was made before.
    pub(super) fn claim(
        &self,
        state: &Arc<TxnState>,
        durability: Durability,
        rows: u64,
        frame: Option<Box<[u8]>>,
    ) -> Claimed {
        let entry = Entry { state: Arc::clone(state), durability };
        let mut append = self.append.lock();
        let position = append.next;
        append.next = position.next();
        append.claims += 1;
        append.rows += rows;
        state.claim(position);
        append.queue.push_back(entry);
        if let (Some(log), Some(frame)) = (&self.log, frame) {
            log.append(position, frame);
        }
        Claimed { position, next: append.next, claims: append.claims, rows: append.rows }
    }

    /// Goes on with claims at `next`; what lies between was claimed in an earlier life of the log, or never.
    pub(super) fn skip_to(&self, next: Position) {
        let mut append = self.append.lock();
        debug_assert!(next >= append.next, "positions only grow");
        append.next = append.next.max(next);
    }

    /// The position that will be claimed next: everything below it has been claimed.
    pub(super) fn claimed(&self) -> Claimed {
        let append = self.append.lock();
        let position = Position(append.next.0 - 1);
        Claimed { position, next: append.next, claims: append.claims, rows: append.rows }
    }

    /// The oldest position in the queue.
    pub(super) fn head(&self) -> Option<Position> {
        self.append.lock().queue.front().map(|entry| entry.state.position())
    }

    /// Makes everything visible that is ready.
    pub(super) fn publish_ready<V: VersionStore>(&self, versions: &V) {
        self.publish_each(|state| {
            versions.publish(state);
        });
    }

    fn publish_each(&self, publish: impl Fn(&TxnState)) {
        let publishing = self.publishing.lock();
        let durable = self.log.as_ref().map_or(Position::UNCLAIMED, |log| log.durable());
        let is_ready =
            |entry: &Entry| entry.durability == Durability::Lazy || entry.state.position() < durable;
        let find = |append: &Append| {
            let at = append.queue.iter().position(is_ready)?;
            Some((at, Arc::clone(&append.queue[at].state)))
        };
        let mut ready = find(&self.append.lock());
        while let Some((at, state)) = ready {
            publish(&state);
            let mut append = self.append.lock();
            // Only the holder of the publication lock removes; others push at the back: the place is the same.
            append.queue.remove(at);
            ready = find(&append);
        }
        drop(publishing);
        if self.waiters.load(Ordering::SeqCst) > 0 {
            self.wake();
        }
    }

    /// Wakes who waits for a publication, so that it looks again.
    pub(super) fn wake(&self) {
        let _guard = self.published.0.lock();
        self.published.1.notify_all();
    }

    /// Waits until the transaction is visible or aborted, `given_up` answers true, or the time is over.
    pub(super) fn await_outcome(&self, state: &TxnState, limit: Duration, given_up: impl Fn() -> bool) {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.published.0.lock();
        let mut left = limit;
        let slice = Duration::from_millis(10);
        while state.outcome() == Outcome::Active && !given_up() && !left.is_zero() {
            let part = left.min(slice);
            if self.published.1.wait_for(&mut guard, part).timed_out() {
                left -= part;
            }
        }
        drop(guard);
        self.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests;
