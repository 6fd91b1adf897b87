//! The forest of a checkpoint on disk: a tree of its own, with a row for each tree of the database.
//!
//! ```text
//! key    u64 big-endian   number of the tree
//! value  0  u64  page of its root       16  u64  rows
//!        8  u32  checksum of its root   24  n × u16  for a tree being dropped: the first leaf that is left, as the
//!       12  u8   levels                              child taken in each node from the root down
//!       13  u8   1 it is being dropped
//!       14  u8   n
//!       15  u8   0
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::{file::PageFile, meta::META_PAGES, sink::FileSink};
use ese_base::{Result, TreeNo};
use ese_btree::{Change, ChildRef, Entry, Forest, PageNo, Pages, Root, TreeMerge};
use std::{cmp::Ordering, ops::Bound};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, LE, U16, U32, U64, Unaligned};

/// The number under which the tree of the forest is walked; no tree of a database has it.
const FOREST: TreeNo = TreeNo(u64::MAX);

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct EntryBytes {
    page: U64<LE>,
    checksum: U32<LE>,
    height: u8,
    is_dropped: u8,
    path_len: u8,
    zero: u8,
    rows: U64<LE>,
}

fn encode(entry: &Entry) -> Vec<u8> {
    let path = entry.dropping.as_deref().unwrap_or_default();
    let fixed = EntryBytes {
        page: entry.root.node.page.0.into(),
        checksum: entry.root.node.checksum.into(),
        height: entry.root.height(),
        is_dropped: u8::from(entry.dropping.is_some()),
        path_len: u8::try_from(path.len()).unwrap_or(u8::MAX),
        zero: 0,
        rows: entry.rows.into(),
    };
    let mut bytes = fixed.as_bytes().to_vec();
    bytes.extend(path.iter().flat_map(|index| index.to_le_bytes()));
    bytes
}

fn decode(key: &[u8], value: &[u8]) -> Option<Entry> {
    let tree = TreeNo(u64::from_be_bytes(key.try_into().ok()?));
    let (fixed, path) = EntryBytes::ref_from_prefix(value).ok()?;
    let path = <[U16<LE>]>::ref_from_bytes(path).ok()?;
    let root = ChildRef { page: PageNo(fixed.page.get()), checksum: fixed.checksum.get() };
    let root = Root::new(root, fixed.height)?;
    let fits = path.len() == usize::from(fixed.path_len)
        && path.len() < usize::from(fixed.height)
        && fixed.is_dropped <= 1
        && (fixed.is_dropped == 1 || path.is_empty())
        && root.node.page.0 >= META_PAGES
        && root.node.page <= PageNo::MAX
        && tree != FOREST;
    let dropping = (fixed.is_dropped == 1).then(|| path.iter().map(|index| index.get()).collect());
    fits.then_some(Entry { tree, root, rows: fixed.rows.get(), dropping })
}

/// The forest that the tree at `root` holds.
///
/// # Errors
/// What reading reports; `DatabaseCorrupted`.
pub(crate) fn read<P: Pages>(pages: &P, file: &PageFile, root: Option<Root>) -> Result<Forest> {
    let holder = as_forest(root, 0);
    let mut rows = holder.range(pages, FOREST, Bound::Unbounded, Bound::Unbounded);
    let mut entries: Vec<Entry> = Vec::new();
    while let Some((key, value)) = rows.next()? {
        let entry = decode(key, &value);
        let ascends =
            entry.as_ref().is_some_and(|entry| entries.last().is_none_or(|last| last.tree < entry.tree));
        match entry.filter(|_| ascends) {
            Some(entry) => entries.push(entry),
            None => return Err(file.corrupted("a row of the forest cannot be")),
        }
    }
    Ok(Forest::new(entries))
}

/// Changes the tree at `root`, which holds `from`, so that it holds `to`.
///
/// # Errors
/// What reading and writing report.
pub(crate) fn write<P: Pages>(
    pages: &P,
    sink: &mut FileSink,
    root: Option<Root>,
    from: &Forest,
    to: &Forest,
) -> Result<Option<Root>> {
    let mut merge = TreeMerge::new(pages, root);
    let (mut old, mut new) = (from.entries().iter().peekable(), to.entries().iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.tree.cmp(&new.tree),
        };
        let before = if order == Ordering::Greater { None } else { old.next() };
        let after = if order == Ordering::Less { None } else { new.next() };
        let Some(tree) = after.or(before).map(|entry| entry.tree.0.to_be_bytes()) else { break };
        match after {
            Some(after) if before != Some(after) => {
                merge.apply(pages, sink, &tree, Change::Put(&encode(after)))?;
            }
            Some(_) => {}
            None => merge.apply(pages, sink, &tree, Change::Delete)?,
        }
    }
    Ok(merge.finish(pages, sink)?.root)
}

/// The tree at `root` as the only one of a forest, for reading and walking it.
pub(crate) fn as_forest(root: Option<Root>, trees: u64) -> Forest {
    Forest::new(root.map(|root| Entry { tree: FOREST, root, rows: trees, dropping: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_others_are_refused() {
        let node = ChildRef { page: PageNo(7), checksum: 9 };
        let entry =
            |dropping| Entry { tree: TreeNo(3), root: Root::new(node, 3).unwrap(), rows: 11, dropping };
        let whole = entry(None);
        let dropped = entry(Some([4_u16, 0].into_iter().collect()));
        for entry in [&whole, &dropped] {
            assert_eq!(decode(&3_u64.to_be_bytes(), &encode(entry)).as_ref(), Some(entry));
        }
        let bytes = encode(&dropped);
        assert_eq!(decode(&[3], &bytes), None);
        assert_eq!(decode(&FOREST.0.to_be_bytes(), &bytes), None);
        for len in 0..bytes.len() {
            assert_eq!(decode(&3_u64.to_be_bytes(), bytes.get(..len).unwrap()), None, "{len}");
        }
        for (at, value) in [(0, 1), (7, 1), (12, 0), (12, 2), (12, 33), (13, 2), (13, 0), (14, 1)] {
            let mut bytes = bytes.clone();
            *bytes.get_mut(at).unwrap() = value;
            assert_eq!(decode(&3_u64.to_be_bytes(), &bytes), None, "{at}: {value}");
        }
    }
}
