//! Writing: batches behind each other, in parts where a segment ends.
//!
//! Invariants:
//! - Only the leader writes. Each batch is synced before the next one is begun, so at most one is in doubt at a time.
//! - Nothing is written to a segment before its name is durable, nor to a second one before the first says so in its
//!   link. (A new epoch's segments get their names last: see `epoch`.)
//! - What was synced is never written again.

use crate::{
    format::{
        part::{BatchKind, PART_HEADER_BYTES, Part},
        segment::{Takeover, encode_link},
        whole_blocks, wide,
    },
    segment::Segment,
    tally::Tally,
};
use ese_base::{Error, ErrorKind, Position, Result};
use std::sync::Arc;

/// How much is put together for one write.
const CHUNK_BYTES: usize = 1 << 20;

/// Where the next batch goes, and what it says of the ones before.
pub(crate) struct Writer {
    pub(crate) segment: Segment,
    pub(crate) offset: u64,
    /// The part written last.
    pub(crate) last: Takeover,
    /// The highest sequence known to be on the disk.
    pub(crate) durable: u64,
    /// Everything below was said to be durable by a batch that is durable itself.
    pub(crate) settled: Position,
    /// The segment that has to say first that this epoch's first one follows.
    pub(crate) unlinked: Option<Segment>,
    pub(crate) tally: Arc<Tally>,
}

/// A batch to be written.
pub(crate) struct Batch<'b> {
    pub(crate) kind: BatchKind,
    pub(crate) next: Position,
    pub(crate) frames: u32,
    pub(crate) body: Vec<&'b [u8]>,
}

impl Batch<'_> {
    /// One without frames.
    pub(crate) fn of(kind: BatchKind, next: Position) -> Batch<'static> {
        Batch { kind, next, frames: 0, body: Vec::new() }
    }
}

impl Writer {
    /// At the beginning of a segment, behind what `last` names.
    pub(crate) fn new(segment: Segment, last: Takeover, tally: Arc<Tally>) -> Writer {
        Writer {
            offset: segment.header.data_start(),
            segment,
            durable: last.sequence,
            settled: last.next,
            last,
            unlinked: None,
            tally,
        }
    }

    /// Bytes to the end of the segment.
    pub(crate) fn rest(&self) -> u64 {
        self.segment.header.length.saturating_sub(self.offset)
    }

    /// Writes a batch and makes it durable; `next_segment` brings segments, given the one that is full.
    pub(crate) fn write(
        &mut self,
        batch: &Batch<'_>,
        next_segment: &mut dyn FnMut(&Segment) -> Result<Segment>,
    ) -> Result<()> {
        self.put(batch, next_segment)?;
        self.sync()?;
        self.durable = self.last.sequence;
        Ok(())
    }

    /// Writes a batch; what was in the segments before this one is durable, what is in it is not.
    pub(crate) fn put(
        &mut self,
        batch: &Batch<'_>,
        next_segment: &mut dyn FnMut(&Segment) -> Result<Segment>,
    ) -> Result<()> {
        if let Some(unlinked) = self.unlinked.take() {
            self.link(&unlinked, &self.segment)?;
        }
        let from = self.last.next;
        let mut left = Pieces::new(&batch.body);
        let mut begins = true;
        loop {
            if self.rest() < u64::from(self.segment.header.block) {
                self.enter(next_segment)?;
            }
            let capacity = usize::try_from(self.rest()).unwrap_or(usize::MAX) - PART_HEADER_BYTES;
            let length = left.len.min(capacity);
            let ends = length == left.len;
            let part = Part {
                kind: batch.kind,
                begins,
                ends,
                sequence: self.last.sequence + 1,
                durable: self.durable,
                length: wide(length),
                from,
                next: batch.next,
                previous: self.last.crc,
                epoch: self.segment.header.epoch,
                frames: batch.frames,
                body_crc: 0,
                crc: 0,
            };
            self.put_part(part, &left.take(length))?;
            begins = false;
            if ends {
                break;
            }
        }
        // A batch says that the ones before it are durable; one without frames has nothing of its own to lose.
        self.settled = self.settled.max(if batch.kind == BatchKind::Frames { from } else { batch.next });
        Ok(())
    }

    /// Goes on in the next segment, which the one before names from now on.
    pub(crate) fn enter(&mut self, next_segment: &mut dyn FnMut(&Segment) -> Result<Segment>) -> Result<()> {
        let next = next_segment(&self.segment)?;
        self.link(&self.segment, &next)?;
        self.offset = next.header.data_start();
        self.segment = next;
        Ok(())
    }

    /// Lets `before` say that `next` follows, and makes durable whatever was written to it.
    fn link(&self, before: &Segment, next: &Segment) -> Result<()> {
        let (header, next) = (&before.header, &next.header);
        let link = encode_link(header.salt, next.number, next.salt, header.block);
        before.file.write_all_at(&link, u64::from(header.block)).map_err(failed)?;
        self.tally.written(link.len());
        self.tally.synced();
        before.file.sync_data().map_err(failed)
    }

    pub(crate) fn sync(&self) -> Result<()> {
        self.tally.synced();
        self.segment.file.sync_data().map_err(failed)
    }

    fn put_part(&mut self, mut part: Part, body: &[&[u8]]) -> Result<()> {
        let (place, block) = (self.segment.place(self.offset), self.segment.header.block);
        let bare = wide(PART_HEADER_BYTES) + part.length;
        let extent = whole_blocks(bare, block).unwrap_or(u64::MAX);
        let padding = usize::try_from(extent - bare).unwrap_or(0);
        part.body_crc = place.body_crc(body.iter().copied(), padding);
        let (header, crc) = part.encode(place);
        let mut out =
            Output { at: self.offset, segment: &self.segment, tally: &self.tally, chunk: Vec::new() };
        out.chunk.reserve(usize::try_from(extent).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES));
        out.push(&header)?;
        for piece in body {
            out.push(piece)?;
        }
        out.chunk.resize(out.chunk.len() + padding, 0);
        out.write()?;
        self.offset += extent;
        self.last = Takeover {
            epoch: part.epoch,
            segment: self.segment.header.number,
            sequence: part.sequence,
            next: part.next,
            crc,
        };
        Ok(())
    }
}

/// Bytes on their way to the file, written when a chunk is full.
struct Output<'w> {
    at: u64,
    segment: &'w Segment,
    tally: &'w Tally,
    chunk: Vec<u8>,
}

impl Output<'_> {
    fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
            if self.chunk.len() == CHUNK_BYTES {
                self.write()?;
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        self.segment.file.write_all_at(&self.chunk, self.at).map_err(failed)?;
        self.tally.written(self.chunk.len());
        self.at += wide(self.chunk.len());
        self.chunk.clear();
        Ok(())
    }
}

/// A body that is cut where segments end.
struct Pieces<'b> {
    pieces: Vec<&'b [u8]>,
    len: usize,
}

impl<'b> Pieces<'b> {
    fn new(body: &[&'b [u8]]) -> Self {
        Pieces {
            pieces: body.iter().rev().copied().collect(),
            len: body.iter().map(|piece| piece.len()).sum(),
        }
    }

    /// The first `length` bytes, of so many that are left.
    fn take(&mut self, length: usize) -> Vec<&'b [u8]> {
        let (mut taken, mut missing) = (Vec::new(), length);
        while missing > 0 {
            let Some(piece) = self.pieces.pop() else { break };
            let (now, later) = piece.split_at(piece.len().min(missing));
            missing -= now.len();
            taken.push(now);
            if !later.is_empty() {
                self.pieces.push(later);
            }
        }
        self.len -= length;
        taken
    }
}

/// A failed write or sync of the log, after which nothing more is written.
#[cold]
pub(crate) fn failed(error: Error) -> Error {
    Error::new(ErrorKind::LogWriteFailed, error.to_string()).caused_by(error)
}
