//! Group commit: callers wait, one leads, and writes and syncs for all.
//!
//! The leader cuts off what waits under the short lock, lets go of it, writes one batch, syncs, and says what is durable.
//! Meanwhile others append to the other buffer; the next leader takes all of that. Two leaders never overlap. A leader
//! that fails, or panics, ends the log's writing: nothing is tried again and nothing is appended behind.

use crate::{
    format::part::BatchKind,
    pending::{Need, Pending},
    shared::{Phase, Shared, State},
    space::slack,
    writer::{Batch, Writer, failed},
};
use ese_base::{
    Error, ErrorKind, Position, Result,
    error::Failure,
    sync::{MutexGuard, thread},
};
use ese_core::LogPoint;

/// A log that is closed goes on in a fresh segment when this much is in the one it ends in, so that the next opening has
/// little to read.
const CLOSE_FRESH_BYTES: u64 = 256 * 1024;

/// How often a leader looks whether more frames have come.
const GATHER_ROUNDS: usize = 8;

/// Holding it is being the leader. Dropped without an end, the leader has failed.
pub(crate) struct Leading<'s> {
    shared: &'s Shared,
    done: bool,
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        if !self.done {
            let error = Error::new(ErrorKind::LogWriteFailed, "the thread that wrote the log panicked");
            let mut state = self.shared.state.lock();
            state.failed.get_or_insert_with(|| Failure::of(&error));
            state.leading = false;
            drop(state);
            self.shared.changed.notify_all();
        }
    }
}

impl Leading<'_> {
    /// Hands over: what was written is durable up to `durable`, or nothing will be any more.
    pub(crate) fn end(mut self, result: Result<()>, written: Option<(Pending, Position)>) -> Result<()> {
        self.done = true;
        let shared = self.shared;
        let place =
            shared.writer.lock().as_ref().map(|writer| (writer.rest(), writer.last.next, block(writer)));
        let (buffer, durable) =
            written.map_or((None, None), |(buffer, durable)| (Some(buffer), Some(durable)));
        let buffer = buffer.map(|mut buffer| {
            buffer.clear();
            buffer
        });
        let mut state = shared.state.lock();
        if buffer.is_some() {
            state.other = buffer;
        }
        match (&result, place) {
            (Err(error), _) => {
                state.failed.get_or_insert_with(|| Failure::of(error));
            }
            (Ok(()), Some((rest, next, block))) => {
                state.count_free(rest, block);
                if let Some((_, full)) = state.live.split_last_mut() {
                    full.iter_mut().for_each(|live| live.limit = live.limit.or(Some(next)));
                }
                if let Some(durable) = durable {
                    shared.raise_durable(&state, durable);
                }
            }
            (Ok(()), None) => {}
        }
        state.leading = false;
        drop(state);
        shared.changed.notify_all();
        result
    }
}

fn block(writer: &Writer) -> u32 {
    writer.segment.header.block
}

impl Shared {
    fn block_bytes(&self, state: &State) -> u32 {
        state.live.last().map_or(self.options.block_bytes, |live| live.segment.header.block)
    }

    /// Waits until nobody leads, and leads.
    pub(crate) fn lead(&self) -> Result<Leading<'_>> {
        let mut state = self.state.lock();
        loop {
            state.check()?;
            if !state.leading {
                state.leading = true;
                return Ok(Leading { shared: self, done: false });
            }
            self.changed.wait(&mut state);
        }
    }

    /// Makes room for a frame: space in the buffer and in segments, which stays promised.
    pub(crate) fn make_room(&self, bytes: u64) -> Result<()> {
        let need = Need::of(bytes, self.options.buffer_bytes);
        let mut state = self.state.lock();
        self.check_length(&state, need)?;
        loop {
            state.check()?;
            let block = self.block_bytes(&state);
            if !state.has_buffer(need, self.options.buffer_bytes) {
                state = self.make_buffer(state)?;
            } else if !state.has_space(need, block) {
                self.grow(state, need.body, block)?;
                state = self.state.lock();
            } else {
                state.promised.add(need);
                return Ok(());
            }
        }
    }

    /// Whether a log that holds nothing else could take the frame.
    fn check_length(&self, state: &State, need: Need) -> Result<()> {
        let (block, longest) = (self.block_bytes(state), self.options.segment_max_bytes);
        // One that is written, two that are reserved, and one for what the lengths of segments do not divide.
        let segments = (self.options.log_max_bytes / longest).saturating_sub(4);
        let most = segments * crate::space::usable(longest, block);
        if need.body + slack(block) <= most {
            return Ok(());
        }
        let what = format!("it takes {} bytes, the log may take {most} of one transaction", need.body);
        Err(Error::new(ErrorKind::TransactionTooLong, what))
    }

    /// Writes what fills the buffer, or waits for those who were promised room in it.
    fn make_buffer<'s>(&'s self, mut state: MutexGuard<'s, State>) -> Result<MutexGuard<'s, State>> {
        if let Some(last) = state.pending.last().filter(|_| !state.leading) {
            drop(state);
            self.flush_to(last)?;
            return Ok(self.state.lock());
        }
        state.room_waiters += 1;
        self.changed.wait(&mut state);
        state.room_waiters -= 1;
        Ok(state)
    }

    /// Takes a frame into the room promised to it. After a failure it is dropped: nobody can be told that it is durable.
    pub(crate) fn append_frame(&self, at: Position, frame: Box<[u8]>) {
        let need = Need::of(crate::format::wide(frame.len()), self.options.buffer_bytes);
        let mut state = self.state.lock();
        state.promised.sub(need);
        if state.phase == Phase::Running && state.failed.is_none() {
            state.pending.push(at, frame, self.options.buffer_bytes);
        }
        self.wake_room_waiters(state);
    }

    pub(crate) fn give_room_back(&self, bytes: u64) {
        let need = Need::of(bytes, self.options.buffer_bytes);
        let mut state = self.state.lock();
        state.promised.sub(need);
        self.wake_room_waiters(state);
    }

    fn wake_room_waiters(&self, state: MutexGuard<'_, State>) {
        let waiters = state.room_waiters;
        drop(state);
        if waiters > 0 {
            self.changed.notify_all();
        }
    }

    /// Makes everything up to `up_to` durable: by leading, or by waiting for who does.
    pub(crate) fn flush_to(&self, up_to: Position) -> Result<Position> {
        if up_to < self.durable() {
            return Ok(self.durable());
        }
        let mut state = self.state.lock();
        loop {
            if up_to < self.durable() {
                return Ok(self.durable());
            }
            state.check()?;
            if !state.leading {
                break;
            }
            self.changed.wait(&mut state);
        }
        let next = Position(up_to.0.saturating_add(1));
        if state.pending.is_empty() {
            // What was claimed up to there has no frames.
            self.raise_durable(&state, next);
            return Ok(self.durable());
        }
        state.leading = true;
        let leading = Leading { shared: self, done: false };
        if state.frames_before > 1 {
            state = self.gather(state);
        }
        let other = state.other.take().unwrap_or_default();
        let cut = std::mem::replace(&mut state.pending, other);
        let block = self.block_bytes(&state);
        state.free = state.free.saturating_sub(cut.body() + slack(block));
        state.frames_before = cut.frames();
        drop(state);
        let next = next.max(cut.last().map_or(next, Position::next));
        let batch = Batch { kind: BatchKind::Frames, next, frames: cut.frames(), body: cut.pieces() };
        let result = self.write(&batch);
        drop(batch);
        leading.end(result, Some((cut, next)))?;
        Ok(self.durable())
    }

    /// Lets those append who were woken by the leader before: what they bring now shares this sync. Not for long, and not
    /// where commits come one by one.
    fn gather<'s>(&'s self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        for _ in 0..GATHER_ROUNDS {
            let frames = state.pending.frames();
            drop(state);
            thread::yield_now();
            state = self.state.lock();
            if state.pending.frames() == frames {
                break;
            }
        }
        state
    }

    /// By the leader.
    fn write(&self, batch: &Batch<'_>) -> Result<()> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or_else(not_begun)?;
        writer.write(batch, &mut |full| self.next_segment(full))
    }

    /// Makes everything below `below` durable and lets the log say so.
    pub(crate) fn settle_below(&self, below: Position) -> Result<LogPoint> {
        self.flush_to(Position(below.0.saturating_sub(1)))?;
        let leading = self.lead()?;
        let result = self.mark(BatchKind::Mark, below);
        let point = result.as_ref().ok().copied();
        leading.end(result.map(|_| ()), None)?;
        point.ok_or_else(not_begun)
    }

    /// Closes the log in good order.
    pub(crate) fn close_at(&self, next: Position) -> Result<()> {
        self.flush_to(Position(next.0.saturating_sub(1)))?;
        let leading = self.lead()?;
        let result = self.mark(BatchKind::Closed, next);
        if result.is_ok() {
            self.state.lock().phase = Phase::Closed;
        }
        leading.end(result.map(|_| ()), None)
    }

    /// By the leader: a batch that says that all before it is durable, where none does.
    fn mark(&self, kind: BatchKind, below: Position) -> Result<LogPoint> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or_else(not_begun)?;
        let next_segment = &mut |full: &_| self.next_segment(full);
        if kind == BatchKind::Closed && writer.offset > writer.segment.header.data_start() + CLOSE_FRESH_BYTES
        {
            writer.enter(next_segment)?;
        }
        if kind == BatchKind::Closed || writer.settled < below {
            let next = writer.last.next.max(below);
            writer.write(&Batch::of(kind, next), next_segment)?;
        }
        let header = &writer.segment.header;
        Ok(LogPoint { log: header.identity, epoch: header.epoch, at: below })
    }
}

#[cold]
fn not_begun() -> Error {
    failed(Error::new(ErrorKind::InvalidParameter, "the log's epoch has not begun"))
}
