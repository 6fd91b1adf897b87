//! The database file: pages by number, and what happens after it failed.
//!
//! Invariants:
//! - After a failed sync, or a write that failed for another reason than a full disk, nothing is written again until the
//!   file is opened anew. Reads go on.
//! - Pages are written by who has an [`Own`] of them, meta pages by [`PageFile::write_meta`].

use crate::{Access, medium::Own};
use ese_base::{Error, ErrorKind, Result, error::Failure, sync::OnceLock};
use ese_btree::PageNo;
use ese_io::DiskFile;
use std::sync::Arc;

/// An open database file.
pub(crate) struct PageFile {
    pub(crate) disk_file: Arc<dyn DiskFile>,
    page_size: usize,
    access: Access,
    failed: OnceLock<Failure>,
}

impl PageFile {
    pub(crate) fn new(disk_file: Arc<dyn DiskFile>, page_size: usize, access: Access) -> Self {
        PageFile { disk_file, page_size, access, failed: OnceLock::new() }
    }

    #[inline]
    pub(crate) fn page_size(&self) -> usize {
        self.page_size
    }

    /// The page size, as offsets count it.
    pub(crate) fn page_bytes(&self) -> u64 {
        wide(self.page_size)
    }

    /// How many whole pages the file has.
    pub(crate) fn pages(&self) -> Result<u64> {
        Ok(self.disk_file.len()? / self.page_bytes())
    }

    /// Whether it may be written.
    ///
    /// # Errors
    /// `DatabaseFileReadOnly`; `InstanceUnavailable` after a failure.
    pub(crate) fn may_write(&self) -> Result<()> {
        if self.access == Access::ReadOnly {
            return Err(Error::new(ErrorKind::DatabaseFileReadOnly, self.name()));
        }
        match self.failed.get() {
            None => Ok(()),
            Some(failure) => {
                let what = format!("{} has failed before and is not written any more", self.name());
                Err(Error::new(ErrorKind::InstanceUnavailable, what).caused_by(failure.again()))
            }
        }
    }

    /// Fills `buffer` from the start of a page on.
    pub(crate) fn read(&self, page: PageNo, buffer: &mut [u8]) -> Result<()> {
        self.disk_file.read_exact_at(buffer, self.offset(page))
    }

    /// Fills `buffer` from a place behind the start of a page on.
    pub(crate) fn read_behind(&self, page: PageNo, bytes: usize, buffer: &mut [u8]) -> Result<()> {
        self.disk_file.read_exact_at(buffer, self.offset(page).saturating_add(wide(bytes)))
    }

    /// Writes `bytes`, from `skip` bytes behind the start of the owner's pages on.
    ///
    /// # Errors
    /// `DiskFull`; any other error is final. `InvalidParameter` behind the end of the pages.
    pub(crate) fn write(&self, own: &Own, skip: usize, bytes: &[u8]) -> Result<()> {
        let end = wide(skip).saturating_add(wide(bytes.len()));
        if end > own.pages().saturating_mul(self.page_bytes()) {
            let what = format!("{end} bytes are more than the {} pages from {} on", own.pages(), own.page());
            return Err(Error::new(ErrorKind::InvalidParameter, what));
        }
        self.may_write()?;
        let written = self.disk_file.write_all_at(bytes, self.offset(own.page()).saturating_add(wide(skip)));
        written.map_err(|error| if error.kind() == ErrorKind::DiskFull { error } else { self.fail(error) })
    }

    /// Writes a meta page and makes it durable. Any error is final: it is unknown what the page holds.
    pub(crate) fn write_meta(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.may_write()?;
        let offset = if slot == 0 { 0 } else { self.page_bytes() };
        self.disk_file.write_all_at(bytes, offset).map_err(|error| self.fail(error))?;
        self.sync()
    }

    /// Makes the file at least so many pages long.
    ///
    /// # Errors
    /// `DiskFull`; any other error is final.
    pub(crate) fn grow(&self, pages: u64) -> Result<()> {
        self.may_write()?;
        let grown = self.disk_file.allocate(pages.saturating_mul(self.page_bytes()));
        grown.map_err(|error| if error.kind() == ErrorKind::DiskFull { error } else { self.fail(error) })
    }

    /// Makes the file at most so many pages long.
    pub(crate) fn shrink(&self, pages: u64) -> Result<()> {
        self.may_write()?;
        let cut = self.disk_file.truncate(pages.saturating_mul(self.page_bytes()));
        cut.map_err(|error| self.fail(error))
    }

    /// Makes everything written durable. Any error is final.
    pub(crate) fn sync(&self) -> Result<()> {
        self.may_write()?;
        self.disk_file.sync_data().map_err(|error| self.fail(error))
    }

    /// From now on nothing is written.
    #[cold]
    fn fail(&self, error: Error) -> Error {
        let _ = self.failed.set(Failure::of(&error));
        error
    }

    /// Names the place that an error tells of.
    #[cold]
    pub(crate) fn at_page(&self, page: PageNo, error: Error) -> Error {
        let what = format!("{error}, at offset {} of {}", self.offset(page), self.name());
        Error::new(error.kind(), what)
    }

    /// An error of damage.
    #[cold]
    pub(crate) fn corrupted(&self, what: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::DatabaseCorrupted, format!("{}: {what}", self.name()))
    }

    /// What errors call it.
    pub(crate) fn name(&self) -> String {
        self.disk_file.path().display().to_string()
    }

    fn offset(&self, page: PageNo) -> u64 {
        page.0.saturating_mul(self.page_bytes())
    }
}

/// A length in memory as one on disk.
pub(crate) fn wide(len: usize) -> u64 {
    // It fits 64 bits on every machine there is.
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A length on disk as one in memory; the largest there is where it does not fit.
pub(crate) fn narrow(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
