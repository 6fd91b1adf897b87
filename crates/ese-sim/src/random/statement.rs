//! A statement as data, by indexes into the plan's sessions, keys and tree handles, and as a line of a scenario.

use super::plan::Plan;
use crate::scenario::word;
use ese_core::{Delete, Delta, LockMode, Mode, Put};
use std::fmt::Write as _;

/// A statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Statement {
    /// A session does something.
    Session(usize, Act),
    /// Merges everything.
    Merge,
    /// Asks for a merge.
    RequestMerge,
    /// Takes so many steps of background work.
    Step(u64),
}

/// Where a statement works: a tree handle and a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The handle.
    pub tree: usize,
    /// The key.
    pub key: usize,
}

/// Which end a scan takes rows from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Forwards.
    Front,
    /// Backwards.
    Back,
    /// From both ends in turn.
    Both,
}

/// How a cursor moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Go {
    /// To the first row at or after the key.
    SeekGe,
    /// To the last row at or before the key.
    SeekLe,
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// To the next row.
    Next,
    /// To the previous row.
    Prev,
}

/// What a session does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// Begins a transaction or a level.
    Begin(Mode),
    /// Commits a level.
    Commit,
    /// Rolls back the innermost level.
    Rollback,
    /// Rolls back all levels.
    RollbackAll,
    /// Ends; another session takes its place.
    End,
    /// Puts a value.
    Put(Place, usize, Put),
    /// Deletes.
    Delete(Place, Delete),
    /// Adds to a counter, and asks for the old value or not.
    Add(Place, u32, Delta, Old),
    /// Locks.
    Lock(Place, LockMode),
    /// Reads a row.
    Get(Place),
    /// Reads some rows.
    GetMany(usize, Vec<usize>),
    /// Reads a range of keys, first and last.
    Scan(usize, (usize, usize), End),
    /// Moves a cursor.
    Go(Place, Go),
    /// Creates a tree of a name, and keeps it under a handle.
    CreateTree {
        /// The handle.
        tree: usize,
        /// The name.
        name: usize,
    },
    /// Drops the tree of a handle.
    DropTree(usize),
    /// Gives the tree of a handle another name.
    RenameTree(usize, usize),
    /// Looks a name up.
    FindTree(usize),
    /// Names all trees.
    TreeNames,
}

/// Whether an add asks for the old value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Old {
    /// It does.
    Wanted,
    /// It does not.
    Ignored,
}

impl Statement {
    /// The statement as a line of a scenario.
    #[must_use]
    pub fn line(&self, plan: &Plan) -> String {
        match self {
            Statement::Merge => "merge".to_owned(),
            Statement::RequestMerge => "request_merge".to_owned(),
            Statement::Step(count) => format!("step {count}"),
            Statement::Session(who, act) => format!("s{} {}", who + 1, act.line(plan)),
        }
    }
}

impl Act {
    fn line(&self, plan: &Plan) -> String {
        let at = |place: &Place| format!("h{} {}", place.tree, word(&plan.keys[place.key]));
        match self {
            Act::Begin(Mode::ReadWrite) => "begin".to_owned(),
            Act::Begin(Mode::ReadOnly) => "begin ro".to_owned(),
            Act::Commit => "commit".to_owned(),
            Act::Rollback => "rollback".to_owned(),
            Act::RollbackAll => "rollback 0".to_owned(),
            Act::End => "end_session".to_owned(),
            Act::Put(place, value, how) => {
                let verb = match how {
                    Put::Insert => "insert",
                    Put::Upsert => "put",
                    Put::Replace => "update",
                };
                format!("{verb} {} {}", at(place), word(&plan.values[*value]))
            }
            Act::Delete(place, Delete::IfPresent) => format!("delete {}", at(place)),
            Act::Delete(place, Delete::Blind) => format!("delete_blind {}", at(place)),
            Act::Add(place, offset, delta, old) => {
                let verb = if *old == Old::Wanted { "fetch_add" } else { "add" };
                match delta {
                    Delta::I32(by) => format!("{verb} {} i32@{offset} {by}", at(place)),
                    Delta::I64(by) => format!("{verb} {} i64@{offset} {by}", at(place)),
                }
            }
            Act::Lock(place, LockMode::Read) => format!("lock {} r", at(place)),
            Act::Lock(place, LockMode::Write) => format!("lock {} w", at(place)),
            _ => self.read_line(plan),
        }
    }

    fn read_line(&self, plan: &Plan) -> String {
        let at = |place: &Place| format!("h{} {}", place.tree, word(&plan.keys[place.key]));
        match self {
            Act::Get(place) => format!("get {}", at(place)),
            Act::GetMany(tree, keys) => {
                let mut line = format!("get_many h{tree}");
                for key in keys {
                    let _ = write!(line, " {}", word(&plan.keys[*key]));
                }
                line
            }
            Act::Scan(tree, (first, last), end) => {
                let end = match end {
                    End::Front => "",
                    End::Back => " rev",
                    End::Both => " both",
                };
                format!("scan h{tree} {}..={}{end}", word(&plan.keys[*first]), word(&plan.keys[*last]))
            }
            Act::Go(place, Go::SeekGe) => format!("seek_ge {}", at(place)),
            Act::Go(place, Go::SeekLe) => format!("seek_le {}", at(place)),
            Act::Go(place, Go::First) => format!("first h{}", place.tree),
            Act::Go(place, Go::Last) => format!("last h{}", place.tree),
            Act::Go(place, Go::Next) => format!("next h{}", place.tree),
            Act::Go(place, Go::Prev) => format!("prev h{}", place.tree),
            Act::CreateTree { tree, name } => format!("create_tree {}   # h{tree}", plan.names[*name].1),
            Act::DropTree(tree) => format!("drop_tree h{tree}"),
            Act::RenameTree(tree, name) => format!("rename_tree h{tree} {}", plan.names[*name].1),
            Act::FindTree(name) => format!("find {}", plan.names[*name].1),
            _ => "trees".to_owned(),
        }
    }
}
