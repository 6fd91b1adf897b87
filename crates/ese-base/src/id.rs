//! The numbers of the engine, a type each, so that no two of them can be mixed up.
//!
//! Order is derived only where order means something: positions are the order of the log, timestamps the order of
//! visibility, and the two may differ (a lazy commit overtakes a synchronous one that waits for its sync).

use std::fmt;

/// The number of a claim: 1, 2, 3, … within a log identity, never used twice, never a byte offset.
///
/// Bases, recovery and "what survived a crash" are judged by position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position(pub u64);

impl Position {
    /// Above every position: what a transaction has until it claims one.
    pub const UNCLAIMED: Position = Position(u64::MAX);
    /// The first position of a new log.
    pub const FIRST: Position = Position(1);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Position {
        Position(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The place of a commit in the order in which commits became visible; also a snapshot ("everything up to here").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CommitTs(pub u64);

impl fmt::Display for CommitTs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The number of an attachment of a database; counts up for ever within a log identity, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AttachmentNo(pub u32);

impl AttachmentNo {
    /// The database that every instance has.
    pub const MAIN: AttachmentNo = AttachmentNo(1);
}

/// The number of a tree within its database; never reused. [`TreeNo::DIRECTORY`] holds the names of the others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TreeNo(pub u64);

impl TreeNo {
    /// The directory of a database: a tree like any other, versioned like data.
    pub const DIRECTORY: TreeNo = TreeNo(0);
}

/// One ordered tree of one attached database. The order is the order in which merges go through the trees.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TreeId {
    /// The attachment of the database.
    pub attachment: AttachmentNo,
    /// The tree in it.
    pub number: TreeNo,
}

impl TreeId {
    /// The directory of `attachment`.
    #[must_use]
    pub const fn directory(attachment: AttachmentNo) -> TreeId {
        TreeId { attachment, number: TreeNo::DIRECTORY }
    }
}

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.attachment.0, self.number.0)
    }
}

/// The number of a session; counts up for the life of an instance, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which of `count` places a number falls into; `count` is a power of two.
#[must_use]
#[inline]
pub const fn stripe(number: u64, count: usize) -> usize {
    debug_assert!(count.is_power_of_two());
    #[expect(clippy::cast_possible_truncation, reason = "the mask leaves fewer bits than usize has")]
    let place = (number & (count as u64 - 1)) as usize;
    place
}

/// Names a commit for ever: the log it is in, the epoch of that log, and its position.
///
/// `JET_COMMIT_ID` (signature and log position) has the same job. The epoch tells a lazy commit that a crash took
/// away from a later one: a position is never answered for a commit that is not it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CommitId {
    /// The identity of the log, drawn at random when it was made.
    pub log: u128,
    /// Counts the openings of that log.
    pub epoch: u32,
    /// The position claimed by the commit.
    pub position: Position,
}
