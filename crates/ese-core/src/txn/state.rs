//! The state of a transaction, shared by all versions it wrote.
//!
//! Invariants:
//! - The position is stored before the timestamp; whoever sees the timestamp sees the position.
//! - A state goes from active to aborted or to one timestamp, once.

use ese_base::{
    CommitTs, Position, SessionId,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use std::{fmt, sync::Arc, time::Duration};

const ACTIVE: u64 = u64::MAX;
const ABORTED: u64 = u64::MAX - 1;

/// Who runs a transaction; for errors and statistics.
#[derive(Debug)]
pub struct Owner {
    session: SessionId,
    name: Mutex<String>,
}

impl Owner {
    /// The session of that number, with a name that may be empty.
    #[must_use]
    pub fn new(session: SessionId, name: String) -> Self {
        Owner { session, name: Mutex::new(name) }
    }

    /// The session's number.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Gives the session another name.
    pub fn rename(&self, name: String) {
        *self.name.lock() = name;
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.lock().clone();
        if name.is_empty() {
            write!(f, "session {}", self.session)
        } else {
            write!(f, "session {} ({name:?})", self.session)
        }
    }
}

/// How a transaction stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Not yet visible: running, or claimed and waiting to be published.
    Active,
    /// Rolled back.
    Aborted,
    /// Visible to snapshots from this timestamp on.
    Committed(CommitTs),
}

/// The state of one read-write transaction.
pub struct TxnState {
    ts: AtomicU64,
    pos: AtomicU64,
    owner: Arc<Owner>,
    begun: Duration,
}

impl TxnState {
    /// An active transaction of `owner`, begun at `begun` by the engine's clock.
    #[must_use]
    pub fn new(owner: Arc<Owner>, begun: Duration) -> Self {
        TxnState { ts: AtomicU64::new(ACTIVE), pos: AtomicU64::new(Position::UNCLAIMED.0), owner, begun }
    }

    /// How it stands now.
    #[must_use]
    #[inline]
    pub fn outcome(&self) -> Outcome {
        match self.ts.load(Ordering::Acquire) {
            ACTIVE => Outcome::Active,
            ABORTED => Outcome::Aborted,
            ts => Outcome::Committed(CommitTs(ts)),
        }
    }

    /// Its timestamp, if it is committed at or before `snapshot`.
    #[inline]
    pub(crate) fn visible_at(&self, snapshot: CommitTs) -> bool {
        self.ts.load(Ordering::Acquire) <= snapshot.0
    }

    /// Its position; [`Position::UNCLAIMED`] until it claims one.
    #[must_use]
    #[inline]
    pub fn position(&self) -> Position {
        Position(self.pos.load(Ordering::Acquire))
    }

    /// Whether it has claimed a position and is neither visible nor aborted yet.
    #[must_use]
    pub fn is_committing(&self) -> bool {
        self.position() != Position::UNCLAIMED && self.outcome() == Outcome::Active
    }

    /// Who runs it.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// When it first wrote, by the engine's clock.
    #[must_use]
    pub fn begun(&self) -> Duration {
        self.begun
    }

    /// Stores the claimed position; under the append lock, in one step with entering the queue.
    pub(crate) fn claim(&self, position: Position) {
        debug_assert_eq!(self.position(), Position::UNCLAIMED);
        self.pos.store(position.0, Ordering::Release);
    }

    /// Makes it committed at `ts`; under the publication lock, before `last_visible` is raised.
    pub(crate) fn commit(&self, ts: CommitTs) {
        debug_assert!(ts.0 < ABORTED && self.position() != Position::UNCLAIMED);
        self.ts.store(ts.0, Ordering::Release);
    }

    /// Makes it aborted: all its versions are passed over from now on.
    pub(crate) fn abort(&self) {
        debug_assert_eq!(self.outcome(), Outcome::Active);
        self.ts.store(ABORTED, Ordering::Release);
    }
}

impl fmt::Debug for TxnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TxnState({:?}, position {}, {})", self.outcome(), self.position(), self.owner)
    }
}
