//! Trees that come and go: rows of the directory, with the errors of trees.
//!
//! A tree has two rows: `n` and its name leads to its number, `t` and its number says that it stands. A rename leaves the
//! second alone, so writers in a tree meet its drop and not its rename.

use super::{row::What, world::RowName, write::Statement};
use ese_base::{AttachmentNo, Error, ErrorKind, Result, TreeId, TreeNo, limits};

/// The row of the directory that names a tree.
fn name_row(database: usize, name: &str) -> RowName {
    (database, TreeNo::DIRECTORY, [b"n", name.as_bytes()].concat())
}

/// The row of the directory that says that a tree stands.
pub(super) fn standing_row(database: usize, tree: TreeNo) -> RowName {
    (database, TreeNo::DIRECTORY, [&b"t"[..], &tree.0.to_be_bytes()].concat())
}

/// Names of trees have 1 to 64 bytes and no control characters.
pub(super) fn check_name(name: &str) -> Result<()> {
    check_name_within(name, limits::NAME_MAX_BYTES)
}

/// Names of databases may be longer.
pub(super) fn check_database_name(name: &str) -> Result<()> {
    check_name_within(name, limits::DATABASE_NAME_MAX_BYTES)
}

fn check_name_within(name: &str, most: usize) -> Result<()> {
    if name.is_empty() || name.len() > most || name.chars().any(char::is_control) {
        return Err(Error::new(ErrorKind::InvalidName, format!("{name:?}")));
    }
    Ok(())
}

pub(super) fn create(statement: &mut Statement<'_>, attachment: AttachmentNo, name: &str) -> Result<TreeId> {
    let database = statement.world.database(attachment)?;
    let number = statement.world.next_tree(database);
    enter(statement, database, name, number)?;
    statement.write(&standing_row(database, number), What::Put(Vec::new()), ErrorKind::WriteConflict)?;
    Ok(TreeId { attachment, number })
}

/// Gives a tree a name that must be free.
fn enter(statement: &mut Statement<'_>, database: usize, name: &str, number: TreeNo) -> Result<()> {
    let row = name_row(database, name);
    if statement.value(&row).is_some() {
        return Err(Error::new(ErrorKind::TreeDuplicate, format!("{name:?} exists")));
    }
    let what = What::Put(number.0.to_le_bytes().to_vec());
    statement.write(&row, what, ErrorKind::TreeDuplicate)
}

/// The row with the name of a tree, as the statement's transaction sees it.
fn name_of(statement: &Statement<'_>, database: usize, tree: TreeId) -> Result<RowName> {
    let mut trees = statement.world.trees(database, statement.eyes).into_iter();
    let found = trees.find(|(_, number)| *number == tree.number);
    found.map(|(name, _)| name_row(database, &name)).ok_or_else(|| ErrorKind::ObjectNotFound.into())
}

pub(super) fn drop_tree(statement: &mut Statement<'_>, tree: TreeId) -> Result<()> {
    let database = statement.world.tree(tree, statement.eyes)?;
    let name = name_of(statement, database, tree)?;
    // First the row that writers in the tree look at.
    statement.write(&standing_row(database, tree.number), What::Delete, ErrorKind::WriteConflict)?;
    let txn = statement.txn;
    let others = statement.world.running.iter().filter(|(other, _)| **other != txn);
    for (_, running) in others {
        if running.used.contains(&(database, tree.number)) {
            let what = format!("session {} wrote in it", running.session);
            return Err(Error::new(ErrorKind::TreeInUse, what).concurrent());
        }
    }
    statement.write(&name, What::Delete, ErrorKind::WriteConflict)
}

pub(super) fn rename(statement: &mut Statement<'_>, tree: TreeId, name: &str) -> Result<()> {
    let database = statement.world.tree(tree, statement.eyes)?;
    let old = name_of(statement, database, tree)?;
    if old == name_row(database, name) {
        return Ok(());
    }
    statement.write(&old, What::Delete, ErrorKind::WriteConflict)?;
    enter(statement, database, name, tree.number)
}
