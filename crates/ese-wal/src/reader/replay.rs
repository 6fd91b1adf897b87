//! Frames for the engine: finds where to begin, walks to the end, and tells what is in doubt.
//!
//! *In doubt* is what was read behind the highest sequence known to be durable: the page cache may show it, the disk may
//! not have it. A new epoch writes it anew before anybody builds on it.

use super::{
    chain::Chain,
    tail::{follow_links, scan},
    walk::{Spot, Walk},
};
use crate::{
    folder::Folder,
    format::{
        frame::frames,
        part::{BatchKind, Part},
        segment::Takeover,
    },
    segment::Segment,
};
use ese_base::{Error, ErrorKind, Position, Result};

/// A batch that was read and is not known to be durable.
#[derive(Clone, Debug)]
pub(crate) struct Doubtful {
    /// The part before it.
    pub(crate) before: Takeover,
    pub(crate) sequence: u64,
    /// Its parts.
    pub(crate) parts: Vec<(Spot, Part)>,
}

/// What a replay found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The last part that is known to be durable; a new epoch takes over behind it.
    pub(crate) durable: Takeover,
    /// What comes after it, oldest first.
    pub(crate) doubtful: Vec<Doubtful>,
    /// Above every position that counts.
    pub(crate) next: Position,
    /// Above every position that was seen, whether it counts or not.
    pub(crate) highest: Position,
    /// The last batch closed the log in good order.
    pub(crate) closed: bool,
    /// The segment of the last run that says last what follows it.
    pub(crate) last_linked: usize,
    /// For each segment of the chain the first position that is not in it or before.
    pub(crate) limits: Vec<Vec<Position>>,
}

/// Reads the log from `from` on.
pub(crate) fn replay(
    chain: &Chain,
    folder: &Folder,
    from: Position,
    frame: &mut dyn FnMut(Position, &[u8]) -> Result<()>,
) -> Result<Found> {
    let (mut walk, end, doubtful, (last, kind)) = read(chain, folder, from, frame)?;
    if end.run + 1 < chain.runs.len() {
        return Err(damaged_at(&walk, walk.at(), "a batch of an earlier epoch does not verify"));
    }
    let (run, closed) = (&chain.last_run().segments, kind == BatchKind::Closed);
    let mut highest = last.next;
    if !closed {
        let report = scan(run, end.segment, end.offset, walk.window())?;
        if report.durable > last.sequence {
            return Err(damaged_at(&walk, end, "a batch does not verify that was durable"));
        }
        highest = highest.max(report.next);
    }
    let last_linked = follow_links(run, end.segment, &chain.unfinished, folder)?;
    if from > last.next {
        let what = format!(
            "{}: the log ends at position {}, but position {} was durable: its newest segments are missing",
            folder.path.display(),
            last.next,
            from.0 - 1
        );
        return Err(Error::new(ErrorKind::LogGap, what));
    }
    for segment in &chain.unfinished {
        let one = std::slice::from_ref(segment);
        highest = highest.max(scan(one, 0, segment.header.data_start(), walk.window())?.next);
    }
    let durable = doubtful.first().map_or(last, |first| first.before);
    let limits = limits(chain, last.next);
    Ok(Found { durable, doubtful, next: last.next, highest, closed, last_linked, limits })
}

type Read<'c> = (Walk<'c>, Spot, Vec<Doubtful>, (Takeover, BatchKind));

/// Hands out the frames, beginning in the last segment that reaches back to `from` and holds a whole batch: the newest
/// may hold a torn one only.
fn read<'c>(
    chain: &'c Chain,
    folder: &Folder,
    from: Position,
    frame: &mut dyn FnMut(Position, &[u8]) -> Result<()>,
) -> Result<Read<'c>> {
    let mut torn = None;
    for start in chain.starts.iter().rev().filter(|start| start.at <= from) {
        let mut reader = Reader {
            walk: Walk::new(chain, start.run, start.segment),
            from,
            frame: &mut *frame,
            parts: Vec::new(),
            body: Vec::new(),
            doubtful: Vec::new(),
            last: None,
        };
        let end = reader.read_all()?;
        let Reader { walk, doubtful, last, .. } = reader;
        match last {
            Some(last) => return Ok((walk, end, doubtful, last)),
            None => torn = Some(damaged_at(&walk, end, "the batch that the log begins with does not verify")),
        }
    }
    Err(torn.unwrap_or_else(|| missing_before(folder, chain, from)))
}

/// A segment's positions lie below the limit: what the next one begins with.
fn limits(chain: &Chain, end: Position) -> Vec<Vec<Position>> {
    let mut above = end;
    let mut limits = Vec::new();
    for (number, run) in chain.runs.iter().enumerate().rev() {
        let mut of_run = Vec::new();
        for index in (0..run.segments.len()).rev() {
            of_run.push(above);
            if let Some(start) =
                chain.starts.iter().find(|start| (start.run, start.segment) == (number, index))
            {
                above = start.at;
            }
        }
        of_run.reverse();
        limits.push(of_run);
    }
    limits.reverse();
    limits
}

#[cold]
fn missing_before(folder: &Folder, chain: &Chain, from: Position) -> Error {
    let first = chain.starts.first();
    // A segment in front that begins with nothing: not the rest of a log that was let go, but damage.
    let front = chain.runs.first().and_then(|run| run.segments.first());
    if let Some(front) = front.filter(|_| first.is_none_or(|start| (start.run, start.segment) != (0, 0))) {
        return front.damaged(front.header.data_start(), "no batch verifies where the log begins");
    }
    let begin = first.map_or("holds no batch".to_owned(), |start| format!("begins at position {}", start.at));
    let what = format!("{}: the log {begin}, but is needed from position {from} on", folder.path.display());
    Error::new(ErrorKind::LogGap, what)
}

#[cold]
fn damaged_at(walk: &Walk<'_>, spot: Spot, what: &str) -> Error {
    match walk.segment(spot) {
        Some(segment) => segment.damaged(spot.offset, what),
        None => Error::new(ErrorKind::LogCorrupted, what),
    }
}

/// Puts parts together and hands out frames.
struct Reader<'c, 'f> {
    walk: Walk<'c>,
    from: Position,
    frame: &'f mut dyn FnMut(Position, &[u8]) -> Result<()>,
    /// Those of the batch under way.
    parts: Vec<(Spot, Part, Takeover)>,
    /// Their bodies, when there are several.
    body: Vec<u8>,
    doubtful: Vec<Doubtful>,
    /// The last part of the last whole batch.
    last: Option<(Takeover, BatchKind)>,
}

impl Reader<'_, '_> {
    /// Reads until nothing follows, and returns where something would: behind the last whole batch.
    fn read_all(&mut self) -> Result<Spot> {
        let mut end = self.walk.at();
        while let Some((part, spot, before)) = self.walk.step()? {
            if self.parts.is_empty() && !part.begins {
                if self.last.is_some() {
                    return Err(damaged_at(
                        &self.walk,
                        spot,
                        "a part of a batch whose beginning is elsewhere",
                    ));
                }
                // The rest of a batch that is needed no more. It ends before anything that is.
                end = self.walk.at();
                if part.ends {
                    self.last = Some((named(&part, self.walk.segment(spot)), part.kind));
                }
                continue;
            }
            if part.begins && !self.parts.is_empty() {
                return Err(damaged_at(&self.walk, spot, "a batch begins inside another"));
            }
            self.parts.push((spot, part, before));
            self.doubtful.retain(|batch| batch.sequence > part.durable);
            if self.parts.len() > 1 || !part.ends {
                self.keep_body(&part, spot)?;
            }
            if part.ends {
                self.hand_out(&part, spot)?;
                end = self.walk.at();
            }
        }
        Ok(end)
    }

    fn keep_body(&mut self, part: &Part, spot: Spot) -> Result<()> {
        let Some(segment) = self.walk.segment(spot) else { return Ok(()) };
        let body = self.walk.window().body(segment, spot.offset, part)?;
        if let Err(error) = self.body.try_reserve(body.len()) {
            let what = format!("a batch of more than {} bytes of the log", self.body.len());
            return Err(Error::new(ErrorKind::OutOfMemory, what).caused_by(error));
        }
        self.body.extend_from_slice(body);
        Ok(())
    }

    /// The batch is whole: its frames are the engine's.
    fn hand_out(&mut self, part: &Part, spot: Spot) -> Result<()> {
        let Some(segment) = self.walk.segment(spot) else { return Ok(()) };
        let first = self.parts.first().map_or(spot, |(spot, ..)| *spot);
        let body = if self.parts.len() > 1 {
            &self.body
        } else {
            self.walk.window().body(segment, spot.offset, part)?
        };
        let (mut below, mut count) = (part.from, 0_u32);
        for found in frames(body) {
            let damaged = |what: &str| {
                let what = format!("{what}, in the batch that begins at offset {}", first.offset);
                segment.damaged(spot.offset, &what)
            };
            let found = found.map_err(damaged)?;
            if found.at < below || found.at >= part.next {
                return Err(damaged("a frame's position is not one of its batch"));
            }
            below = found.at.next();
            count = count.saturating_add(1);
            if found.at >= self.from {
                (self.frame)(found.at, found.payload)?;
            }
        }
        if count != part.frames {
            return Err(segment.damaged(spot.offset, "the batch does not hold as many frames as it says"));
        }
        self.last = Some((named(part, Some(segment)), part.kind));
        if let Some((_, _, before)) = self.parts.first() {
            let parts = self.parts.iter().map(|(spot, part, _)| (*spot, *part)).collect();
            self.doubtful.push(Doubtful { before: *before, sequence: part.sequence, parts });
        }
        self.parts.clear();
        self.body.clear();
        Ok(())
    }
}

/// A part as an epoch names it that takes over behind it.
fn named(part: &Part, segment: Option<&Segment>) -> Takeover {
    Takeover {
        epoch: segment.map_or(0, |segment| segment.header.epoch),
        segment: segment.map_or(0, |segment| segment.header.number),
        sequence: part.sequence,
        next: part.next,
        crc: part.crc,
    }
}
