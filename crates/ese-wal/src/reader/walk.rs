//! One part after the other, from a segment's beginning to where nothing follows.
//!
//! A part follows when it verifies and names the sequence and the checksum of the one before. It stands right behind
//! that one, or at the beginning of the next segment of the run, or, when the run is taken over there, at the beginning
//! of the next run.

use super::{chain::Chain, window::Window};
use crate::{
    format::{part::Part, segment::Takeover},
    segment::Segment,
};
use ese_base::{Position, Result};

/// Where a part stands, or would stand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Spot {
    pub(crate) run: usize,
    pub(crate) segment: usize,
    pub(crate) offset: u64,
}

/// Walks over a chain.
pub(crate) struct Walk<'c> {
    chain: &'c Chain,
    window: Window,
    /// Where the next part would stand.
    at: Spot,
    /// The part before, as an epoch would name it that takes over behind it.
    before: Option<Takeover>,
}

impl<'c> Walk<'c> {
    /// Begins at the first part of a segment.
    pub(crate) fn new(chain: &'c Chain, run: usize, segment: usize) -> Walk<'c> {
        let mut walk =
            Walk { chain, window: Window::default(), at: Spot { run, segment, offset: 0 }, before: None };
        walk.at = walk.start_of(run, segment).unwrap_or(walk.at);
        walk.before = walk.segment(walk.at).and_then(|first| first.header.begins);
        walk
    }

    pub(crate) fn at(&self) -> Spot {
        self.at
    }

    pub(crate) fn window(&mut self) -> &mut Window {
        &mut self.window
    }

    pub(crate) fn segment(&self, spot: Spot) -> Option<&'c Segment> {
        self.chain.runs.get(spot.run)?.segments.get(spot.segment)
    }

    fn start_of(&self, run: usize, segment: usize) -> Option<Spot> {
        let found = self.chain.runs.get(run)?.segments.get(segment)?;
        Some(Spot { run, segment, offset: found.header.data_start() })
    }

    /// The next part, where it stands, and what an epoch would name that took over before it; `None` where nothing
    /// follows. Its body is in the window.
    pub(crate) fn step(&mut self) -> Result<Option<(Part, Spot, Takeover)>> {
        if let Some(spot) = self.takeover() {
            self.at = spot;
        }
        // Whether a part in the next segment follows is told by the one before: without one, it is the first or none.
        let next = self.before.and_then(|_| self.start_of(self.at.run, self.at.segment + 1));
        let candidates = [Some(self.at), next];
        for spot in candidates.into_iter().flatten() {
            let Some(segment) = self.segment(spot) else { continue };
            let Some(part) = self.window.part(segment, spot.offset)?.filter(|part| self.follows(part)) else {
                continue;
            };
            if !self.window.verifies(segment, spot.offset, &part)? {
                continue;
            }
            let before = self.before.unwrap_or_else(|| self.unseen(&part, spot));
            let extent = part.extent(segment.header.block).unwrap_or(segment.header.length);
            self.at = Spot { offset: spot.offset.saturating_add(extent), ..spot };
            self.before = Some(Takeover {
                epoch: segment.header.epoch,
                segment: segment.header.number,
                sequence: part.sequence,
                next: part.next,
                crc: part.crc,
            });
            return Ok(Some((part, spot, before)));
        }
        Ok(None)
    }

    /// The beginning of the next run, when this one ends behind the part before.
    fn takeover(&self) -> Option<Spot> {
        let end = self.chain.runs.get(self.at.run)?.end?;
        let reached =
            self.before.is_some_and(|before| (before.sequence, before.crc) == (end.sequence, end.crc));
        if reached { self.start_of(self.at.run + 1, 0) } else { None }
    }

    fn follows(&self, part: &Part) -> bool {
        self.before.is_none_or(|before| {
            part.sequence.checked_sub(1) == Some(before.sequence)
                && part.previous == before.crc
                && (part.from == before.next || !part.begins)
        })
    }

    /// The part before the first one of the walk, which was not read.
    fn unseen(&self, first: &Part, spot: Spot) -> Takeover {
        let named = self.segment(spot).map(|segment| &segment.header);
        Takeover {
            epoch: named.map_or(0, |header| header.epoch),
            segment: named.map_or(0, |header| header.number.saturating_sub(1)),
            sequence: first.sequence.saturating_sub(1),
            next: if first.begins { first.from } else { Position(0) },
            crc: first.previous,
        }
    }
}
