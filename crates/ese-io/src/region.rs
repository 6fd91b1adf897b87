//! Bytes of a file as memory to read: a pointer, a length, and what keeps them there.
//!
//! The memory is not Rust's own: a write to the file changes it, and so could another process. So a region is no slice.
//! [`Region::bytes`] makes one, and its caller vouches for the bytes it asks for. The pager can, by its rule that a page
//! which anybody may reach is never written nor cut off, and because every opening of a database holds a lock on it.
//!
//! What a lock cannot keep out is a program that does not ask for it. If one *shortens* the file, the next touch behind
//! the new end ends the process by a signal (SIGBUS), as a read error of the device does; nothing that was committed is
//! lost, as by any other kill. If one *changes* the file, checksums are the only guard. Whoever has to live with either
//! reads by [`DiskFile::read_exact_at`](crate::DiskFile::read_exact_at) instead, where both are errors.
#![expect(unsafe_code, reason = "file maps are memory that others can change")]

use std::{fmt, ops::Range, ptr::NonNull};

/// What owns a region's memory: a map of the operating system, or an image in a simulator.
pub trait RegionMemory: Send + Sync {
    /// Asks for the bytes to be read ahead; a hint that may be passed over.
    fn will_need(&self, _range: Range<usize>) {}
}

/// Bytes of a file that are memory. Holds its file open, and its lock.
pub struct Region {
    start: NonNull<u8>,
    len: usize,
    memory: Box<dyn RegionMemory>,
}

// SAFETY: a region is a pointer to memory that `memory` owns, which is `Send` itself and stays put (`Region::new`).
unsafe impl Send for Region {}
// SAFETY: as above; the region only ever reads, and who makes a slice vouches that nobody writes meanwhile.
unsafe impl Sync for Region {}

impl Region {
    /// A region of `len` bytes at `start`.
    ///
    /// # Safety
    /// The bytes can be read from any thread, where they are, until `memory` is dropped; `len` is at most `isize::MAX`.
    #[must_use]
    pub unsafe fn new(start: NonNull<u8>, len: usize, memory: Box<dyn RegionMemory>) -> Self {
        Region { start, len, memory }
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of a range, counted from the start of the region; `None` where it has no such bytes.
    ///
    /// # Safety
    /// While the slice is used nobody writes to these bytes of the file, and the file is not cut off before their end:
    /// not in this process (the caller's rules) and not in another (a lock on the file that all who write it ask for).
    #[inline]
    #[must_use]
    pub unsafe fn bytes(&self, range: Range<usize>) -> Option<&[u8]> {
        if range.start > range.end || range.end > self.len {
            return None;
        }
        // SAFETY: the range lies inside of the region (checked above), whose memory is readable while `self` lives
        // (`Region::new`); the caller vouches that it does not change meanwhile.
        Some(unsafe {
            std::slice::from_raw_parts(self.start.as_ptr().add(range.start), range.end - range.start)
        })
    }

    /// Asks for the bytes to be read ahead, where they exist; a hint.
    pub fn will_need(&self, range: Range<usize>) {
        let end = range.end.min(self.len);
        if range.start < end {
            self.memory.will_need(range.start..end);
        }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(#[expect(dead_code, reason = "owns the bytes")] &'static [u8]);
    impl RegionMemory for Fixed {}

    #[test]
    fn a_region_gives_what_it_has_and_no_more() {
        static BYTES: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
        // SAFETY: the bytes are static and never change.
        let region = unsafe { Region::new(NonNull::from(&BYTES).cast(), 8, Box::new(Fixed(&BYTES))) };
        // SAFETY: as above.
        let bytes = |range| unsafe { region.bytes(range) };
        assert_eq!(bytes(2..5), Some(&[2, 3, 4][..]));
        assert_eq!(bytes(0..8), Some(&BYTES[..]));
        assert_eq!(bytes(8..8), Some(&[][..]));
        assert_eq!(bytes(7..9), None);
        assert_eq!(bytes(0..usize::MAX), None);
        assert_eq!(bytes(Range { start: 5, end: 4 }), None);
        region.will_need(0..usize::MAX);
        assert_eq!((region.len(), region.is_empty()), (8, false));
    }
}
