//! Search among heads: branch-free halving down to a few, then a count.
//!
//! A wrong guess of a branch costs as much as a dozen steps, and in a random search every second guess is wrong; so
//! halving selects without branching, and the last few heads are counted straight on.

/// How many heads are left to the count.
const COUNTED: usize = 4;

/// How many of the ascending `heads` lie below `head`.
#[inline]
pub(crate) fn count_below(heads: &[[u8; 8]], head: u64) -> usize {
    let mut at = 0;
    let mut len = heads.len();
    while len > COUNTED {
        let half = len / 2;
        let below = u64::from_le_bytes(heads[at + half - 1]) < head;
        at = std::hint::select_unpredictable(below, at + half, at);
        len -= half;
    }
    heads[at..at + len].iter().fold(at, |count, other| count + usize::from(u64::from_le_bytes(*other) < head))
}

/// How many of the ascending `heads`, all of them at least `head`, are equal to it.
#[inline]
pub(crate) fn count_equal(heads: &[[u8; 8]], head: u64) -> usize {
    // Nearly always none or one: look at two before searching.
    let equal = |index: usize| heads.get(index).is_some_and(|other| u64::from_le_bytes(*other) == head);
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
