//! What a transaction has written itself: a list of its versions, and the generations they lie in.
//!
//! Own writes are read from the overlay, where they were put anyway: among the versions of the row in the generations
//! this transaction wrote in, those that carry its state and are not rolled back. Nothing is copied and nothing is
//! indexed a second time: a load pays six words a row for it, and a scan walks the same indexes as everybody.
//!
//! Invariants:
//! - Each listed version lies in one of `wrote`, which are held: it stays readable for as long as it is listed.
//! - The list is cut by a rollback to a savepoint, newest first; what is cut is marked as rolled back.

#![expect(unsafe_code, reason = "the list keeps the addresses of versions whose generations it holds")]

use super::{
    chain::{Chain, VersionPtr, VersionRef},
    generation::{Generation, Writer},
    index::Entry,
    visibility::{Data, Found, Settled},
    walk::Filter,
};
use crate::{seam::version_store::OwnWrite, txn::TxnState};
use ese_base::TreeId;
use smallvec::SmallVec;
use std::{ptr::NonNull, sync::Arc};

/// Up to so many writes, a look at their hashes tells whether a row is among them.
const FEW: usize = 8;
/// Capacity that is kept for the next transaction.
const KEPT: usize = 64;

/// See the head of the module.
#[derive(Default)]
pub(super) struct OwnWrites {
    state: Option<Arc<TxnState>>,
    ops: Vec<Op>,
    /// Oldest first.
    wrote: SmallVec<[(Arc<Generation>, NonNull<Writer>); 2]>,
}

struct Op {
    tree: TreeId,
    hash: u64,
    entry: NonNull<Entry<Chain>>,
    version: VersionPtr,
}

// SAFETY: the pointers lead into generations that the list holds; what is shared there is atomic or never changes.
unsafe impl Send for OwnWrites {}

impl OwnWrites {
    /// The transaction may write from now on.
    pub(super) fn begin(&mut self, state: Arc<TxnState>) {
        debug_assert!(self.state.is_none() && self.ops.is_empty(), "one transaction at a time");
        self.state = Some(state);
    }

    /// Forgets everything; the transaction's state, if it had begun to write.
    pub(super) fn end(&mut self) -> Option<Arc<TxnState>> {
        if self.ops.capacity() > KEPT {
            self.ops = Vec::new()
        } else {
            self.ops.clear()
        }
        self.wrote.clear();
        self.state.take()
    }

    pub(super) fn state(&self) -> Option<&Arc<TxnState>> {
        self.state.as_ref()
    }

    /// How many versions are listed, locks included.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.ops.capacity() * size_of::<Op>()) as u64
    }

    /// The transaction's record in the generation it is about to write in.
    #[inline]
    pub(super) fn record(&mut self, generation: &Arc<Generation>) -> Option<(&Arc<TxnState>, &Writer)> {
        let state = self.state.as_ref()?;
        if self.wrote.last().is_none_or(|(last, _)| last.number != generation.number) {
            let writer = NonNull::from(generation.add_writer(state));
            self.wrote.push((Arc::clone(generation), writer));
        }
        let (_, writer) = self.wrote[self.wrote.len() - 1];
        // SAFETY: it lies in the arena of the generation that is held beside it.
        Some((state, unsafe { writer.as_ref() }))
    }

    /// Lists a version just written.
    #[inline]
    pub(super) fn push(&mut self, tree: TreeId, hash: u64, entry: &Entry<Chain>, version: VersionPtr) {
        self.ops.push(Op { tree, hash, entry: NonNull::from(entry), version });
    }

    fn version<'w>(&'w self, op: &Op) -> VersionRef<'w> {
        // SAFETY: a listed version lies in a generation that is held.
        unsafe { op.version.as_ref() }
    }

    /// Marks everything behind the first `len` versions as rolled back.
    pub(super) fn undo_to(&mut self, len: usize) {
        while self.ops.len() > len
            && let Some(op) = self.ops.pop()
        {
            self.version(&op).roll_back();
        }
    }

    /// Whether anything listed changes a row.
    pub(super) fn changes_rows(&self) -> bool {
        self.ops.iter().any(|op| self.version(op).kind().is_data())
    }

    /// Everything that changes a row, in the order it was written.
    pub(super) fn each(&self, take: &mut dyn FnMut(OwnWrite<'_>)) {
        for op in &self.ops {
            let version = self.version(op);
            if version.kind().is_data() {
                // SAFETY: entries lie in the arena of their generation, which is held.
                let key = unsafe { op.entry.as_ref() }.key();
                take(OwnWrite { tree: op.tree, key, kind: version.kind(), payload: version.payload() });
            }
        }
    }

    /// The generations that may hold an own version of the row, newest first: those numbered up to `newest`.
    pub(super) fn generations(&self, newest: u32) -> impl Iterator<Item = &Generation> {
        self.wrote.iter().rev().map(|(generation, _)| &**generation).filter(move |g| g.number <= newest)
    }

    /// Whether a row with that hash may have been written.
    #[inline]
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        self.ops.len() > FEW || self.ops.iter().any(|op| op.hash == hash)
    }

    /// The number of the oldest generation written in.
    #[inline]
    pub(super) fn oldest(&self) -> u32 {
        self.wrote.first().map_or(u32::MAX, |(generation, _)| generation.number)
    }

    /// The newest value or deletion that the transaction wrote.
    pub(super) fn find_data(&self, tree: TreeId, key: &[u8], newest: u32) -> Data<'_> {
        let Some(state) = &self.state else { return Data::Nothing };
        let mine = Mine(state);
        let mut chains = self.generations(newest).filter_map(|generation| generation.index(tree)?.get(key));
        let version = chains.find_map(|entry| entry.payload().newest_data(|version| mine.admits(version)));
        version.map_or(Data::Nothing, Data::of)
    }

    /// What the transaction did to a row.
    pub(super) fn find(&self, tree: TreeId, key: &[u8], newest: u32) -> Found<'_> {
        let mut found = Found::default();
        let Some(state) = &self.state else { return found };
        let mine = Mine(state);
        for generation in self.generations(newest) {
            let Some(entry) = generation.index(tree).and_then(|index| index.get(key)) else { continue };
            for version in entry.payload().versions().filter(|version| mine.admits(*version)) {
                if found.take(version) == Settled::Yes {
                    return found;
                }
            }
        }
        found
    }
}

/// A transaction's own versions that change a row and are not rolled back.
pub(crate) struct Mine<'a>(pub(super) &'a TxnState);

impl Filter for Mine<'_> {
    #[inline]
    fn admits(&self, version: VersionRef<'_>) -> bool {
        std::ptr::eq(version.state(), self.0) && version.kind().is_data() && !version.is_rolled_back()
    }
}
