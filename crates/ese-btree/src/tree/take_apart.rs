//! Gives back the pages of a tree in bounded steps, from the first leaf on.
//!
//! Nothing is written: how far it came is a [`Path`], the child taken on each level. What lies before the path is gone;
//! what lies on it and behind is still there. A path is small enough to be kept with the root, so that taking a tree
//! apart can go on in a later merge, or after a crash.

use super::{Root, overflow};
use crate::{
    node::{Cell, NodeView},
    pages::{Pages, Sink, Stretch},
};
use ese_base::{Error, ErrorKind, Result};
use smallvec::SmallVec;

/// Where a tree being taken apart begins: the child taken in each inner node, from the root down.
pub type Path = SmallVec<[u16; 8]>;

/// How far a step came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Taken {
    /// This much is left.
    Left(Path),
    /// Nothing is left.
    All,
}

/// Frees about `pages` pages of the tree at `root`, of which `path` is the first leaf that is left.
///
/// # Errors
/// What the pages report; `DatabaseCorrupted` when the path does not fit the tree.
pub fn take_apart<P: Pages, S: Sink>(
    source: &P,
    sink: &mut S,
    root: Root,
    path: &Path,
    pages: usize,
) -> Result<Taken> {
    let mut nodes = open(source, root, path)?;
    let mut freed = 0;
    loop {
        let leaf = nodes.pop().ok_or_else(misfit)?.0;
        freed += free_leaf(sink, &leaf, source.page_size())?;
        // Up past the nodes whose last child that was, down to the next leaf.
        let mut level = 0;
        loop {
            let Some((node, index)) = nodes.last_mut() else { return Ok(Taken::All) };
            level += 1;
            if usize::from(*index) < node.count() {
                *index += 1;
                break;
            }
            free_node(sink, node)?;
            freed += 1;
            nodes.pop();
        }
        if freed >= u64::try_from(pages).unwrap_or(u64::MAX) {
            let mut left: Path = nodes.iter().map(|(_, index)| *index).collect();
            left.extend((1..level).map(|_| 0));
            return Ok(Taken::Left(left));
        }
        while level > 0 {
            let (node, index) = nodes.last().ok_or_else(misfit)?;
            level -= 1;
            let child = source.node(node.child(usize::from(*index)), level)?;
            nodes.push((child, 0));
        }
    }
}

type Nodes<'p, P> = SmallVec<[(NodeView<<P as Pages>::Bytes<'p>>, u16); 8]>;

/// The nodes along `path` and the leaf it leads to.
fn open<'p, P: Pages>(source: &'p P, root: Root, path: &Path) -> Result<Nodes<'p, P>> {
    let mut nodes = Nodes::<P>::new();
    let mut at = root.node;
    for level in (0..root.height()).rev() {
        let node = source.node(at, level)?;
        let index = path.get(nodes.len()).copied().unwrap_or(0);
        if level > 0 {
            if usize::from(index) > node.count() {
                return Err(misfit());
            }
            at = node.child(usize::from(index));
        }
        nodes.push((node, index));
    }
    Ok(nodes)
}

fn free_leaf<B: std::ops::Deref<Target = [u8]>, S: Sink>(
    sink: &mut S,
    leaf: &NodeView<B>,
    page_size: usize,
) -> Result<u64> {
    let mut freed = 1;
    for index in 0..leaf.count() {
        if let Cell::Run(run) = leaf.cell(index) {
            let stretch = overflow::stretch(run, page_size);
            freed += stretch.pages;
            sink.free(stretch)?;
        }
    }
    free_node(sink, leaf)?;
    Ok(freed)
}

fn free_node<B: std::ops::Deref<Target = [u8]>, S: Sink>(sink: &mut S, node: &NodeView<B>) -> Result<()> {
    sink.free(Stretch { page: node.page(), pages: 1, birth: node.birth() })
}

#[cold]
fn misfit() -> Error {
    Error::new(ErrorKind::DatabaseCorrupted, "the path of a tree being dropped does not fit the tree")
}
