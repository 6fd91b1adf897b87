//! Where the pages that a merge makes go: gathered while they lie one behind the other, and written at once.

use crate::medium::{Own, Shared};
use ese_base::{Error, ErrorKind, Result, sync::atomic::Ordering};
use ese_btree::{PageNo, Sink, Stretch};
use std::sync::Arc;

/// How many bytes are gathered at most.
const GATHER_BYTES: usize = 1 << 20;

/// Writes the pages of one merge; dropped before it is finished it gives them all back.
pub(crate) struct FileSink {
    shared: Arc<Shared>,
    birth: u64,
    /// Pages in a row, of which the first `given` were asked for and the first `written` are in the file.
    own: Option<Own>,
    given: u64,
    written: u64,
    /// What was given and is not written.
    gathered: Vec<u8>,
    /// How many pages are taken at a time.
    batch: u64,
    done: Vec<Own>,
    dead: Vec<Stretch>,
}

/// What a merge made and what it replaced.
pub(crate) struct Made {
    pub(crate) born: Vec<Own>,
    pub(crate) dead: Vec<Stretch>,
}

impl FileSink {
    /// A sink for pages that are stamped with that birth.
    pub(crate) fn new(shared: &Arc<Shared>, birth: u64) -> FileSink {
        FileSink {
            shared: Arc::clone(shared),
            birth,
            own: None,
            given: 0,
            written: 0,
            gathered: Vec::new(),
            batch: 4,
            done: Vec::new(),
            dead: Vec::new(),
        }
    }

    /// Writes what was gathered, and hands over what was made.
    ///
    /// # Errors
    /// What writing reports.
    pub(crate) fn finish(mut self) -> Result<Made> {
        self.turn()?;
        Ok(Made { born: std::mem::take(&mut self.done), dead: std::mem::take(&mut self.dead) })
    }

    fn flush(&mut self) -> Result<()> {
        let page_size = self.shared.file.page_size();
        if let Some(own) = self.own.as_ref().filter(|_| !self.gathered.is_empty()) {
            let skip = crate::file::narrow(self.written).saturating_mul(page_size);
            self.shared.file.write(own, skip, &self.gathered)?;
            self.written = self.given;
            self.gathered.clear();
        }
        Ok(())
    }

    /// Is done with the present pages: those not given go back.
    fn turn(&mut self) -> Result<()> {
        self.flush()?;
        if let Some(mut own) = self.own.take() {
            if let Some(rest) = own.split_off(self.given) {
                self.shared.space.lock().give_back(&rest);
            }
            if own.pages() > 0 {
                self.done.push(own);
            }
        }
        (self.given, self.written) = (0, 0);
        Ok(())
    }

    fn last_given(&self) -> Option<PageNo> {
        let own = self.own.as_ref()?;
        Some(own.page().plus(self.given.checked_sub(1)?))
    }
}

#[cold]
fn misuse(what: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, what)
}

impl Drop for FileSink {
    fn drop(&mut self) {
        let mut space = self.shared.space.lock();
        for own in self.own.take().iter().chain(&self.done) {
            space.give_back(own);
        }
        space.count(&self.shared);
    }
}

impl Sink for FileSink {
    const CHECKSUMS: bool = true;

    fn birth(&self) -> u64 {
        self.birth
    }

    fn identity(&self) -> [u8; 16] {
        self.shared.identity
    }

    fn allocate(&mut self, pages: u64) -> Result<PageNo> {
        if pages > 1 {
            self.turn()?;
            let own = self.shared.space.lock().take_run(&self.shared, pages)?;
            let page = own.page();
            self.own = Some(own);
            self.given = pages;
            return Ok(page);
        }
        let is_used_up = self.own.as_ref().is_none_or(|own| own.pages() == self.given);
        if is_used_up {
            self.turn()?;
            let most = crate::file::wide(GATHER_BYTES / self.shared.file.page_size());
            self.batch = (2 * self.batch).min(most);
            self.own = Some(self.shared.space.lock().take(&self.shared, self.batch)?);
        }
        self.given += 1;
        self.last_given().ok_or_else(|| misuse("no page was given"))
    }

    fn write(&mut self, page: PageNo, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        let page_size = self.shared.file.page_size();
        let behind = crate::file::wide(self.gathered.len() / page_size);
        if self.last_given() != Some(page) || self.written + behind + 1 != self.given {
            return Err(misuse("a merge writes what it asked for last"));
        }
        let start = self.gathered.len();
        self.gathered.resize(start + page_size, 0);
        fill(&mut self.gathered[start..]);
        Ok(())
    }

    fn write_run(&mut self, page: PageNo, header: &[u8], value: &[u8]) -> Result<()> {
        if header.len().saturating_add(value.len()) <= self.shared.file.page_size() {
            return self.write(page, |bytes| {
                let (start, rest) = bytes.split_at_mut(header.len());
                start.copy_from_slice(header);
                let (middle, end) = rest.split_at_mut(value.len());
                middle.copy_from_slice(value);
                end.fill(0);
            });
        }
        let Some(own) = self.own.as_ref().filter(|own| own.page() == page && self.written == 0) else {
            return Err(misuse("a merge writes what it asked for last"));
        };
        // The first page with the header in one piece; the rest from where it lies.
        let page_size = self.shared.file.page_size();
        let (first, rest) = value.split_at(value.len().min(page_size.saturating_sub(header.len())));
        self.gathered.clear();
        self.gathered.extend_from_slice(header);
        self.gathered.extend_from_slice(first);
        self.shared.file.write(own, 0, &self.gathered)?;
        self.gathered.clear();
        if !rest.is_empty() {
            self.shared.file.write(own, header.len() + first.len(), rest)?;
        }
        self.written = self.given;
        Ok(())
    }

    fn free(&mut self, stretch: Stretch) -> Result<()> {
        let end = stretch.page.0.checked_add(stretch.pages);
        let inside = end.is_some_and(|end| end <= self.shared.counts.pages.load(Ordering::Relaxed));
        if stretch.page.0 < crate::meta::META_PAGES || !inside || stretch.birth >= self.birth {
            let what = format!(
                "page {}, birth {}, cannot be part of a state before {}",
                stretch.page, stretch.birth, self.birth
            );
            return Err(self.shared.file.corrupted(what));
        }
        self.dead.push(stretch);
        Ok(())
    }
}
