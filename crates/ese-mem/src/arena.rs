//! Where pages lie: extents of memory that are only ever added, found without a lock.
//!
//! A page number is (extent, index in it); the extent's address is one load away, from a list of fixed length that
//! nobody writes but to add an extent. Reading a page writes nothing.
//!
//! Who may touch a page when (what every `SAFETY` of this crate rests on):
//! - *Writing.* Space hands a page out as [`OwnPages`], a proof that cannot be copied: no live base reaches the page and
//!   nobody else writes it. It ends when the merge publishes its base or gives the page back.
//! - *Reading.* A reader holds a base and follows references from its forest on. Such pages were written as a whole
//!   before the base was published (the `Mutex` around the newest base orders the two), and space does not hand them
//!   out again while the base is held.
//!
//! So bytes behind a shared reference never change, and a reference lives no longer than the base it came from.
#![expect(
    unsafe_code,
    reason = "pages are shared, recycled memory: readers borrow some while a merge writes others"
)]

use ese_base::{
    Error, ErrorKind, Result,
    memory::Block,
    sync::{
        Mutex,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
        next_number,
    },
};
use ese_btree::PageNo;

/// The low bits of a page number: the index within its extent. 2³² bytes at 4 KiB pages: a longest value fits one.
const INDEX_BITS: u32 = 20;
/// The most pages of an extent.
pub(crate) const EXTENT_PAGES_MAX: u64 = 1 << INDEX_BITS;
/// How many extents there can be: they grow with the arena, so this is many terabytes.
pub(crate) const EXTENTS_MAX: usize = 8192;

/// Splits a page number into extent and index.
#[inline(always)]
pub(crate) fn split(page: PageNo) -> (usize, usize) {
    let extent = usize::try_from(page.0 >> INDEX_BITS).unwrap_or(usize::MAX);
    let index = usize::try_from(page.0 & (EXTENT_PAGES_MAX - 1)).unwrap_or(usize::MAX);
    (extent, index)
}

/// The number of page `index` of an extent.
pub(crate) fn join(extent: usize, index: u64) -> PageNo {
    PageNo((extent as u64) << INDEX_BITS | index)
}

/// Memory for pages.
pub(crate) struct Arena {
    /// Of all arenas of the process only this one has it.
    number: u64,
    extents: Box<[Extent; EXTENTS_MAX]>,
    page_size: usize,
    page_shift: u32,
    /// What the extents lie in, to be given back.
    blocks: Mutex<Vec<Block>>,
}

#[derive(Default)]
struct Extent {
    start: AtomicPtr<u8>,
    /// How many pages it has; stored after `start`.
    pages: AtomicUsize,
}

impl Arena {
    pub(crate) fn new(page_size: usize) -> Arena {
        let extents: Box<[Extent]> = (0..EXTENTS_MAX).map(|_| Extent::default()).collect();
        let Ok(extents) = extents.try_into() else { unreachable!("the list has its length") };
        Arena {
            number: next_number(),
            extents,
            page_size,
            page_shift: page_size.trailing_zeros(),
            blocks: Mutex::new(Vec::new()),
        }
    }

    /// Bytes of a page.
    #[inline]
    pub(crate) fn page_size(&self) -> usize {
        self.page_size
    }

    /// Adds extent number `extent` with so many pages, all zero. Extents are added in order, by one thread at a time.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(crate) fn add(&self, extent: usize, pages: u64) -> Result<()> {
        let out = |what: &str| Error::new(ErrorKind::OutOfMemory, format!("{pages} pages: {what}"));
        let pages = usize::try_from(pages).map_err(|_| out("too many"))?;
        let bytes = pages.checked_mul(self.page_size).ok_or_else(|| out("too many"))?;
        let slot = self.extents.get(extent).ok_or_else(|| out("too many extents"))?;
        let block = Block::zeroed(bytes, self.page_size).ok_or_else(|| out("the system has no more"))?;
        let start = block.start().as_ptr();
        self.blocks.lock().push(block);
        slot.start.store(start, Ordering::Relaxed);
        // Release: who sees that there are pages sees their address and the zeroes.
        slot.pages.store(pages, Ordering::Release);
        Ok(())
    }

    /// Has the system give the memory of some pages of an extent, if it can do so without touching them: they may be
    /// anybody's.
    pub(crate) fn make_ready(&self, extent: usize, from: u64, pages: u64) {
        let bytes = |pages: u64| usize::try_from(pages).unwrap_or(usize::MAX).saturating_mul(self.page_size);
        if let Some(block) = self.blocks.lock().get(extent) {
            block.make_ready(bytes(from), bytes(pages));
        }
    }

    /// The address of a stretch of pages; `None` when the arena has no such pages.
    #[inline(always)]
    fn address(&self, page: PageNo, pages: usize) -> Option<*mut u8> {
        let (extent, index) = split(page);
        let extent = self.extents.get(extent)?;
        // An extent that is not there has no pages.
        if index + pages > extent.pages.load(Ordering::Acquire) {
            return None;
        }
        let start = extent.start.load(Ordering::Relaxed);
        // SAFETY: the extent has `pages` pages from `index` on, so the offset stays inside its block.
        Some(unsafe { start.add(index << self.page_shift) })
    }

    /// The bytes of a stretch of pages, for reading.
    ///
    /// # Errors
    /// `DatabaseCorrupted` when there are no such pages.
    ///
    /// # Safety
    /// The caller reads as the module's head says: it holds a base that reaches the pages for as long as the result.
    #[inline(always)]
    pub(crate) unsafe fn bytes(&self, page: PageNo, pages: usize) -> Result<&[u8]> {
        let Some(start) = self.address(page, pages) else { return Err(outside(page)) };
        // SAFETY: the bytes lie inside the extent and were zeroed or written; nobody writes them while the base is
        // held.
        Ok(unsafe { std::slice::from_raw_parts(start, pages << self.page_shift) })
    }

    /// Lets `fill` write pages.
    ///
    /// # Errors
    /// `DatabaseCorrupted` when they are pages of another arena.
    pub(crate) fn fill(&self, own: &mut OwnPages, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        let pages = usize::try_from(own.pages).ok().filter(|_| own.arena == self.number);
        let start = pages.and_then(|pages| self.address(own.page, pages));
        let (Some(start), Some(pages)) = (start, pages) else { return Err(outside(own.page)) };
        // SAFETY: the bytes lie inside the extent and were zeroed or written. `own` proves that no other reference to
        // them lives, and is borrowed for as long as this one.
        fill(unsafe { std::slice::from_raw_parts_mut(start, pages << self.page_shift) });
        Ok(())
    }

    /// Writes a run: `header`, `value`, and zeroes to the end of the last page.
    ///
    /// # Errors
    /// As [`Arena::fill`]; `InvalidParameter` when it is longer than the pages.
    pub(crate) fn fill_run(&self, own: &mut OwnPages, header: &[u8], value: &[u8]) -> Result<()> {
        let mut fits = true;
        self.fill(own, |bytes| {
            let parts = bytes
                .split_at_mut_checked(header.len())
                .and_then(|(start, rest)| Some((start, rest.split_at_mut_checked(value.len())?)));
            let Some((start, (middle, end))) = parts else {
                fits = false;
                return;
            };
            start.copy_from_slice(header);
            middle.copy_from_slice(value);
            end.fill(0);
        })?;
        if !fits {
            let what = format!("a run at page {} is longer than its {} pages", own.page, own.pages);
            return Err(Error::new(ErrorKind::InvalidParameter, what));
        }
        Ok(())
    }
}

/// Pages of an arena that lie one behind the other. Holding it proves that nobody else reads or writes them.
#[derive(Debug)]
pub(crate) struct OwnPages {
    arena: u64,
    page: PageNo,
    pages: u64,
}

impl OwnPages {
    /// Says that the pages are the caller's alone.
    ///
    /// # Safety
    /// No live base reaches one of these pages of `arena`, and none will before the result is gone; no other
    /// `OwnPages` has one of them.
    pub(crate) unsafe fn claim(arena: &Arena, page: PageNo, pages: u64) -> OwnPages {
        OwnPages { arena: arena.number, page, pages }
    }

    /// The first one.
    pub(crate) fn page(&self) -> PageNo {
        self.page
    }

    /// How many.
    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }
}

#[cold]
pub(crate) fn outside(page: PageNo) -> Error {
    Error::new(ErrorKind::DatabaseCorrupted, format!("there is no page {page}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_written_in_their_own_arena_only() {
        let (here, there) = (Arena::new(4096), Arena::new(4096));
        for arena in [&here, &there] {
            arena.add(0, 4).unwrap();
        }
        // SAFETY: nobody else knows these arenas.
        let mut own = unsafe { OwnPages::claim(&here, PageNo(2), 2) };
        assert!(there.fill(&mut own, |_| panic!("these pages are somebody else's")).is_err());
        here.fill(&mut own, |bytes| assert_eq!(bytes.len(), 8192)).unwrap();
        // SAFETY: as above.
        let mut beyond = unsafe { OwnPages::claim(&here, PageNo(3), 2) };
        assert!(here.fill(&mut beyond, |_| panic!("the arena ends before")).is_err());
    }

    #[test]
    fn a_run_longer_than_its_pages_is_refused() {
        let arena = Arena::new(4096);
        arena.add(0, 2).unwrap();
        // SAFETY: nobody else knows this arena.
        let mut own = unsafe { OwnPages::claim(&arena, PageNo(0), 2) };
        let header = [1; 96];
        assert!(arena.fill_run(&mut own, &header, &vec![2; 8192 - 96]).is_ok());
        for len in [8192 - 95, 8192, 9000] {
            let kind = arena.fill_run(&mut own, &header, &vec![2; len]).map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::InvalidParameter), "{len}");
        }
    }
}
