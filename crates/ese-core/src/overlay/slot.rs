//! A session's registration: one cache line that says what it pins, where it is in the gate, and what it wrote in.
//!
//! Invariants:
//! - Only the owner writes its slot; the applier and drops read all slots.
//! - `view` is stored before the snapshot is read, and cleared last at the end of a transaction.
//! - A slot with a view and no snapshot counts as snapshot 0.

use ese_base::{
    CommitTs,
    sync::{
        CacheLine, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering, fence},
    },
};
use std::sync::Arc;

use crate::txn::Owner;

/// In `snapshot`: not read yet.
const NO_SNAPSHOT: u64 = u64::MAX;
/// Trees that a slot can name; a transaction that writes in more stands for all of them.
const USED_PLACES: usize = 6;
/// In the first place of `used`: more trees than places.
const MANY: u64 = u64::MAX;

/// One session's line.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// The number of the pinned view; 0: none.
    pub(super) view: AtomicU64,
    snapshot: AtomicU64,
    /// Entry sequence, odd while inside the gate.
    pub(super) gate: AtomicU64,
    /// The second pinned view (escrow's old value); 0: none.
    pub(super) second: AtomicU64,
    /// 1 while the transaction may write.
    writes: AtomicU64,
    /// When the transaction began, by the engine's coarse clock, in nanoseconds.
    pub(super) begun: AtomicU64,
    used: [AtomicU64; USED_PLACES],
}

/// What a slot pins, as seen from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pinned {
    pub(crate) snapshot: CommitTs,
    pub(crate) writes: bool,
    pub(crate) begun_nanos: u64,
}

impl Slot {
    /// Step one of a begin: names the view, without a snapshot yet.
    #[inline]
    pub(super) fn name_view(&self, number: u64, writes: bool) {
        self.snapshot.store(NO_SNAPSHOT, Ordering::Relaxed);
        self.writes.store(u64::from(writes), Ordering::Relaxed);
        self.view.store(number, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Step two of a begin.
    #[inline]
    pub(super) fn name_snapshot(&self, snapshot: CommitTs) {
        self.snapshot.store(snapshot.0, Ordering::Release);
    }

    /// The end of a transaction.
    #[inline]
    pub(super) fn clear(&self) {
        if self.writes.load(Ordering::Relaxed) != 0 {
            for place in &self.used {
                place.store(0, Ordering::Relaxed);
            }
            self.writes.store(0, Ordering::Relaxed);
        }
        self.view.store(0, Ordering::Release);
    }

    /// What it pins now.
    pub(crate) fn pinned(&self) -> Option<Pinned> {
        if self.view.load(Ordering::Acquire) == 0 {
            return None;
        }
        let snapshot = self.snapshot.load(Ordering::Acquire);
        Some(Pinned {
            snapshot: CommitTs(if snapshot == NO_SNAPSHOT { 0 } else { snapshot }),
            writes: self.writes.load(Ordering::Relaxed) != 0,
            begun_nanos: self.begun.load(Ordering::Relaxed),
        })
    }

    /// The views that it names; 0: none.
    pub(super) fn named(&self) -> [u64; 2] {
        [self.view.load(Ordering::Acquire), self.second.load(Ordering::Acquire)]
    }

    /// Notes that the transaction writes in the tree with that ordinal, before it looks whether the tree still stands.
    pub(super) fn use_tree(&self, ordinal: u64) {
        for place in &self.used {
            match place.load(Ordering::Relaxed) {
                0 => {
                    place.store(ordinal, Ordering::Release);
                    fence(Ordering::SeqCst);
                    return;
                }
                named if named == ordinal || named == MANY => return,
                _ => {}
            }
        }
        self.used[0].store(MANY, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Whether the transaction wrote in the tree, or in too many to tell.
    pub(super) fn uses_tree(&self, ordinal: u64) -> bool {
        self.used.iter().any(|place| {
            let named = place.load(Ordering::Acquire);
            named == ordinal || named == MANY
        })
    }
}

/// All slots of an engine: a fixed number of lines, handed out and taken back.
#[derive(Debug)]
pub(crate) struct Slots {
    lines: Box<[CacheLine<Slot>]>,
    /// Lines below this one were in use at some time: where a walk may stop.
    high: AtomicUsize,
    owners: Mutex<Owners>,
}

#[derive(Debug, Default)]
struct Owners {
    free: Vec<usize>,
    names: Vec<Option<Arc<Owner>>>,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Slots {
            lines: (0..count).map(|_| CacheLine(Slot::default())).collect(),
            high: AtomicUsize::new(0),
            owners: Mutex::new(Owners::default()),
        }
    }

    /// Hands out a line; `None` when all are in use.
    pub(crate) fn open(&self, owner: Arc<Owner>) -> Option<usize> {
        let mut owners = self.owners.lock();
        let index = match owners.free.pop() {
            Some(index) => index,
            None if owners.names.len() < self.lines.len() => {
                owners.names.push(None);
                let index = owners.names.len() - 1;
                self.high.store(index + 1, Ordering::SeqCst);
                index
            }
            None => return None,
        };
        owners.names[index] = Some(owner);
        Some(index)
    }

    /// Takes a line back.
    pub(crate) fn close(&self, index: usize) {
        let mut owners = self.owners.lock();
        self.lines[index].clear();
        owners.names[index] = None;
        owners.free.push(index);
    }

    /// The line of that index.
    #[inline]
    pub(crate) fn line(&self, index: usize) -> &Slot {
        &self.lines[index].0
    }

    /// Every line that was ever in use.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &Slot)> {
        let high = self.high.load(Ordering::SeqCst);
        self.lines[..high].iter().map(|line| &line.0).enumerate()
    }

    /// Who has the line.
    pub(crate) fn owner(&self, index: usize) -> Option<Arc<Owner>> {
        self.owners.lock().names.get(index).cloned().flatten()
    }
}
