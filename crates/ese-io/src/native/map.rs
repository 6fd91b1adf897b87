//! Regions of files that the operating system maps: the only place that names `memmap2`.
#![expect(unsafe_code, reason = "hands a map's address to a region")]

use crate::region::{Region, RegionMemory};
use memmap2::{Advice, MmapOptions, MmapRaw};
use std::{fs::File, io, ops::Range, ptr::NonNull};

/// A map for reads. It holds the file open, and so its lock, by itself.
struct Map(MmapRaw);

impl RegionMemory for Map {
    fn will_need(&self, range: Range<usize>) {
        // A hint: a kernel that refuses it reads the pages when they are touched.
        let _ = self.0.advise_range(Advice::WillNeed, range.start, range.len());
    }
}

/// Nothing to own.
struct Nothing;

impl RegionMemory for Nothing {}

/// Maps `len` bytes from `offset` on, which lie inside the file.
pub(super) fn map(file: &File, offset: u64, len: usize) -> io::Result<Region> {
    if len == 0 {
        // SAFETY: no byte is ever read.
        return Ok(unsafe { Region::new(NonNull::dangling(), 0, Box::new(Nothing)) });
    }
    let map = MmapOptions::new().offset(offset).len(len).map_raw_read_only(file)?;
    let start = NonNull::new(map.as_ptr().cast_mut()).ok_or(io::ErrorKind::OutOfMemory)?;
    // SAFETY: the map is `len` bytes of readable memory that stay where they are until it is dropped, and memmap2
    // refuses lengths beyond `isize::MAX`. Bytes behind a later end of the file can be asked for only by breaking what
    // `Region::bytes` demands of its caller.
    Ok(unsafe { Region::new(start, len, Box::new(Map(map))) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_region_shows_later_writes_and_outlives_growth() {
        let file = tempfile::tempfile().expect("a temporary file");
        file.set_len(10_000).expect("it grows");
        let region = map(&file, 5000, 5000).expect("it can be mapped");
        file.write_at(b"later", 5003).expect("it can be written");
        file.set_len(1 << 20).expect("it grows");
        // SAFETY: nobody writes while the slice is used.
        assert_eq!(unsafe { region.bytes(3..8) }, Some(&b"later"[..]));
        // SAFETY: as above.
        assert_eq!(unsafe { region.bytes(3..5001) }, None);
        region.will_need(0..usize::MAX);
        drop(file);
        // SAFETY: as above.
        assert_eq!(unsafe { region.bytes(7..9) }, Some(&b"r\0"[..]));
    }
}
