//! Pages read in place, from maps of the file that are only ever added.
//!
//! A page number is (granule, index in it). A granule is 2²⁰ pages of the file and has one region, from its start to as
//! far as the file went when it was mapped last; when the file grows, a longer region of the same granule takes its
//! place, and the shorter ones stay for those who read from them. A run never straddles two granules.
//!
//! A page that was found sound has a bit, for nodes and for runs apart. While the bit is set the page is read without
//! another look at its checksum.
//!
//! Why bytes behind a reference do not change (what every `SAFETY` here rests on, and all `unsafe` of the crate is here):
//! - Pages are written by who has an [`Own`](crate::medium::Own) of them. [`FileMap::claim`] makes one of pages that are
//!   free in the space map: no live state reaches them (`space`, `pins`).
//! - A reference is given out by [`MapPages`] alone, which holds a [`Live`] state, and lives no longer than that. It is to
//!   a page that the state reaches, because the tree reads by references from the state's roots.
//! - A page that a live state reaches dies only into the lists of [`pins`](crate::pins), and comes out of them as
//!   [`Gone`] when no such state is live. Its bits are cleared then, and not before.
//! - Were the space map of a file forged, so that it calls a page free that is reachable, then either its bit is set and
//!   the claim is refused, or it was not read yet and its checksum fails afterwards. What such a file can still do is
//!   have two parents for one page; then a page may change under a reader of it. Nodes are read with checked indexes, so
//!   that this is a wrong answer or a panic; who opens files of strangers reads by [`Reading::Copy`](crate::Reading).
//! - Nobody else changes or cuts the file: it is locked while a state of it is held. It is cut at the close only
//!   (`writer`), behind all that any state has.
#![expect(unsafe_code, reason = "pages are borrowed from maps of a file that is written elsewhere")]

use crate::{
    file::{PageFile, narrow},
    pins::{Gone, Live},
};
use ese_base::{
    Error, Result, Value,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicPtr, AtomicU64, Ordering},
    },
};
use ese_btree::{
    ChildRef, NodeView, PageNo, Pages, RUN_HEADER_BYTES, RunRef, Stretch, Verify, parse_run, prefetch,
    run_pages,
};
use ese_io::Region;
use std::{ops::Deref, ptr::NonNull, sync::Arc};

/// The low bits of a page number: the index within its granule. 4 GiB at 4 KiB pages: a longest value fits one.
const INDEX_BITS: u32 = 20;
/// Pages of a granule.
pub(crate) const GRANULE_PAGES: u64 = 1 << INDEX_BITS;
/// How many granules a file may have: 16 TiB at 4 KiB pages, which is what file systems take.
const GRANULES_MAX: usize = 4096;
/// The most pages of a file.
pub(crate) const PAGES_MAX: u64 = (GRANULES_MAX as u64) << INDEX_BITS;
const WORDS: usize = 1 << (INDEX_BITS - 6);

type Bits = Box<[AtomicU64; WORDS]>;

/// The maps of a file.
pub(crate) struct FileMap {
    granules: Box<[Granule]>,
    /// Every region there ever was.
    regions: Mutex<Vec<Arc<Region>>>,
    page_shift: u32,
}

#[derive(Default)]
struct Granule {
    /// The longest region; never dropped while the map lives.
    region: AtomicPtr<Region>,
    /// Nodes that were found sound.
    nodes: OnceLock<Bits>,
    /// First pages of runs that were.
    runs: OnceLock<Bits>,
}

/// Splits a page number into granule and index.
#[inline(always)]
fn split(page: PageNo) -> (usize, usize) {
    (narrow(page.0 >> INDEX_BITS), narrow(page.0 & (GRANULE_PAGES - 1)))
}

fn no_bits() -> Bits {
    let bits: Box<[AtomicU64]> = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
    bits.try_into().unwrap_or_else(|_| unreachable!("there are as many words as were made"))
}

impl Granule {
    #[inline(always)]
    fn region(&self) -> Option<&Region> {
        // SAFETY: the pointer is null, or of a region that the map's list holds until the map, and so the granule, is
        // dropped; it was complete before the pointer was stored (Release).
        unsafe { self.region.load(Ordering::Acquire).as_ref() }
    }

    /// The bytes of pages of this granule; `None` where it has no such pages.
    ///
    /// # Safety
    /// The caller reads as the module's head says, for as long as the result lives.
    #[inline(always)]
    unsafe fn bytes(&self, index: usize, pages: usize, page_shift: u32) -> Option<&[u8]> {
        let region = self.region()?;
        // SAFETY: the caller's promise is what the region asks for.
        unsafe { region.bytes(index << page_shift..(index + pages) << page_shift) }
    }

    #[inline(always)]
    fn has(bits: &OnceLock<Bits>, index: usize) -> bool {
        let word = bits.get().and_then(|bits| bits.get(index / 64));
        // Acquire: who sees the bit sees the region that has the page.
        word.is_some_and(|word| word.load(Ordering::Acquire) >> (index % 64) & 1 == 1)
    }

    fn set(bits: &OnceLock<Bits>, index: usize) {
        if let Some(word) = bits.get_or_init(no_bits).get(index / 64) {
            word.fetch_or(1 << (index % 64), Ordering::Release);
        }
    }

    /// Clears the bits of a stretch and tells whether one was set.
    fn clear(bits: &OnceLock<Bits>, index: usize, pages: usize) -> bool {
        let Some(bits) = bits.get() else { return false };
        let mut was_set = false;
        let (mut at, end) = (index, index.saturating_add(pages));
        while at < end {
            let count = (64 - at % 64).min(end - at);
            let mask = (u64::MAX >> (64 - count)) << (at % 64);
            let Some(word) = bits.get(at / 64) else { break };
            was_set |= word.load(Ordering::Relaxed) & mask != 0
                && word.fetch_and(!mask, Ordering::AcqRel) & mask != 0;
            at += count;
        }
        was_set
    }
}

impl FileMap {
    pub(crate) fn new(page_size: usize) -> FileMap {
        FileMap {
            granules: (0..GRANULES_MAX).map(|_| Granule::default()).collect(),
            regions: Mutex::new(Vec::new()),
            page_shift: page_size.trailing_zeros(),
        }
    }

    /// Maps the file up to `pages` pages. Called by one thread at a time.
    pub(crate) fn extend(&self, file: &PageFile, pages: u64) -> Result<()> {
        let mut start = 0;
        for granule in &self.granules {
            let Some(rest) = pages.checked_sub(start).filter(|rest| *rest > 0) else { break };
            let wanted = rest.min(GRANULE_PAGES);
            let present = granule.region().map_or(0, Region::len);
            if present < narrow(wanted) << self.page_shift {
                let range = start << self.page_shift..(start + wanted) << self.page_shift;
                let region = Arc::new(file.disk_file.map(range)?);
                let pointer = Arc::as_ptr(&region).cast_mut();
                self.regions.lock().push(region);
                granule.region.store(pointer, Ordering::Release);
            }
            start += GRANULE_PAGES;
        }
        Ok(())
    }

    /// Asks that pages become somebody's own.
    ///
    /// # Errors
    /// `DatabaseCorrupted` when one of them was read since it was free.
    pub(crate) fn claim(&self, file: &PageFile, stretch: Stretch) -> Result<()> {
        let (granule, index) = split(stretch.page);
        let Some(granule) = self.granules.get(granule) else { return Err(outside(file, stretch.page)) };
        let pages = narrow(stretch.pages);
        for at in index..index.saturating_add(pages) {
            if Granule::has(&granule.nodes, at) || Granule::has(&granule.runs, at) {
                let page = stretch.page.plus(crate::file::wide(at - index));
                return Err(file.corrupted(format_args!("page {page} is called free and is in use")));
            }
        }
        Ok(())
    }

    /// Clears what is known of pages that nobody needs.
    pub(crate) fn forget(&self, gone: &Gone) {
        let stretch = gone.stretch();
        let (granule, index) = split(stretch.page);
        if let Some(granule) = self.granules.get(granule) {
            Granule::clear(&granule.nodes, index, narrow(stretch.pages));
            Granule::clear(&granule.runs, index, narrow(stretch.pages));
        }
    }
}

#[cold]
pub(crate) fn outside(file: &PageFile, page: PageNo) -> Error {
    file.corrupted(format_args!("there is no page {page}"))
}

/// The pages of one state, read in place. It holds the state.
#[derive(Clone)]
pub(crate) struct MapPages {
    /// That of `live`, one step nearer.
    map: Arc<FileMap>,
    live: Arc<Live>,
}

impl MapPages {
    pub(crate) fn new(map: &Arc<FileMap>, live: Arc<Live>) -> MapPages {
        MapPages { map: Arc::clone(map), live }
    }

    /// The same file's pages, of another state.
    pub(crate) fn of(&self, live: Arc<Live>) -> MapPages {
        MapPages::new(&self.map, live)
    }

    /// The page, if it was found sound before.
    #[inline(always)]
    fn known(&self, page: PageNo) -> Option<&[u8]> {
        let (granule, index) = split(page);
        let granule = self.map.granules.get(granule)?;
        if !Granule::has(&granule.nodes, index) {
            return None;
        }
        // SAFETY: the state that `self` holds reaches the page; the result lives no longer than `self`.
        unsafe { granule.bytes(index, 1, self.map.page_shift) }
    }

    /// The page, looked at for the first time.
    #[cold]
    fn first_touch(&self, at: ChildRef, level: u8) -> Result<&[u8]> {
        let file = &self.live.shared().file;
        let (granule, index) = split(at.page);
        let granule = self.map.granules.get(granule).ok_or_else(|| outside(file, at.page))?;
        // SAFETY: as in `known`.
        let bytes = unsafe { granule.bytes(index, 1, self.map.page_shift) };
        let bytes = bytes.ok_or_else(|| outside(file, at.page))?;
        NodeView::parse(bytes, at, level, Verify::Checksum).map_err(|error| file.at_page(at.page, error))?;
        Granule::set(&granule.nodes, index);
        Ok(bytes)
    }

    /// Header and value of a run.
    fn run_bytes(&self, at: RunRef) -> Result<&[u8]> {
        let file = &self.live.shared().file;
        let (granule, index) = split(at.page);
        let granule = self.map.granules.get(granule).ok_or_else(|| outside(file, at.page))?;
        let pages = narrow(run_pages(at.len, file.page_size()));
        // SAFETY: as in `known`.
        let bytes = unsafe { granule.bytes(index, pages, self.map.page_shift) };
        let bytes = bytes.ok_or_else(|| outside(file, at.page))?;
        let is_known = Granule::has(&granule.runs, index)
            && bytes.first_chunk().is_some_and(|stored| u32::from_le_bytes(*stored) == at.checksum);
        let verify = if is_known { Verify::Structure } else { Verify::Checksum };
        parse_run(bytes, at, verify).map_err(|error| file.at_page(at.page, error))?;
        if !is_known {
            Granule::set(&granule.runs, index);
        }
        // Parsed: it is that long.
        Ok(bytes.get(..RUN_HEADER_BYTES.saturating_add(narrow(at.len.into()))).unwrap_or_default())
    }
}

impl Pages for MapPages {
    type Bytes<'p> = &'p [u8];
    type Held = HeldPage;

    #[inline]
    fn page_size(&self) -> usize {
        1 << self.map.page_shift
    }

    #[inline(always)]
    fn page(&self, at: ChildRef, level: u8) -> Result<&[u8]> {
        let bytes = match self.known(at.page) {
            Some(bytes) => bytes,
            None => self.first_touch(at, level)?,
        };
        prefetch::node(bytes, level);
        Ok(bytes)
    }

    #[inline]
    fn ready(&self, at: ChildRef, _level: u8) -> Option<&[u8]> {
        self.known(at.page)
    }

    fn will_read(&self, at: ChildRef) {
        let (granule, index) = split(at.page);
        if let Some(granule) = self.map.granules.get(granule)
            && let Some(region) = granule.region()
        {
            region.will_need(index << self.map.page_shift..(index + 1) << self.map.page_shift);
        }
    }

    fn held(&self, at: ChildRef, level: u8) -> Result<NodeView<HeldPage>> {
        let node = self.node(at, level)?;
        let start = NonNull::from(*node.bytes());
        Ok(NodeView::trusted(HeldPage { start, _live: Arc::clone(&self.live) }))
    }

    fn run(&self, at: RunRef) -> Result<Value<'_>> {
        Ok(Value::Borrowed(self.run_bytes(at)?.get(RUN_HEADER_BYTES..).unwrap_or_default()))
    }

    fn run_pages(&self, at: RunRef) -> Result<Value<'_>> {
        self.run_bytes(at).map(Value::Borrowed)
    }
}

/// A page that holds its state.
pub(crate) struct HeldPage {
    start: NonNull<[u8]>,
    _live: Arc<Live>,
}

// SAFETY: it is a shared reference to bytes that do not change, and an `Arc` of something `Send` and `Sync`.
unsafe impl Send for HeldPage {}

impl Deref for HeldPage {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `start` came from a reference to a page of the state that `_live` holds, and that holds the map.
        unsafe { self.start.as_ref() }
    }
}
