//! Which pages may be handed out.
//!
//! Handed out is what is free in the space maps of both meta pages, and what died since and is needed by no live number
//! (`pins`). What is known of a chunk is read from the maps when its pages are first asked for, so that opening a file
//! takes no longer the larger it is.
//!
//! Invariants:
//! - A page of the file is *used* (the newest state, or the last checkpoint's forest and map), *available*, waiting in
//!   `pins`, held by the older meta page of the opening, or [`Own`] of one merge: always one of these.
//! - What becomes [`Own`] was available, and is so no more.
//!
//! `growth` makes the file longer, `map_write` writes the map of a checkpoint.

mod growth;
mod map_write;
#[cfg(test)]
mod tests;

pub(crate) use map_write::MapWrite;

use crate::{
    chunk::{Chunk, Mark},
    file::{narrow, wide},
    medium::{Own, Shared},
    meta::META_PAGES,
    space_map::{self, MapRoot, chunk_pages, chunks_of},
};
use ese_base::{Error, ErrorKind, Result, sync::atomic::Ordering};
use ese_btree::{PageNo, Stretch};

/// How many chunks are looked at for a run that none has that is known, before the file grows.
const RUN_LOADS_MAX: u32 = 16;

/// What is known of the pages of a file.
pub(crate) struct Space {
    page_size: usize,
    pages: u64,
    /// `None`: as in the map on disk.
    chunks: Vec<Option<Chunk>>,
    /// Chunks before this one were looked at for free pages.
    looked_at: usize,
    /// Where the search for a free page goes on.
    cursor: (usize, u64),
    /// Available pages of the chunks that are loaded.
    free: u64,
    /// Free pages of the others.
    free_elsewhere: u64,
    used: u64,
    /// The map of the newest checkpoint that is written, and the pages that the file had for it.
    map: Option<MapRoot>,
    map_pages: u64,
    older: Older,
    /// What lies behind the pages of the meta page, where [`Older::Unknown`] may need it, is held.
    surplus_is_held: bool,
}

/// What the older meta page of the opening needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Older {
    /// Nothing that the newer one does not.
    Nothing,
    /// What is not free in its map, of a file of so many pages.
    Map(MapRoot, u64),
    /// It is damaged: everything, until it is written again.
    Unknown,
}

/// Part of a stretch that lies in one chunk.
struct Part {
    chunk: usize,
    from: u64,
    pages: u64,
}

impl Space {
    /// The space of a file of so many pages. Without a map it has the meta pages only.
    pub(crate) fn open(page_size: usize, pages: u64, free: u64, map: Option<MapRoot>, older: Older) -> Space {
        let chunks = match map {
            Some(_) => (0..chunks_of(pages, page_size)).map(|_| None).collect(),
            None => {
                let mut first = Chunk::new(chunk_pages(page_size));
                first.mark_used(0, META_PAGES, Mark::Set);
                vec![Some(first)]
            }
        };
        Space {
            page_size,
            pages,
            chunks,
            looked_at: 0,
            cursor: (0, 0),
            free: 0,
            free_elsewhere: free,
            used: pages.saturating_sub(free),
            map,
            map_pages: pages,
            older,
            surplus_is_held: false,
        }
    }

    /// How many pages the file has.
    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }

    /// Tells the figures to whoever asks.
    pub(crate) fn count(&self, shared: &Shared) {
        shared.counts.pages.store(self.pages, Ordering::Relaxed);
        shared.counts.free.store(self.free + self.free_elsewhere, Ordering::Relaxed);
    }

    fn chunk_pages(&self) -> u64 {
        wide(chunk_pages(self.page_size))
    }

    /// How many pages of a chunk the file has.
    fn exist(&self, chunk: usize) -> u64 {
        self.pages.saturating_sub(wide(chunk) * self.chunk_pages()).min(self.chunk_pages())
    }

    /// The parts of a stretch, chunk by chunk.
    fn parts(&self, stretch: Stretch) -> impl Iterator<Item = Part> + use<> {
        let size = self.chunk_pages();
        let end = stretch.page.0 + stretch.pages;
        let mut at = stretch.page.0;
        std::iter::from_fn(move || {
            let pages = (size - at % size).min(end.checked_sub(at)?);
            let part = Part { chunk: narrow(at / size), from: at % size, pages };
            at += pages;
            (pages > 0).then_some(part)
        })
    }

    /// The chunk, read from the maps if need be.
    fn load(&mut self, shared: &Shared, chunk: usize) -> Result<&mut Chunk> {
        let loaded = match self.chunks.get(chunk) {
            None => return Err(shared.file.corrupted(format_args!("there is no chunk {chunk} of pages"))),
            Some(Some(_)) => None,
            Some(None) => Some(self.read_chunk(shared, chunk)?),
        };
        let Some(Some(place)) = self.chunks.get_mut(chunk).map(|place| {
            if let Some(loaded) = loaded {
                self.free += loaded.free();
                *place = Some(loaded);
            }
            place.as_mut()
        }) else {
            return Err(shared.file.corrupted(format_args!("there is no chunk {chunk} of pages")));
        };
        Ok(place)
    }

    fn read_chunk(&mut self, shared: &Shared, chunk: usize) -> Result<Chunk> {
        let file = &shared.file;
        let map = self.map.ok_or_else(|| file.corrupted("there is no space map"))?;
        let free = space_map::leaf(file, map, chunk)?.bits();
        let start = wide(chunk) * self.chunk_pages();
        let other = match self.older {
            Older::Nothing => Some(vec![u64::MAX; free.len()].into_boxed_slice()),
            Older::Unknown => None,
            Older::Map(_, pages) if pages <= start => Some(vec![u64::MAX; free.len()].into_boxed_slice()),
            // Where the older map is damaged, all is held that it may have held.
            Older::Map(map, pages) => space_map::leaf(file, map, chunk).ok().map(|leaf| {
                let mut bits = leaf.bits();
                let beyond = pages - start;
                for (index, word) in bits.iter_mut().enumerate() {
                    let first = beyond.saturating_sub(64 * wide(index));
                    *word |= if first < 64 { u64::MAX << first } else { 0 };
                }
                bits
            }),
        };
        let exist = self.map_pages.saturating_sub(start).min(self.chunk_pages());
        let loaded = Chunk::loaded(&free, other.as_deref(), exist);
        if chunk == 0 && !loaded.are_used(0, META_PAGES) {
            return Err(file.corrupted("the space map calls the meta pages free"));
        }
        let called_free: u64 = free.iter().map(|word| u64::from(word.count_ones())).sum();
        self.free_elsewhere = self.free_elsewhere.saturating_sub(called_free);
        Ok(loaded)
    }

    /// Loads one more chunk that may have free pages; whether there was one.
    fn load_more(&mut self, shared: &Shared) -> Result<bool> {
        let Some(map) = self.map else { return Ok(false) };
        while self.looked_at < self.chunks.len() {
            if self.chunks.get(self.looked_at).is_some_and(Option::is_some) {
                self.looked_at += 1;
                continue;
            }
            match space_map::next_with_free(&shared.file, map, self.looked_at)? {
                Some(chunk) if chunk < self.chunks.len() => {
                    self.looked_at = chunk + 1;
                    self.load(shared, chunk)?;
                    return Ok(true);
                }
                _ => self.looked_at = self.chunks.len(),
            }
        }
        Ok(false)
    }

    /// Makes available what nobody needs any more.
    pub(crate) fn collect(&mut self, shared: &Shared) -> Result<()> {
        let gone = shared.pins.lock().take_gone();
        for gone in gone {
            shared.medium.forget(&gone);
            for part in self.parts(gone.stretch()) {
                // It was loaded when the pages died.
                self.load(shared, part.chunk)?.mark_available(part.from, part.pages, Mark::Set);
                self.free += part.pages;
            }
        }
        Ok(())
    }

    /// Takes up to `max` pages in a row, at least one.
    ///
    /// # Errors
    /// `DiskFull`; what reading the space map reports.
    pub(crate) fn take(&mut self, shared: &Shared, max: u64) -> Result<Own> {
        self.collect(shared)?;
        loop {
            if let Some(found) = self.find(max) {
                return self.claim(shared, found);
            }
            if !self.load_more(shared)? {
                self.grow(shared, 1)?;
            }
        }
    }

    /// Takes that many pages in a row.
    ///
    /// # Errors
    /// As [`Space::take`].
    pub(crate) fn take_run(&mut self, shared: &Shared, pages: u64) -> Result<Own> {
        if pages > crate::map::GRANULE_PAGES {
            return Err(Error::new(ErrorKind::ValueTooLarge, format!("{pages} pages in a row")));
        }
        self.collect(shared)?;
        let mut loads = 0;
        loop {
            if let Some(page) = self.find_run(pages) {
                return self.claim(shared, Stretch { page, pages, birth: 0 });
            }
            loads += 1;
            if loads > RUN_LOADS_MAX || !self.load_more(shared)? {
                self.grow_for_run(shared, pages)?;
            }
        }
    }

    fn find(&mut self, max: u64) -> Option<Stretch> {
        if self.free == 0 {
            return None;
        }
        let count = self.chunks.len();
        for step in 0..=count {
            let chunk = (self.cursor.0 + step) % count;
            let from = if step == 0 { self.cursor.1 } else { 0 };
            let found = self.chunks.get(chunk).and_then(Option::as_ref).and_then(|here| here.find(from, max));
            if let Some((start, pages)) = found {
                self.cursor = (chunk, start + pages);
                return Some(Stretch {
                    page: PageNo(wide(chunk) * self.chunk_pages() + start),
                    pages,
                    birth: 0,
                });
            }
        }
        None
    }

    fn find_run(&mut self, pages: u64) -> Option<PageNo> {
        let size = self.chunk_pages();
        if pages <= size {
            for (index, chunk) in self.chunks.iter_mut().enumerate() {
                if let Some(start) = chunk.as_mut().and_then(|chunk| chunk.find_run(pages)) {
                    return Some(PageNo(wide(index) * size + start));
                }
            }
        }
        // Over the borders of chunks, not over those of granules.
        let mut run = 0;
        for (index, chunk) in self.chunks.iter().enumerate() {
            let start = wide(index) * size;
            if start.is_multiple_of(crate::map::GRANULE_PAGES) {
                run = 0;
            }
            let Some(chunk) = chunk else {
                run = 0;
                continue;
            };
            let lead = chunk.find(0, size).filter(|(at, _)| *at == 0).map_or(0, |(_, count)| count);
            if run + lead >= pages {
                return Some(PageNo(start - run));
            }
            run = if lead == size { run + size } else { chunk.tail(size) };
        }
        None
    }

    /// Makes available pages somebody's own.
    fn claim(&mut self, shared: &Shared, stretch: Stretch) -> Result<Own> {
        let own = shared.medium.claim(&shared.file, stretch)?;
        for part in self.parts(stretch) {
            self.load(shared, part.chunk)?.mark_available(part.from, part.pages, Mark::Cleared);
            self.free -= part.pages;
        }
        Ok(own)
    }

    /// Takes pages back that no state has.
    pub(crate) fn give_back(&mut self, own: &Own) {
        let stretch = Stretch { page: own.page(), pages: own.pages(), birth: 0 };
        for part in self.parts(stretch) {
            // It was loaded when they were taken.
            if let Some(Some(chunk)) = self.chunks.get_mut(part.chunk) {
                chunk.mark_available(part.from, part.pages, Mark::Set);
                self.free += part.pages;
            }
        }
    }

    /// Checks that pages which a merge took out of its state are used, each once. Sorts them.
    ///
    /// # Errors
    /// `DatabaseCorrupted`; what reading the space map reports.
    pub(crate) fn check_dead(&mut self, shared: &Shared, dead: &mut [Stretch]) -> Result<()> {
        dead.sort_unstable_by_key(|stretch| stretch.page);
        let mut end = PageNo(META_PAGES);
        for stretch in dead {
            let inside = stretch.page.0.checked_add(stretch.pages).is_some_and(|end| end <= self.pages);
            if !inside || stretch.page < end {
                let what = format!("page {} is replaced and was not in use, or twice", stretch.page);
                return Err(shared.file.corrupted(what));
            }
            end = stretch.page.plus(stretch.pages);
            for part in self.parts(*stretch) {
                if !self.load(shared, part.chunk)?.are_used(part.from, part.pages) {
                    let what = format!("page {} is in use and the space map calls it free", stretch.page);
                    return Err(shared.file.corrupted(what));
                }
            }
        }
        Ok(())
    }

    /// Says which pages the newest state, or the newest checkpoint, has: what it wrote, and no more what died. The
    /// latter were checked.
    pub(crate) fn replace(&mut self, born: &[Own], dead: &[Stretch]) {
        for own in born {
            self.mark(Stretch { page: own.page(), pages: own.pages(), birth: 0 }, Mark::Set);
        }
        for stretch in dead {
            self.mark(*stretch, Mark::Cleared);
        }
    }

    /// Takes [`Space::replace`] back.
    fn put_back(&mut self, born: &[Own], dead: &[Stretch]) {
        for stretch in dead {
            self.mark(*stretch, Mark::Set);
        }
        for own in born {
            self.mark(Stretch { page: own.page(), pages: own.pages(), birth: 0 }, Mark::Cleared);
        }
    }

    /// Marks pages of chunks that are loaded.
    fn mark(&mut self, stretch: Stretch, mark: Mark) {
        for part in self.parts(stretch) {
            if let Some(Some(chunk)) = self.chunks.get_mut(part.chunk) {
                chunk.mark_used(part.from, part.pages, mark);
            }
        }
        match mark {
            Mark::Set => self.used += stretch.pages,
            Mark::Cleared => self.used = self.used.saturating_sub(stretch.pages),
        }
    }

    /// The older meta page of the opening was written: it holds nothing any more.
    pub(crate) fn release_older(&mut self) {
        if self.older == Older::Nothing {
            return;
        }
        self.older = Older::Nothing;
        for chunk in self.chunks.iter_mut().flatten() {
            self.free += chunk.release_held();
        }
        // Chunks that looked full may have something now.
        self.looked_at = 0;
    }

    /// The stretches of available and held pages, all chunks loaded; for checks.
    pub(crate) fn not_used(&mut self, shared: &Shared) -> Result<Vec<Stretch>> {
        let mut stretches: Vec<Stretch> = Vec::new();
        for index in 0..self.chunks.len() {
            let start = wide(index) * self.chunk_pages();
            for page in self.load(shared, index)?.not_used() {
                push(&mut stretches, start + page);
            }
        }
        Ok(stretches)
    }

    /// The stretches of all pages that are not used, all chunks loaded; for checks.
    pub(crate) fn unused(&mut self, shared: &Shared) -> Result<Vec<Stretch>> {
        let mut stretches: Vec<Stretch> = Vec::new();
        for index in 0..self.chunks.len() {
            let (start, exist) = (wide(index) * self.chunk_pages(), self.exist(index));
            let bits = self.load(shared, index)?.unused(exist);
            for page in (0..exist).filter(|page| bits[narrow(page / 64)] >> (page % 64) & 1 == 1) {
                push(&mut stretches, start + page);
            }
        }
        Ok(stretches)
    }
}

/// Adds a page to a list of ascending stretches.
fn push(stretches: &mut Vec<Stretch>, page: u64) {
    match stretches.last_mut() {
        Some(last) if last.page.0 + last.pages == page => last.pages += 1,
        _ => stretches.push(Stretch { page: PageNo(page), pages: 1, birth: 0 }),
    }
}
