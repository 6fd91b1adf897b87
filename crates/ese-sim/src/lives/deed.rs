//! What is done in a run, as data that means something in every state, so that any of it can be left out.

use crate::disk::Fault;
use ese_core::{Durability, Put};
use std::fmt;

/// One thing that is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deed {
    /// A session does something.
    Session(usize, Act),
    /// A database is made, attached or detached.
    Database(usize, Fate),
    /// Everything is merged.
    Merge,
    /// Everything is made durable without the log.
    Checkpoint,
    /// So many steps of background work.
    Step(u64),
    /// The clock goes on by so many milliseconds.
    Advance(u64),
    /// The last commit is waited for.
    WaitDurable,
    /// All transactions are rolled back, the engine is closed and opened again.
    Reopen,
    /// The engine is checked.
    Check,
    /// The disk stops after so many more changes.
    Stop(Stop),
    /// Something goes wrong from here on; when the engine has had enough of it, its life ends this way.
    Fault(Fault, Power),
    /// The disk may have so many bytes more than it has, until the next life.
    Fill(u64),
}

/// What a session does; at level 0 each statement is a transaction of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// Begins a transaction or a level.
    Begin,
    /// Commits a level.
    Commit(Durability),
    /// Rolls back so many levels, at least one.
    Rollback(u32),
    /// Puts a row: place, key, length of the value.
    Put(Place, usize, usize, Put),
    /// Deletes a row.
    Delete(Place, usize),
    /// Adds to one of the two counters of a value.
    Add(Place, usize, usize, i64),
    /// Reads a row.
    Get(Place, usize),
    /// Reads a tree.
    Scan(Place),
    /// Makes a tree.
    Create(Place),
    /// Drops a tree.
    Drop(Place),
    /// Gives a tree another name.
    Rename(Place, usize),
}

/// A tree, by the numbers of its database and of its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The database.
    pub database: usize,
    /// The name.
    pub name: usize,
}

/// What happens to a database as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is made.
    Create,
    /// It is attached.
    Attach,
    /// It is detached.
    Detach,
}

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    /// It is killed; the disk goes on.
    Kill,
    /// The power goes.
    Cut,
}

/// Where the disk stops, and what happens until the engine is up again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stop {
    /// Changes that are still done.
    pub after: u64,
    /// How the process ends.
    pub power: Power,
    /// What is found spoilt at the next start.
    pub rot: Option<Rot>,
    /// Starts that come to their ends after so many changes, and how.
    pub again: Vec<(u64, Power)>,
}

/// What is spoilt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rot {
    /// The newest meta page of every database.
    NewestMeta,
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deed::Session(who, act) => write!(f, "s{} {act:?}", who + 1),
            deed => write!(f, "{deed:?}"),
        }
    }
}
