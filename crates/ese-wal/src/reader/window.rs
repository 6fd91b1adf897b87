//! Bytes of segments through a buffer that reads ahead.

use crate::{
    format::{
        part::{PART_HEADER_BYTES, Part},
        wide,
    },
    segment::Segment,
};
use ese_base::{Error, ErrorKind, Result};

/// How much is read at once where less is asked for: more and more while one segment is read on.
const AHEAD_MIN_BYTES: usize = 8 * 1024;
const AHEAD_MAX_BYTES: usize = 256 * 1024;

/// The bytes read last.
#[derive(Default)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    /// Segment and offset of the first of them.
    of: Option<(u64, u64)>,
    ahead: usize,
}

impl Window {
    /// `len` bytes from `offset` on; `None` when the segment ends before.
    pub(crate) fn bytes(&mut self, segment: &Segment, offset: u64, len: usize) -> Result<Option<&[u8]>> {
        let Some(end) = offset.checked_add(wide(len)).filter(|end| *end <= segment.header.length) else {
            return Ok(None);
        };
        if let Some(within) = self.within(segment.header.number, offset, len) {
            return Ok(self.bytes.get(within..within + len));
        }
        let reads_on = self.of.take().is_some_and(|(of, start)| {
            of == segment.header.number && offset >= start && offset <= start + wide(self.bytes.len())
        });
        let ahead = if reads_on { (4 * self.ahead).min(AHEAD_MAX_BYTES) } else { AHEAD_MIN_BYTES };
        self.ahead = ahead;
        let wanted = usize::try_from(segment.header.length - offset).unwrap_or(ahead).min(ahead).max(len);
        self.bytes.clear();
        if let Err(error) = self.bytes.try_reserve_exact(wanted) {
            let what = format!("{}, offset {offset}: a batch of {len} bytes", segment.path().display());
            return Err(Error::new(ErrorKind::OutOfMemory, what).caused_by(error));
        }
        self.bytes.resize(wanted, 0);
        let read = segment.file.read_at(&mut self.bytes, offset)?;
        if read < len {
            let what = format!("the file ends before offset {end}");
            return Err(segment.damaged(offset, &what));
        }
        self.bytes.truncate(read);
        self.of = Some((segment.header.number, offset));
        Ok(self.bytes.get(..len))
    }

    fn within(&self, number: u64, offset: u64, len: usize) -> Option<usize> {
        let (of, start) = self.of?;
        let within = usize::try_from(offset.checked_sub(start)?).ok()?;
        (of == number && within.checked_add(len)? <= self.bytes.len()).then_some(within)
    }

    /// The header of a part of this segment's epoch, if one verifies at `offset`.
    pub(crate) fn part(&mut self, segment: &Segment, offset: u64) -> Result<Option<Part>> {
        let place = segment.place(offset);
        let bytes = self.bytes(segment, offset, PART_HEADER_BYTES)?;
        Ok(bytes
            .and_then(|bytes| Part::parse(bytes, place))
            .filter(|part| part.epoch == segment.header.epoch))
    }

    /// Whether the body of the part whose header stands at `offset` verifies. Piece by piece: nobody has vouched for its
    /// length yet.
    pub(crate) fn verifies(&mut self, segment: &Segment, offset: u64, part: &Part) -> Result<bool> {
        let end = part.extent(segment.header.block).and_then(|extent| offset.checked_add(extent));
        let Some(end) = end.filter(|end| *end <= segment.header.length) else { return Ok(false) };
        let mut at = offset + wide(PART_HEADER_BYTES);
        let mut crc = segment.place(offset).seed();
        while at < end {
            let len = usize::try_from(end - at).unwrap_or(AHEAD_MAX_BYTES).min(AHEAD_MAX_BYTES);
            crc = crc32c::crc32c_append(crc, self.bytes(segment, at, len)?.unwrap_or_default());
            at += wide(len);
        }
        Ok(crc == part.body_crc)
    }

    /// The body of a part that verifies.
    pub(crate) fn body(&mut self, segment: &Segment, offset: u64, part: &Part) -> Result<&[u8]> {
        let length = usize::try_from(part.length).unwrap_or(usize::MAX);
        let body = self.bytes(segment, offset + wide(PART_HEADER_BYTES), length)?;
        Ok(body.unwrap_or_default())
    }
}
