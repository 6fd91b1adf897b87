//! The head of a frame, and the frames of a batch's body.
//!
//! ```text
//!   0  u64  position
//!   8  u48  length of the payload
//!  14  u8   kind: 0 the payload as it is
//!  15  u8   0
//!  16       payload; then the next frame, without a gap
//! ```
//! The checksum is the batch's.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use ese_base::Position;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, LE, U16, U32, U64, Unaligned};

/// Bytes before the payload.
pub(crate) const FRAME_HEAD_BYTES: usize = size_of::<RawFrame>();

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct RawFrame {
    position: U64<LE>,
    length: U32<LE>,
    length_high: U16<LE>,
    kind: u8,
    zero: u8,
}

const _: () = assert!(FRAME_HEAD_BYTES == 16);

/// How a payload is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// As it is.
    Plain = 0,
}

/// The head of the frame at `at` with `length` bytes of payload, which fit 48 bits.
pub(crate) fn encode_head(at: Position, length: u64, kind: FrameKind) -> [u8; FRAME_HEAD_BYTES] {
    debug_assert!(length < 1 << 48);
    let low = u32::try_from(length & u64::from(u32::MAX)).unwrap_or_default();
    let high = u16::try_from(length >> 32).unwrap_or_default();
    let raw = RawFrame {
        position: at.0.into(),
        length: low.into(),
        length_high: high.into(),
        kind: kind as u8,
        zero: 0,
    };
    zerocopy::transmute!(raw)
}

/// A frame in a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameView<'b> {
    pub(crate) at: Position,
    pub(crate) payload: &'b [u8],
}

/// The frames of a body, one after the other; an item `Err` says what is wrong with the body, and is the last.
pub(crate) fn frames(body: &[u8]) -> impl Iterator<Item = Result<FrameView<'_>, &'static str>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let first = split_first(rest);
        rest = first.as_ref().map_or(&[], |(_, rest)| *rest);
        Some(first.map(|(frame, _)| frame))
    })
}

fn split_first(body: &[u8]) -> Result<(FrameView<'_>, &[u8]), &'static str> {
    let (raw, rest) = RawFrame::ref_from_prefix(body).map_err(|_| "a frame's head is cut off")?;
    if raw.kind != FrameKind::Plain as u8 || raw.zero != 0 {
        return Err("a frame is of an unknown kind");
    }
    let length = u64::from(raw.length_high.get()) << 32 | u64::from(raw.length.get());
    let length = usize::try_from(length).ok();
    let (payload, rest) =
        length.and_then(|length| rest.split_at_checked(length)).ok_or("a frame is longer than its batch")?;
    Ok((FrameView { at: Position(raw.position.get()), payload }, rest))
}
