//! Large blocks of memory, asked for in huge pages where the system has them.
//!
//! Random reads over hundreds of megabytes pay for a page-table walk beside each cache miss; with 2 MiB pages most of
//! these walks go away, and a fresh block costs one fault instead of five hundred.
//!
//! Invariant: the bytes of a block are initialised (zero at first) and stay at their address until the block is dropped.

#![expect(unsafe_code, reason = "takes memory from the system and gives it back")]

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ptr::NonNull,
};

/// The size of a huge page; blocks of at least this size are aligned to it.
pub const HUGE_PAGE_BYTES: usize = 2 << 20;
/// No page is smaller.
const SMALL_PAGE_BYTES: usize = 4 << 10;

/// A block of memory, zeroed.
#[derive(Debug)]
pub struct Block {
    start: NonNull<u8>,
    layout: Layout,
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Allocator,
    #[cfg(target_os = "linux")]
    Mapping,
}

// SAFETY: a block owns its bytes like a Box; what its user does with the address is the user's affair.
unsafe impl Send for Block {}
// SAFETY: as above: a shared block gives nothing but its address and size.
unsafe impl Sync for Block {}

impl Block {
    /// A block of `bytes` bytes, aligned to `align` (a power of two up to a page) or better; `None` when the system has
    /// no memory, or for a size no block can have.
    #[must_use]
    pub fn zeroed(bytes: usize, align: usize) -> Option<Block> {
        let layout = Layout::from_size_align(bytes, align).ok().filter(|layout| layout.size() > 0)?;
        #[cfg(target_os = "linux")]
        if bytes >= HUGE_PAGE_BYTES {
            let start = mapping::map(bytes)?;
            return Some(Block { start, layout, source: Source::Mapping });
        }
        // SAFETY: the layout has a size above zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Block { start, layout, source: Source::Allocator })
    }

    /// The address of the first byte. It may be read and written until the block is dropped.
    #[must_use]
    #[inline]
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How many bytes it has.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> usize {
        self.layout.size()
    }

    /// [`populate`]s the whole block.
    pub fn populate(&mut self) {
        // SAFETY: the block has so many initialised bytes, and is borrowed exclusively.
        populate(unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes()) });
    }
}

impl Block {
    /// Has the system give the whole pages of a part of the block now, if it can do so without touching them: the bytes
    /// stay as they are, and others may use them meanwhile.
    pub fn make_ready(&self, from: usize, bytes: usize) {
        let bytes = bytes.min(self.bytes().saturating_sub(from));
        #[cfg(target_os = "linux")]
        mapping::make_ready(self.start, from, bytes);
        #[cfg(not(target_os = "linux"))]
        let _ = bytes;
    }
}

/// Has the system give all of this memory now, in one call, instead of page by page as it is touched first: on a virtual
/// machine faults cost much more than the clearing of pages. The bytes stay as they are.
pub fn populate(bytes: &mut [u8]) {
    #[cfg(target_os = "linux")]
    if mapping::populate(bytes) {
        return;
    }
    for page in bytes.chunks_mut(SMALL_PAGE_BYTES) {
        let first = &raw mut page[0];
        // SAFETY: the byte is borrowed exclusively; it is written as it was read.
        unsafe { first.write_volatile(first.read_volatile()) };
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        match self.source {
            // SAFETY: it came from the allocator with this layout, and is given back once.
            Source::Allocator => unsafe { dealloc(self.start.as_ptr(), self.layout) },
            #[cfg(target_os = "linux")]
            Source::Mapping => mapping::unmap(self.start, self.layout.size()),
        }
    }
}

#[cfg(target_os = "linux")]
mod mapping {
    use super::{HUGE_PAGE_BYTES, SMALL_PAGE_BYTES};
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
    use std::ptr::{NonNull, null_mut};

    /// Whole huge pages are mapped.
    fn rounded(bytes: usize) -> Option<usize> {
        bytes.checked_next_multiple_of(HUGE_PAGE_BYTES)
    }

    /// Maps zeroed memory that begins at a huge page's boundary.
    pub(super) fn map(bytes: usize) -> Option<NonNull<u8>> {
        let len = rounded(bytes)?;
        let wide = len.checked_add(HUGE_PAGE_BYTES)?;
        // SAFETY: a new private mapping at an address of the system's choice touches no memory there is.
        let all = unsafe {
            mmap_anonymous(null_mut(), wide, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        };
        let all = all.ok()?.cast::<u8>();
        let before = all.addr().next_multiple_of(HUGE_PAGE_BYTES) - all.addr();
        let start = all.wrapping_add(before);
        let after = wide - before - len;
        // SAFETY: both ends lie inside the mapping just made and outside of what is kept; nobody has their addresses.
        unsafe {
            if before > 0 {
                let _ = munmap(all.cast(), before);
            }
            if after > 0 {
                let _ = munmap(start.wrapping_add(len).cast(), after);
            }
            // Advice only: without huge pages the block is as good, and slower.
            let _ = madvise(start.cast(), len, Advice::LinuxHugepage);
        }
        NonNull::new(start)
    }

    /// Has the system give the whole pages in `bytes`; false when it does not know how.
    pub(super) fn populate(bytes: &mut [u8]) -> bool {
        let len = bytes.len();
        NonNull::new(bytes.as_mut_ptr()).is_some_and(|start| make_ready(start, 0, len))
    }

    /// The same for `bytes` bytes from `from` on, which lie in one mapping behind `start`.
    pub(super) fn make_ready(start: NonNull<u8>, from: usize, bytes: usize) -> bool {
        let first = start.as_ptr().wrapping_add(from);
        let before = first.addr().next_multiple_of(SMALL_PAGE_BYTES) - first.addr();
        let whole = bytes.saturating_sub(before) / SMALL_PAGE_BYTES * SMALL_PAGE_BYTES;
        if whole == 0 {
            return false;
        }
        // SAFETY: the pages lie in memory of ours, as the callers see to; this advice changes no byte of it, whoever
        // reads or writes there meanwhile.
        unsafe { madvise(first.wrapping_add(before).cast(), whole, Advice::LinuxPopulateWrite) }.is_ok()
    }

    /// Gives back what [`map`] mapped.
    pub(super) fn unmap(start: NonNull<u8>, bytes: usize) {
        let Some(len) = rounded(bytes) else { return };
        // SAFETY: the block owns the mapping and is being dropped.
        let unmapped = unsafe { munmap(start.as_ptr().cast(), len) };
        debug_assert!(unmapped.is_ok(), "a mapping of our own can be given back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_zeroed_aligned_and_writable() {
        for bytes in [1, 4096, HUGE_PAGE_BYTES - 1, HUGE_PAGE_BYTES, 2 * HUGE_PAGE_BYTES + 1] {
            let block = Block::zeroed(bytes, 64).expect("there is memory for a test");
            assert_eq!(block.bytes(), bytes);
            assert!(block.start().addr().get().is_multiple_of(64));
            // SAFETY: the block has `bytes` initialised bytes, and nobody else has its address.
            let all = unsafe { std::slice::from_raw_parts_mut(block.start().as_ptr(), bytes) };
            assert!(all.iter().all(|byte| *byte == 0));
            all[bytes - 1] = 7;
            assert_eq!(all[bytes - 1], 7);
            let mut block = block;
            block.populate();
            // SAFETY: as above.
            let all = unsafe { std::slice::from_raw_parts(block.start().as_ptr(), bytes) };
            assert_eq!((all[bytes - 1], all.iter().filter(|byte| **byte != 0).count()), (7, 1));
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(Block::zeroed(0, 8).is_none());
        assert!(Block::zeroed(usize::MAX / 2, 8).is_none());
        assert!(Block::zeroed(8, 3).is_none());
    }
}
