//! Numbers that look random and follow from a seed: the same ones on every machine, in every version, for ever.
//!
//! A failure prints its seed, and the seed must replay it years later. The generators of `rand` promise no such thing
//! across versions, so this is the eight-line SplitMix64 by Steele, Lea and Flood. `&self` everywhere: the threads of a
//! model share one generator.

use std::cell::Cell;

/// A source of numbers that follow from a seed.
///
/// ```
/// use ese_sim::seed::Dice;
/// let (a, b) = (Dice::new(7), Dice::new(7));
/// assert_eq!(a.below(1000), b.below(1000));
/// ```
#[derive(Clone, Debug)]
pub struct Dice {
    state: Cell<u64>,
}

impl Dice {
    /// The numbers of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Dice { state: Cell::new(seed) }
    }

    /// Any 64 bits.
    pub fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to and without `end`. The bias of the remainder is far below what a test could notice.
    ///
    /// # Panics
    /// When `end` is 0.
    pub fn below(&self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number from `first` to `last`, both included.
    ///
    /// # Panics
    /// When `last` is below `first`.
    pub fn between(&self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// An index below `len`.
    ///
    /// # Panics
    /// When `len` is 0.
    pub fn index(&self, len: usize) -> usize {
        let len = u64::try_from(len).expect("a length fits 64 bits");
        usize::try_from(self.below(len)).expect("it is below a length")
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// True in `percent` of a hundred calls.
    pub fn percent(&self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_as_they_are() {
        // The first outputs of SplitMix64 for seed 0, as published with the algorithm.
        let dice = Dice::new(0);
        assert_eq!(dice.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(dice.next(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(dice.next(), 0x06c4_5d18_8009_454f);
    }

    #[test]
    fn bounds_are_kept() {
        let dice = Dice::new(1);
        let mut seen = [false; 3];
        for _ in 0..200 {
            let number = dice.between(4, 6);
            assert!((4..=6).contains(&number));
            seen[usize::try_from(number - 4).unwrap()] = true;
            assert!(dice.index(5) < 5);
        }
        assert_eq!(seen, [true; 3]);
        assert!(!dice.percent(0) && dice.percent(100));
    }
}
