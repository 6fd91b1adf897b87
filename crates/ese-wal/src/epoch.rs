//! The beginning of an epoch: what is in doubt is written anew, and a fresh segment begins.
//!
//! Order, each step durable before the next:
//! 1. Segments of an epoch that was begun and did not become valid lose their names, newest first.
//! 2. New segments are written under spare names: a header that says where the old epoch ends, copies of what is in
//!    doubt, and the batch that makes the epoch valid.
//! 3. They get their names one after the other, the one with that batch last. Until then the old epoch rules, and holds
//!    the same.
//!
//! A crash at any step leaves the same transactions. Nothing that exists is changed: what was damaged stays as it is. The
//! last old segment says that the new one follows before the first batch behind all this is written.

use crate::{
    folder::Spare,
    format::{
        part::BatchKind,
        segment::{LENGTH_MAX, NUMBER_MAX, SegmentHeader, Takeover},
    },
    pending::Pending,
    reader::{chain::Chain, replay::Found, window::Window},
    segment::Segment,
    shared::{Live, Phase, Shared},
    writer::{Batch, Writer},
};
use ese_base::{Error, ErrorKind, Position, Result, sync::atomic::Ordering};
use ese_core::LogPoint;
use std::sync::Arc;

/// Positions that may have been given to commits that no trace is left of: those of a buffer and more.
const LOST_POSITIONS: u64 = 1 << 20;

/// What the epoch begins behind.
pub(crate) enum Old {
    /// Nothing: the log is new.
    Nothing(u128),
    /// A log that was replayed.
    Log(Box<Chain>, Box<Found>),
}

impl Shared {
    /// Begins the epoch.
    pub(crate) fn begin(&self, old: Old) -> Result<LogPoint> {
        self.gather_spares(&old)?;
        let next = first_position(&old)?;
        let mut made = Vec::new();
        let (writer, names) = self.write_beginning(&old, next, &mut made)?;
        let last = self.name_all(made, names)?;
        let writer = Writer { segment: last, durable: writer.last.sequence, ..writer };
        let header = writer.segment.header;
        self.run(old, writer, next)?;
        Ok(LogPoint { log: header.identity, epoch: header.epoch, at: next })
    }

    /// Step 1, and which spare files there are. Those of a wrong length were being made when a crash came.
    ///
    /// The names that are seen may be in memory only: a file that is called spare could be a needed segment again after
    /// a power cut. So they are made durable before any of these files is written.
    fn gather_spares(&self, old: &Old) -> Result<()> {
        self.tally.synced();
        self.folder.sync()?;
        let listing = self.folder.list()?;
        let highest = listing.spares.last().copied().unwrap_or(0);
        self.spare_name.store(highest.saturating_add(1), Ordering::Relaxed);
        let mut spares = Vec::new();
        for name in listing.spares {
            let path = self.folder.spare_path(name);
            let length = self.folder.disk.metadata(&path)?.map_or(0, |metadata| metadata.len);
            let is_whole =
                length.is_multiple_of(4096) || length.is_multiple_of(u64::from(self.options.block_bytes));
            if is_whole && (self.options.segment_min_bytes..=LENGTH_MAX).contains(&length) {
                spares.push(Spare { name, length });
            } else {
                self.folder.disk.remove(&path)?;
            }
        }
        if let Old::Log(chain, _) = old {
            for segment in chain.unfinished.iter().rev() {
                let name = self.spare_name.fetch_add(1, Ordering::Relaxed);
                spares.push(self.folder.demote(segment, name)?);
                self.tally.synced();
                self.folder.sync()?;
            }
        }
        spares.sort_by_key(|spare| spare.length);
        self.state.lock().spares = spares;
        Ok(())
    }

    /// Step 2. Returns the writer behind it all and the spare files that were written, in order.
    fn write_beginning(
        &self,
        old: &Old,
        next: Position,
        made: &mut Vec<Segment>,
    ) -> Result<(Writer, Vec<Spare>)> {
        let like = self.like(old)?;
        let takeover = match old {
            Old::Nothing(_) => Takeover::NOTHING,
            Old::Log(_, found) => found.durable,
        };
        let spare = self.take_spare()?;
        let mut names = vec![spare];
        let first = self.lay_out(spare, like, like.number, Some(takeover))?;
        made.push(first.clone());
        let mut writer = Writer::new(first, takeover, Arc::clone(&self.tally));
        let next_segment = &mut |full: &Segment| {
            let spare = self.take_spare()?;
            let segment = self.lay_out(spare, full.header, full.header.number + 1, None)?;
            names.push(spare);
            made.push(segment.clone());
            Ok(segment)
        };
        if let Old::Log(chain, found) = old {
            copy(chain, found, &mut writer, next_segment)?;
        }
        // None of this counts before all of it is durable, so the copies may be called so.
        writer.durable = writer.last.sequence;
        writer.put(&Batch::of(BatchKind::Epoch, next), next_segment)?;
        writer.sync()?;
        Ok((writer, names))
    }

    /// What the first header of the new epoch is like.
    fn like(&self, old: &Old) -> Result<SegmentHeader> {
        let (identity, number, epoch, block) = match old {
            Old::Nothing(identity) => (*identity, 1, 1, self.options.block_bytes),
            Old::Log(chain, _) => {
                let number = chain.number_max.checked_add(1).filter(|number| *number < NUMBER_MAX);
                let Some((number, epoch)) = number.zip(chain.epoch_max.checked_add(1)) else {
                    let what = format!("{}: no number is left for a segment", self.folder.path.display());
                    return Err(Error::new(ErrorKind::LogCorrupted, what));
                };
                let block = chain.last_run().segments.first().map(|segment| segment.header.block);
                (chain.identity, number, epoch, block.unwrap_or(self.options.block_bytes))
            }
        };
        Ok(SegmentHeader { identity, number, salt: 0, length: 0, block, epoch, begins: None })
    }

    /// Step 3. Returns the last segment, under its name. Each name is durable before the next is given: an epoch whose
    /// first segment is not there is taken for one whose first segment was recycled.
    fn name_all(&self, made: Vec<Segment>, names: Vec<Spare>) -> Result<Segment> {
        let mut named = Vec::new();
        for (segment, spare) in made.into_iter().zip(names) {
            let file = self.folder.promote(spare, segment.header.number)?;
            self.tally.synced();
            self.folder.sync()?;
            named.push(Segment { file, ..segment });
        }
        let last = named.last().cloned();
        let mut state = self.state.lock();
        state.live = named.into_iter().map(|segment| Live { segment, limit: None }).collect();
        drop(state);
        last.ok_or_else(|| Error::from(ErrorKind::LogCorrupted))
    }

    /// The log is as it will be: commits may come.
    fn run(&self, old: Old, mut writer: Writer, next: Position) -> Result<()> {
        let mut live = Vec::new();
        if let Old::Log(chain, found) = old {
            let Chain { runs, strays, .. } = *chain;
            writer.unlinked = runs.last().and_then(|run| run.segments.get(found.last_linked)).cloned();
            live.extend(strays.into_iter().map(|segment| Live { segment, limit: Some(Position(0)) }));
            for (run, limits) in runs.into_iter().zip(&found.limits) {
                let limits = limits.iter().map(|limit| Some(*limit));
                live.extend(
                    run.segments.into_iter().zip(limits).map(|(segment, limit)| Live { segment, limit }),
                );
            }
            live.sort_by_key(|live| live.segment.header.number);
        }
        let buffer = self.options.buffer_bytes;
        let (pending, other) = (Pending::with_space(buffer)?, Pending::with_space(buffer)?);
        let (rest, block) = (writer.rest(), writer.segment.header.block);
        let mut place = self.writer.lock();
        let mut state = self.state.lock();
        live.append(&mut state.live);
        if let Some((_, before)) = live.split_last_mut() {
            before.iter_mut().for_each(|live| live.limit = live.limit.or(Some(next)));
        }
        state.live = live;
        (state.pending, state.other) = (pending, Some(other));
        state.count_free(rest, block);
        state.phase = Phase::Running;
        self.raise_durable(&state, next);
        *place = Some(writer);
        Ok(())
    }
}

/// Writes anew what is in doubt.
fn copy(
    chain: &Chain,
    found: &Found,
    writer: &mut Writer,
    next_segment: &mut dyn FnMut(&Segment) -> Result<Segment>,
) -> Result<()> {
    let mut window = Window::default();
    for batch in &found.doubtful {
        let mut bodies = Vec::new();
        let mut whole = None;
        for (spot, part) in &batch.parts {
            let segment = chain.runs.get(spot.run).and_then(|run| run.segments.get(spot.segment));
            let Some(segment) = segment.filter(|_| part.kind == BatchKind::Frames) else { continue };
            if window.part(segment, spot.offset)? != Some(*part)
                || !window.verifies(segment, spot.offset, part)?
            {
                return Err(segment.damaged(spot.offset, "a batch is not what it was a moment ago"));
            }
            bodies.push(window.body(segment, spot.offset, part)?.to_vec());
            whole = Some(part);
        }
        if let Some(part) = whole {
            let body = bodies.iter().map(Vec::as_slice).collect();
            let copied = Batch { kind: BatchKind::Frames, next: part.next, frames: part.frames, body };
            writer.put(&copied, next_segment)?;
        }
    }
    Ok(())
}

/// The first position that nobody can have been given.
fn first_position(old: &Old) -> Result<Position> {
    let Old::Log(_, found) = old else { return Ok(Position::FIRST) };
    if found.closed {
        return Ok(found.next);
    }
    let next = found.highest.0.checked_add(LOST_POSITIONS).filter(|next| *next < NUMBER_MAX);
    next.map(Position).ok_or_else(|| Error::new(ErrorKind::LogCorrupted, "no position is left"))
}
