//! What the tree asks of the place where its pages lie, and nothing more: [`Pages`] to read, [`Sink`] to write.
//!
//! Invariants an implementation keeps:
//! - A page that can be reached from a root somebody holds never changes.
//! - [`Pages::page`] hands out only bytes that [`NodeView::parse`] accepted at their first touch, or that
//!   this crate wrote into memory that nobody else can write.
//! - A page given by [`Sink::allocate`] belongs to that sink alone until the root that reaches it is published.
//!
//! And what the tree promises in return:
//! - It reads by references from the root it was given, or from pages so reached, and none that it wrote itself.
//! - Each page it allocates it writes once, before it allocates another: children before what refers to them.
//! - It frees each page that the new root does not need, and that the old one did, once; and never one it wrote itself.

use crate::node::NodeView;
use ese_base::{Result, Value};
use std::{
    fmt,
    ops::{Deref, Range},
    sync::Arc,
};

/// The number of a page within its database. 48 bits are used: child references have no more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PageNo(pub u64);

impl PageNo {
    /// The largest number that a child reference can hold.
    pub const MAX: PageNo = PageNo((1 << 48) - 1);

    /// The page that lies `pages` pages behind this one.
    #[must_use]
    pub const fn plus(self, pages: u64) -> PageNo {
        PageNo(self.0 + pages)
    }
}

impl fmt::Display for PageNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Names a node and tells what its checksum must be, so that a lost or misdirected write is found, not just a torn one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChildRef {
    /// Where the node lies.
    pub page: PageNo,
    /// Its checksum; 0 where checksums are not computed.
    pub checksum: u32,
}

/// Names a value that lies in a run of overflow pages of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RunRef {
    /// The first page of the run.
    pub page: PageNo,
    /// The checksum of header and value; 0 where checksums are not computed.
    pub checksum: u32,
    /// The bytes of the value.
    pub len: u32,
    /// The merge that wrote the run.
    pub birth: u64,
}

/// A stretch of pages that lie one behind the other, all written by one merge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Stretch {
    /// The first page.
    pub page: PageNo,
    /// How many pages.
    pub pages: u64,
    /// The merge that wrote them.
    pub birth: u64,
}

/// Bytes of a page, as a reader holds them: borrowed from a map or an arena, or shared (`pread`).
pub trait PageBytes<'p>: Deref<Target = [u8]> + Clone + Send {
    /// A part of the page as a value.
    fn value(&self, range: Range<usize>) -> Value<'p>;
}

impl<'p> PageBytes<'p> for &'p [u8] {
    #[inline]
    fn value(&self, range: Range<usize>) -> Value<'p> {
        Value::Borrowed(&self[range])
    }
}

impl<'p> PageBytes<'p> for Arc<[u8]> {
    fn value(&self, range: Range<usize>) -> Value<'p> {
        Value::owned(&self[range])
    }
}

/// Reads pages.
pub trait Pages: Sync {
    /// What a reader gets; borrowed bytes cost nothing.
    type Bytes<'p>: PageBytes<'p>
    where
        Self: 'p;

    /// What a merge gets: bytes that keep alive what they lie in, because a merge pauses between its steps.
    type Held: Deref<Target = [u8]> + Send + 'static;

    /// Bytes of a page.
    fn page_size(&self) -> usize;

    /// The page of the node at `at`, which is of that level (0 = leaf), and a hint to the processor that it will be
    /// read; where it was verified before, nothing of it is read yet.
    ///
    /// # Errors
    /// What the medium reports; `PageChecksum`, `DatabaseCorrupted`.
    fn page(&self, at: ChildRef, level: u8) -> Result<Self::Bytes<'_>>;

    /// The page of the node at `at`, if it is at hand: nothing is read or verified for it, and nothing waits. For looking
    /// ahead, so that damage in a page is told when the page is needed, and not before.
    #[inline(always)]
    fn ready(&self, at: ChildRef, level: u8) -> Option<Self::Bytes<'_>> {
        self.page(at, level).ok()
    }

    /// Says that the node at `at` will be read soon; a hint, for pages that are not [`Pages::ready`].
    fn will_read(&self, at: ChildRef) {
        let _ = at;
    }

    /// The node at `at`, which must be of that level.
    ///
    /// # Errors
    /// As [`Pages::page`].
    #[inline(always)]
    fn node(&self, at: ChildRef, level: u8) -> Result<NodeView<Self::Bytes<'_>>> {
        NodeView::of_level(self.page(at, level)?, level)
    }

    /// As [`Pages::node`], held.
    ///
    /// # Errors
    /// As [`Pages::page`].
    fn held(&self, at: ChildRef, level: u8) -> Result<NodeView<Self::Held>>;

    /// The value in the run at `at`, as one slice.
    ///
    /// # Errors
    /// As [`Pages::page`].
    fn run(&self, at: RunRef) -> Result<Value<'_>>;

    /// All of the run's bytes, its header included, for `check`.
    ///
    /// # Errors
    /// As [`Pages::page`].
    fn run_pages(&self, at: RunRef) -> Result<Value<'_>>;
}

/// Writes the pages of one merge.
pub trait Sink {
    /// Whether checksums are computed.
    const CHECKSUMS: bool;

    /// The number of the merge.
    fn birth(&self) -> u64;

    /// The identity of the file, kept in each page to name a misplaced one.
    fn identity(&self) -> [u8; 16] {
        [0; 16]
    }

    /// Takes `pages` pages that lie one behind the other; no number is above [`PageNo::MAX`].
    ///
    /// # Errors
    /// `DiskFull`.
    fn allocate(&mut self, pages: u64) -> Result<PageNo>;

    /// Writes the page that [`Sink::allocate`] gave last: `fill` gets a page of arbitrary bytes and overwrites all of
    /// them.
    ///
    /// # Errors
    /// What the medium reports.
    fn write(&mut self, page: PageNo, fill: impl FnOnce(&mut [u8])) -> Result<()>;

    /// Writes the run whose pages [`Sink::allocate`] gave last: `header`, and `value` right behind it. What is left of
    /// the last page does not matter.
    ///
    /// # Errors
    /// What the medium reports.
    fn write_run(&mut self, page: PageNo, header: &[u8], value: &[u8]) -> Result<()>;

    /// Says that the root in the making does not need these pages any more. Older roots may.
    ///
    /// # Errors
    /// `DatabaseCorrupted` for pages that no sound tree refers to. A sink need not notice.
    fn free(&mut self, stretch: Stretch) -> Result<()>;
}
