//! The order word of a node: which slot holds which rank, how many there are, and the node's two marks.
//!
//! ```text
//! bits  0..56  slot of rank 0, of rank 1, …: 14 × 4 bits
//!      56..60  how many slots hold something
//!      60      latched: one writer is at work
//!      61      frozen: the node has been replaced and never changes again
//! ```
//!
//! Slots are given out in ascending order and never twice, so slots `0..count` are those that hold something. One store
//! of this word is what makes an insert seen.

/// The most slots a node can have.
pub(super) const SLOTS_MAX: usize = 14;

const BITS: usize = 4;
const NIBBLE: u64 = 0xf;
const COUNT_SHIFT: usize = SLOTS_MAX * BITS;
const RANKS: u64 = (1 << COUNT_SHIFT) - 1;
const ONES: u64 = 0x11_1111_1111_1111;
const LATCHED: u64 = 1 << (COUNT_SHIFT + BITS);
const FROZEN: u64 = LATCHED << 1;

const _: () = assert!(SLOTS_MAX < 1 << BITS, "ranks, slots and the count each fit four bits");
const _: () = assert!(COUNT_SHIFT + BITS + 2 <= 64, "all fits the word");

/// See the head of the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order(u64);

impl Order {
    /// The order of a new node of `count` items whose ranks run against their slots: the last slot then does not hold the
    /// last rank unless an insert at the end put it there, which is how ascending inserts are told.
    pub(super) fn reversed(count: usize) -> Self {
        debug_assert!(count <= SLOTS_MAX);
        let ranks = (0..count).fold(0, |ranks, slot| (ranks << BITS) | slot as u64);
        Order(ranks | ((count as u64) << COUNT_SHIFT))
    }

    #[inline]
    pub(super) fn from_word(word: u64) -> Self {
        Order(word)
    }

    #[inline]
    pub(super) fn word(self) -> u64 {
        self.0
    }

    /// How many slots hold something.
    #[inline]
    pub(super) fn count(self) -> usize {
        ((self.0 >> COUNT_SHIFT) & NIBBLE) as usize
    }

    /// A bit for each slot that holds something.
    #[inline]
    pub(super) fn live(self) -> u32 {
        (1 << self.count()) - 1
    }

    /// The slot of a rank below [`Self::count`].
    #[inline]
    pub(super) fn slot(self, rank: usize) -> usize {
        debug_assert!(rank < self.count());
        ((self.0 >> (rank * BITS)) & NIBBLE) as usize
    }

    /// The rank of a slot below [`Self::count`].
    #[inline]
    pub(super) fn rank_of(self, slot: usize) -> usize {
        debug_assert!(slot < self.count());
        // The lowest nibble that is nought in `apart`: of those of no rank, which are nought too, none is below it.
        let apart = self.0 ^ (ONES * slot as u64);
        let noughts = apart.wrapping_sub(ONES) & !apart & (ONES << (BITS - 1));
        noughts.trailing_zeros() as usize / BITS
    }

    /// The same with the next free slot at `rank`; what was there and behind moves one rank on.
    #[inline]
    pub(super) fn insert(self, rank: usize) -> Self {
        let slot = self.count();
        debug_assert!(rank <= slot && slot < SLOTS_MAX);
        let below = (1 << (rank * BITS)) - 1;
        let ranks = self.0 & RANKS;
        let ranks = (ranks & below) | ((slot as u64) << (rank * BITS)) | ((ranks & !below) << BITS);
        Order((self.0 & !RANKS) | ranks).counted_up()
    }

    fn counted_up(self) -> Self {
        Order(self.0 + (1 << COUNT_SHIFT))
    }

    #[inline]
    pub(super) fn is_latched(self) -> bool {
        self.0 & LATCHED != 0
    }

    #[inline]
    pub(super) fn latched(self) -> Self {
        Order(self.0 | LATCHED)
    }

    #[inline]
    pub(super) fn unlatched(self) -> Self {
        Order(self.0 & !LATCHED)
    }

    #[inline]
    pub(super) fn is_frozen(self) -> bool {
        self.0 & FROZEN != 0
    }

    #[inline]
    pub(super) fn frozen(self) -> Self {
        Order(self.0 | FROZEN)
    }

    /// Whether both name the same slots in the same order.
    #[inline]
    pub(super) fn is_same(self, other: Self) -> bool {
        (self.0 ^ other.0) & !(LATCHED | FROZEN) == 0
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn slots(order: Order) -> Vec<usize> {
        (0..order.count()).map(|rank| order.slot(rank)).collect()
    }

    #[test]
    fn inserts_at_every_rank_agree_with_a_vector() {
        for (first, seed) in (0..=SLOTS_MAX).zip(1_usize..) {
            let mut order = Order::reversed(first);
            let mut model: Vec<usize> = (0..first).rev().collect();
            assert_eq!(slots(order), model);
            let mut state = seed * 7919;
            while order.count() < SLOTS_MAX {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let rank = (state >> 33) % (order.count() + 1);
                let slot = order.count();
                order = order.insert(rank);
                model.insert(rank, slot);
                assert_eq!(slots(order), model);
                assert_eq!(order.live().count_ones() as usize, model.len());
                for (rank, slot) in model.iter().enumerate() {
                    assert_eq!(order.rank_of(*slot), rank, "{model:?}");
                }
            }
        }
    }

    #[test]
    fn marks_leave_the_ranks_alone() {
        let order = Order::reversed(3);
        let marked = order.latched().frozen();
        assert!(marked.is_latched() && marked.is_frozen() && marked.is_same(order));
        assert_eq!(slots(marked), [2, 1, 0]);
        assert_eq!(slots(marked.insert(1)), [2, 3, 1, 0]);
        assert!(marked.insert(1).is_frozen() && !marked.insert(1).is_same(order));
        let unlatched = marked.unlatched();
        assert!(!unlatched.is_latched() && unlatched.is_frozen());
        assert!(!order.is_frozen() && !order.is_latched());
    }
}
