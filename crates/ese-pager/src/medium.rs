//! What the parts of one open database share, and the two ways to read its pages.

use crate::{
    cache::PageCache,
    file::PageFile,
    map::FileMap,
    pins::{Gone, Pins},
    space::Space,
};
use ese_base::{
    Result,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use ese_btree::{PageNo, Stretch};
use std::sync::Arc;

/// What states, merges and the store share.
pub(crate) struct Shared {
    pub(crate) file: PageFile,
    pub(crate) identity: [u8; 16],
    pub(crate) medium: Medium,
    /// Held for moments, by readers as well.
    pub(crate) pins: Mutex<Pins>,
    /// Held across reads and writes of the file, by whoever makes states: one thread at a time.
    pub(crate) space: Mutex<Space>,
    /// The highest number given to a state or a checkpoint.
    pub(crate) number: AtomicU64,
    pub(crate) merging: AtomicBool,
    pub(crate) counts: Counts,
}

/// Figures that anybody may read at any time.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) pages: AtomicU64,
    pub(crate) free: AtomicU64,
}

impl Shared {
    /// The highest number there is.
    pub(crate) fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    /// The number after that; given by one thread at a time.
    pub(crate) fn next_number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// How pages get from the file to a reader.
pub(crate) enum Medium {
    /// In place.
    Map(Arc<FileMap>),
    /// Copied.
    Cache(Arc<PageCache>),
}

impl Medium {
    /// The file has so many pages now.
    pub(crate) fn extend(&self, file: &PageFile, pages: u64) -> Result<()> {
        match self {
            Medium::Map(map) => map.extend(file, pages),
            Medium::Cache(cache) => {
                cache.extend(pages);
                Ok(())
            }
        }
    }

    /// Makes pages the caller's alone.
    ///
    /// # Errors
    /// `DatabaseCorrupted` when one was read since it was free, so that something refers to it after all.
    pub(crate) fn claim(&self, file: &PageFile, stretch: Stretch) -> Result<Own> {
        match self {
            Medium::Map(map) => map.claim(file, stretch)?,
            Medium::Cache(cache) => cache.forget(stretch),
        }
        Ok(Own { page: stretch.page, pages: stretch.pages })
    }

    /// Nobody needs these pages: what is known of them is forgotten.
    pub(crate) fn forget(&self, gone: &Gone) {
        match self {
            Medium::Map(map) => map.forget(gone),
            Medium::Cache(cache) => cache.forget(gone.stretch()),
        }
    }
}

/// Pages that lie one behind the other. Holding it proves that no live state reaches them and that nobody else writes
/// them; only with one can pages be written.
#[derive(Debug)]
pub(crate) struct Own {
    page: PageNo,
    pages: u64,
}

impl Own {
    /// The first one.
    pub(crate) fn page(&self) -> PageNo {
        self.page
    }

    /// How many.
    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }

    /// Cuts off what lies behind the first `pages` pages.
    pub(crate) fn split_off(&mut self, pages: u64) -> Option<Own> {
        let rest = self.pages.checked_sub(pages).filter(|rest| *rest > 0)?;
        self.pages = pages;
        Some(Own { page: self.page.plus(pages), pages: rest })
    }
}
