//! A version of a row, and the chain of a row's versions in one generation, newest first.
//!
//! ```text
//! state*  older*  skip*  payload length u32 | kind u8 | rolled back u8 | – – || payload …
//! ```
//!
//! Invariants:
//! - A version is complete before it is linked, and nothing of it changes afterwards but its rolled-back mark.
//! - Heads are stored under the row's latch only; readers follow them without one.
//! - `skip` of a shared kind leads to the first older version of another kind.
//! - States outlive the versions that point to them: the generation owns a reference for each.

#![expect(unsafe_code, reason = "versions lie in the generation's arena and point to each other")]

use super::{arena::Arena, index::prefetch_line};
use crate::txn::{Kind, TxnState};
use ese_base::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::{marker::PhantomData, ptr, ptr::NonNull, sync::Arc};

/// A version in an arena; reached through [`VersionRef`] only.
pub(crate) struct Version {
    /// As the Arc gives it, so that a reference can be made from it.
    state: *const TxnState,
    older: *const Version,
    skip: *const Version,
    payload_len: u32,
    kind: Kind,
    rolled_back: AtomicBool,
}

/// The chain of one row in one generation.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    head: AtomicPtr<Version>,
    deltas: AtomicU32,
}

/// A version, alive as long as `'g`, the pin of its generation.
#[derive(Clone, Copy)]
pub(crate) struct VersionRef<'g>(NonNull<Version>, PhantomData<&'g Version>);

/// The address of a version, for who holds its generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct VersionPtr(NonNull<Version>);

impl VersionPtr {
    /// The version.
    ///
    /// # Safety
    /// Its generation is alive for `'g`.
    #[inline]
    pub(crate) unsafe fn as_ref<'g>(self) -> VersionRef<'g> {
        VersionRef(self.0, PhantomData)
    }
}

impl Chain {
    /// The newest version.
    #[inline]
    pub(crate) fn newest<'g>(&'g self) -> Option<VersionRef<'g>> {
        NonNull::new(self.head.load(Ordering::Acquire)).map(|version| VersionRef(version, PhantomData))
    }

    /// Asks for the newest version and the first bytes behind it.
    #[inline]
    pub(crate) fn prefetch(&self) {
        let newest = self.head.load(Ordering::Relaxed).cast::<u8>().cast_const();
        for line in 0..4 {
            prefetch_line(newest.wrapping_add(64 * line));
        }
    }

    /// The versions, newest first.
    #[inline]
    pub(crate) fn versions<'g>(&'g self) -> Versions<'g> {
        Versions { next: self.newest() }
    }

    /// The newest version that holds a value or a deletion, of those that `admits` lets pass; runs of locks and deltas
    /// are passed over in one step.
    #[inline]
    pub(crate) fn newest_data<'g>(
        &'g self,
        admits: impl Fn(VersionRef<'g>) -> bool,
    ) -> Option<VersionRef<'g>> {
        let mut next = self.newest();
        while let Some(version) = next {
            if version.kind().is_shared() {
                next = version.older_of_other_kind();
            } else if version.kind().is_data() && admits(version) {
                return Some(version);
            } else {
                next = version.older();
            }
        }
        None
    }

    /// How many deltas were pushed.
    pub(crate) fn deltas(&self) -> u32 {
        self.deltas.load(Ordering::Relaxed)
    }

    /// Puts a version on top. The caller holds the row's latch, and the generation owns a reference of `state`.
    pub(crate) fn push(
        &self,
        arena: &Arena,
        state: &Arc<TxnState>,
        kind: Kind,
        payload: &[u8],
    ) -> VersionPtr {
        let head = self.head.load(Ordering::Acquire);
        let skip = if kind.is_shared() {
            match self.newest() {
                // SAFETY: a linked version of this arena; `skip` was complete before it was linked.
                Some(newest) if newest.kind() == kind => unsafe { newest.0.as_ref() }.skip,
                _ => head.cast_const(),
            }
        } else {
            ptr::null()
        };
        let payload_len = u32::try_from(payload.len()).expect("values are limited to 2 GiB − 1");
        let memory =
            arena.alloc(size_of::<Version>() + payload.len(), align_of::<Version>()).cast::<Version>();
        // SAFETY: fresh memory of the right size and alignment, not yet reachable by anybody else; the payload lies
        // behind the header within the same allocation.
        unsafe {
            memory.write(Version {
                state: Arc::as_ptr(state),
                older: head,
                skip,
                payload_len,
                kind,
                rolled_back: AtomicBool::new(false),
            });
            let behind = memory.add(1).cast::<u8>();
            ptr::copy_nonoverlapping(payload.as_ptr(), behind.as_ptr(), payload.len());
        }
        if kind.is_delta() {
            self.deltas.fetch_add(1, Ordering::Relaxed);
        }
        self.head.store(memory.as_ptr(), Ordering::Release);
        VersionPtr(memory)
    }
}

impl<'g> VersionRef<'g> {
    #[inline]
    fn header(self) -> &'g Version {
        // SAFETY: made from a link in the chain of a generation that is alive for `'g`.
        unsafe { self.0.as_ref() }
    }

    /// What it does.
    #[inline]
    pub(crate) fn kind(self) -> Kind {
        self.header().kind
    }

    /// The transaction that wrote it.
    #[inline]
    pub(crate) fn state(self) -> &'g TxnState {
        // SAFETY: the generation owns a reference of the state.
        unsafe { &*self.header().state }
    }

    /// A reference of that transaction's state that outlives the generation.
    pub(crate) fn state_arc(self) -> Arc<TxnState> {
        let state = self.header().state;
        // SAFETY: the address came from an Arc of which the generation, alive for `'g`, owns a reference; the count is
        // raised before the Arc is made.
        unsafe {
            Arc::increment_strong_count(state);
            Arc::from_raw(state)
        }
    }

    /// Whether its savepoint was rolled back.
    #[inline]
    pub(crate) fn is_rolled_back(self) -> bool {
        self.header().rolled_back.load(Ordering::Acquire)
    }

    /// Marks it as rolled back: every reader, check and merge passes it over from now on. For its own transaction, while
    /// that is open.
    pub(crate) fn roll_back(self) {
        debug_assert_eq!(self.state().outcome(), crate::txn::Outcome::Active);
        self.header().rolled_back.store(true, Ordering::Release);
    }

    /// The next older version of the row in this generation.
    #[inline]
    pub(crate) fn older(self) -> Option<VersionRef<'g>> {
        NonNull::new(self.header().older.cast_mut()).map(|version| VersionRef(version, PhantomData))
    }

    /// For a shared kind: the first older version of another kind.
    #[inline]
    pub(crate) fn older_of_other_kind(self) -> Option<VersionRef<'g>> {
        debug_assert!(self.kind().is_shared());
        NonNull::new(self.header().skip.cast_mut()).map(|version| VersionRef(version, PhantomData))
    }

    /// The bytes behind it.
    #[inline]
    pub(crate) fn payload(self) -> &'g [u8] {
        // SAFETY: the pointer has the provenance of the whole allocation; `payload_len` bytes were written behind the
        // header before the version was linked and never change.
        unsafe {
            let behind = self.0.add(1).cast::<u8>();
            std::slice::from_raw_parts(behind.as_ptr(), self.header().payload_len as usize)
        }
    }
}

/// The versions of a chain, newest first.
pub(crate) struct Versions<'g> {
    next: Option<VersionRef<'g>>,
}

impl<'g> Iterator for Versions<'g> {
    type Item = VersionRef<'g>;

    #[inline]
    fn next(&mut self) -> Option<VersionRef<'g>> {
        let version = self.next?;
        self.next = version.older();
        Some(version)
    }
}
