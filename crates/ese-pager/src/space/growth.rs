//! Making the file longer, and at its end shorter.
//!
//! The file grows by allocation, so that a full disk is met here and not at a sync. What is added is available at once.

use super::Space;
use crate::{
    chunk::{Chunk, Mark},
    file::narrow,
    map::{GRANULE_PAGES, PAGES_MAX},
    medium::Shared,
    space_map::chunk_pages,
};
use ese_base::{Error, ErrorKind, Result};

/// The file grows by an eighth, and at least by so many bytes, if the disk has them …
const STEP_BYTES_MIN: u64 = 256 << 10;
/// … and at most by so many, unless a run needs more.
const STEP_BYTES_MAX: u64 = 64 << 20;

impl Space {
    /// Makes the file longer by at least `pages` pages.
    ///
    /// # Errors
    /// `DiskFull`; nothing has changed then but perhaps the length of the file. Other errors are final.
    pub(crate) fn grow(&mut self, shared: &Shared, pages: u64) -> Result<()> {
        let file = &shared.file;
        let bytes = (self.pages * file.page_bytes() / 8).clamp(STEP_BYTES_MIN, STEP_BYTES_MAX);
        let step = (bytes / file.page_bytes()).max(pages).min(PAGES_MAX.saturating_sub(self.pages));
        if step < pages {
            let what = format!("{} has {} pages, which is the most there can be", file.name(), self.pages);
            return Err(Error::new(ErrorKind::DiskFull, what));
        }
        // A chunk that the end of the file lies in has to be known.
        let tail = narrow(self.pages / self.chunk_pages());
        if tail < self.chunks.len() {
            self.load(shared, tail)?;
        }
        let grown = match file.grow(self.pages + step) {
            Err(error) if error.kind() == ErrorKind::DiskFull && step > pages => {
                file.grow(self.pages + pages).map(|()| pages)
            }
            grown => grown.map(|()| step),
        }?;
        shared.medium.extend(file, self.pages + grown)?;
        // No failure past this line.
        let (mut at, end) = (self.pages, self.pages + grown);
        self.pages = end;
        while at < end {
            let size = self.chunk_pages();
            let (chunk, from) = (narrow(at / size), at % size);
            if chunk == self.chunks.len() {
                self.chunks.push(Some(Chunk::new(chunk_pages(self.page_size))));
            }
            let count = (size - from).min(end - at);
            if let Some(Some(chunk)) = self.chunks.get_mut(chunk) {
                chunk.mark_available(from, count, Mark::Set);
                chunk.is_dirty = true;
            }
            self.free += count;
            at += count;
        }
        Ok(())
    }

    /// Makes the file long enough for a run of pages that does not straddle two granules.
    pub(super) fn grow_for_run(&mut self, shared: &Shared, pages: u64) -> Result<()> {
        let last = self.chunks.len().saturating_sub(1);
        let tail = match self.chunks.get(last) {
            Some(Some(chunk)) => chunk.tail(self.exist(last)),
            _ => 0,
        };
        let start = self.pages - tail;
        let fits = start / GRANULE_PAGES == (start + pages - 1) / GRANULE_PAGES;
        let start = if fits { start } else { start.next_multiple_of(GRANULE_PAGES) };
        self.grow(shared, (start + pages).saturating_sub(self.pages).max(1))
    }

    /// Has the search for free pages begin at the start of the file: what is written next may leave its end free.
    pub(crate) fn rewind(&mut self) {
        self.cursor = (0, 0);
    }

    /// Gives up the available pages at the end of the file. Returns how many; the file itself is as long as before.
    ///
    /// # Errors
    /// What reading the space map reports.
    pub(crate) fn cut_tail(&mut self, shared: &Shared) -> Result<u64> {
        self.collect(shared)?;
        let mut cut = 0;
        for index in (0..self.chunks.len()).rev() {
            let exist = self.exist(index);
            let chunk = self.load(shared, index)?;
            let tail = chunk.tail(exist);
            if tail > 0 {
                chunk.mark_available(exist - tail, tail, Mark::Cleared);
            }
            self.free -= tail;
            cut += tail;
            if tail < exist {
                break;
            }
        }
        self.pages -= cut;
        Ok(cut)
    }

    /// Whether so many more bytes can be had without making the file longer; if not, makes it longer by a step.
    pub(crate) fn prepare(&mut self, shared: &Shared, bytes: u64) -> Result<bool> {
        let there = (self.free + self.free_elsewhere) * shared.file.page_bytes();
        if there >= bytes {
            return Ok(false);
        }
        self.grow(shared, 1)?;
        Ok(true)
    }
}
