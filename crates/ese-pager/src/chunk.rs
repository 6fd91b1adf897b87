//! What is known in memory of the pages of one chunk of the file: a bit each for *used* and *available*.
//!
//! - *Used*: the newest state has it, or the last checkpoint's own pages (its forest and space map) do. What a space map
//!   calls free is what is not used.
//! - *Available*: may be handed out.
//! - Neither: it waits for an older state, a merge has it, or the meta page that is the older one at the opening needs it
//!   (*held*).

use crate::file::{narrow, wide};

/// The pages of a chunk.
#[derive(Debug)]
pub(crate) struct Chunk {
    used: Box<[u64]>,
    available: Box<[u64]>,
    held: Option<Box<[u64]>>,
    free: u64,
    /// There is no run of so many available pages.
    no_run: u64,
    /// What is used has changed since the space map was written.
    pub(crate) is_dirty: bool,
}

/// What a bit becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    /// 1.
    Set,
    /// 0.
    Cleared,
}

impl Chunk {
    /// A chunk of pages that the file does not have yet.
    pub(crate) fn new(pages: usize) -> Chunk {
        let none: Box<[u64]> = vec![0; pages.div_ceil(64)].into_boxed_slice();
        Chunk { used: none.clone(), available: none, held: None, free: 0, no_run: 1, is_dirty: true }
    }

    /// A chunk as the space maps of both meta pages have it, of which the first `exist` pages are in the file.
    pub(crate) fn loaded(free: &[u64], other: Option<&[u64]>, exist: u64) -> Chunk {
        let mut chunk = Chunk::new(free.len() * 64);
        chunk.is_dirty = false;
        let mut held = vec![0; free.len()].into_boxed_slice();
        for (index, word) in free.iter().enumerate() {
            let exists = ones(exist.saturating_sub(64 * wide(index)).min(64));
            let other = other.map_or(0, |other| other.get(index).copied().unwrap_or(0));
            chunk.used[index] = !word & exists;
            chunk.available[index] = word & other & exists;
            held[index] = word & !other & exists;
            chunk.free += u64::from(chunk.available[index].count_ones());
        }
        chunk.no_run = wide(free.len()) * 64 + 1;
        chunk.held = held.iter().any(|word| *word != 0).then_some(held);
        chunk
    }

    /// How many pages are available.
    pub(crate) fn free(&self) -> u64 {
        self.free
    }

    /// What the older meta page held is available.
    pub(crate) fn release_held(&mut self) -> u64 {
        let Some(held) = self.held.take() else { return 0 };
        let mut released = 0;
        for (word, held) in self.available.iter_mut().zip(&held) {
            *word |= held;
            released += u64::from(held.count_ones());
        }
        self.free += released;
        self.no_run = wide(self.used.len()) * 64 + 1;
        released
    }

    /// Says of pages new to the chunk that the older meta page may need them.
    pub(crate) fn hold(&mut self, from: u64, pages: u64) {
        let words = self.used.len();
        let held = self.held.get_or_insert_with(|| vec![0; words].into_boxed_slice());
        set(held, from, pages, Mark::Set);
    }

    /// Marks pages available or not.
    pub(crate) fn mark_available(&mut self, from: u64, pages: u64, mark: Mark) {
        let changed = set(&mut self.available, from, pages, mark);
        debug_assert_eq!(changed, pages, "pages become available once, and are taken once");
        match mark {
            Mark::Set => {
                self.free += changed;
                self.no_run = wide(self.used.len()) * 64 + 1;
            }
            Mark::Cleared => self.free -= changed,
        }
    }

    /// Marks pages used or not.
    pub(crate) fn mark_used(&mut self, from: u64, pages: u64, mark: Mark) {
        let changed = set(&mut self.used, from, pages, mark);
        debug_assert_eq!(changed, pages, "pages come into use once, and go out of it once");
        self.is_dirty = true;
    }

    /// Whether all of these pages are used.
    pub(crate) fn are_used(&self, from: u64, pages: u64) -> bool {
        (from..from + pages).all(|page| bit(&self.used, page))
    }

    /// The first available pages from `from` on, up to `max` in a row: where, and how many.
    pub(crate) fn find(&self, from: u64, max: u64) -> Option<(u64, u64)> {
        if self.free == 0 {
            return None;
        }
        let mut at = self.next(&self.available, from)?;
        let start = at;
        while at - start < max && bit(&self.available, at) {
            at += 1;
        }
        Some((start, at - start))
    }

    /// The first page from `from` on whose bit is set.
    fn next(&self, bits: &[u64], from: u64) -> Option<u64> {
        let first = narrow(from / 64);
        for (index, word) in bits.iter().enumerate().skip(first) {
            let word = if index == first { word >> (from % 64) << (from % 64) } else { *word };
            if word != 0 {
                return Some(64 * wide(index) + u64::from(word.trailing_zeros()));
            }
        }
        None
    }

    /// The first run of `pages` available pages.
    pub(crate) fn find_run(&mut self, pages: u64) -> Option<u64> {
        if self.free < pages || self.no_run <= pages {
            return None;
        }
        let mut from = 0;
        while let Some((start, count)) = self.find(from, pages) {
            if count >= pages {
                return Some(start);
            }
            from = start + count;
        }
        self.no_run = pages;
        None
    }

    /// How many available pages lie at the end of the chunk's first `exist` pages.
    pub(crate) fn tail(&self, exist: u64) -> u64 {
        let mut count = 0;
        while count < exist && bit(&self.available, exist - count - 1) {
            count += 1;
        }
        count
    }

    /// A bit for each of the first `exist` pages that is not used.
    pub(crate) fn unused(&self, exist: u64) -> Vec<u64> {
        let word =
            |(index, word): (usize, &u64)| !word & ones(exist.saturating_sub(64 * wide(index)).min(64));
        self.used.iter().enumerate().map(word).collect()
    }

    /// The available pages, and those that are held.
    pub(crate) fn not_used(&self) -> impl Iterator<Item = u64> + '_ {
        let held = |index: usize| self.held.as_ref().and_then(|held| held.get(index)).copied().unwrap_or(0);
        self.available.iter().enumerate().flat_map(move |(index, word)| {
            let word = word | held(index);
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| 64 * wide(index) + bit)
        })
    }
}

/// The lowest `count` bits.
fn ones(count: u64) -> u64 {
    match count {
        0 => 0,
        count => u64::MAX >> (64 - count),
    }
}

fn bit(bits: &[u64], page: u64) -> bool {
    bits.get(narrow(page / 64)).is_some_and(|word| word >> (page % 64) & 1 == 1)
}

/// Sets or clears bits and tells how many changed.
fn set(bits: &mut [u64], from: u64, pages: u64, mark: Mark) -> u64 {
    let (mut at, end, mut changed) = (from, from + pages, 0);
    while at < end {
        let count = (64 - at % 64).min(end - at);
        let mask = ones(count) << (at % 64);
        let Some(word) = bits.get_mut(narrow(at / 64)) else { break };
        let before = *word;
        match mark {
            Mark::Set => *word |= mask,
            Mark::Cleared => *word &= !mask,
        }
        changed += u64::from((before ^ *word).count_ones());
        at += count;
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_in_a_row_and_across_words() {
        let mut chunk = Chunk::new(256);
        chunk.mark_available(10, 3, Mark::Set);
        chunk.mark_available(60, 71, Mark::Set);
        assert_eq!(chunk.find(0, 99), Some((10, 3)));
        assert_eq!(chunk.find(13, 2), Some((60, 2)));
        assert_eq!(chunk.find(131, 1), None);
        assert_eq!(chunk.find_run(71), Some(60));
        assert_eq!(chunk.find_run(72), None);
        chunk.mark_available(60, 70, Mark::Cleared);
        assert_eq!((chunk.free(), chunk.find(20, 9)), (4, Some((130, 1))));
        assert_eq!((chunk.tail(131), chunk.tail(130), chunk.tail(13)), (1, 0, 3));
    }

    #[test]
    fn what_both_maps_call_free_is_available_and_the_rest_is_held() {
        // Of 70 pages the newer map has 3, 65 and 69 in use, the older one 4 and 69; 80 is not there.
        let word = |pages: &[u64]| pages.iter().fold(0, |word, page| word | 1_u64 << page);
        let newer = [!word(&[3]), !word(&[1, 5])];
        let older = [!word(&[4]), !word(&[5])];
        let mut chunk = Chunk::loaded(&newer, Some(&older), 70);
        assert_eq!(chunk.free(), 70 - 3 - 1);
        assert!(chunk.are_used(3, 1) && chunk.are_used(65, 1) && !chunk.are_used(4, 1));
        assert_eq!(chunk.find(4, 1), Some((5, 1)));
        assert_eq!(chunk.not_used().count(), 67);
        assert_eq!(chunk.release_held(), 1);
        assert_eq!(chunk.find(4, 1), Some((4, 1)));
        assert_eq!(chunk.find(69, 1), None);
        assert_eq!(chunk.unused(70), [newer[0], newer[1] & 0b11_1111]);
        assert!(!chunk.is_dirty);
    }
}
