//! A node of the index: up to [`SLOTS_MAX`] items in key order, read by anybody while one writer adds to it.
//!
//! ```text
//! order word | skip, level | heads: 8 key bytes per slot | slots: entry or child | low, high
//! ```
//!
//! Invariants:
//! - A slot's head and pointer are written before the order word that names the slot, and the head never changes. Only
//!   the pointer of an inner node's slot does: to the copy that replaced the child, which begins at the same key.
//! - `low` (inclusive) and `high` (exclusive) are the bounds of every key that is or comes below the node; null is no
//!   bound. They are keys of entries; an entry that is a node's `low` is below that node.
//! - Both bounds, hence all keys between them, agree in their first `skip` bytes; heads are the 8 bytes behind those, big
//!   end first, filled up with noughts. Equal heads say nothing: then the keys decide.
//! - Below an inner node's item are the keys from its child's `low` on.
//! - A frozen node never changes again.

use super::{
    entry::{Entry, Thin},
    less,
    order::{Order, SLOTS_MAX},
    prefetch::{prefetch, prefetch_line},
};
use crate::overlay::arena::Arena;
use ese_base::sync::{
    atomic::{AtomicPtr, AtomicU64, Ordering},
    spin_until,
};
use smallvec::SmallVec;
use std::{array, ptr, ptr::NonNull};

/// Head bytes that must agree before it is worth looking for a longer common prefix.
const HEAD_BYTES_SPENT: u32 = 4;

/// See the head of the module.
#[repr(C, align(64))]
pub(super) struct Node<P, const SLOTS: usize> {
    order: AtomicU64,
    skip: u32,
    level: u32,
    heads: [AtomicU64; SLOTS],
    slots: [AtomicPtr<()>; SLOTS],
    low: *const Thin<P>,
    high: *const Thin<P>,
}

// SAFETY: all that changes after a node is linked is atomic; its pointers lead to nodes and entries, which are shared
// anyway: hence the bound.
unsafe impl<P: Sync, const SLOTS: usize> Send for Node<P, SLOTS> {}
// SAFETY: as above.
unsafe impl<P: Sync, const SLOTS: usize> Sync for Node<P, SLOTS> {}

/// A node's content in key order: what a new node is made from. One more than a node can hold has room.
pub(super) type Items = SmallVec<[Item; SLOTS_MAX + 1]>;

/// What a slot holds.
#[derive(Clone, Copy)]
pub(super) struct Item {
    pub(super) head: u64,
    pub(super) pointer: *mut (),
}

impl Item {
    /// The item of an entry in a leaf without bounds.
    pub(super) fn first<P>(key: &[u8], entry: NonNull<Thin<P>>) -> Self {
        Item { head: head(key, 0), pointer: entry.as_ptr().cast() }
    }
}

/// What a descent looks for.
#[derive(Clone, Copy)]
pub(super) enum Target<'k> {
    /// The node whose bounds enclose the key.
    Key(&'k [u8]),
    /// The node of the last key before this one; the first node when there is none.
    Before(&'k [u8]),
    /// The last node.
    End,
}

/// A child, and where it was found in its parent.
pub(super) struct Child<'a, P, const SLOTS: usize> {
    pub(super) node: &'a Node<P, SLOTS>,
    pub(super) order: Order,
    pub(super) rank: usize,
}

/// The bounds of a new node, and what it takes over from its predecessor.
pub(super) struct Frame<P> {
    pub(super) level: u32,
    pub(super) skip: u32,
    pub(super) low: *const Thin<P>,
    pub(super) high: *const Thin<P>,
}

impl<P, const SLOTS: usize> Node<P, SLOTS> {
    /// With two slots one half of a split node is full again, so that trees grow high: for the model checker only.
    const FITS: () = assert!(2 <= SLOTS && SLOTS <= SLOTS_MAX);

    #[inline]
    pub(super) fn order(&self) -> Order {
        Order::from_word(self.order.load(Ordering::Acquire))
    }

    /// How many bytes all keys below have in common, at least.
    pub(super) fn skip(&self) -> u32 {
        self.skip
    }

    /// Nought for a leaf, one more than its children's for an inner node.
    #[inline]
    pub(super) fn level(&self) -> u32 {
        self.level
    }

    #[inline]
    pub(super) fn low(&self) -> Option<&Entry<P>> {
        // SAFETY: a bound is null or an entry that was complete before the node was made.
        (!self.low.is_null()).then(|| unsafe { Entry::at(self.low) })
    }

    #[inline]
    pub(super) fn high(&self) -> Option<&Entry<P>> {
        // SAFETY: as in `low`.
        (!self.high.is_null()).then(|| unsafe { Entry::at(self.high) })
    }

    /// Whether both nodes end at the same key.
    pub(super) fn ends_with(&self, other: &Self) -> bool {
        ptr::eq(self.high, other.high)
    }

    /// Whether both nodes begin at the same key.
    pub(super) fn begins_with(&self, other: &Self) -> bool {
        ptr::eq(self.low, other.low)
    }

    /// The entry in a leaf's slot, which an order word read before names.
    #[inline]
    pub(super) fn entry(&self, slot: usize) -> &Entry<P> {
        debug_assert_eq!(self.level, 0);
        // SAFETY: a named slot of a leaf holds an entry that was complete before; it lies in the same arena.
        unsafe { Entry::at(self.slots[slot].load(Ordering::Acquire).cast()) }
    }

    /// Has all entries of a leaf fetched.
    pub(super) fn prefetch_entries(&self) {
        debug_assert_eq!(self.level, 0);
        for slot in &self.slots[..self.order().count()] {
            prefetch_line(slot.load(Ordering::Relaxed).cast());
        }
    }

    /// The child in an inner node's slot, which an order word read before names.
    #[inline]
    pub(super) fn child(&self, slot: usize) -> &Self {
        debug_assert_ne!(self.level, 0);
        // SAFETY: a named slot of an inner node holds a node that was complete before; it lies in the same arena.
        unsafe { &*self.slots[slot].load(Ordering::Acquire).cast() }
    }

    /// The key that a slot's item begins with; `None` is below every key.
    fn key(&self, slot: usize) -> Option<&[u8]> {
        match self.level {
            0 => Some(self.entry(slot).key()),
            _ => self.child(slot).low().map(Entry::key),
        }
    }

    /// The rank of the item with this key, or the rank it would have. The key lies within the node's bounds (or is its
    /// `high`).
    #[inline]
    pub(super) fn locate(&self, order: Order, key: &[u8]) -> Result<usize, usize> {
        let head = head(key, self.skip);
        let rank = less::count(&self.heads, head, order.live());
        if rank == order.count() || self.heads[order.slot(rank)].load(Ordering::Relaxed) != head {
            return Err(rank);
        }
        self.locate_among_equals(order, key, head, rank)
    }

    /// [`Self::locate`] when the item of `first` is the first of those with the same head as `key`.
    fn locate_among_equals(&self, order: Order, key: &[u8], head: u64, first: usize) -> Result<usize, usize> {
        let is_equal = |rank: &usize| self.heads[order.slot(*rank)].load(Ordering::Relaxed) == head;
        let (mut from, mut to) = (first, first + 1 + (first + 1..order.count()).take_while(is_equal).count());
        while from < to {
            let middle = usize::midpoint(from, to);
            match self.key(order.slot(middle)).cmp(&Some(key)) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        Err(from)
    }

    /// The rank of the child that a descent goes on with.
    #[inline]
    pub(super) fn rank_towards(&self, order: Order, target: Target<'_>) -> usize {
        let after = match target {
            Target::Key(key) => match self.locate(order, key) {
                Ok(rank) => rank + 1,
                Err(rank) => rank,
            },
            Target::Before(key) => self.locate(order, key).unwrap_or_else(|rank| rank),
            Target::End => order.count(),
        };
        after.saturating_sub(1)
    }

    /// The child that a descent goes on with: its bounds enclose what is looked for.
    #[inline]
    pub(super) fn child_towards(&self, target: Target<'_>) -> Child<'_, P, SLOTS> {
        loop {
            let order = self.order();
            let rank = self.rank_towards(order, target);
            let node = self.child(order.slot(rank));
            prefetch::<Self>(node);
            // A child that was split is replaced after its new sibling was named. Who sees the copy, which has only the
            // lower keys, therefore sees the order word changed. It changes once a slot at most.
            if Order::from_word(self.order.load(Ordering::Relaxed)).is_same(order) {
                return Child { node, order, rank };
            }
        }
    }

    /// Takes the latch; `None` when the node has been replaced.
    pub(super) fn latch(&self) -> Option<Order> {
        let mut taken = None;
        spin_until(|| {
            let order = self.order();
            if order.is_latched() {
                return false;
            }
            if order.is_frozen() {
                return true;
            }
            let latched = self.order.compare_exchange_weak(
                order.word(),
                order.latched().word(),
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            taken = latched.ok().map(|_| order);
            taken.is_some()
        });
        taken
    }

    /// Makes `order` the node's. Only the holder of the latch, or of the index' latch for inner nodes, may do so.
    #[inline]
    pub(super) fn publish(&self, order: Order) {
        self.order.store(order.word(), Ordering::Release);
    }

    /// Fills the next free slot and publishes it at `rank`, without the latch mark. The rights of [`Self::publish`] are
    /// needed, and `order` is the node's.
    #[inline]
    pub(super) fn add(&self, order: Order, rank: usize, item: Item) {
        let slot = order.count();
        self.heads[slot].store(item.head, Ordering::Relaxed);
        self.slots[slot].store(item.pointer, Ordering::Relaxed);
        self.publish(order.insert(rank).unlatched());
    }

    /// Puts the copy that replaces a child in its place.
    pub(super) fn replace_child(&self, slot: usize, copy: &Self) {
        self.slots[slot].store(ptr::from_ref(copy).cast_mut().cast(), Ordering::Release);
    }

    /// The items in key order.
    pub(super) fn items(&self, order: Order) -> Items {
        let slots = (0..order.count()).map(|rank| order.slot(rank));
        slots
            .map(|slot| Item {
                head: self.heads[slot].load(Ordering::Relaxed),
                pointer: self.slots[slot].load(Ordering::Acquire),
            })
            .collect()
    }

    /// The item of an entry in this leaf, which encloses its key.
    #[inline]
    pub(super) fn item(&self, key: &[u8], entry: NonNull<Thin<P>>) -> Item {
        Item { head: head(key, self.skip), pointer: entry.as_ptr().cast() }
    }

    /// The item of this node in a parent that skips `skip` bytes.
    pub(super) fn as_item(&self, skip: u32) -> Item {
        let head = self.low().map_or(0, |low| head(low.key(), skip));
        Item { head, pointer: ptr::from_ref(self).cast_mut().cast() }
    }

    /// The bound that divides `item` of this node from those before it.
    pub(super) fn first_of(&self, item: &Item) -> *const Thin<P> {
        match self.level {
            0 => item.pointer.cast::<Thin<P>>().cast_const(),
            // SAFETY: an item of an inner node is a node that was complete before.
            _ => unsafe { (*item.pointer.cast::<Self>()).low },
        }
    }

    /// The bounds and the like of a node that takes this one's place.
    pub(super) fn frame(&self) -> Frame<P> {
        Frame { level: self.level, skip: self.skip, low: self.low, high: self.high }
    }

    /// A new node in the arena, linked nowhere yet. The heads of `items` are those for `frame.skip`.
    pub(super) fn create<'a>(arena: &'a Arena, frame: Frame<P>, items: &[Item]) -> &'a Self {
        const { Self::FITS };
        debug_assert!((1..=SLOTS).contains(&items.len()));
        let skip = frame.longer_skip(items);
        let node = Node {
            order: AtomicU64::new(Order::reversed(items.len()).word()),
            skip,
            level: frame.level,
            heads: array::from_fn(|slot| {
                AtomicU64::new(items.iter().rev().nth(slot).map_or(u64::MAX, |item| item.head))
            }),
            slots: array::from_fn(|slot| {
                AtomicPtr::new(items.iter().rev().nth(slot).map_or(ptr::null_mut(), |item| item.pointer))
            }),
            low: frame.low,
            high: frame.high,
        };
        if skip != frame.skip {
            for slot in 0..items.len() {
                // Both bounds are keys when bytes are skipped, so every item begins with a key.
                let key = node.key(slot).expect("a node that skips bytes has a low bound");
                node.heads[slot].store(head(key, skip), Ordering::Relaxed);
            }
        }
        let memory = arena.alloc(size_of::<Self>(), align_of::<Self>()).cast::<Self>();
        // SAFETY: fresh memory of the size and alignment of a node, which lives as long as the arena.
        unsafe {
            memory.write(node);
            memory.as_ref()
        }
    }
}

impl<P> Frame<P> {
    /// How many bytes a new node of these items skips: more than its predecessor when the heads have lost half of their
    /// bytes to what all keys have in common.
    fn longer_skip(&self, items: &[Item]) -> u32 {
        let (Some(first), Some(last)) = (items.first(), items.last()) else { return self.skip };
        let differs = (first.head ^ last.head) >> (u64::BITS - HEAD_BYTES_SPENT * u8::BITS) != 0;
        if differs || self.low.is_null() || self.high.is_null() {
            return self.skip;
        }
        // SAFETY: bounds are entries that were complete before the node was made.
        let (low, high) = unsafe { (Entry::at(self.low).key(), Entry::at(self.high).key()) };
        let common = low.iter().zip(high).take_while(|(low, high)| low == high).count();
        let common = u32::try_from(common).expect("keys are far shorter than 4 GiB");
        if common >= self.skip + HEAD_BYTES_SPENT { common } else { self.skip }
    }
}

/// The 8 bytes behind the first `skip` ones, big end first, filled up with noughts. The key has at least `skip` bytes.
#[inline]
fn head(key: &[u8], skip: u32) -> u64 {
    let rest = &key[skip as usize..];
    if let Some(bytes) = rest.first_chunk() {
        return u64::from_be_bytes(*bytes);
    }
    let filled = rest.iter().fold(0, |head, byte| (head << u8::BITS) | u64::from(*byte));
    (rest.len()..size_of::<u64>()).fold(filled, |head, _| head << u8::BITS)
}
