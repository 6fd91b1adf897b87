//! Which pages may be handed out, and when one that was freed may be handed out again.
//!
//! Each base has a number. A page born in base b and not part of base d any more may be handed out again once no live
//! base has a number in b .. d. A base is live while somebody holds it; the newest always is.
//!
//! How that is kept: a dead page waits in the list of the youngest live base that has it. When that base goes, the page
//! moves on to the next older live one if that has it, too, and is free otherwise. So a reader left open holds the
//! pages of its own base and nothing freed since, and a page moves at most once for each base that goes.
//!
//! A page is *free* (its bit is set), *waiting* in the list of a live base, part of the newest base, or in the
//! [`OwnPages`] of a merge: always one of these.
#![expect(unsafe_code, reason = "decides which pages are nobody's")]

use crate::arena::{Arena, EXTENT_PAGES_MAX, EXTENTS_MAX, OwnPages, join, split};
use ese_base::{Error, ErrorKind, Result};
use ese_btree::{PageNo, Stretch};
use std::collections::BTreeMap;

/// The first extent has this many bytes; later ones an eighth of what there is.
const EXTENT_BYTES_MIN: u64 = 1 << 20;
/// What is made ready at a time.
const AHEAD_BYTES: u64 = 2 << 20;
/// An extent has at most this many bytes, unless a single run needs more.
const EXTENT_BYTES_MAX: u64 = 1 << 30;

/// What is known of the pages of one database.
pub(crate) struct Space {
    extents: Vec<Extent>,
    page_bytes: u64,
    /// Pages that were ever handed out.
    pages: u64,
    free: u64,
    waiting: u64,
    limit_pages: u64,
    /// Where the search for a free page goes on.
    cursor: (usize, usize),
    /// Live bases, each with the dead pages that it is the youngest to have.
    live: BTreeMap<u64, Vec<Stretch>>,
}

struct Extent {
    /// A bit for each page: 1 = free.
    bits: Vec<u64>,
    pages: u64,
    /// Pages from here on were never handed out.
    begun: u64,
    /// Pages up to here need not wait for the system, if that is more than `begun`.
    ready: u64,
    free: u64,
    /// There is no run of so many free pages.
    no_run: u64,
}

impl Space {
    /// A space without pages; base 0 is live.
    pub(crate) fn new(page_size: usize) -> Space {
        Space {
            extents: Vec::new(),
            page_bytes: page_size as u64,
            pages: 0,
            free: 0,
            waiting: 0,
            limit_pages: u64::MAX,
            cursor: (0, 0),
            live: BTreeMap::from([(0, Vec::new())]),
        }
    }

    /// From now on a page is handed out only if no more than so many bytes are in use with it, and a new one only if no
    /// more than that were ever handed out. In use is what is not free: pages that only older bases need count, too.
    pub(crate) fn set_limit(&mut self, bytes: Option<u64>) {
        self.limit_pages = bytes.map_or(u64::MAX, |bytes| bytes / self.page_bytes);
    }

    /// (all, free, only needed by older bases)
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.pages, self.free, self.waiting)
    }

    /// Takes up to `count` single pages into `out`, at least one.
    ///
    /// # Errors
    /// `DiskFull`, `OutOfMemory`.
    pub(crate) fn take(&mut self, arena: &Arena, count: usize, out: &mut Vec<OwnPages>) -> Result<()> {
        let before = out.len();
        while out.len() - before < count {
            match self.take_one(arena) {
                // SAFETY: the page was free or never handed out, which it is no more: it is nobody else's.
                Ok(page) => out.push(unsafe { OwnPages::claim(arena, page, 1) }),
                Err(error) if out.len() == before => return Err(error),
                Err(_) => break,
            }
        }
        // Handed out from the end.
        out[before..].reverse();
        Ok(())
    }

    fn take_one(&mut self, arena: &Arena) -> Result<PageNo> {
        self.admit(1)?;
        if self.free == 0 {
            return self.begin(arena, 1);
        }
        loop {
            let (extent, word) = self.cursor;
            let Some(here) = self.extents.get_mut(extent) else {
                self.cursor = (0, 0);
                continue;
            };
            match here.bits.get_mut(word).filter(|_| here.free > 0) {
                Some(0) => self.cursor.1 += 1,
                Some(bits) => {
                    let bit = u64::from(bits.trailing_zeros());
                    *bits &= *bits - 1;
                    here.free -= 1;
                    self.free -= 1;
                    return Ok(join(extent, 64 * word as u64 + bit));
                }
                None => self.cursor = (extent + 1, 0),
            }
        }
    }

    /// Takes pages that lie one behind the other.
    ///
    /// # Errors
    /// `DiskFull`, `OutOfMemory`; `ValueTooLarge` beyond what an extent can have.
    pub(crate) fn take_run(&mut self, arena: &Arena, pages: u64) -> Result<OwnPages> {
        if pages > EXTENT_PAGES_MAX {
            return Err(Error::new(ErrorKind::ValueTooLarge, format!("{pages} pages in a row")));
        }
        self.admit(pages)?;
        let page = match self.take_free_run(pages) {
            Some(page) => page,
            None => self.begin(arena, pages)?,
        };
        // SAFETY: the pages were free or never handed out, which they are no more: they are nobody else's.
        Ok(unsafe { OwnPages::claim(arena, page, pages) })
    }

    /// The next piece of what is missing from `bytes` that are free, or ready and not begun: an extent, where the piece
    /// begins in it, and its pages. It counts as ready from now on; nothing is handed out. `None` when enough is ready, or
    /// no more may be.
    pub(crate) fn next_to_make_ready(&mut self, arena: &Arena, bytes: u64) -> Option<(usize, u64, u64)> {
        let ready: u64 = self.extents.iter().map(|extent| extent.ready.saturating_sub(extent.begun)).sum();
        let there = self.free.saturating_add(ready);
        let after = self.pages.saturating_add(ready);
        let pages = AHEAD_BYTES / self.page_bytes;
        if there.saturating_mul(self.page_bytes) >= bytes || after.saturating_add(pages) > self.limit_pages {
            return None;
        }
        let has_room = |extent: &Extent| extent.ready.max(extent.begun) < extent.pages;
        let number = match self.extents.iter().rposition(has_room) {
            Some(number) => number,
            None => self.add_extent(arena, pages).ok()?,
        };
        let extent = &mut self.extents[number];
        let from = extent.ready.max(extent.begun);
        let pages = pages.min(extent.pages - from);
        extent.ready = from + pages;
        Some((number, from, pages))
    }

    fn take_free_run(&mut self, pages: u64) -> Option<PageNo> {
        for (number, extent) in self.extents.iter_mut().enumerate() {
            if let Some(index) = extent.find_run(pages) {
                extent.mark(index, pages, Mark::Taken);
                self.free -= pages;
                return Some(join(number, index));
            }
        }
        None
    }

    /// Whether so many pages more may be in use.
    fn admit(&self, pages: u64) -> Result<()> {
        let in_use = self.pages - self.free;
        if in_use.saturating_add(pages) > self.limit_pages { Err(self.over_limit()) } else { Ok(()) }
    }

    #[cold]
    fn over_limit(&self) -> Error {
        let limit = self.limit_pages.saturating_mul(self.page_bytes);
        Error::new(ErrorKind::DiskFull, format!("the limit of {limit} bytes is reached"))
    }

    /// Takes pages that were never handed out.
    fn begin(&mut self, arena: &Arena, pages: u64) -> Result<PageNo> {
        if self.pages.saturating_add(pages) > self.limit_pages {
            return Err(self.over_limit());
        }
        let found = self.extents.iter().rposition(|extent| extent.begun + pages <= extent.pages);
        let number = match found {
            Some(number) => number,
            None => self.add_extent(arena, pages)?,
        };
        let extent = &mut self.extents[number];
        let index = extent.begun;
        extent.begun += pages;
        self.pages += pages;
        Ok(join(number, index))
    }

    fn add_extent(&mut self, arena: &Arena, pages: u64) -> Result<usize> {
        let number = self.extents.len();
        if number == EXTENTS_MAX {
            return Err(Error::new(ErrorKind::DiskFull, format!("there are {EXTENTS_MAX} extents of pages")));
        }
        let there: u64 = self.extents.iter().map(|extent| extent.pages).sum();
        let bytes = (there * self.page_bytes / 8).clamp(EXTENT_BYTES_MIN, EXTENT_BYTES_MAX);
        let mut size = (bytes.next_power_of_two() / self.page_bytes).clamp(pages, EXTENT_PAGES_MAX);
        // A system that refuses a large piece may have a smaller one. Without any this is a full disk to the engine, which
        // goes on and tries again; other errors of a store are final.
        while let Err(error) = arena.add(number, size) {
            if size == pages {
                return Err(Error::new(ErrorKind::DiskFull, "no memory for more pages").caused_by(error));
            }
            size = (size / 2).max(pages);
        }
        let words = usize::try_from(size.div_ceil(64)).unwrap_or(usize::MAX);
        self.extents.push(Extent {
            bits: vec![0; words],
            pages: size,
            begun: 0,
            ready: 0,
            free: 0,
            no_run: 1,
        });
        Ok(number)
    }

    /// Takes pages back that no base has.
    pub(crate) fn give_back(&mut self, arena: &Arena, mut own: OwnPages) {
        poison(arena, &mut own);
        let (extent, index) = split(own.page());
        if let Some(extent) = self.extents.get_mut(extent) {
            extent.mark(index as u64, own.pages(), Mark::Free);
            self.free += own.pages();
        }
    }

    /// Base `number` is complete and live; what it does not have any more waits for the older ones that do.
    ///
    /// # Safety
    /// The number was never live before, and is above that of every live base. `dead` are pages that the live bases from
    /// their birth on have and base `number` has not, each once and never named dead before.
    pub(crate) unsafe fn publish(&mut self, arena: &Arena, number: u64, dead: Vec<Stretch>) {
        self.live.insert(number, Vec::new());
        self.settle(arena, number, dead);
    }

    /// Nobody holds base `number` any more.
    ///
    /// # Safety
    /// Nobody does: no reference into a page that the base has is left, but by other bases, and none comes again.
    pub(crate) unsafe fn retire(&mut self, arena: &Arena, number: u64) {
        let Some(dead) = self.live.remove(&number) else { return };
        self.waiting -= dead.iter().map(|stretch| stretch.pages).sum::<u64>();
        self.settle(arena, number, dead);
    }

    /// Finds for each dead page the youngest live base below `number` that has it.
    fn settle(&mut self, arena: &Arena, number: u64, dead: Vec<Stretch>) {
        let older = self.live.range_mut(..number).next_back();
        // Usually all pages wait for the base before.
        let (kept, gone): (Vec<_>, Vec<_>) = match &older {
            Some((older, _)) => dead.into_iter().partition(|stretch| stretch.birth <= **older),
            None => (Vec::new(), dead),
        };
        self.waiting += kept.iter().map(|stretch| stretch.pages).sum::<u64>();
        match older {
            Some((_, list)) if list.is_empty() => *list = kept,
            Some((_, list)) => list.extend(kept),
            None => {}
        }
        for stretch in gone {
            // SAFETY: no live base has the pages: the younger ones never did, and the older ones are older than they
            // are. They are in no list any more, and `publish` is told of each once.
            let own = unsafe { OwnPages::claim(arena, stretch.page, stretch.pages) };
            self.give_back(arena, own);
        }
    }

    /// The stretches of all pages ever handed out.
    pub(crate) fn all_pages(&self) -> impl Iterator<Item = (PageNo, u64)> + '_ {
        self.extents.iter().enumerate().map(|(number, extent)| (join(number, 0), extent.begun))
    }

    /// The stretches of free pages.
    pub(crate) fn free_pages(&self) -> impl Iterator<Item = (PageNo, u64)> + '_ {
        self.extents.iter().enumerate().flat_map(|(number, extent)| {
            (0..extent.begun)
                .filter(|index| extent.is_free(*index))
                .map(move |index| (join(number, index), 1))
        })
    }

    /// The stretches that only older bases have.
    pub(crate) fn waiting_pages(&self) -> impl Iterator<Item = (PageNo, u64)> + '_ {
        self.live.values().flatten().map(|stretch| (stretch.page, stretch.pages))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Free,
    Taken,
}

impl Extent {
    fn is_free(&self, index: u64) -> bool {
        let word = usize::try_from(index / 64).ok().and_then(|word| self.bits.get(word));
        word.is_some_and(|bits| bits >> (index % 64) & 1 == 1)
    }

    fn mark(&mut self, from: u64, pages: u64, mark: Mark) {
        let mut at = from;
        let end = from + pages;
        while at < end {
            let bit = at % 64;
            let count = (64 - bit).min(end - at);
            let mask = (u64::MAX >> (64 - count)) << bit;
            let Some(bits) = usize::try_from(at / 64).ok().and_then(|word| self.bits.get_mut(word)) else {
                return;
            };
            match mark {
                Mark::Free => {
                    debug_assert_eq!(*bits & mask, 0, "a page is freed twice");
                    *bits |= mask;
                }
                Mark::Taken => *bits &= !mask,
            }
            at += count;
        }
        match mark {
            Mark::Free => {
                self.free += pages;
                self.no_run = self.pages + 1;
            }
            Mark::Taken => self.free -= pages,
        }
    }

    /// The first run of `pages` free pages.
    fn find_run(&mut self, pages: u64) -> Option<u64> {
        if self.free < pages || self.no_run <= pages {
            return None;
        }
        let mut run = 0;
        let mut at = 0;
        while at < self.begun {
            let word =
                usize::try_from(at / 64).ok().and_then(|word| self.bits.get(word)).copied().unwrap_or(0);
            let ahead = word >> (at % 64);
            let left = 64 - at % 64;
            // Free pages from here on in this word, then taken ones.
            let ones = u64::from((!ahead).trailing_zeros()).min(left);
            run += ones;
            if run >= pages {
                return Some(at + ones - run);
            }
            at += ones;
            if ones < left {
                run = 0;
                let zeros = u64::from((word >> (at % 64)).trailing_zeros()).min(64 - at % 64);
                at += zeros;
            }
        }
        self.no_run = pages;
        None
    }
}

/// Makes a use of a page after it was freed visible: in debug builds its bytes are overwritten.
fn poison(arena: &Arena, own: &mut OwnPages) {
    if cfg!(debug_assertions) {
        let filled = arena.fill(own, |bytes| bytes.fill(0xDB));
        debug_assert!(filled.is_ok(), "space takes back pages that the arena has");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const PAGE: usize = 4096;

    /// Gives a page up: from now on base `birth` and later ones have it.
    fn stretch(own: OwnPages, birth: u64) -> Stretch {
        Stretch { page: own.page(), pages: own.pages(), birth }
    }

    fn publish(space: &mut Space, arena: &Arena, number: u64, dead: Vec<Stretch>) {
        // SAFETY: no test reads a page, and each tells of a page's end once.
        unsafe { space.publish(arena, number, dead) };
    }

    fn retire(space: &mut Space, arena: &Arena, number: u64) {
        // SAFETY: as above.
        unsafe { space.retire(arena, number) };
    }

    fn numbers(pages: &[OwnPages]) -> BTreeSet<u64> {
        pages.iter().map(|own| own.page().0).collect()
    }

    #[test]
    fn a_dead_page_waits_for_every_base_that_has_it() {
        let arena = Arena::new(PAGE);
        let mut space = Space::new(PAGE);
        let mut pages = Vec::new();
        space.take(&arena, 1, &mut pages).unwrap();
        // Born in 1, in bases 1, 2 and 3, dead in 4.
        for number in 1..4 {
            publish(&mut space, &arena, number, vec![]);
        }
        publish(&mut space, &arena, 4, vec![stretch(pages.remove(0), 1)]);
        assert_eq!(space.counts(), (1, 0, 1));
        // Base 0 has not got it; 3, 1 and 2 leave in this order.
        for number in [0, 3, 1] {
            retire(&mut space, &arena, number);
            assert_eq!(space.counts(), (1, 0, 1), "{number}");
        }
        retire(&mut space, &arena, 2);
        assert_eq!(space.counts(), (1, 1, 0));
    }

    #[test]
    fn a_page_that_no_live_base_has_is_free_at_once() {
        let arena = Arena::new(PAGE);
        let mut space = Space::new(PAGE);
        let mut pages = Vec::new();
        space.take(&arena, 1, &mut pages).unwrap();
        // Base 0 is held by a reader, 1 and 2 are gone when 3 frees a page that was born in 2.
        publish(&mut space, &arena, 1, vec![]);
        publish(&mut space, &arena, 2, vec![]);
        retire(&mut space, &arena, 1);
        retire(&mut space, &arena, 2);
        publish(&mut space, &arena, 3, vec![stretch(pages.remove(0), 2)]);
        assert_eq!(space.counts(), (1, 1, 0));
    }

    #[test]
    fn runs_are_found_between_taken_pages() {
        let arena = Arena::new(PAGE);
        let mut space = Space::new(PAGE);
        let mut pages = Vec::new();
        space.take(&arena, 200, &mut pages).unwrap();
        assert_eq!(numbers(&pages), (0..200).collect());
        // Free: 10 ..= 12, 60 ..= 130 (over two borders of words), 199.
        let free: BTreeSet<u64> = (10..13).chain(60..131).chain([199]).collect();
        for own in pages.extract_if(.., |own| free.contains(&own.page().0)) {
            space.give_back(&arena, own);
        }
        assert_eq!(space.counts(), (200, 75, 0));
        assert_eq!(space.take_run(&arena, 4).unwrap().page(), PageNo(60));
        let long = space.take_run(&arena, 67).unwrap();
        assert_eq!(long.page(), PageNo(64));
        assert_eq!(space.take_run(&arena, 3).unwrap().page(), PageNo(10));
        // Nothing of that length is left: new pages, once more, and the old ones when they come back.
        assert_eq!(space.take_run(&arena, 2).unwrap().page(), PageNo(200));
        space.give_back(&arena, long);
        assert_eq!(space.take_run(&arena, 66).unwrap().page(), PageNo(64));
        let free: Vec<u64> = space.free_pages().map(|(page, _)| page.0).collect();
        assert_eq!(free, [130, 199]);
        let mut rest = Vec::new();
        space.take(&arena, 2, &mut rest).unwrap();
        assert_eq!(numbers(&rest), BTreeSet::from([130, 199]));
        assert_eq!(space.counts(), (202, 0, 0));
    }

    #[test]
    fn extents_grow_and_a_long_run_gets_its_own() {
        let arena = Arena::new(PAGE);
        let mut space = Space::new(PAGE);
        let long = space.take_run(&arena, 1_000).unwrap();
        assert_eq!(split(long.page()), (0, 0));
        assert_eq!(split(space.take_run(&arena, 1).unwrap().page()).0, 1);
        assert_eq!(split(space.take_run(&arena, 5_000).unwrap().page()).0, 2);
        assert!(space.take_run(&arena, EXTENT_PAGES_MAX + 1).is_err());
        let mut pages = Vec::new();
        for _ in 0..1_000 {
            space.take(&arena, 64, &mut pages).unwrap();
        }
        assert_eq!(numbers(&pages).len(), 64_000);
        assert!(space.extents.len() < 40, "{}", space.extents.len());
    }

    #[test]
    fn a_limit_holds_to_the_page() {
        let arena = Arena::new(PAGE);
        let mut space = Space::new(PAGE);
        space.set_limit(Some(10 * PAGE as u64 + 1));
        let mut pages = Vec::new();
        space.take(&arena, 64, &mut pages).unwrap();
        assert_eq!(pages.len(), 10);
        let kind = |result: Result<()>| result.map_err(|error| error.kind());
        assert_eq!(kind(space.take(&arena, 1, &mut pages)), Err(ErrorKind::DiskFull));
        let fourth = pages.remove(3);
        let number = fourth.page();
        space.give_back(&arena, fourth);
        assert!(space.take_run(&arena, 2).is_err());
        assert_eq!(space.take_run(&arena, 1).unwrap().page(), number);
        space.set_limit(None);
        space.take(&arena, 1, &mut pages).unwrap();
    }

    #[test]
    fn a_limit_below_what_is_in_use_lets_nothing_out_until_enough_is_free() {
        let arena = Arena::new(PAGE);
        let mut space = Space::new(PAGE);
        let mut pages = Vec::new();
        space.take(&arena, 100, &mut pages).unwrap();
        let mut free = |space: &mut Space, count: usize| {
            pages.drain(..count).for_each(|own| space.give_back(&arena, own));
        };
        free(&mut space, 20);
        space.set_limit(Some(50 * PAGE as u64));
        // 80 are in use and 20 free; 31 more have to come back before one can be had again.
        let mut out = Vec::new();
        for count in [0, 29, 1] {
            free(&mut space, count);
            assert_eq!(
                space.take(&arena, 1, &mut out).map_err(|error| error.kind()),
                Err(ErrorKind::DiskFull)
            );
            let run = space.take_run(&arena, 1).map(|own| own.page());
            assert_eq!(run.map_err(|error| error.kind()), Err(ErrorKind::DiskFull));
        }
        free(&mut space, 1);
        space.take(&arena, 64, &mut out).unwrap();
        assert_eq!(out.len(), 1, "a batch is as large as the limit lets it be");
        assert!(space.take(&arena, 1, &mut out).is_err());
        // A run needs room under the limit, and a gap.
        free(&mut space, 10);
        assert_eq!(space.take_run(&arena, 10).unwrap().pages(), 10);
        assert!(space.take_run(&arena, 1).is_err());
        assert_eq!(space.counts().0, 100, "no memory was added");
    }
}
