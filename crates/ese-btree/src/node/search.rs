//! Search among heads: branch-free halving down to a few, then a count.
//!
//! A wrong guess of a branch costs as much as a dozen steps, and in a random search every second guess is wrong; so
//! halving selects without branching, and the last few heads are counted straight on.

use std::hint::select_unpredictable;

/// A head as it lies in a page.
pub(crate) trait Head {
    /// The number it is.
    fn to_number(self) -> u64;
}

impl Head for [u8; 8] {
    #[inline(always)]
    fn to_number(self) -> u64 {
        u64::from_le_bytes(self)
    }
}

/// How many heads are left to the count.
const COUNTED: usize = 4;

/// How many of the ascending `heads` lie below `head`.
#[inline(always)]
pub(crate) fn count_below(heads: &[[u8; 8]], head: u64) -> usize {
    let Some(last) = heads.len().checked_sub(COUNTED) else {
        return heads.iter().map(|other| usize::from(other.to_number() < head)).sum();
    };
    // The answer lies in at ..= at + len. A single choice a step: of two, the compiler makes a branch.
    let mut at = 0;
    let mut len = heads.len();
    while len > COUNTED {
        let half = len / 2;
        let below = heads[at + half - 1].to_number() < head;
        at = select_unpredictable(below, at + half, at);
        len -= half;
    }
    // A window of fixed length is counted without a loop; what it has before `at` lies below.
    let at = at.min(last);
    let window =
        heads[at..].first_chunk::<COUNTED>().expect("the window begins at least its length before the end");
    window.iter().fold(at, |count, other| count + usize::from(other.to_number() < head))
}

/// How many of the ascending `heads`, all of them at least `head`, are equal to it.
#[inline]
pub(crate) fn count_equal(heads: &[[u8; 8]], head: u64) -> usize {
    // Nearly always none or one: look at two before searching.
    let equal = |index: usize| heads.get(index).is_some_and(|other| other.to_number() == head);
    match (equal(0), equal(1)) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => head.checked_add(1).map_or(heads.len(), |above| count_below(heads, above)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_plain_count() {
        for len in 0..40_u64 {
            // Every third head stands twice; the last is the largest there is.
            let mut heads: Vec<u64> = (0..len).map(|i| 10 * (i - u64::from(i % 3 == 1))).collect();
            if let Some(last) = heads.last_mut() {
                *last = u64::MAX;
            }
            let bytes: Vec<[u8; 8]> = heads.iter().map(|head| head.to_le_bytes()).collect();
            for head in (0..420).chain([u64::MAX - 1, u64::MAX]) {
                let below = heads.iter().filter(|other| **other < head).count();
                let equal = heads.iter().filter(|other| **other == head).count();
                assert_eq!(count_below(&bytes, head), below, "{len} {head}");
                assert_eq!(count_equal(&bytes[below..], head), equal, "{len} {head}");
            }
        }
    }
}
