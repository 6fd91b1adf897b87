//! Making the file longer, and at its end shorter.
//!
//! The file grows by allocation, so that a full disk is met here and not at a sync. What is added is available at once.

use super::{Older, Space};
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
const STEP_BYTES_MAX: u64 = 512 << 20;
/// More than a file grows between two checkpoints, and little enough to keep account of.
const SURPLUS_PAGES_MAX: u64 = 1 << 22;

impl Space {
    fn step_bytes(&self, shared: &Shared) -> u64 {
        (self.pages * shared.file.page_bytes() / 8).clamp(STEP_BYTES_MIN, STEP_BYTES_MAX)
    }

    /// Makes the file longer by at least `pages` pages.
    ///
    /// # Errors
    /// `DiskFull`; nothing has changed then but perhaps the length of the file. Other errors are final.
    pub(crate) fn grow(&mut self, shared: &Shared, pages: u64) -> Result<()> {
        let file = &shared.file;
        let step = (self.step_bytes(shared) / file.page_bytes())
            .max(pages)
            .min(PAGES_MAX.saturating_sub(self.pages));
        if step < pages {
            let what = format!("{} has {} pages, which is the most there can be", file.name(), self.pages);
            return Err(Error::new(ErrorKind::DiskFull, what));
        }
        self.hold_surplus(shared)?;
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
        self.free += grown;
        self.add(grown, |chunk, from, count| chunk.mark_available(from, count, Mark::Set));
        Ok(())
    }

    /// Makes pages at the end of the file known.
    fn add(&mut self, pages: u64, mark: impl Fn(&mut Chunk, u64, u64)) {
        let (mut at, end) = (self.pages, self.pages + pages);
        self.pages = end;
        while at < end {
            let size = self.chunk_pages();
            let (chunk, from) = (narrow(at / size), at % size);
            if chunk == self.chunks.len() {
                self.chunks.push(Some(Chunk::new(chunk_pages(self.page_size))));
            }
            let count = (size - from).min(end - at);
            if let Some(Some(chunk)) = self.chunks.get_mut(chunk) {
                mark(chunk, from, count);
                chunk.is_dirty = true;
            }
            at += count;
        }
    }

    /// While it is unknown what the other meta page needs, what lies behind the pages of this one may be that.
    fn hold_surplus(&mut self, shared: &Shared) -> Result<()> {
        if self.older != Older::Unknown || self.surplus_is_held {
            return Ok(());
        }
        let surplus = shared.file.pages()?.saturating_sub(self.pages).min(SURPLUS_PAGES_MAX);
        let tail = narrow(self.pages / self.chunk_pages());
        if surplus > 0 && tail < self.chunks.len() {
            self.load(shared, tail)?;
        }
        shared.medium.extend(&shared.file, self.pages + surplus)?;
        self.add(surplus, Chunk::hold);
        self.surplus_is_held = true;
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

    /// Makes the file longer by a step, unless so many bytes can be had without that, or as many as a step is: a file is
    /// not made much longer than it has to be.
    pub(crate) fn prepare(&mut self, shared: &Shared, bytes: u64) -> Result<bool> {
        let there = (self.free + self.free_elsewhere) * shared.file.page_bytes();
        if there >= bytes.min(self.step_bytes(shared)) {
            return Ok(false);
        }
        self.grow(shared, 1)?;
        Ok(true)
    }
}
