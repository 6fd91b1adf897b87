//! Prints a node or a tree for people. Keys are shown, values only by their length.

use crate::{
    node::{Cell, NodeView},
    pages::{ChildRef, Pages},
    tree::Root,
};
use ese_base::Result;
use std::{
    fmt::{self, Display, Write},
    ops::Deref,
};

/// A node as a person reads it: a line for the page, then one for each key.
///
/// ```text
/// page 7, level 0, born in merge 3, 2 keys, 151 of 4096 bytes, prefix "a"
///   "ab" 10 bytes
///   "ac" run of 70000 bytes at page 9
/// ```
pub fn node<B: Deref<Target = [u8]>>(node: &NodeView<B>, out: &mut impl Write) -> fmt::Result {
    writeln!(
        out,
        "page {}, level {}, born in merge {}, {} keys, {} of {} bytes, prefix {}",
        node.page(),
        node.level(),
        node.birth(),
        node.count(),
        node.used_bytes(),
        node.bytes().len(),
        Key(node.prefix())
    )?;
    if node.level() > 0 {
        writeln!(out, "  page {}", node.child(0).page)?;
    }
    let mut key = Vec::new();
    for index in 0..node.count() {
        key.clear();
        node.append_key(index, &mut key);
        if node.level() > 0 {
            writeln!(out, "  {} page {}", Key(&key), node.child(index + 1).page)?;
            continue;
        }
        match node.cell(index) {
            Cell::Inline(range) => writeln!(out, "  {} {} bytes", Key(&key), range.len())?,
            Cell::Run(run) => writeln!(out, "  {} run of {} bytes at page {}", Key(&key), run.len, run.page)?,
        }
    }
    Ok(())
}

/// All nodes of a tree, each before those below it.
///
/// # Errors
/// What the pages report.
pub fn tree<P: Pages>(pages: &P, root: Root) -> Result<String> {
    let mut out = String::new();
    let mut left: Vec<(ChildRef, u8)> = vec![(root.node, root.level())];
    while let Some((at, level)) = left.pop() {
        let view = pages.node(at, level)?;
        // Writing into a string cannot fail.
        let _ = node(&view, &mut out);
        if level > 0 {
            left.extend((0..=view.count()).rev().map(|index| (view.child(index), level - 1)));
        }
    }
    Ok(out)
}

struct Key<'a>(&'a [u8]);

impl Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
