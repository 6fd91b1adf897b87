//! An open segment: its header, its file, and reads, writes and syncs that say where they failed.

use crate::format::{
    part::Place,
    segment::{HEADER_BYTES, Link, SegmentHeader, is_rest_empty, parse_link},
    wide,
};
use ese_base::{Error, ErrorKind, Result};
use ese_io::DiskFile;
use std::{path::Path, sync::Arc};

/// A file with a segment's header.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) file: Arc<dyn DiskFile>,
}

impl Segment {
    /// Reads and checks the header of a file that is named segment `number`.
    pub(crate) fn open(file: Arc<dyn DiskFile>, number: u64) -> Result<Segment> {
        let present = file.len()?;
        let mut first = [0; HEADER_BYTES];
        let read = file.read_at(&mut first, 0)?;
        let header = SegmentHeader::parse(first.get(..read).unwrap_or_default(), file.path())?;
        let segment = Segment { header, file };
        if header.number != number {
            return Err(segment.damaged(0, &format!("its header says that it is segment {}", header.number)));
        }
        if present < header.length {
            let what = format!("it has {present} bytes of {}: its end was cut off", header.length);
            return Err(segment.damaged(present, &what));
        }
        let mut block = vec![0; usize::try_from(header.block).unwrap_or(HEADER_BYTES)];
        segment.file.read_exact_at(&mut block, 0)?;
        if !is_rest_empty(&block) {
            return Err(segment.damaged(wide(HEADER_BYTES), "there is something behind the header"));
        }
        Ok(segment)
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(crate) fn place(&self, offset: u64) -> Place {
        Place { salt: self.header.salt, offset }
    }

    /// What follows it, as it says itself.
    pub(crate) fn link(&self) -> Result<Link> {
        let mut block = vec![0; usize::try_from(self.header.block).unwrap_or(HEADER_BYTES)];
        self.file.read_exact_at(&mut block, u64::from(self.header.block))?;
        Ok(parse_link(&block, self.header.salt))
    }

    /// `LogCorrupted` at an offset of this segment.
    #[cold]
    pub(crate) fn damaged(&self, offset: u64, what: &str) -> Error {
        Error::new(ErrorKind::LogCorrupted, format!("{}, offset {offset}: {what}", self.path().display()))
    }
}
