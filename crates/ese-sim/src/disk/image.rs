//! The memory of a region: a copy of a file's bytes that later writes reach.
//!
//! A copy and not the cache itself, so that a region stays where it is when its file grows, and stays readable when the
//! disk, the file and the process that opened it are gone: then nothing reaches it any more.
#![expect(unsafe_code, reason = "a region's bytes change while it is held")]

use super::opening::Opening;
use ese_io::{Region, region::RegionMemory};
use std::{cell::UnsafeCell, ops::Range, ptr::NonNull, sync::Arc};

/// A copy of the bytes of a range of a file.
pub(super) struct Image {
    start: u64,
    bytes: Box<[UnsafeCell<u8>]>,
}

// SAFETY: an image is plain memory that it owns.
unsafe impl Send for Image {}
// SAFETY: the bytes are read through `Region::bytes` only, whose caller vouches that nobody writes them meanwhile, and
// written by `Image::refresh` only, for a write to those bytes of the file and under the lock of the disk.
unsafe impl Sync for Image {}

/// What a region owns: its image, and the opening that holds the file's lock.
struct Mapped {
    _image: Arc<Image>,
    _opening: Arc<Opening>,
}

impl RegionMemory for Mapped {}

impl Image {
    /// A copy of `bytes`, which stand at `start` of their file.
    pub(super) fn new(start: u64, bytes: Vec<u8>) -> Self {
        Image { start, bytes: bytes.into_iter().map(UnsafeCell::new).collect() }
    }

    /// Takes over what a write changed; the file now has `bytes` at `offset`. Called by writes and cuts of the file only,
    /// under the lock of the disk.
    pub(super) fn refresh(&self, offset: u64, bytes: &[u8]) {
        let shared = overlap(self.start, self.bytes.len(), offset, bytes.len());
        let Some((own, theirs)) = shared else { return };
        for (cell, byte) in self.bytes[own].iter().zip(&bytes[theirs]) {
            // SAFETY: the byte is the image's, other writers wait for the lock of the disk, and `Region::bytes` lets
            // nobody hold a slice of bytes that are being written or cut off.
            unsafe { cell.get().write(*byte) };
        }
    }

    /// The region of an image.
    pub(super) fn region(image: Arc<Image>, opening: Arc<Opening>) -> Region {
        let start = NonNull::from(&*image.bytes).cast::<u8>();
        let len = image.bytes.len();
        let memory = Box::new(Mapped { _image: image, _opening: opening });
        // SAFETY: the bytes stay where they are, in a box of their own, until `memory` and with it the image is dropped;
        // a cell has the layout of its byte, and no box is longer than `isize::MAX`.
        unsafe { Region::new(start, len, memory) }
    }
}

/// Where two runs of bytes of a file meet: the range in each.
fn overlap(a: u64, a_len: usize, b: u64, b_len: usize) -> Option<(Range<usize>, Range<usize>)> {
    let first = a.max(b);
    let into = |start: u64| usize::try_from(first - start).ok();
    let (a, b) = (into(a)?, into(b)?);
    let len = a_len.checked_sub(a)?.min(b_len.checked_sub(b)?);
    (len > 0).then(|| (a..a + len, b..b + len))
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn runs_meet_where_they_share_bytes() {
        assert_eq!(overlap(10, 5, 12, 9), Some((2..5, 0..3)));
        assert_eq!(overlap(12, 9, 10, 5), Some((0..3, 2..5)));
        assert_eq!(overlap(10, 9, 12, 2), Some((2..4, 0..2)));
        assert_eq!(overlap(10, 2, 12, 2), None);
        assert_eq!(overlap(10, 2, u64::MAX, 2), None);
    }
}
