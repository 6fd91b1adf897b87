//! An ordered map from keys to entries in an arena, for any number of readers and writers at once; insert only.
//!
//! A tree of nodes with up to 14 items (`order`, `node`). Readers take no lock, write nothing and wait for nobody. Writers
//! take a spin latch of the leaf they add to; when it is full, one latch of the index to change the tree (`split`).
//! Entries (`entry`) stay where they are from their insert to the end of the arena.
//!
//! What is seen:
//! - An operation that begins after an insert returned sees the entry. One that runs beside the insert may or may not; but
//!   once it was seen, whatever begins after that sees it.
//! - Each step of a cursor is such an operation; its keys come strictly ascending (descending), so none comes twice.
//!
//! Two threads may insert the same key: one of them gets the entry of the other.

#![expect(unsafe_code, reason = "nodes and entries lie in an arena and are reached by raw pointers")]

mod cursor;
mod entry;
mod less;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
mod node;
mod order;
mod prefetch;
mod split;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub(crate) use cursor::Cursor;
pub(crate) use entry::Entry;
pub(crate) use prefetch::{prefetch_line, prefetch_lines};

use super::arena::Arena;
use entry::Thin;
use ese_base::sync::{
    CacheLine,
    atomic::{AtomicPtr, AtomicU32, Ordering},
    spin_until,
};
use node::{Item, Node, Target};
use order::Order;
use std::{marker::PhantomData, ptr, ptr::NonNull};

/// Items of a node; few under the model checker, so that it sees splits.
pub(crate) const SLOTS: usize = if cfg!(loom) { 3 } else { order::SLOTS_MAX };

/// See the head of the module.
#[repr(C)]
pub(crate) struct Index<P, const N: usize = SLOTS> {
    root: AtomicPtr<Node<P, N>>,
    entries: PhantomData<P>,
    /// Taken to change the tree; off the line that every reader loads.
    latch: CacheLine<AtomicU32>,
}

/// Where a key is, or would be: the leaf, its order word, and the rank there; nothing, of an index without a leaf.
pub(crate) struct Place<'a, P, const N: usize = SLOTS>(Option<(&'a Node<P, N>, Order, Result<usize, usize>)>);

impl<'a, P, const N: usize> Place<'a, P, N> {
    /// The key's entry, if it was there.
    #[inline]
    pub(crate) fn entry(&self) -> Option<&'a Entry<P>> {
        match self.0 {
            Some((leaf, order, Ok(rank))) => Some(leaf.entry(order.slot(rank))),
            _ => None,
        }
    }
}

/// Whether [`Index::get_or_insert`] inserted.
pub(crate) enum Placed<'a, P> {
    /// The key was there.
    Found(&'a Entry<P>),
    /// The key is new.
    Inserted(&'a Entry<P>),
}

impl<'a, P> Placed<'a, P> {
    /// The key's entry, new or not.
    #[inline]
    pub(crate) fn entry(&self) -> &'a Entry<P> {
        match self {
            Placed::Found(entry) | Placed::Inserted(entry) => entry,
        }
    }
}

impl<P, const N: usize> Index<P, N> {
    /// An index without entries; takes no memory before the first.
    ///
    /// # Safety
    /// Entries and nodes are not owned by the index: whoever makes it gives [`Self::get_or_insert`] the same arena each
    /// time, and keeps that arena for as long as the index is used, or anything that came from it.
    pub(crate) unsafe fn new() -> Self {
        Index {
            root: AtomicPtr::new(ptr::null_mut()),
            entries: PhantomData,
            latch: CacheLine(AtomicU32::new(0)),
        }
    }

    /// The entry of the key.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Entry<P>> {
        self.place(key).entry()
    }

    /// Where the key is, or would be.
    #[inline]
    pub(crate) fn place(&self, key: &[u8]) -> Place<'_, P, N> {
        Place(self.leaf(Target::Key(key)).map(|leaf| {
            let order = leaf.order();
            (leaf, order, leaf.locate(order, key))
        }))
    }

    /// A cursor that has no place yet.
    pub(crate) fn cursor(&self) -> Cursor<'_, P, N> {
        Cursor::new(self)
    }

    #[inline]
    fn root(&self) -> Option<&Node<P, N>> {
        // SAFETY: a root was complete when it was stored, and lies in the arena that lives as long as the index is used.
        unsafe { self.root.load(Ordering::Acquire).as_ref() }
    }

    fn set_root(&self, root: &Node<P, N>) {
        self.root.store(ptr::from_ref(root).cast_mut(), Ordering::Release);
    }

    #[inline]
    fn leaf(&self, target: Target<'_>) -> Option<&Node<P, N>> {
        let mut node = self.root()?;
        while node.level() > 0 {
            node = node.child_towards(target).node;
        }
        Some(node)
    }
}

impl<P: Default + Sync, const N: usize> Index<P, N> {
    /// The entry of the key, which is made if need be, in the arena of this index.
    #[inline]
    pub(crate) fn get_or_insert(&self, arena: &Arena, key: &[u8]) -> Placed<'_, P> {
        self.insert_at(self.place(key), arena, key)
    }

    /// As [`Self::get_or_insert`], with what [`Self::place`] said of the key some time before.
    #[inline]
    pub(crate) fn insert_at<'a>(
        &'a self,
        place: Place<'a, P, N>,
        arena: &Arena,
        key: &[u8],
    ) -> Placed<'a, P> {
        let mut fresh = None;
        let mut placed = self.try_insert(place, arena, key, &mut fresh);
        if placed.is_none() {
            spin_until(|| {
                placed = self.try_insert(self.place(key), arena, key, &mut fresh);
                placed.is_some()
            });
        }
        placed.expect("the loop ends when it is")
    }

    /// One attempt; `None` when the leaf was replaced meanwhile. `fresh` keeps the new entry from one to the next.
    #[inline]
    fn try_insert<'a>(
        &'a self,
        place: Place<'a, P, N>,
        arena: &Arena,
        key: &[u8],
        fresh: &mut Option<NonNull<Thin<P>>>,
    ) -> Option<Placed<'a, P>> {
        if let Some(entry) = place.entry() {
            return Some(Placed::Found(entry));
        }
        let thin = *fresh.get_or_insert_with(|| Entry::create(arena, key));
        // SAFETY: made above, or in an earlier attempt.
        let placed = Placed::Inserted(unsafe { Entry::at(thin.as_ptr()) });
        let Place(Some((leaf, seen, Err(rank)))) = place else {
            return self.plant(arena, Item::first(key, thin)).then_some(placed);
        };
        let order = leaf.latch()?;
        let located = if order.is_same(seen) { Err(rank) } else { leaf.locate(order, key) };
        let rank = match located {
            Err(rank) => rank,
            Ok(rank) => {
                leaf.publish(order);
                return Some(Placed::Found(leaf.entry(order.slot(rank))));
            }
        };
        let item = leaf.item(key, thin);
        if order.count() < N {
            leaf.add(order, rank, item);
        } else {
            self.split_leaf(arena, leaf, order, rank, item);
        }
        Some(placed)
    }
}
