//! One row by its key.

use super::Root;
use crate::{
    node::{Cell, NodeView},
    pages::Pages,
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
