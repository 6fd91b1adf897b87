//! An ordered walk over the generations of a view: the rows that have versions the filter admits, newest version first.
//!
//! Invariant: keys come strictly ascending (or descending), each once, whatever number of generations hold them.

use super::{
    chain::{Chain, VersionRef},
    generation::Generation,
    index::{Cursor, Entry, prefetch_line},
    own::Mine,
    visibility::{self, Data, Found, Settled},
};
use crate::seam::{
    scan::Direction,
    version_store::{From, Walk},
};
use ese_base::{CommitTs, Position, TreeId};
use smallvec::SmallVec;

/// Which versions a walk takes.
pub(crate) trait Filter {
    fn admits(&self, version: VersionRef<'_>) -> bool;
}

/// What counts for a reader.
pub(crate) struct Visible {
    pub(super) snapshot: CommitTs,
    pub(super) l: Position,
}

/// What a merge takes.
pub(super) struct Mergeable {
    pub(super) l: Position,
    pub(super) cut: Position,
}

impl Filter for Visible {
    #[inline]
    fn admits(&self, version: VersionRef<'_>) -> bool {
        visibility::counts(version, self.snapshot, self.l)
    }
}

impl Filter for Mergeable {
    #[inline]
    fn admits(&self, version: VersionRef<'_>) -> bool {
        visibility::merges(version, self.l, self.cut)
    }
}

/// The walk of a transaction over its own writes.
pub(crate) type OwnWalk<'a> = Rows<'a, Mine<'a>>;

/// The walk of a reader.
pub(crate) type OverlayWalk<'a> = Rows<'a, Visible>;

/// A walk over one tree; see the head of the module.
pub(crate) struct Rows<'a, F> {
    /// Newest generation first: for equal keys the first source is the newest.
    sources: SmallVec<[Source<'a>; 4]>,
    direction: Direction,
    filter: F,
}

struct Source<'a> {
    cursor: Cursor<'a, Chain>,
    at: Option<&'a Entry<Chain>>,
    /// The entry behind `at`, asked for from memory while others are looked at; its versions are when it comes up.
    ahead: Option<&'a Entry<Chain>>,
}

impl<'a, F: Filter> Rows<'a, F> {
    /// A walk over the tree in `generations`, newest first; `None` when they hold nothing in that direction.
    pub(super) fn new(
        generations: impl Iterator<Item = &'a Generation>,
        tree: TreeId,
        direction: Direction,
        from: From<'_>,
        filter: F,
    ) -> Option<Self> {
        let mut sources = SmallVec::new();
        for generation in generations {
            let Some(index) = generation.index(tree) else { continue };
            let mut cursor = index.cursor();
            let at = match (direction, from) {
                (Direction::Forward, From::End) => cursor.first(),
                (Direction::Forward, From::At(key)) => cursor.seek_ge(key),
                (Direction::Forward, From::Behind(key)) => cursor.seek_gt(key),
                (Direction::Backward, From::End) => cursor.last(),
                (Direction::Backward, From::At(key)) => cursor.seek_le(key),
                (Direction::Backward, From::Behind(key)) => cursor.seek_lt(key),
            };
            if at.is_some() {
                let mut source = Source { cursor, at: None, ahead: at };
                source.advance(direction);
                sources.push(source);
            }
        }
        (!sources.is_empty()).then_some(Rows { sources, direction, filter })
    }

    /// The key that comes next, of any source.
    #[inline]
    fn nearest(&self) -> Option<&'a [u8]> {
        let mut keys = self.sources.iter().filter_map(|source| Some(source.at?.key()));
        let first = keys.next()?;
        Some(match self.direction {
            Direction::Forward => keys.fold(first, |a, b| if b < a { b } else { a }),
            Direction::Backward => keys.fold(first, |a, b| if b > a { b } else { a }),
        })
    }

    /// What the versions of the next row say that has any the filter admits.
    pub(super) fn next_row(&mut self) -> Option<(&'a [u8], Found<'a>)> {
        loop {
            let key = self.nearest()?;
            let mut found = Found::default();
            let mut settled = Settled::No;
            for source in &mut self.sources {
                let Some(entry) = source.at.filter(|entry| entry.key() == key) else { continue };
                source.advance(self.direction);
                for version in entry.payload().versions() {
                    if settled == Settled::Yes {
                        break;
                    }
                    if self.filter.admits(version) {
                        settled = found.take(version);
                    }
                }
            }
            if found.data != Data::Nothing || !found.deltas.is_empty() {
                return Some((key, found));
            }
        }
    }
}

impl Source<'_> {
    fn advance(&mut self, direction: Direction) {
        self.at = self.ahead;
        if let Some(entry) = self.at {
            entry.payload().prefetch();
            self.ahead = match direction {
                Direction::Forward => self.cursor.next(),
                Direction::Backward => self.cursor.prev(),
            };
            if let Some(ahead) = self.ahead {
                prefetch_line(std::ptr::from_ref(ahead.payload()).cast());
            }
        }
    }
}

impl<'a, F: Filter> Walk<'a> for Rows<'a, F> {
    fn next(&mut self) -> Option<(&'a [u8], Found<'a>)> {
        self.next_row()
    }
}
