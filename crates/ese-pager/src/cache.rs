//! Pages read by copies, and a small cache of them.
//!
//! The cache has one place for each of a fixed number of pages that share it; a page that was read takes the place of
//! the one before. What is cached is known by page number and checksum, and was found sound.

use crate::{
    file::{PageFile, narrow},
    map::outside,
    pins::Live,
};
use ese_base::{
    Result, Value,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use ese_btree::{
    ChildRef, NodeView, PageNo, Pages, RUN_HEADER_BYTES, RunRef, Stretch, Verify, check_run_header,
    check_run_value, parse_run, run_pages,
};
use std::sync::Arc;

/// Pages in memory.
pub(crate) struct PageCache {
    places: Box<[Mutex<Option<Cached>>]>,
    /// How many pages the file has.
    pages: AtomicU64,
}

struct Cached {
    at: ChildRef,
    bytes: Arc<[u8]>,
}

impl PageCache {
    /// A cache for about so many pages.
    pub(crate) fn new(pages: usize) -> PageCache {
        let places = pages.clamp(1, 1 << 24).next_power_of_two();
        PageCache { places: (0..places).map(|_| Mutex::new(None)).collect(), pages: AtomicU64::new(0) }
    }

    /// The file has so many pages now.
    pub(crate) fn extend(&self, pages: u64) {
        self.pages.store(pages, Ordering::Release);
    }

    fn place(&self, page: PageNo) -> Option<&Mutex<Option<Cached>>> {
        self.places.get(narrow(page.0) & (self.places.len() - 1))
    }

    fn get(&self, at: ChildRef) -> Option<Arc<[u8]>> {
        let place = self.place(at.page)?.lock();
        place.as_ref().filter(|cached| cached.at == at).map(|cached| Arc::clone(&cached.bytes))
    }

    fn put(&self, at: ChildRef, bytes: &Arc<[u8]>) {
        if let Some(place) = self.place(at.page) {
            let before = place.lock().replace(Cached { at, bytes: Arc::clone(bytes) });
            drop(before);
        }
    }

    /// Forgets pages that will be written, or that nobody needs.
    pub(crate) fn forget(&self, stretch: Stretch) {
        let every = crate::file::wide(self.places.len());
        for page in 0..stretch.pages.min(every) {
            let Some(place) = self.place(stretch.page.plus(page)) else { continue };
            let mut place = place.lock();
            let inside = |at: ChildRef| {
                at.page.0.checked_sub(stretch.page.0).is_some_and(|index| index < stretch.pages)
            };
            if place.as_ref().is_some_and(|cached| inside(cached.at)) {
                *place = None;
            }
        }
    }
}

/// The pages of one state, copied. It holds the state.
#[derive(Clone)]
pub(crate) struct CopyPages {
    cache: Arc<PageCache>,
    live: Arc<Live>,
}

impl CopyPages {
    pub(crate) fn new(cache: &Arc<PageCache>, live: Arc<Live>) -> CopyPages {
        CopyPages { cache: Arc::clone(cache), live }
    }

    /// The same file's pages, of another state.
    pub(crate) fn of(&self, live: Arc<Live>) -> CopyPages {
        CopyPages::new(&self.cache, live)
    }

    fn file(&self) -> &PageFile {
        &self.live.shared().file
    }

    /// Whether the file has these pages.
    fn admit(&self, page: PageNo, pages: u64) -> Result<()> {
        let end = page.0.checked_add(pages);
        if end.is_some_and(|end| end <= self.cache.pages.load(Ordering::Acquire)) {
            return Ok(());
        }
        Err(outside(self.file(), page))
    }

    fn read(&self, at: ChildRef, level: u8) -> Result<Arc<[u8]>> {
        self.admit(at.page, 1)?;
        let bytes = filled(self.file().page_size(), |buffer| self.file().read(at.page, buffer))?;
        NodeView::parse(&bytes[..], at, level, Verify::Checksum)
            .map_err(|error| self.file().at_page(at.page, error))?;
        self.cache.put(at, &bytes);
        Ok(bytes)
    }

    /// The header of a run, which is the one that `at` names.
    fn run_header(&self, at: RunRef) -> Result<[u8; RUN_HEADER_BYTES]> {
        self.admit(at.page, run_pages(at.len, self.page_size()))?;
        let mut header = [0; RUN_HEADER_BYTES];
        self.file().read(at.page, &mut header)?;
        check_run_header(&header, at).map_err(|error| self.file().at_page(at.page, error))?;
        Ok(header)
    }
}

/// Shared bytes, filled before they are shared.
fn filled(len: usize, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Arc<[u8]>> {
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, len).collect();
    match Arc::get_mut(&mut bytes) {
        Some(buffer) => fill(buffer)?,
        None => unreachable!("new bytes are not shared yet"),
    }
    Ok(bytes)
}

impl Pages for CopyPages {
    type Bytes<'p> = Arc<[u8]>;
    type Held = Arc<[u8]>;

    fn page_size(&self) -> usize {
        self.file().page_size()
    }

    fn page(&self, at: ChildRef, level: u8) -> Result<Arc<[u8]>> {
        match self.cache.get(at) {
            Some(bytes) => Ok(bytes),
            None => self.read(at, level),
        }
    }

    fn ready(&self, at: ChildRef, _level: u8) -> Option<Arc<[u8]>> {
        self.cache.get(at)
    }

    fn held(&self, at: ChildRef, level: u8) -> Result<NodeView<Arc<[u8]>>> {
        self.node(at, level)
    }

    fn run(&self, at: RunRef) -> Result<Value<'_>> {
        // Before so much memory is asked for.
        let header = self.run_header(at)?;
        let value = filled(narrow(at.len.into()), |buffer| {
            self.file().read_behind(at.page, RUN_HEADER_BYTES, buffer)
        })?;
        check_run_value(&header, &value, at).map_err(|error| self.file().at_page(at.page, error))?;
        Ok(Value::Shared(value))
    }

    fn run_pages(&self, at: RunRef) -> Result<Value<'_>> {
        self.run_header(at)?;
        let len = RUN_HEADER_BYTES.saturating_add(narrow(at.len.into()));
        let bytes = filled(len, |buffer| self.file().read(at.page, buffer))?;
        parse_run(&bytes, at, Verify::Checksum).map_err(|error| self.file().at_page(at.page, error))?;
        Ok(Value::Shared(bytes))
    }
}
