//! One row by its key.

use super::Root;
use crate::{
    node::{Cell, NodeView},
    pages::{ChildRef, Pages},
};
use ese_base::{Result, Value};

/// The value at `key`.
///
/// # Errors
/// What the pages report.
#[inline]
pub fn get<'p, P: Pages>(pages: &'p P, root: Root, key: &[u8]) -> Result<Option<Value<'p>>> {
    let mut level = root.level();
    let mut node = pages.node(root.node, level)?;
    while level > 0 {
        let child = node.child(node.child_index(key));
        level -= 1;
        node = pages.node(child, level)?;
    }
    match node.find(key) {
        Some(cell) => value_of(pages, &node, cell).map(Some),
        None => Ok(None),
    }
}

/// The leaf in which `key` is, or would be. No leaf is read: for asking for many of them before they are needed.
///
/// # Errors
/// What the pages report.
pub fn leaf_of<P: Pages>(pages: &P, root: Root, key: &[u8]) -> Result<ChildRef> {
    let mut at = root.node;
    for level in (1..root.height()).rev() {
        let node = pages.node(at, level)?;
        at = node.child(node.child_index(key));
    }
    Ok(at)
}

/// The value that a cell of a leaf holds or names.
#[inline(always)]
pub(super) fn value_of<'p, P: Pages>(
    pages: &'p P,
    leaf: &NodeView<P::Bytes<'p>>,
    cell: Cell,
) -> Result<Value<'p>> {
    match cell {
        Cell::Inline(range) => Ok(leaf.value(range)),
        Cell::Run(run) => pages.run(run),
    }
}
