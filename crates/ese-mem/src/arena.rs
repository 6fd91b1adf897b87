//! Where pages lie: extents of memory that are only ever added, found without a lock.
//!
//! A page number is (extent, index in it); the extent's address is one load away, from a list of fixed length that
//! nobody writes but to add an extent. Reading a page writes nothing.
//!
//! Who may touch a page when (what every `SAFETY` below rests on):
//! - *Writing.* Space hands a page to one merge alone, and only while no live base can reach it. Until the merge's base
//!   is published no other thread knows the page's number; the merge itself reads no page that it wrote.
//! - *Reading.* A reader comes from the forest of a base that it holds and follows references in pages of that base.
//!   Such pages were written as a whole before the base was published (the `Mutex` around the newest base orders the
//!   two), and space does not hand them out again while the base is held.
//!
//! So bytes behind a shared reference never change, and a reference lives no longer than the base it came from. The
//! types of this crate keep it so: [`ArenaPages`] and [`Arena`] do not leave it, only a base and a merge (which holds
//! the base it began from) have one.
#![expect(
    unsafe_code,
    reason = "pages are shared, recycled memory: readers borrow some while a merge writes others"
)]

use ese_base::{
    Error, ErrorKind, Result, Value,
    memory::Block,
    sync::{
        Mutex,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
};
use ese_btree::{ChildRef, NodeView, PageNo, Pages, RUN_HEADER_BYTES, RunRef, prefetch, run_pages};
use std::{ops::Deref, ptr::NonNull, sync::Arc};

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
        Arena { extents, page_size, page_shift: page_size.trailing_zeros(), blocks: Mutex::new(Vec::new()) }
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
    /// # Safety
    /// The caller reads as the module's head says: a base that reaches the page is held for as long as the result.
    #[inline(always)]
    unsafe fn bytes(&self, page: PageNo, pages: usize) -> Result<&[u8]> {
        let Some(start) = self.address(page, pages) else { return Err(outside(page)) };
        // SAFETY: the bytes lie inside the extent and were zeroed or written; nobody writes them while the base is
        // held.
        Ok(unsafe { std::slice::from_raw_parts(start, pages << self.page_shift) })
    }

    /// Lets `fill` write a page that space handed to the caller.
    ///
    /// # Errors
    /// `DatabaseCorrupted` when there is no such page.
    pub(crate) fn fill_own(&self, page: PageNo, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        self.fill_pages(page, 1, fill)
    }

    /// Writes a run that space handed to the caller: `header`, `value`, and zeroes to the end of the last page.
    ///
    /// # Errors
    /// As [`Arena::fill_own`].
    pub(crate) fn fill_own_run(&self, page: PageNo, header: &[u8], value: &[u8]) -> Result<()> {
        let pages = (header.len() + value.len()).div_ceil(self.page_size);
        self.fill_pages(page, pages, |bytes| {
            let (start, rest) = bytes.split_at_mut(header.len());
            let (middle, end) = rest.split_at_mut(value.len());
            start.copy_from_slice(header);
            middle.copy_from_slice(value);
            end.fill(0);
        })
    }

    /// Lets `fill` write a stretch of pages that are the caller's alone.
    fn fill_pages(&self, page: PageNo, pages: usize, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        let Some(start) = self.address(page, pages) else { return Err(outside(page)) };
        // SAFETY: the bytes lie inside the extent and were zeroed or written. The callers of this module have the
        // pages from space and for themselves (see the module's head), so no other reference to them lives.
        fill(unsafe { std::slice::from_raw_parts_mut(start, pages << self.page_shift) });
        Ok(())
    }

    /// Overwrites pages that space takes back: no base has them.
    pub(crate) fn poison(&self, page: PageNo, pages: u64) {
        let Ok(pages) = usize::try_from(pages) else { return };
        let filled = self.fill_pages(page, pages, |bytes| bytes.fill(0xDB));
        debug_assert!(filled.is_ok(), "space takes back pages that the arena has");
    }
}

#[cold]
fn outside(page: PageNo) -> Error {
    Error::new(ErrorKind::DatabaseCorrupted, format!("there is no page {page}"))
}

/// The arena as the tree reads it.
#[derive(Clone)]
pub(crate) struct ArenaPages {
    arena: Arc<Arena>,
}

impl ArenaPages {
    pub(crate) fn new(arena: Arc<Arena>) -> Self {
        ArenaPages { arena }
    }
}

/// A page that keeps its arena alive; the merge that has it also holds the base that reaches the page.
pub(crate) struct HeldPage {
    start: NonNull<[u8]>,
    _arena: Arc<Arena>,
}

// SAFETY: it is a shared reference to bytes that do not change, and an `Arc` of something `Send` and `Sync`.
unsafe impl Send for HeldPage {}

impl Deref for HeldPage {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `start` came from a reference into the arena, which `_arena` keeps; the merge holds the base.
        unsafe { self.start.as_ref() }
    }
}

impl Pages for ArenaPages {
    type Bytes<'p> = &'p [u8];
    type Held = HeldPage;

    #[inline]
    fn page_size(&self) -> usize {
        self.arena.page_size
    }

    #[inline(always)]
    fn page(&self, at: ChildRef, level: u8) -> Result<&[u8]> {
        // SAFETY: only bases and merges have an `ArenaPages`; they read pages of a base that they hold.
        let bytes = unsafe { self.arena.bytes(at.page, 1) }?;
        prefetch::node(bytes, level);
        Ok(bytes)
    }

    fn held(&self, at: ChildRef, level: u8) -> Result<NodeView<HeldPage>> {
        let node = self.node(at, level)?;
        let start = NonNull::from(*node.bytes());
        Ok(NodeView::trusted(HeldPage { start, _arena: Arc::clone(&self.arena) }))
    }

    fn run(&self, at: RunRef) -> Result<Value<'_>> {
        let Value::Borrowed(bytes) = self.run_pages(at)? else { return Err(outside(at.page)) };
        Ok(Value::Borrowed(&bytes[RUN_HEADER_BYTES..]))
    }

    fn run_pages(&self, at: RunRef) -> Result<Value<'_>> {
        let pages = usize::try_from(run_pages(at.len, self.arena.page_size)).map_err(|_| outside(at.page))?;
        let len = usize::try_from(at.len).map_err(|_| outside(at.page))?;
        // SAFETY: as in `page`.
        let bytes = unsafe { self.arena.bytes(at.page, pages) }?;
        Ok(Value::Borrowed(&bytes[..RUN_HEADER_BYTES + len]))
    }
}
