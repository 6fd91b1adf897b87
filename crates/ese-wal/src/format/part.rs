//! The header of a batch, or of that part of a batch which lies in one segment.
//!
//! ```text
//! at a multiple of the block's size, all numbers little-endian
//!   0  u32  crc32c of bytes 4 .. 104, seeded with the segment's salt and the offset in the file
//!   4  u32  crc32c of the body, with the zeros behind it up to the next block, seeded alike
//!   8  u64  sequence: parts count up, across segments and epochs
//!  16  u64  durable: the highest sequence known to be on the disk when this was written
//!  24  u64  length of the body in this part
//!  32  u64  from: the first position that the batch answers for
//!  40  u64  next: the first one that it does not
//!  48  u32  checksum (bytes 0 .. 4) of the part before
//!  52  u32  epoch
//!  56  u32  number of frames in the batch
//!  60  u8   kind: 1 frames, 2 mark, 3 closed, 4 epoch
//!  61  u8   1: begins its batch, 2: ends it; a batch in one part has both
//!  62  [2]  0
//!  64 [40]  0 (encryption: nonce and tag)
//! 104       body, then 0 up to a multiple of the block's size
//! ```
//!
//! A header verifies by itself, without its body: that is how torn ends are told from damage.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::{segment::NUMBER_MAX, whole_blocks, wide};
use ese_base::Position;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, LE, U32, U64, Unaligned};

/// Bytes before the body.
pub(crate) const PART_HEADER_BYTES: usize = size_of::<RawPart>();

const BEGINS: u8 = 1;
const ENDS: u8 = 2;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawPart {
    crc: U32<LE>,
    body_crc: U32<LE>,
    sequence: U64<LE>,
    durable: U64<LE>,
    length: U64<LE>,
    from: U64<LE>,
    next: U64<LE>,
    previous: U32<LE>,
    epoch: U32<LE>,
    frames: U32<LE>,
    kind: u8,
    flags: u8,
    zero: [u8; 2],
    spare: [u8; 40],
}

const _: () = assert!(PART_HEADER_BYTES == 104);

/// What a batch is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum BatchKind {
    /// It carries frames.
    Frames = 1,
    /// It says that all before it is durable.
    Mark = 2,
    /// A mark, and the last batch before a close in good order.
    Closed = 3,
    /// It makes its epoch valid: all copies are before it.
    Epoch = 4,
}

impl BatchKind {
    fn of(number: u8) -> Option<BatchKind> {
        [BatchKind::Frames, BatchKind::Mark, BatchKind::Closed, BatchKind::Epoch]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

/// Where a part lies: what its checksums are seeded with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) salt: u64,
    pub(crate) offset: u64,
}

impl Place {
    /// What every checksum here begins with.
    pub(crate) fn seed(self) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.salt.to_le_bytes()), &self.offset.to_le_bytes())
    }

    /// The checksum of a body in pieces, and of `padding` zeros behind it.
    pub(crate) fn body_crc<'b>(self, body: impl IntoIterator<Item = &'b [u8]>, padding: usize) -> u32 {
        const ZEROS: [u8; 4096] = [0; 4096];
        let crc = body.into_iter().fold(self.seed(), crc32c::crc32c_append);
        crc32c::crc32c_append(crc, ZEROS.get(..padding).unwrap_or(&ZEROS))
    }
}

/// The header of a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    pub(crate) kind: BatchKind,
    pub(crate) begins: bool,
    pub(crate) ends: bool,
    pub(crate) sequence: u64,
    pub(crate) durable: u64,
    pub(crate) length: u64,
    pub(crate) from: Position,
    pub(crate) next: Position,
    pub(crate) previous: u32,
    pub(crate) epoch: u32,
    pub(crate) frames: u32,
    pub(crate) body_crc: u32,
    /// Its own checksum; set by [`Part::encode`].
    pub(crate) crc: u32,
}

impl Part {
    /// The bytes of the header at `place`, and its checksum.
    pub(crate) fn encode(&self, place: Place) -> ([u8; PART_HEADER_BYTES], u32) {
        let flags = if self.begins { BEGINS } else { 0 } | if self.ends { ENDS } else { 0 };
        let mut raw = RawPart {
            crc: 0.into(),
            body_crc: self.body_crc.into(),
            sequence: self.sequence.into(),
            durable: self.durable.into(),
            length: self.length.into(),
            from: self.from.0.into(),
            next: self.next.0.into(),
            previous: self.previous.into(),
            epoch: self.epoch.into(),
            frames: self.frames.into(),
            kind: self.kind as u8,
            flags,
            zero: [0; 2],
            spare: [0; 40],
        };
        let crc = raw.own_crc(place);
        raw.crc = crc.into();
        (zerocopy::transmute!(raw), crc)
    }

    /// The header at `place`; `None` when there is none that verifies.
    pub(crate) fn parse(bytes: &[u8], place: Place) -> Option<Part> {
        let (raw, _) = RawPart::ref_from_prefix(bytes).ok()?;
        let crc = raw.crc.get();
        if crc != raw.own_crc(place)
            || raw.flags > (BEGINS | ENDS)
            || raw.zero != [0; 2]
            || raw.spare != [0; 40]
        {
            return None;
        }
        let part = Part {
            kind: BatchKind::of(raw.kind)?,
            begins: raw.flags & BEGINS != 0,
            ends: raw.flags & ENDS != 0,
            sequence: raw.sequence.get(),
            durable: raw.durable.get(),
            length: raw.length.get(),
            from: Position(raw.from.get()),
            next: Position(raw.next.get()),
            previous: raw.previous.get(),
            epoch: raw.epoch.get(),
            frames: raw.frames.get(),
            body_crc: raw.body_crc.get(),
            crc,
        };
        let possible = part.durable < part.sequence
            && part.sequence <= NUMBER_MAX
            && part.from <= part.next
            && part.next.0 <= NUMBER_MAX;
        possible.then_some(part)
    }

    /// Bytes from its first to the first of the next part, in whole blocks.
    pub(crate) fn extent(&self, block: u32) -> Option<u64> {
        whole_blocks(self.length.checked_add(wide(PART_HEADER_BYTES))?, block)
    }
}

impl RawPart {
    fn own_crc(&self, place: Place) -> u32 {
        crc32c::crc32c_append(place.seed(), self.as_bytes().get(4..).unwrap_or_default())
    }
}
