//! A generation: an arena of versions with an ordered index for each tree, freed as a whole.
//!
//! Invariants:
//! - Only the active generation of the current view is written, and only inside the gate.
//! - It owns a reference of the state of every transaction that wrote in it.
//! - A sealed one leaves the view when each of those is aborted or lies before L of every database it wrote in.

#![expect(unsafe_code, reason = "tree tables and writer records lie in the arena")]

use super::{
    arena::Arena,
    chain::Chain,
    index::Index,
    spare::{CHUNK_BYTES, Spares},
};
use crate::txn::{Outcome, TxnState};
use ese_base::{
    Position, TreeId,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering},
};
use std::{ptr, ptr::NonNull, sync::Arc};

const TREE_BUCKETS: usize = if cfg!(any(loom, shuttle)) { 1 } else { 64 };

/// The versions written between two seals.
pub(crate) struct Generation {
    pub(crate) number: u32,
    arena: Arena,
    trees: [AtomicPtr<TreeIndex>; TREE_BUCKETS],
    writers: AtomicPtr<Writer>,
    /// The first writer that was not found settled; null: begin at the newest.
    unsettled: AtomicPtr<Writer>,
    held_by_full: AtomicBool,
    /// Bytes of the arena that the budget knows of.
    pub(super) accounted: AtomicU64,
}

/// The index of one tree in one generation.
pub(crate) struct TreeIndex {
    pub(crate) tree: TreeId,
    pub(crate) index: Index<Chain>,
    next: *mut TreeIndex,
}

/// A transaction that wrote in a generation.
pub(crate) struct Writer {
    state: *const TxnState,
    /// A bit for the place of each database it wrote in.
    databases: AtomicU8,
    next: *mut Writer,
}

// SAFETY: what the raw pointers lead to lies in the arena or is an Arc owned by the generation; shared parts are atomics
// or never change after they are linked.
unsafe impl Send for Generation {}
// SAFETY: as above.
unsafe impl Sync for Generation {}

impl Generation {
    /// An empty generation; its arena grows in chunks that suit `bytes`, the size at which it will be sealed.
    #[cfg(test)]
    pub(crate) fn new(number: u32, bytes: u64) -> Self {
        Self::in_arena(number, arena_for(bytes))
    }

    /// The same; its chunks come from `spares` and go there.
    pub(crate) fn with_spares(number: u32, bytes: u64, spares: &Arc<Spares>) -> Self {
        let arena = arena_for(bytes);
        // Only chunks of one size are exchanged.
        let has_whole_chunks = arena.chunk_max_bytes() == CHUNK_BYTES;
        Self::in_arena(number, if has_whole_chunks { arena.with_spares(spares) } else { arena })
    }

    fn in_arena(number: u32, arena: Arena) -> Self {
        Generation {
            number,
            arena,
            trees: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            writers: AtomicPtr::new(ptr::null_mut()),
            unsettled: AtomicPtr::new(ptr::null_mut()),
            held_by_full: AtomicBool::new(false),
            accounted: AtomicU64::new(0),
        }
    }

    pub(crate) fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.arena.bytes()
    }

    fn bucket(&self, tree: TreeId) -> &AtomicPtr<TreeIndex> {
        let mixed = tree.number.0 ^ (u64::from(tree.attachment.0) << 3);
        &self.trees[ese_base::id::stripe(mixed, TREE_BUCKETS)]
    }

    /// The index of the tree, if it got anything here.
    #[inline]
    pub(crate) fn index(&self, tree: TreeId) -> Option<&Index<Chain>> {
        Self::in_bucket(self.bucket(tree).load(Ordering::Acquire), ptr::null_mut(), tree)
    }

    /// Looks for the tree from `first` on, up to `end`.
    #[inline]
    fn in_bucket<'g>(first: *mut TreeIndex, end: *mut TreeIndex, tree: TreeId) -> Option<&'g Index<Chain>> {
        let mut next = first;
        while next != end {
            // SAFETY: linked nodes lie in the arena, complete, until the generation goes.
            let node = unsafe { &*next };
            if node.tree == tree {
                return Some(&node.index);
            }
            next = node.next;
        }
        None
    }

    /// The index of the tree, made if need be.
    #[inline]
    pub(crate) fn index_or_insert(&self, tree: TreeId) -> &Index<Chain> {
        match self.index(tree) {
            Some(index) => index,
            None => self.insert_index(tree),
        }
    }

    #[cold]
    fn insert_index(&self, tree: TreeId) -> &Index<Chain> {
        let bucket = self.bucket(tree);
        let mut first = bucket.load(Ordering::Acquire);
        if let Some(index) = Self::in_bucket(first, ptr::null_mut(), tree) {
            return index;
        }
        let memory: NonNull<TreeIndex> =
            self.arena.alloc(size_of::<TreeIndex>(), align_of::<TreeIndex>()).cast();
        loop {
            // SAFETY: fresh memory of that size and alignment, linked only below.
            unsafe { memory.write(TreeIndex { tree, index: Index::new(), next: first }) };
            match bucket.compare_exchange(first, memory.as_ptr(), Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: just written; the arena keeps it.
                Ok(_) => return unsafe { &(*memory.as_ptr()).index },
                Err(now) => {
                    if let Some(index) = Self::in_bucket(now, first, tree) {
                        return index;
                    }
                    first = now;
                }
            }
        }
    }

    /// The trees that got something here, in no order.
    pub(crate) fn trees(&self) -> Vec<TreeId> {
        let mut trees = Vec::new();
        for bucket in &self.trees {
            let mut next = bucket.load(Ordering::Acquire);
            while !next.is_null() {
                // SAFETY: as in `in_bucket`.
                let node = unsafe { &*next };
                trees.push(node.tree);
                next = node.next;
            }
        }
        trees
    }

    /// Registers a transaction that is about to write here for the first time.
    pub(crate) fn add_writer(&self, state: &Arc<TxnState>) -> &Writer {
        let memory: NonNull<Writer> = self.arena.alloc(size_of::<Writer>(), align_of::<Writer>()).cast();
        let state = Arc::into_raw(Arc::clone(state));
        let mut next = self.writers.load(Ordering::Relaxed);
        loop {
            // SAFETY: fresh memory of that size and alignment, linked only below.
            unsafe { memory.write(Writer { state, databases: AtomicU8::new(0), next }) };
            match self.writers.compare_exchange(next, memory.as_ptr(), Ordering::Release, Ordering::Relaxed) {
                // SAFETY: just written; the arena keeps it.
                Ok(_) => return unsafe { &*memory.as_ptr() },
                Err(now) => next = now,
            }
        }
    }

    /// Whether every transaction that wrote here is aborted or lies before L of each database it wrote in. Called by
    /// the applier, of a sealed generation, with an `l` that never goes back: what was settled once is not looked at
    /// again.
    pub(crate) fn may_leave(&self, l: &[Position]) -> bool {
        let from = self.unsettled.load(Ordering::Relaxed);
        let from = if from.is_null() { self.writers.load(Ordering::Acquire) } else { from };
        let blocker = Self::first_unsettled(from, l);
        self.unsettled.store(blocker, Ordering::Relaxed);
        blocker.is_null()
    }

    /// The same, for any `l`.
    pub(crate) fn is_settled(&self, l: &[Position]) -> bool {
        Self::first_unsettled(self.writers.load(Ordering::Acquire), l).is_null()
    }

    fn first_unsettled(from: *mut Writer, l: &[Position]) -> *mut Writer {
        let mut next = from;
        while !next.is_null() {
            // SAFETY: writer records lie in the arena; the generation owns the reference of their state.
            let (writer, state) = unsafe { (&*next, &*(*next).state) };
            let databases = writer.databases.load(Ordering::Relaxed);
            let settled = match state.outcome() {
                Outcome::Aborted => true,
                Outcome::Active => false,
                Outcome::Committed(_) => {
                    let position = state.position();
                    l.iter().enumerate().all(|(place, l)| databases & (1 << place) == 0 || position < *l)
                }
            };
            if !settled {
                return next;
            }
            next = writer.next;
        }
        ptr::null_mut()
    }

    /// Notes whether only databases without space keep it in the view.
    pub(crate) fn note_held_by_full(&self, held: bool) {
        self.held_by_full.store(held, Ordering::Relaxed);
    }

    /// Whether only databases without space keep it in the view.
    pub(crate) fn is_held_by_full(&self) -> bool {
        self.held_by_full.load(Ordering::Relaxed)
    }
}

fn arena_for(bytes: u64) -> Arena {
    let most = usize::try_from(bytes / 16).unwrap_or(usize::MAX).clamp(4 << 10, CHUNK_BYTES);
    Arena::new(most.min(64 << 10), most)
}

impl Writer {
    /// Notes that the transaction writes in the database at `place`.
    #[inline]
    pub(crate) fn use_database(&self, place: usize) {
        let bit = 1_u8 << place;
        let bits = self.databases.load(Ordering::Relaxed);
        if bits & bit == 0 {
            // Only the owner writes it; the applier looks after the transaction has ended.
            self.databases.store(bits | bit, Ordering::Relaxed);
        }
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        let mut next = self.writers.load(Ordering::Acquire);
        while !next.is_null() {
            // SAFETY: exclusive access; the reference came from `Arc::into_raw` and is given back once.
            unsafe {
                drop(Arc::from_raw((*next).state));
                next = (*next).next;
            }
        }
    }
}
