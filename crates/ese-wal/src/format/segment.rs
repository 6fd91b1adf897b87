//! The first two blocks of a segment: what it is, and which one follows it.
//!
//! ```text
//! header, at 0, all numbers little-endian              link, at the second block
//!   0  [8]  "ESE log\0"                                  0  u32  crc32c of bytes 4 .. 24, seeded with the salt
//!   8  u32  crc32c of bytes 12 .. 512                    4  u32  0
//!  12  u32  format version                               8  u64  number of the segment that follows
//!  16 [16]  identity of the log                         16  u64  its salt
//!  32  u64  number of the segment                       24  0 up to the end of the block
//!  40  u64  salt, drawn anew for every life
//!  48  u64  length of the file
//!  56  u32  bytes of a block: 512 or 4096
//!  60  u32  epoch
//!  64  u32  1 in the first segment of an epoch, else 0, and then the rest is 0, too
//!  68  u32  epoch before
//!  72  u64  segment of the last batch that counts in it
//!  80  u64  sequence of the last part of that batch
//!  88  u64  position at which the new epoch goes on
//!  96  u32  checksum of that part
//! 100  0 up to the end of the block
//! ```
//!
//! A file has its number as its name only after its header is durable, so a header that does not verify in a file of
//! such a name is damage. The link is written once in the life of a segment: all zeros before. The first 512 bytes keep
//! their checksum and the place of the version in every later format.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::{FORMAT_VERSION, wide};
use ese_base::{Error, ErrorKind, Position, Result};
use std::path::Path;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, LE, U32, U64, U128, Unaligned};

/// Bytes of the header that are read before the size of a block is known.
pub(crate) const HEADER_BYTES: usize = size_of::<RawHeader>();
/// The longest segment, in bytes.
pub(crate) const LENGTH_MAX: u64 = 1 << 30;
/// No position, sequence or number of a segment is above: a log that lives for ever does not get there.
pub(crate) const NUMBER_MAX: u64 = 1 << 62;
/// Blocks before the first batch.
pub(crate) const BLOCKS_BEFORE_DATA: u32 = 2;

const MAGIC: [u8; 8] = *b"ESE log\0";
/// Where the bytes begin that the checksum is of.
const SEALED_FROM: usize = 12;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawHeader {
    magic: [u8; 8],
    crc: U32<LE>,
    version: U32<LE>,
    identity: U128<LE>,
    number: U64<LE>,
    salt: U64<LE>,
    length: U64<LE>,
    block: U32<LE>,
    epoch: U32<LE>,
    begins: U32<LE>,
    old_epoch: U32<LE>,
    old_segment: U64<LE>,
    old_sequence: U64<LE>,
    old_next: U64<LE>,
    old_crc: U32<LE>,
    zero: [u8; 412],
}

const _: () = assert!(HEADER_BYTES == 512);

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawLink {
    crc: U32<LE>,
    zero: U32<LE>,
    number: U64<LE>,
    salt: U64<LE>,
}

/// What a segment is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SegmentHeader {
    /// Of which log.
    pub(crate) identity: u128,
    /// Segments count up in the life of a log; no number is used twice while the file of it is needed.
    pub(crate) number: u64,
    /// Seeds the checksums of everything behind the header.
    pub(crate) salt: u64,
    /// Of the file, in bytes.
    pub(crate) length: u64,
    /// Everything begins at a multiple of this.
    pub(crate) block: u32,
    /// Counts the openings of the log.
    pub(crate) epoch: u32,
    /// In the first segment of an epoch: where the one before ended.
    pub(crate) begins: Option<Takeover>,
}

/// The last part of an epoch that counts, as the epoch after it names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Takeover {
    pub(crate) epoch: u32,
    pub(crate) segment: u64,
    /// 0 when there is nothing before: the log begins here.
    pub(crate) sequence: u64,
    pub(crate) next: Position,
    pub(crate) crc: u32,
}

impl Takeover {
    /// Of the first epoch of a log.
    pub(crate) const NOTHING: Takeover =
        Takeover { epoch: 0, segment: 0, sequence: 0, next: Position::FIRST, crc: 0 };
}

impl SegmentHeader {
    /// Where the first batch begins.
    pub(crate) fn data_start(&self) -> u64 {
        u64::from(self.block).saturating_mul(u64::from(BLOCKS_BEFORE_DATA))
    }

    /// The first two blocks: header, and no link yet.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let old = self.begins.unwrap_or(Takeover { next: Position(0), ..Takeover::NOTHING });
        let mut raw = RawHeader {
            magic: MAGIC,
            crc: 0.into(),
            version: FORMAT_VERSION.into(),
            identity: self.identity.into(),
            number: self.number.into(),
            salt: self.salt.into(),
            length: self.length.into(),
            block: self.block.into(),
            epoch: self.epoch.into(),
            begins: u32::from(self.begins.is_some()).into(),
            old_epoch: old.epoch.into(),
            old_segment: old.segment.into(),
            old_sequence: old.sequence.into(),
            old_next: old.next.0.into(),
            old_crc: old.crc.into(),
            zero: [0; 412],
        };
        raw.crc = sealed(raw.as_bytes()).into();
        let mut blocks = raw.as_bytes().to_vec();
        blocks.resize(usize::try_from(self.data_start()).unwrap_or(0).max(HEADER_BYTES), 0);
        blocks
    }

    /// Reads the first bytes of the file at `path`.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<SegmentHeader> {
        let damaged =
            |what: &str| Error::new(ErrorKind::LogCorrupted, format!("{}, offset 0: {what}", path.display()));
        let (raw, _) =
            RawHeader::ref_from_prefix(bytes).map_err(|_| damaged("it is too short for a header"))?;
        if raw.magic != MAGIC {
            return Err(damaged("it is no segment of a log"));
        }
        if raw.crc.get() != sealed(raw.as_bytes()) {
            return Err(damaged("the header's checksum is wrong"));
        }
        if raw.version.get() > FORMAT_VERSION {
            let what = format!(
                "{} has format version {}, the newest known here is {FORMAT_VERSION}",
                path.display(),
                raw.version
            );
            return Err(Error::new(ErrorKind::LogVersion, what));
        }
        let header = raw.header();
        match header.fault(raw) {
            None => Ok(header),
            Some(what) => Err(damaged(what)),
        }
    }

    /// What of it cannot be, whatever its checksum says.
    fn fault(&self, raw: &RawHeader) -> Option<&'static str> {
        let faults = [
            (raw.version.get() == 0, "the format version is 0"),
            (!matches!(self.block, 512 | 4096), "the size of a block is neither 512 nor 4096"),
            (self.length > LENGTH_MAX, "the length is beyond what a segment may have"),
            (self.length.checked_rem(u64::from(self.block)) != Some(0), "the length is not in whole blocks"),
            (self.length <= self.data_start(), "there is no space for a batch"),
            (self.number == 0 || self.epoch == 0, "number or epoch is 0"),
            (raw.begins.get() > 1, "the mark of a first segment is neither 0 nor 1"),
            (self.number > NUMBER_MAX, "the number is beyond all numbers"),
            (raw.old_next.get() > NUMBER_MAX, "the position is beyond all positions"),
            (raw.old_sequence.get() > NUMBER_MAX, "the sequence is beyond all sequences"),
            (raw.old_epoch.get() >= self.epoch, "the epoch before is not below this one"),
            (raw.old_segment.get() >= self.number, "the segment before is not below this one"),
        ];
        faults.into_iter().find_map(|(wrong, what)| wrong.then_some(what))
    }
}

impl RawHeader {
    fn header(&self) -> SegmentHeader {
        let old = Takeover {
            epoch: self.old_epoch.get(),
            segment: self.old_segment.get(),
            sequence: self.old_sequence.get(),
            next: Position(self.old_next.get()),
            crc: self.old_crc.get(),
        };
        SegmentHeader {
            identity: self.identity.get(),
            number: self.number.get(),
            salt: self.salt.get(),
            length: self.length.get(),
            block: self.block.get(),
            epoch: self.epoch.get(),
            begins: (self.begins.get() == 1).then_some(old),
        }
    }
}

/// What stands in the second block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Link {
    /// Nothing was written behind the segment's end.
    None,
    /// The number of the segment that follows.
    To(u64),
    /// Neither nothing nor a link of this life.
    Damaged,
}

/// The second block of the segment with `salt`, when the one with `number` follows.
pub(crate) fn encode_link(salt: u64, number: u64, its_salt: u64, block: u32) -> Vec<u8> {
    let mut raw = RawLink { crc: 0.into(), zero: 0.into(), number: number.into(), salt: its_salt.into() };
    raw.crc = link_crc(salt, &raw).into();
    let mut bytes = raw.as_bytes().to_vec();
    bytes.resize(usize::try_from(block).unwrap_or(0).max(bytes.len()), 0);
    bytes
}

/// Reads the second block of the segment with `salt`.
pub(crate) fn parse_link(bytes: &[u8], salt: u64) -> Link {
    if bytes.iter().all(|byte| *byte == 0) {
        return Link::None;
    }
    match RawLink::ref_from_prefix(bytes) {
        Ok((raw, rest)) if raw.crc.get() == link_crc(salt, raw) && rest.iter().all(|byte| *byte == 0) => {
            Link::To(raw.number.get())
        }
        _ => Link::Damaged,
    }
}

fn sealed(header: &[u8]) -> u32 {
    crc32c::crc32c(header.get(SEALED_FROM..).unwrap_or_default())
}

fn link_crc(salt: u64, raw: &RawLink) -> u32 {
    let seed = crc32c::crc32c(&salt.to_le_bytes());
    crc32c::crc32c_append(seed, raw.as_bytes().get(4..).unwrap_or_default())
}

/// Whether the rest of a header's block is as it was written.
pub(crate) fn is_rest_empty(block: &[u8]) -> bool {
    block.get(HEADER_BYTES..).unwrap_or_default().iter().all(|byte| *byte == 0)
}

/// Bytes of data that a segment of `length` can hold in one part with a header of `part_header` bytes.
pub(crate) fn usable(length: u64, block: u32, part_header: usize) -> u64 {
    let before = u64::from(block).saturating_mul(u64::from(BLOCKS_BEFORE_DATA));
    length.saturating_sub(before).saturating_sub(wide(part_header))
}
