//! Spare segments: made ahead, taken when one is full, and made of segments that are needed no more.
//!
//! Making one is zero-writing it, so that a later sync touches no metadata and cannot meet a full disk. It goes on in
//! bounded steps; whoever needs one at once makes it to the end, without zeros where one frame fills it. A failure removes
//! the file and harms nothing.

use crate::{
    folder::Spare,
    format::segment::{SegmentHeader, Takeover},
    options::SPARES_RESERVED,
    segment::Segment,
    shared::{Live, Phase, Shared, State},
    space::length_for,
    writer::failed,
};
use ese_base::{Error, ErrorKind, Position, Result, sync::MutexGuard, sync::atomic::Ordering};
use ese_io::{DiskFile, OpenMode};
use std::sync::Arc;

/// How much is written in a step.
const STEP_BYTES: u64 = 1 << 20;
/// Spare segments that are kept besides the reserved ones; what is recycled beyond is given back.
const SPARES_KEPT: usize = 4;

/// A spare segment in the making.
pub(crate) enum Making {
    /// None is.
    Nothing,
    /// Somebody works on one of this length.
    Busy(u64),
    /// One waits for its next step.
    Part(Unfinished),
}

/// How the bytes of a spare segment come to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filling {
    /// Zeros are written: the syncs of the many small batches to come touch no metadata.
    Zeros,
    /// Space is allocated and no more: one batch is about to fill all of it, and its one sync may touch metadata. To write
    /// zeros before would write everything twice.
    Allocated,
}

/// A file that is zeros up to `done`.
pub(crate) struct Unfinished {
    spare: Spare,
    file: Arc<dyn DiskFile>,
    done: u64,
}

impl Making {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Making::Nothing => 0,
            Making::Busy(length) => *length,
            Making::Part(unfinished) => unfinished.spare.length,
        }
    }
}

impl Shared {
    /// One step of making spare segments ahead; whether there is more to do.
    pub(crate) fn prepare_step(&self) -> Result<bool> {
        let mut state = self.state.lock();
        if state.phase != Phase::Running || state.failed.is_some() {
            return Ok(false);
        }
        let Some(length) = self.wanted(&state) else { return Ok(false) };
        let unfinished = match std::mem::replace(&mut state.making, Making::Nothing) {
            Making::Nothing if state.total_bytes() + length > self.options.log_max_bytes => return Ok(false),
            Making::Nothing => None,
            Making::Part(unfinished) => Some(unfinished),
            busy @ Making::Busy(_) => {
                state.making = busy;
                return Ok(false);
            }
        };
        self.work(state, unfinished, length, Filling::Zeros)?;
        Ok(true)
    }

    /// The length of a segment that should be made.
    fn wanted(&self, state: &State) -> Option<u64> {
        if state.spares.len() < SPARES_RESERVED {
            return Some(self.options.segment_min_bytes);
        }
        let is_near = state.rest < state.current_length() / 2;
        (state.spares.len() == SPARES_RESERVED && is_near).then(|| self.next_length(state))
    }

    fn next_length(&self, state: &State) -> u64 {
        let next = state.current_length().saturating_mul(4);
        next.clamp(self.options.segment_min_bytes, self.options.segment_max_bytes)
    }

    /// Makes a spare segment to the end, or waits for one in the making, because `bytes` have no space. The lock is let
    /// go; the caller looks again.
    pub(crate) fn grow<'s>(&'s self, mut state: MutexGuard<'s, State>, bytes: u64, block: u32) -> Result<()> {
        let unfinished = match std::mem::replace(&mut state.making, Making::Nothing) {
            busy @ Making::Busy(_) => {
                state.making = busy;
                self.changed.wait(&mut state);
                return Ok(());
            }
            Making::Part(unfinished) => Some(unfinished),
            Making::Nothing => None,
        };
        let total = state.total_bytes();
        let fits = self.options.log_max_bytes.saturating_sub(total) / u64::from(block) * u64::from(block);
        let wanted =
            self.next_length(&state).max(length_for(bytes, block)).min(self.options.segment_max_bytes);
        let length = wanted.min(fits);
        if unfinished.is_none() && length < self.options.segment_min_bytes {
            return Err(full(&state, total, self.options.log_max_bytes));
        }
        let (mut rest, mut length) = (unfinished, length);
        loop {
            length = rest.as_ref().map_or(length, |unfinished| unfinished.spare.length);
            let filling = if bytes >= length { Filling::Allocated } else { Filling::Zeros };
            self.work(state, rest, length, filling)?;
            state = self.state.lock();
            rest = match std::mem::replace(&mut state.making, Making::Nothing) {
                Making::Part(unfinished) => Some(unfinished),
                other => {
                    state.making = other;
                    return Ok(());
                }
            };
        }
    }

    /// One step, without the lock.
    fn work(
        &self,
        mut state: MutexGuard<'_, State>,
        unfinished: Option<Unfinished>,
        length: u64,
        filling: Filling,
    ) -> Result<()> {
        state.making = Making::Busy(length);
        drop(state);
        let result = match unfinished {
            None => self.begin_spare(length, filling),
            Some(unfinished) => Ok(unfinished),
        };
        let result = result.and_then(|unfinished| self.zero_step(unfinished));
        let mut state = self.state.lock();
        let block = self.block(&state);
        let outcome = match result {
            Ok(unfinished) if unfinished.done == unfinished.spare.length => {
                state.making = Making::Nothing;
                state.add_spare(unfinished.spare, block);
                Ok(())
            }
            Ok(unfinished) => {
                state.making = Making::Part(unfinished);
                Ok(())
            }
            Err(error) => {
                state.making = Making::Nothing;
                Err(error)
            }
        };
        drop(state);
        self.changed.notify_all();
        outcome
    }

    fn block(&self, state: &State) -> u32 {
        state.live.last().map_or(self.options.block_bytes, |live| live.segment.header.block)
    }

    fn begin_spare(&self, length: u64, filling: Filling) -> Result<Unfinished> {
        let spare = Spare { name: self.spare_name.fetch_add(1, Ordering::Relaxed), length };
        let path = self.folder.spare_path(spare.name);
        let file = self.folder.disk.open(&path, OpenMode::CreateNew)?;
        match file.allocate(length) {
            Ok(()) if filling == Filling::Allocated => Ok(Unfinished { spare, file, done: length }),
            Ok(()) => Ok(Unfinished { spare, file, done: 0 }),
            Err(error) => Err(self.abandon(spare, error)),
        }
    }

    fn zero_step(&self, mut unfinished: Unfinished) -> Result<Unfinished> {
        let Unfinished { spare, file, done } = &mut unfinished;
        let bytes = STEP_BYTES.min(spare.length - *done);
        let zeros = vec![0; usize::try_from(bytes).unwrap_or(0)];
        let mut written = file.write_all_at(&zeros, *done);
        *done += bytes;
        if *done == spare.length && written.is_ok() {
            self.tally.synced();
            written = file.sync_data();
        }
        match written {
            Ok(()) => Ok(unfinished),
            Err(error) => Err(self.abandon(*spare, error)),
        }
    }

    /// Removes a file that could not be made. What that says does not matter: the next opening tries again.
    fn abandon(&self, spare: Spare, error: Error) -> Error {
        let _ = self.folder.disk.remove(&self.folder.spare_path(spare.name));
        error
    }

    /// A spare segment at once, whatever it takes: the longest there is, or a new one.
    pub(crate) fn take_spare(&self) -> Result<Spare> {
        if let Some(spare) = self.state.lock().spares.pop() {
            return Ok(spare);
        }
        let mut unfinished = self.begin_spare(self.options.segment_min_bytes, Filling::Zeros)?;
        while unfinished.done < unfinished.spare.length {
            unfinished = self.zero_step(unfinished)?;
        }
        Ok(unfinished.spare)
    }

    /// Writes a header to a spare file; neither it nor the name is durable.
    pub(crate) fn lay_out(
        &self,
        spare: Spare,
        like: SegmentHeader,
        number: u64,
        begins: Option<Takeover>,
    ) -> Result<Segment> {
        let file = self.folder.disk.open(&self.folder.spare_path(spare.name), OpenMode::ReadWrite)?;
        let length = spare.length / u64::from(like.block) * u64::from(like.block);
        let header = SegmentHeader { number, salt: crate::chance::draw(), length, begins, ..like };
        let blocks = header.encode();
        file.write_all_at(&blocks, 0)?;
        self.tally.written(blocks.len());
        Ok(Segment { header, file })
    }

    /// The segment behind `full`, ready to be written.
    pub(crate) fn next_segment(&self, full: &Segment) -> Result<Segment> {
        let made = self.take_spare().and_then(|spare| {
            let number = full.header.number + 1;
            let segment = self.lay_out(spare, full.header, number, None)?;
            self.tally.synced();
            segment.file.sync_data()?;
            let file = self.folder.promote(spare, number)?;
            self.tally.synced();
            self.folder.sync()?;
            Ok(Segment { file, ..segment })
        });
        let segment = made.map_err(failed)?;
        self.state.lock().live.push(Live { segment: segment.clone(), limit: None });
        Ok(segment)
    }

    /// Makes spare files of segments that hold nothing below `below` that anybody needs.
    pub(crate) fn recycle_below(&self, below: Position) -> Result<()> {
        let leading = self.lead()?;
        let mut gone = Vec::new();
        {
            let mut writer = self.writer.lock();
            let mut state = self.state.lock();
            let is_gone = |live: &Live| live.limit.is_some_and(|limit| limit <= below);
            for live in std::mem::take(&mut state.live) {
                if is_gone(&live) { gone.push(live.segment) } else { state.live.push(live) }
            }
            if let Some(writer) = &mut *writer {
                writer.unlinked.take_if(|old| gone.iter().any(|g| g.header.number == old.header.number));
            }
        }
        leading.end(Ok(()), None)?;
        if gone.is_empty() {
            return Ok(());
        }
        let result = self.demote(&gone);
        match result {
            Ok(surplus) => self.give_back_files(&surplus),
            Err(error) => {
                let error = failed(error);
                self.fail(&error);
                Err(error)
            }
        }
    }

    /// Renames, makes that durable, and only then lets the files be written; returns those that are too many.
    fn demote(&self, gone: &[Segment]) -> Result<Vec<Spare>> {
        let mut spares = Vec::new();
        for segment in gone {
            let name = self.spare_name.fetch_add(1, Ordering::Relaxed);
            spares.push(self.folder.demote(segment, name)?);
        }
        self.tally.synced();
        self.folder.sync()?;
        let mut state = self.state.lock();
        let block = self.block(&state);
        for spare in spares {
            state.add_spare(spare, block);
        }
        let mut surplus = Vec::new();
        while state.spares.len() > SPARES_RESERVED + SPARES_KEPT
            && let Some(spare) = state.take_surplus(block)
        {
            surplus.push(spare);
        }
        drop(state);
        self.changed.notify_all();
        Ok(surplus)
    }

    fn give_back_files(&self, surplus: &[Spare]) -> Result<()> {
        surplus.iter().try_for_each(|spare| self.folder.disk.remove(&self.folder.spare_path(spare.name)))
    }
}

#[cold]
fn full(state: &State, total: u64, max: u64) -> Error {
    let oldest = state.live.first().map_or(0, |live| live.segment.header.number);
    let what = format!(
        "{} segments from number {oldest} on are needed until a checkpoint; the log has {total} bytes and may have {max}",
        state.live.len()
    );
    Error::new(ErrorKind::LogFull, what)
}
