//! Counts the heads of a node that are less than a given one, without a branch.
//!
//! A branch taken at random costs more than all comparisons of a node. Slots do not lie in order, and one that is just
//! being filled may show its head already: so each comparison becomes a bit, and those of no live slot are taken away.

use ese_base::sync::atomic::{AtomicU64, Ordering};

/// Each half of a node's slots fits the table of bit counts.
const HALF_BITS: usize = 7;
const ONES: [u8; 1 << HALF_BITS] = {
    let mut ones = [0; 1 << HALF_BITS];
    let mut bits = 1;
    while bits < ones.len() {
        ones[bits] = ones[bits / 2] + if bits % 2 == 0 { 0 } else { 1 };
        bits += 1;
    }
    ones
};
const _: () = assert!(super::order::SLOTS_MAX <= 2 * HALF_BITS, "a node has two halves");

/// How many of `heads` whose bit in `live` is set are less than `head`.
#[inline(always)]
pub(super) fn count<const SLOTS: usize>(heads: &[AtomicU64; SLOTS], head: u64, live: u32) -> usize {
    let (low, high) = heads.split_at(SLOTS / 2);
    let (low, high) = (less(low, head) & live, less(high, head) & (live >> low.len()));
    usize::from(ONES[low as usize % ONES.len()] + ONES[high as usize % ONES.len()])
}

/// A bit for each head that is less than `head`, from the lowest on.
#[inline(always)]
fn less(heads: &[AtomicU64], head: u64) -> u32 {
    heads.iter().rev().fold(0, |bits, other| shift_in(bits, other.load(Ordering::Relaxed), head))
}

/// `bits` shifted by one place, into which the answer comes to `left < right`: a comparison and an addition with carry,
/// which the compiler does not find by itself.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn shift_in(bits: u32, left: u64, right: u64) -> u32 {
    use std::arch::x86_64::{_addcarry_u32, _subborrow_u64};
    let (mut difference, mut shifted) = (0, 0);
    let is_less = _subborrow_u64(0, left, right, &mut difference);
    _addcarry_u32(is_less, bits, bits, &mut shifted);
    shifted
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn shift_in(bits: u32, left: u64, right: u64) -> u32 {
    bits << 1 | u32::from(left < right)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn check<const SLOTS: usize>() {
        let values = [0, 1, 7, u64::MAX / 2, 1 << 63, u64::MAX - 1, u64::MAX];
        for round in 0..500_usize {
            let heads: [AtomicU64; SLOTS] =
                std::array::from_fn(|slot| AtomicU64::new(values[(round + slot * slot * (round % 11)) % 7]));
            for live in 0..=SLOTS {
                for head in values {
                    let live_heads = heads.iter().take(live).map(|other| other.load(Ordering::Relaxed));
                    let expected = live_heads.filter(|other| *other < head).count();
                    assert_eq!(count(&heads, head, (1 << live) - 1), expected);
                }
            }
        }
    }

    #[test]
    fn counts_agree_with_a_filter() {
        check::<2>();
        check::<3>();
        check::<9>();
        check::<14>();
    }
}
