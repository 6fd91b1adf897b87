//! Segment room: how many bytes of frames can be written before another segment is needed.
//!
//! Invariant: what is free covers what waits for a write and what was promised, in whatever batches the leaders cut it.
//! A batch takes its body, a header and less than a block of padding; a frame that was promised may be alone in its
//! batch, all that wait go in one. A header for each segment that a batch reaches into is kept apart beforehand.

use super::pending::{Need, Pending};
use crate::format::{part::PART_HEADER_BYTES, segment, wide};

/// What was promised to commits that have not appended yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Promised {
    frames: u64,
    body: u64,
    pub(crate) copied: usize,
    pub(crate) long_frames: usize,
}

impl Promised {
    pub(crate) fn add(&mut self, need: Need) {
        self.frames += 1;
        self.body += need.body;
        self.copied += need.copied;
        self.long_frames += need.long_frames;
    }

    pub(crate) fn sub(&mut self, need: Need) {
        self.frames = self.frames.saturating_sub(1);
        self.body = self.body.saturating_sub(need.body);
        self.copied = self.copied.saturating_sub(need.copied);
        self.long_frames = self.long_frames.saturating_sub(need.long_frames);
    }
}

/// What a batch may take besides its body.
pub(crate) fn slack(block: u32) -> u64 {
    wide(PART_HEADER_BYTES) + u64::from(block)
}

/// What has to be free.
pub(crate) fn needed(pending: &Pending, promised: &Promised, block: u32) -> u64 {
    let waiting = if pending.is_empty() { 0 } else { pending.body() + slack(block) };
    waiting + promised.body + promised.frames * slack(block)
}

/// What a segment with `rest` bytes left can take.
pub(crate) fn usable_rest(rest: u64) -> u64 {
    rest.saturating_sub(wide(PART_HEADER_BYTES))
}

/// What a whole segment can take.
pub(crate) fn usable(length: u64, block: u32) -> u64 {
    segment::usable(length, block, PART_HEADER_BYTES)
}

/// The length of a segment that can take so much.
pub(crate) fn length_for(bytes: u64, block: u32) -> u64 {
    let length = bytes.saturating_add(2 * slack(block)).saturating_add(2 * u64::from(block));
    length.checked_next_multiple_of(u64::from(block)).unwrap_or(u64::MAX)
}
