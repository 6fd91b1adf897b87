//! All rows of an engine, read both ways, for comparisons.

use ese_base::{ErrorKind, Result, TreeId};
use ese_core::{Engine, Mode, Session, SessionOptions};
use std::{collections::BTreeMap, ops::Bound};

/// Rows by database, tree and key.
pub type AllRows = BTreeMap<(String, String), Vec<(Vec<u8>, Vec<u8>)>>;

/// The rows of every tree of every database, as a new transaction sees them.
///
/// # Errors
/// What reading reports.
///
/// # Panics
/// When a tree read backwards, or by single gets, differs from the tree read forwards.
pub fn all(engine: &dyn Engine) -> Result<AllRows> {
    let mut session = engine.session(SessionOptions::default())?;
    session.begin(Mode::ReadOnly)?;
    let mut all = AllRows::new();
    for (at, database) in engine.databases() {
        for name in session.tree_names(at)? {
            let tree = session.find_tree(at, &name)?.ok_or(ErrorKind::ObjectNotFound)?;
            all.insert((database.clone(), name), both_ways(&*session, tree)?);
        }
    }
    session.rollback_to(0)?;
    Ok(all)
}

/// The rows of a tree, in key order, and proof that both directions and `get` agree.
///
/// # Errors
/// What reading reports.
///
/// # Panics
/// When they do not agree.
pub fn both_ways(session: &dyn Session, tree: TreeId) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let whole = (Bound::Unbounded, Bound::Unbounded);
    let mut forwards = Vec::new();
    let mut scan = session.scan(tree, whole)?;
    while let Some((key, value)) = scan.next()? {
        forwards.push((key.to_vec(), value.to_vec()));
    }
    drop(scan);
    assert!(forwards.is_sorted_by(|(left, _), (right, _)| left < right), "keys out of order in tree {tree}");
    let mut backwards = Vec::new();
    let mut scan = session.scan(tree, whole)?;
    while let Some((key, value)) = scan.next_back()? {
        backwards.push((key.to_vec(), value.to_vec()));
    }
    drop(scan);
    backwards.reverse();
    assert_eq!(forwards, backwards, "tree {tree} read forwards and backwards");
    for (key, value) in &forwards {
        assert_eq!(session.get(tree, key)?.as_deref(), Some(value.as_slice()), "tree {tree}, get of {key:?}");
    }
    Ok(forwards)
}
