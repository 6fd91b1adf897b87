//! What a caller chooses about a database file.

use ese_base::{Error, ErrorKind, Result, limits};

/// Options of [`Pager::create`](crate::Pager::create) and [`Pager::open`](crate::Pager::open).
///
/// ```
/// use ese_pager::{PagerOptions, Reading};
/// let mut options = PagerOptions::default();
/// options.page_size_bytes = Some(8192);
/// options.reading = Reading::Copy;
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PagerOptions {
    /// Bytes of a page: 4, 8, 16 or 32 KiB. `None`: what the file has; 4 KiB for a new one. A file that has another size
    /// than the one asked for is refused.
    pub page_size_bytes: Option<usize>,
    /// Whether the file may be changed.
    pub access: Access,
    /// How pages are read.
    pub reading: Reading,
    /// With [`Reading::Copy`]: how many pages are kept in memory at most, rounded up to a power of two.
    pub cache_pages: usize,
    /// The identity of a new file; `None`: drawn at random. For tests that compare files.
    pub identity: Option<u128>,
}

impl Default for PagerOptions {
    fn default() -> Self {
        PagerOptions {
            page_size_bytes: None,
            access: Access::ReadWrite,
            reading: Reading::Map,
            cache_pages: 4096,
            identity: None,
        }
    }
}

impl PagerOptions {
    /// The page size of a new file.
    pub(crate) fn new_page_size(&self) -> Result<usize> {
        let size = self.page_size_bytes.unwrap_or(limits::PAGE_SIZE_DEFAULT_BYTES);
        if is_page_size(size) {
            return Ok(size);
        }
        let (min, max) = (limits::PAGE_SIZE_MIN_BYTES, limits::PAGE_SIZE_MAX_BYTES);
        let what = format!("the page size is {size}, must be a power of two from {min} to {max}");
        Err(Error::new(ErrorKind::InvalidSettings, what))
    }
}

/// Whether pages may have that many bytes.
pub(crate) fn is_page_size(size: usize) -> bool {
    size.is_power_of_two() && (limits::PAGE_SIZE_MIN_BYTES..=limits::PAGE_SIZE_MAX_BYTES).contains(&size)
}

/// Whether a file may be changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// By this instance alone: the file is locked against every other.
    ReadWrite,
    /// By nobody while it is open: others may open it for reads as well.
    ReadOnly,
}

/// How pages are read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reading {
    /// From a map of the file, without a copy. A read error of the disk, or a program that shortens the file, ends the
    /// process.
    Map,
    /// By reads into memory, with a small cache. For network file systems, for files of unknown origin, and where an
    /// error must be an error and not the end of the process.
    Copy,
}
