//! The bytes of a page: the one place that knows them.
//!
//! ```text
//! node, all numbers little-endian                          run of overflow pages
//!   0  u32  crc32c of all bytes from 4 on                    0  u32  crc32c of bytes 4 .. 96 + len
//!   4  u8   1 leaf, 2 inner node                             4  u8   3 run
//!   5  u8   level, 0 = leaf                                  5  [3]  0
//!   6  u16  number of keys n                                 8  [4]  "ESE1"
//!   8  u16  length of the prefix p                          12  u32  length of the value
//!  10  u16  where the cells end                             16  u64  number of the first page
//!  12  [4]  "ESE1"                                          24  u64  birth: the merge that wrote it
//!  16  u64  number of this page                             32 [16]  identity of the file
//!  24  u64  birth: the merge that wrote it                  48 [40]  spare (encryption)
//!  32  [p]  prefix of all keys, 0 up to a multiple of 8     88  [8]  0
//!      n × u64        heads                                 96       the value, through to the last page
//!      inner: (n+1) × (u48 page, u32 checksum)  children
//!      n × (u16 offset of the cell, u16 length)  slots
//!      cells, in the order of the keys, without gaps
//!      0 …
//!  size − 56 [16]  identity of the file
//!  size − 40 [40]  spare (encryption)
//! ```
//!
//! Keys are ascending. A key = prefix + suffix. Its *head* is the first 8 bytes of the suffix, padded with 0, as a
//! big-endian number, so that heads order as keys do unless they are equal. The slot's length (low 15 bits) is that of
//! the suffix. The cell holds what the suffix has beyond 8 bytes, and in a leaf then the value: up to the next cell,
//! or, with the slot's top bit set, a reference to a run: u64 page, u32 checksum, u32 length, u64 birth.
//!
//! Child i of an inner node holds the keys k with separator i−1 ≤ k < separator i.

use crate::pages::{ChildRef, PageNo, RunRef};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, LE, U16, U32, U64, Unaligned};

/// Bytes before the prefix.
pub(crate) const HEADER_BYTES: usize = size_of::<Header>();
/// Bytes behind the cells.
pub(crate) const TRAILER_BYTES: usize = size_of::<Trailer>();
/// Bytes of a head.
pub(crate) const HEAD_BYTES: usize = 8;
/// Bytes of a slot.
pub(crate) const SLOT_BYTES: usize = 4;
/// Bytes a key takes apart from those of its own that are beyond the head.
pub(crate) const KEY_BYTES: usize = HEAD_BYTES + SLOT_BYTES;
/// Bytes of a child reference.
pub(crate) const CHILD_BYTES: usize = 10;
/// Bytes of a reference to a run in a leaf.
pub(crate) const RUN_REF_BYTES: usize = 24;
/// Where the value begins in a run.
pub const RUN_HEADER_BYTES: usize = size_of::<RunHeader>();

/// The slot's bit that says: the cell holds a reference to a run.
pub(crate) const OVERFLOW: u16 = 1 << 15;

/// The kind of a leaf. A store that keeps pages of its own in the same file gives them kinds from 4 on, and the checksum,
/// the magic, the number and the birth the places they have in a node.
pub const KIND_LEAF: u8 = 1;
/// The kind of an inner node.
pub const KIND_INNER: u8 = 2;
/// The kind of an overflow run.
pub const KIND_RUN: u8 = 3;
/// What bytes 12 to 16 of a node say, and bytes 8 to 12 of a run.
pub const MAGIC: [u8; 4] = *b"ESE1";

/// The first bytes of a node.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) checksum: U32<LE>,
    pub(crate) kind: u8,
    pub(crate) level: u8,
    pub(crate) count: U16<LE>,
    pub(crate) prefix_len: U16<LE>,
    pub(crate) end: U16<LE>,
    pub(crate) magic: [u8; 4],
    pub(crate) page: U64<LE>,
    pub(crate) birth: U64<LE>,
}

/// The last bytes of a node.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
pub(crate) struct Trailer {
    pub(crate) identity: [u8; 16],
    pub(crate) spare: [u8; 40],
}

/// The first bytes of a run.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
pub(crate) struct RunHeader {
    pub(crate) checksum: U32<LE>,
    pub(crate) kind: u8,
    pub(crate) zero: [u8; 3],
    pub(crate) magic: [u8; 4],
    pub(crate) len: U32<LE>,
    pub(crate) page: U64<LE>,
    pub(crate) birth: U64<LE>,
    pub(crate) identity: [u8; 16],
    pub(crate) spare: [u8; 40],
    pub(crate) pad: [u8; 8],
}

const _: () =
    assert!(size_of::<Header>() == 32 && size_of::<Trailer>() == 56 && size_of::<RunHeader>() == 96);

/// `len` up to a multiple of 8.
#[inline]
pub(crate) const fn padded(len: usize) -> usize {
    (len + 7) & !7
}

/// The head of a suffix.
#[inline]
pub(crate) fn head_of(suffix: &[u8]) -> u64 {
    if let Some(first) = suffix.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    let mut head = [0; 8];
    head[..suffix.len()].copy_from_slice(suffix);
    u64::from_be_bytes(head)
}

/// What a suffix of `len` bytes has beyond its head.
#[inline]
pub(crate) const fn beyond_head(len: usize) -> usize {
    len.saturating_sub(HEAD_BYTES)
}

/// Writes a child reference.
#[inline]
pub(crate) fn encode_child(child: ChildRef) -> [u8; CHILD_BYTES] {
    debug_assert!(child.page <= PageNo::MAX, "a sink gives out numbers that a reference can hold");
    let mut bytes = [0; CHILD_BYTES];
    bytes[..6].copy_from_slice(&child.page.0.to_le_bytes()[..6]);
    bytes[6..].copy_from_slice(&child.checksum.to_le_bytes());
    bytes
}

/// Reads a child reference.
#[inline]
pub(crate) fn decode_child(bytes: &[u8; CHILD_BYTES]) -> ChildRef {
    let [p0, p1, p2, p3, p4, p5, c0, c1, c2, c3] = *bytes;
    ChildRef {
        page: PageNo(u64::from_le_bytes([p0, p1, p2, p3, p4, p5, 0, 0])),
        checksum: u32::from_le_bytes([c0, c1, c2, c3]),
    }
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RunRefBytes {
    page: U64<LE>,
    checksum: U32<LE>,
    len: U32<LE>,
    birth: U64<LE>,
}

/// Writes a reference to a run.
pub(crate) fn encode_run_ref(run: RunRef) -> [u8; RUN_REF_BYTES] {
    let bytes = RunRefBytes {
        page: run.page.0.into(),
        checksum: run.checksum.into(),
        len: run.len.into(),
        birth: run.birth.into(),
    };
    zerocopy::transmute!(bytes)
}

/// Reads a reference to a run; `None` when the bytes are not that many.
pub(crate) fn decode_run_ref(bytes: &[u8]) -> Option<RunRef> {
    let run = RunRefBytes::ref_from_bytes(bytes).ok()?;
    Some(RunRef {
        page: PageNo(run.page.get()),
        checksum: run.checksum.get(),
        len: run.len.get(),
        birth: run.birth.get(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_order_as_keys() {
        let keys: [&[u8]; 7] = [b"", b"\0", b"a", b"ab", b"ab\0", b"abcdefgh", b"abcdefghi"];
        for pair in keys.windows(2) {
            assert!(head_of(pair[0]) <= head_of(pair[1]), "{pair:?}");
        }
        assert_eq!(head_of(b"ab"), head_of(b"ab\0"));
    }

    #[test]
    fn references_come_back() {
        let child = ChildRef { page: PageNo::MAX, checksum: 0xDEAD_BEEF };
        assert_eq!(decode_child(&encode_child(child)), child);
        let run = RunRef { page: PageNo(7), checksum: 1, len: u32::MAX, birth: u64::MAX };
        assert_eq!(decode_run_ref(&encode_run_ref(run)), Some(run));
        assert_eq!(decode_run_ref(&[0; RUN_REF_BYTES - 1]), None);
    }
}
