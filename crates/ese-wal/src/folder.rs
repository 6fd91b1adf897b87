//! The folder of a log: names of segments and spare files, and how one becomes the other.
//!
//! ```text
//! 0000000000000007.log     segment 7: its header is durable, everything in it counts
//! 00000003.spare           a file of the right size with anything in it
//! ```
//! Names are the only thing that makes a segment: a header is written and synced under a spare name first. Other names
//! are none of ours and stay.

use crate::segment::Segment;
use ese_base::{Error, ErrorKind, Result};
use ese_io::{Disk, DiskFile, OpenMode};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

const SEGMENT: &str = ".log";
const SPARE: &str = ".spare";

/// Where the files of a log are.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
}

/// What is in it, ascending.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    pub(crate) segments: Vec<u64>,
    pub(crate) spares: Vec<u64>,
}

/// A file that may become a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Spare {
    pub(crate) name: u64,
    pub(crate) length: u64,
}

impl Folder {
    pub(crate) fn new(disk: Arc<dyn Disk>, path: &Path) -> Folder {
        Folder { disk, path: path.to_owned() }
    }

    pub(crate) fn segment_path(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:016x}{SEGMENT}"))
    }

    pub(crate) fn spare_path(&self, name: u64) -> PathBuf {
        self.path.join(format!("{name:08x}{SPARE}"))
    }

    pub(crate) fn list(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        for entry in self.disk.list(&self.path)? {
            let Some(name) = entry.name.to_str() else { continue };
            if let Some(number) = number(name, SEGMENT, 16) {
                listing.segments.push(number);
            } else if let Some(number) = number(name, SPARE, 8) {
                listing.spares.push(number);
            }
        }
        listing.segments.sort_unstable();
        listing.spares.sort_unstable();
        Ok(listing)
    }

    /// Gives a spare file, whose header is durable, its number as a name; durable after [`Folder::sync`].
    pub(crate) fn promote(&self, spare: Spare, number: u64) -> Result<Arc<dyn DiskFile>> {
        let path = self.segment_path(number);
        if self.disk.metadata(&path)?.is_some() {
            return Err(Error::new(ErrorKind::FileExists, format!("segment {}", path.display())));
        }
        self.disk.rename(&self.spare_path(spare.name), &path)?;
        self.disk.open(&path, OpenMode::ReadWrite)
    }

    /// Takes a segment's name away; durable after [`Folder::sync`], and not to be written before.
    pub(crate) fn demote(&self, segment: &Segment, name: u64) -> Result<Spare> {
        self.disk.rename(&self.segment_path(segment.header.number), &self.spare_path(name))?;
        Ok(Spare { name, length: segment.header.length })
    }

    pub(crate) fn sync(&self) -> Result<()> {
        self.disk.sync_directory(&self.path)
    }
}

/// The number in a name of `digits` lower-case hexadecimal digits and an ending.
fn number(name: &str, ending: &str, digits: usize) -> Option<u64> {
    let stem = name.strip_suffix(ending)?;
    let is_ours =
        stem.len() >= digits && stem.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let number = u64::from_str_radix(stem, 16).ok().filter(|_| is_ours)?;
    // A name has one spelling: more digits than needed are not ours.
    (format!("{number:0digits$x}") == stem).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        assert_eq!(number("000000000000000a.log", SEGMENT, 16), Some(10));
        assert_eq!(number("00000003.spare", SPARE, 8), Some(3));
        assert_eq!(number("100000003.spare", SPARE, 8), Some(0x1_0000_0003));
        for name in
            ["a.log", "0000000000000000a.log", "000000000000000A.log", "+00000000000000a.log", ".log", "x"]
        {
            assert_eq!(number(name, SEGMENT, 16), None, "{name}");
        }
    }
}
