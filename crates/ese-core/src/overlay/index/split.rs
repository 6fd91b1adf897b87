//! What happens when a leaf is full: it is replaced by two copies of its halves, and so on upwards.
//!
//! All of it is done by one thread at a time, under the index' latch; readers go on as if nothing happened:
//! 1. The full leaf, whose latch its writer holds, is frozen: a cursor in it looks for its place again from now on.
//! 2. The right copy gets a slot of its own in the parent, then the left copy takes the slot of the old leaf. Between the
//!    two the old leaf still serves the keys of the left one.
//! 3. A full parent is frozen and replaced by copies of its halves in which both are done; so the grandparent gets two
//!    copies, and so on. A root gets a new root above it.
//! 4. The old leaf's latch is let go of; writers that waited for it see that it is frozen and start over.
//!
//! Who still walks through a replaced node finds there, or below it, every entry that was in the index when it came by
//! the node: an entry that was added later hangs on a node that was linked before, which a later descent cannot miss.

use super::{
    Index,
    node::{Frame, Item, Items, Node, Target},
    order::Order,
};
use crate::overlay::arena::Arena;
use ese_base::sync::{atomic::Ordering, spin_until};
use std::ptr;

impl<P, const SLOTS: usize> Index<P, SLOTS> {
    /// Puts `item` into a full leaf at `rank` by splitting it. The caller holds the leaf's latch since it had this order,
    /// and does not after.
    #[cold]
    pub(super) fn split_leaf(
        &self,
        arena: &Arena,
        leaf: &Node<P, SLOTS>,
        order: Order,
        rank: usize,
        item: Item,
    ) {
        let mut items = leaf.items(order);
        items.insert(rank, item);
        let cut = cut::<SLOTS>(order, rank, 0);
        let halves = halves(arena, leaf, &items, cut);
        self.latch();
        leaf.publish(order.latched().frozen());
        self.replace(arena, leaf, halves);
        self.unlatch();
        leaf.publish(order.frozen());
    }

    /// Makes the first leaf; false when there is one.
    #[cold]
    pub(super) fn plant(&self, arena: &Arena, item: Item) -> bool {
        self.latch();
        let is_bare = self.root().is_none();
        if is_bare {
            let frame = Frame { level: 0, skip: 0, low: ptr::null(), high: ptr::null() };
            self.set_root(Node::create(arena, frame, &[item]));
        }
        self.unlatch();
        is_bare
    }

    /// Puts the two halves in the place of `old`, which is frozen. Under the index' latch.
    fn replace(&self, arena: &Arena, old: &Node<P, SLOTS>, halves: [&Node<P, SLOTS>; 2]) {
        let [left, right] = halves;
        let Some((parent, order, rank)) = self.parent(old) else {
            let frame = Frame { level: old.level() + 1, ..old.frame() };
            let items = halves.map(|half| half.as_item(frame.skip));
            self.set_root(Node::create(arena, frame, &items));
            return;
        };
        if order.count() < SLOTS {
            parent.add(order, rank + 1, right.as_item(parent.skip()));
            parent.replace_child(order.slot(rank), left);
            return;
        }
        let mut items = parent.items(order);
        items[rank] = left.as_item(parent.skip());
        items.insert(rank + 1, right.as_item(parent.skip()));
        let copies = self::halves(arena, parent, &items, cut::<SLOTS>(order, rank + 1, 1));
        parent.publish(order.frozen());
        self.replace(arena, parent, copies);
    }

    /// The node above `node`, its order, and the rank of `node` there; `None` above the root. Under the index' latch,
    /// which keeps all of it as it is.
    fn parent(&self, node: &Node<P, SLOTS>) -> Option<(&Node<P, SLOTS>, Order, usize)> {
        let mut above = self.root().filter(|root| !ptr::eq(*root, node))?;
        let target = Target::Key(node.low().map_or(&[], |low| low.key()));
        while above.level() > node.level() + 1 {
            above = above.child_towards(target).node;
        }
        let order = above.order();
        let rank = above.rank_towards(order, target);
        debug_assert!(ptr::eq(above.child(order.slot(rank)), node), "a node hangs where its low bound leads");
        Some((above, order, rank))
    }

    fn latch(&self) {
        spin_until(|| {
            let free = self.latch.load(Ordering::Relaxed) == 0;
            free && self.latch.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
        });
    }

    fn unlatch(&self) {
        self.latch.store(0, Ordering::Release);
    }
}

/// Two new nodes: one of the first `cut` items, one of the rest. Heads are those of `old`, whose bounds both have but for
/// the one between them.
fn halves<'a, P, const SLOTS: usize>(
    arena: &'a Arena,
    old: &Node<P, SLOTS>,
    items: &Items,
    cut: usize,
) -> [&'a Node<P, SLOTS>; 2] {
    let between = old.first_of(&items[cut]);
    [
        Node::create(arena, Frame { high: between, ..old.frame() }, &items[..cut]),
        Node::create(arena, Frame { low: between, ..old.frame() }, &items[cut..]),
    ]
}

/// How many items the left one gets when a full node of this order is split to get one more at `rank`; `front` is the
/// first rank at which it can get any.
///
/// In the middle, unless the last one also came at the same end: then keys come in (or against) their order, and the
/// full side is left full.
fn cut<const SLOTS: usize>(order: Order, rank: usize, front: usize) -> usize {
    let last_slot = SLOTS - 1;
    if rank == SLOTS && order.slot(SLOTS - 1) == last_slot {
        SLOTS
    } else if rank == front && order.slot(front) == last_slot {
        1
    } else {
        SLOTS.div_ceil(2)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn ends_are_split_off_only_when_the_last_insert_was_there_too() {
        let middle = Order::reversed(2).insert(1);
        assert_eq!(cut::<3>(middle, 0, 0), 2);
        assert_eq!(cut::<3>(middle, 3, 0), 2);
        let at_end = Order::reversed(2).insert(2);
        assert_eq!(cut::<3>(at_end, 3, 0), 3);
        assert_eq!(cut::<3>(at_end, 2, 0), 2);
        assert_eq!(cut::<3>(at_end, 0, 0), 2);
        let in_front = Order::reversed(2).insert(0);
        assert_eq!(cut::<3>(in_front, 0, 0), 1);
        assert_eq!(cut::<3>(in_front, 3, 0), 2);
        let behind_first = Order::reversed(2).insert(1);
        assert_eq!(cut::<3>(behind_first, 1, 1), 1);
        assert_eq!(cut::<3>(Order::reversed(3), 3, 0), 2, "a full copy tells nothing");
    }
}
