//! What all callers of a log share: the short lock with what waits and what is there, and who leads.
//!
//! Lock order: writer → state. The state's lock is held for moments, never across I/O; the writer's is the leader's, and
//! only the leader takes it.

use crate::{
    folder::{Folder, Spare},
    options::{SPARES_RESERVED, WalOptions},
    pending::{LONG_FRAMES_MAX, Need, Pending},
    segment::Segment,
    space::{Promised, needed, slack, usable, usable_rest},
    spares::Making,
    tally::Tally,
    writer::Writer,
};
use ese_base::{
    Error, ErrorKind, Position, Result,
    error::Failure,
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};
use std::sync::Arc;

/// A log between its epoch and its close.
pub(crate) struct Shared {
    pub(crate) folder: Folder,
    pub(crate) options: WalOptions,
    pub(crate) tally: Arc<Tally>,
    pub(crate) state: Mutex<State>,
    pub(crate) changed: Condvar,
    /// There from the beginning of the epoch on.
    pub(crate) writer: Mutex<Option<Writer>>,
    /// Everything below is durable.
    durable: AtomicU64,
    /// The name of the next spare file.
    pub(crate) spare_name: AtomicU64,
}

/// How far the log has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// It can be replayed.
    Opened,
    /// Its epoch has begun.
    Running,
    /// It was closed in good order.
    Closed,
}

/// A segment that may hold something that is needed.
pub(crate) struct Live {
    pub(crate) segment: Segment,
    /// Every position in it is below; `None` for the one that is written.
    pub(crate) limit: Option<Position>,
}

/// Behind the short lock.
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) failed: Option<Failure>,
    pub(crate) leading: bool,
    /// How many frames the batch before had.
    pub(crate) frames_before: u32,
    pub(crate) pending: Pending,
    /// The buffer that nothing waits in; away while it is written.
    pub(crate) other: Option<Pending>,
    pub(crate) promised: Promised,
    /// Bytes of frames that fit segments there are; see `space`.
    pub(crate) free: u64,
    /// Ascending by length; the shortest are reserved.
    pub(crate) spares: Vec<Spare>,
    pub(crate) making: Making,
    /// Ascending by number; the last one is written.
    pub(crate) live: Vec<Live>,
    /// Bytes left in the last one, when the leader was last done.
    pub(crate) rest: u64,
    /// How many callers wait for room.
    pub(crate) room_waiters: usize,
}

impl State {
    pub(crate) fn new() -> State {
        State {
            phase: Phase::Opened,
            failed: None,
            leading: false,
            frames_before: 0,
            pending: Pending::default(),
            other: None,
            promised: Promised::default(),
            free: 0,
            spares: Vec::new(),
            making: Making::Nothing,
            live: Vec::new(),
            rest: 0,
            room_waiters: 0,
        }
    }

    /// Whether anything can be written.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(failure) = &self.failed {
            return Err(failure.again());
        }
        let what = match self.phase {
            Phase::Running => return Ok(()),
            Phase::Opened => "the log's epoch has not begun",
            Phase::Closed => "the log is closed",
        };
        Err(Error::new(ErrorKind::InvalidParameter, what))
    }

    /// Whether the buffer takes a frame besides what it was promised.
    pub(crate) fn has_buffer(&self, need: Need, buffer_bytes: usize) -> bool {
        self.pending.copied() + self.promised.copied + need.copied <= buffer_bytes
            && self.pending.long_frames() + self.promised.long_frames + need.long_frames <= LONG_FRAMES_MAX
    }

    /// Whether the segments take a frame besides what they were promised.
    pub(crate) fn has_space(&self, need: Need, block: u32) -> bool {
        self.free >= needed(&self.pending, &self.promised, block) + need.body + slack(block)
    }

    /// Counts anew what is free; nothing is being written.
    pub(crate) fn count_free(&mut self, rest: u64, block: u32) {
        self.rest = rest;
        self.free = usable_rest(rest) + self.usable_spares(block);
    }

    /// What the spare segments take that are not reserved.
    pub(crate) fn usable_spares(&self, block: u32) -> u64 {
        self.spares.iter().skip(SPARES_RESERVED).map(|spare| usable(spare.length, block)).sum()
    }

    /// Adds a spare segment.
    pub(crate) fn add_spare(&mut self, spare: Spare, block: u32) {
        let before = self.usable_spares(block);
        let place = self.spares.partition_point(|other| other.length <= spare.length);
        self.spares.insert(place, spare);
        self.free += self.usable_spares(block).saturating_sub(before);
    }

    /// Takes the shortest spare segment that is not reserved, if what was promised fits without it.
    pub(crate) fn take_surplus(&mut self, block: u32) -> Option<Spare> {
        let takes = usable(self.spares.get(SPARES_RESERVED)?.length, block);
        let left = self.free.checked_sub(takes)?;
        if left < needed(&self.pending, &self.promised, block) {
            return None;
        }
        self.free = left;
        Some(self.spares.remove(SPARES_RESERVED))
    }

    /// Bytes of all files.
    pub(crate) fn total_bytes(&self) -> u64 {
        let live: u64 = self.live.iter().map(|live| live.segment.header.length).sum();
        let spares: u64 = self.spares.iter().map(|spare| spare.length).sum();
        live + spares + self.making.length()
    }

    /// The length of the segment that is written.
    pub(crate) fn current_length(&self) -> u64 {
        self.live.last().map_or(0, |live| live.segment.header.length)
    }
}

impl Shared {
    pub(crate) fn new(folder: Folder, options: WalOptions) -> Shared {
        Shared {
            folder,
            options,
            tally: Arc::default(),
            state: Mutex::new(State::new()),
            changed: Condvar::new(),
            writer: Mutex::new(None),
            durable: AtomicU64::new(Position::FIRST.0),
            spare_name: AtomicU64::new(1),
        }
    }

    pub(crate) fn durable(&self) -> Position {
        Position(self.durable.load(Ordering::Acquire))
    }

    /// Says that everything below is durable. With the state's lock held, so that it only rises.
    pub(crate) fn raise_durable(&self, _state: &MutexGuard<'_, State>, to: Position) {
        if to > self.durable() {
            self.durable.store(to.0, Ordering::Release);
        }
    }

    /// Ends the log's writing for good.
    pub(crate) fn fail(&self, error: &Error) {
        let mut state = self.state.lock();
        state.failed.get_or_insert_with(|| Failure::of(error));
        drop(state);
        self.changed.notify_all();
    }
}
