//! Where commits become durable: ordered frames, each named by its position.
//!
//! The in-memory backend has no log: every commit is ready as soon as it is claimed. The durable backend's log groups
//! frames into batches; that is its own affair, the engine knows positions only.

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
    /// Makes room for a frame of `bytes` before its position is claimed; waits for buffer and segment room.
    ///
    /// # Errors
    /// `DiskFull`, `LogFull`, `TransactionTooLong`; nothing was claimed, nothing is lost.
    fn room(&self, bytes: u64) -> Result<()>;

    /// Appends a frame into room made before. Called in the order of positions; cannot fail.
    fn append(&self, at: Position, frame: Box<[u8]>);

    /// Everything below this position is durable.
    fn durable(&self) -> Position;

    /// Makes everything up to and with `up_to` durable and returns [`Log::durable`]. Callers group themselves: one
    /// leads, the others wait for its sync.
    ///
    /// # Errors
    /// A failed write or sync poisons the log; it is never tried again.
    fn flush(&self, up_to: Position) -> Result<Position>;

    /// Hands every frame from `from` on to `frame`, in order, and returns where the log ends.
    ///
    /// # Errors
    /// Damage inside the durable part; what `frame` returns.
    fn replay(
        &self,
        from: Position,
        frame: &mut dyn FnMut(Position, &[u8]) -> Result<()>,
    ) -> Result<LogPoint>;

    /// Begins a new epoch after a replay: what is in doubt from `in_doubt_from` on is made durable first.
    ///
    /// # Errors
    /// As [`Log::flush`].
    fn begin_epoch(&self, in_doubt_from: Position) -> Result<LogPoint>;

    /// Says that frames below `below` are needed no more.
    ///
    /// # Errors
    /// As [`Log::flush`].
    fn recycle(&self, below: Position) -> Result<()>;

    /// Figures for statistics, read without stopping anything; zeros from a log that counts nothing.
    fn stats(&self) -> LogStats {
        LogStats::default()
    }
}
