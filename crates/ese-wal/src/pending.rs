//! Frames that wait for a write, as the body of the batch they will be.
//!
//! Short frames are copied behind each other; long ones keep the memory they came in. Space for both was asked for
//! before, so taking a frame neither allocates nor fails.

use crate::format::{
    frame::{FRAME_HEAD_BYTES, FrameKind, encode_head},
    wide,
};
use ese_base::{Error, ErrorKind, Position, Result};

/// How many long frames wait at most.
pub(crate) const LONG_FRAMES_MAX: usize = 256;
/// Frames from this size on are not copied.
const LONG_BYTES: usize = 64 * 1024;

/// The body of a batch to come.
#[derive(Default)]
pub(crate) struct Pending {
    /// Heads and short payloads.
    bytes: Vec<u8>,
    /// Long payloads, each with the length of `bytes` in front of it.
    long: Vec<(usize, Box<[u8]>)>,
    long_bytes: u64,
    frames: u32,
    last: Option<Position>,
}

/// What a frame will take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Need {
    /// Bytes in the batch.
    pub(crate) body: u64,
    /// Those of them that are copied.
    pub(crate) copied: usize,
    pub(crate) long_frames: usize,
}

impl Need {
    /// Of a frame of so many bytes.
    pub(crate) fn of(bytes: u64, buffer_bytes: usize) -> Need {
        let body = bytes.saturating_add(wide(FRAME_HEAD_BYTES));
        match usize::try_from(bytes).ok().filter(|bytes| !is_long(*bytes, buffer_bytes)) {
            Some(bytes) => Need { body, copied: bytes + FRAME_HEAD_BYTES, long_frames: 0 },
            None => Need { body, copied: FRAME_HEAD_BYTES, long_frames: 1 },
        }
    }
}

fn is_long(bytes: usize, buffer_bytes: usize) -> bool {
    bytes >= LONG_BYTES.min(buffer_bytes / 2)
}

impl Pending {
    /// An empty one with space for `buffer_bytes` of copies.
    pub(crate) fn with_space(buffer_bytes: usize) -> Result<Pending> {
        let mut pending = Pending::default();
        let reserved = pending.bytes.try_reserve_exact(buffer_bytes);
        match reserved.and_then(|()| pending.long.try_reserve_exact(LONG_FRAMES_MAX)) {
            Ok(()) => Ok(pending),
            Err(error) => {
                let what = format!("a log buffer of {buffer_bytes} bytes");
                Err(Error::new(ErrorKind::OutOfMemory, what).caused_by(error))
            }
        }
    }

    pub(crate) fn push(&mut self, at: Position, frame: Box<[u8]>, buffer_bytes: usize) {
        self.bytes.extend_from_slice(&encode_head(at, wide(frame.len()), FrameKind::Plain));
        self.frames += 1;
        self.last = Some(at);
        if is_long(frame.len(), buffer_bytes) {
            self.long_bytes += wide(frame.len());
            self.long.push((self.bytes.len(), frame));
        } else {
            self.bytes.extend_from_slice(&frame);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames == 0
    }

    pub(crate) fn frames(&self) -> u32 {
        self.frames
    }

    /// The position of the newest frame.
    pub(crate) fn last(&self) -> Option<Position> {
        self.last
    }

    /// Bytes of the body.
    pub(crate) fn body(&self) -> u64 {
        wide(self.bytes.len()) + self.long_bytes
    }

    pub(crate) fn copied(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn long_frames(&self) -> usize {
        self.long.len()
    }

    /// The body, in pieces.
    pub(crate) fn pieces(&self) -> Vec<&[u8]> {
        let (mut pieces, mut done) = (Vec::with_capacity(2 * self.long.len() + 1), 0);
        for (before, payload) in &self.long {
            pieces.push(&self.bytes[done..*before]);
            pieces.push(payload);
            done = *before;
        }
        pieces.push(&self.bytes[done..]);
        pieces
    }

    /// Empties it and keeps its space.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.long.clear();
        (self.long_bytes, self.frames, self.last) = (0, 0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::frame::frames;

    #[test]
    fn a_body_is_its_frames_in_order_and_takes_what_was_said() {
        let buffer = 4096;
        let mut pending = Pending::with_space(buffer).unwrap();
        let lengths = [0, 7, 2047, 2048, 100_000, 1];
        let (mut need, mut at) = (Need::default(), 0);
        for length in lengths {
            at += 3;
            let one = Need::of(wide(length), buffer);
            need.body += one.body;
            need.copied += one.copied;
            need.long_frames += one.long_frames;
            pending.push(Position(at), vec![u8::try_from(at).unwrap(); length].into_boxed_slice(), buffer);
        }
        assert_eq!((need.body, need.copied, need.long_frames), (pending.body(), pending.copied(), 2));
        assert_eq!((pending.frames(), pending.last(), pending.long_frames()), (6, Some(Position(18)), 2));
        let body: Vec<u8> = pending.pieces().concat();
        assert_eq!(wide(body.len()), pending.body());
        let found: Vec<_> = frames(&body).map(|frame| frame.unwrap()).collect();
        assert_eq!(found.len(), lengths.len());
        for (frame, (number, length)) in found.iter().zip((1_u8..).zip(lengths)) {
            assert_eq!(frame.at, Position(3 * u64::from(number)));
            assert_eq!(frame.payload, vec![3 * number; length]);
        }
        pending.clear();
        assert!(pending.is_empty() && pending.pieces().concat().is_empty());
    }

    #[test]
    fn a_body_that_is_cut_anywhere_is_an_error_or_ends_between_frames() {
        let mut pending = Pending::with_space(4096).unwrap();
        for at in 1..=3 {
            pending.push(Position(at), vec![9; 5].into_boxed_slice(), 4096);
        }
        let body = pending.pieces().concat();
        for len in 0..body.len() {
            let results: Vec<_> = frames(&body[..len]).collect();
            assert_eq!(results.iter().any(|found| found.is_err()), len % 21 != 0, "{len}");
            assert!(results.iter().rev().skip(1).all(|found| found.is_ok()), "an error is the last");
        }
    }
}
