//! Where commits become durable: ordered frames, each named by its position.
//!
//! The in-memory backend has no log: every commit is ready as soon as it is claimed. The durable backend's log groups
//! frames into batches; that is its own affair, the engine knows positions only.
//!
//! The life of a log that was opened: [`Log::replay`] once, [`Log::begin_epoch`] once, then commits ([`Log::room`],
//! claim, [`Log::append`], [`Log::flush`]), checkpoints ([`Log::settle`], the store's meta page, [`Log::recycle`]) and
//! [`Log::prepare`] in the background, and at the end [`Log::close`]. A new log lives the same life; its replay finds
//! nothing. A log opened for reads ends after its replay.

use ese_base::{Position, Result};

/// A place in a log, for ever: identity, epoch, position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogPoint {
    /// The identity of the log.
    pub log: u128,
    /// Counts its openings.
    pub epoch: u32,
    /// The position.
    pub at: Position,
}

/// Figures of a log since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct LogStats {
    /// Times it had the medium make something durable.
    pub syncs: u64,
    /// Bytes it wrote to the medium.
    pub bytes: u64,
}

impl LogStats {
    /// Figures of a log that counts both.
    #[must_use]
    pub const fn new(syncs: u64, bytes: u64) -> Self {
        LogStats { syncs, bytes }
    }
}

/// Ordered durable frames.
pub trait Log: Send + Sync {
    /// Makes room for a frame of `bytes` before its position is claimed; waits for buffer and segment room. The room is
    /// kept until [`Log::append`] brings a frame of that length, or until it is given back. Who holds room asks for no
    /// more: others' room may be what is waited for.
    ///
    /// # Errors
    /// `DiskFull`, `LogFull`, `TransactionTooLong`; nothing was claimed, nothing is lost. After a failed write what
    /// [`Log::flush`] returned.
    fn room(&self, bytes: u64) -> Result<()>;

    /// Gives back the room for a frame of `bytes` that will not be appended.
    fn give_back(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Appends a frame into room made before. Called in the order of positions; cannot fail.
    fn append(&self, at: Position, frame: Box<[u8]>);

    /// Everything below this position is durable.
    fn durable(&self) -> Position;

    /// Makes everything up to and with `up_to` durable and returns [`Log::durable`]. All positions up to there have been
    /// claimed, and their frames, where they have any, appended. Callers group themselves: one leads, the others wait
    /// for its sync.
    ///
    /// # Errors
    /// A failed write or sync poisons the log; it is never tried again.
    fn flush(&self, up_to: Position) -> Result<Position>;

    /// Makes everything below `below` durable and lets the log itself say so, so that rot of what is durable can never be
    /// taken for a torn end, nor a segment that went missing for a shorter log. The point it returns may be written into
    /// a database: no other way leads to one. Costs nothing when nothing was appended since the last time.
    ///
    /// # Errors
    /// As [`Log::flush`].
    fn settle(&self, below: Position) -> Result<LogPoint>;

    /// The identity of the log, for ever.
    fn identity(&self) -> u128;

    /// The oldest position that a replay may ask for; [`Position::FIRST`] for a new log.
    fn first(&self) -> Position;

    /// Hands every frame from `from` on to `frame`, in order, and returns where the log ends: above every position found
    /// in it.
    ///
    /// # Errors
    /// `LogGap` when the log does not reach back to `from`, does not reach up to it, or lacks something in between;
    /// `LogCorrupted` for damage of what was durable; what `frame` returns.
    fn replay(
        &self,
        from: Position,
        frame: &mut dyn FnMut(Position, &[u8]) -> Result<()>,
    ) -> Result<LogPoint>;

    /// Begins a new epoch after a replay: what is in doubt (found by the replay, but perhaps not on the disk) is written
    /// anew and made durable first, and only then the epoch becomes valid. Returns the first position to be claimed: one
    /// that was never given before. Nothing can be appended before it.
    ///
    /// # Errors
    /// As [`Log::flush`], and `DiskFull`; the log can be opened again and is as it was.
    fn begin_epoch(&self) -> Result<LogPoint>;

    /// Says that frames below `below` are needed no more.
    ///
    /// # Errors
    /// As [`Log::flush`].
    fn recycle(&self, below: Position) -> Result<()>;

    /// One bounded step in making space ready that commits will need; whether there is more to do. For a thread in the
    /// background.
    ///
    /// # Errors
    /// `DiskFull` and other errors of making files. They harm nothing: commits try again when they need the space.
    fn prepare(&self) -> Result<bool> {
        Ok(false)
    }

    /// Marks the log as closed in good order, everything below `next` claimed, appended and durable. Not to be called
    /// after a failure. Nothing can be appended any more.
    ///
    /// # Errors
    /// As [`Log::flush`].
    fn close(&self, next: Position) -> Result<()> {
        self.settle(next).map(|_| ())
    }

    /// Figures for statistics, read without stopping anything; zeros from a log that counts nothing.
    fn stats(&self) -> LogStats {
        LogStats::default()
    }
}
