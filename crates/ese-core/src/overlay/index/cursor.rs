//! A cursor: a place among the entries of an index, and the steps from it both ways.
//!
//! A cursor stands on a slot of a leaf; slots keep their entry for ever, so its place cannot shift under it. A step reads
//! the leaf's order word anew. When the leaf has been frozen, or its end is reached, the cursor descends again, from the
//! parent it came by if that is not frozen and encloses the key, else from the root. A descent that begins after an insert
//! returned sees the entry, hence each step does.

use super::{
    Index,
    entry::Entry,
    node::{Child, Node, Target},
    prefetch::prefetch,
};

/// A place in an [`Index`], alive as long as `'a`.
///
/// A new cursor is neither before nor behind anything: `next` gives the first entry, `prev` the last. Behind the last
/// entry `prev` gives the last, before the first `next` gives the first.
pub(crate) struct Cursor<'a, P, const N: usize = { super::SLOTS }> {
    index: &'a Index<P, N>,
    place: Place<'a, P, N>,
    /// By which the leaf was reached.
    parent: Option<&'a Node<P, N>>,
    /// The leaf that comes next if the cursor goes on as it did: only to have it fetched in time.
    ahead: Option<&'a Node<P, N>>,
}

/// So many steps after it came to a leaf a cursor has the entries of the next one fetched: late enough for that leaf to
/// be there, early enough for its first entry.
const STEPS_TO_PREFETCH: usize = 3;

/// Which way a cursor goes on from the leaf it comes to.
#[derive(Clone, Copy)]
enum Way {
    /// Nobody knows.
    Any,
    Forward,
    Backward,
}

/// What [`Node::locate`] answers.
type Located = Result<usize, usize>;

enum Place<'a, P, const N: usize> {
    Nowhere,
    BeforeAll,
    At(&'a Node<P, N>, usize),
    BehindAll,
}

impl<'a, P, const N: usize> Cursor<'a, P, N> {
    pub(super) fn new(index: &'a Index<P, N>) -> Self {
        Cursor { index, place: Place::Nowhere, parent: None, ahead: None }
    }

    /// To the first entry.
    pub(crate) fn first(&mut self) -> Option<&'a Entry<P>> {
        self.seek_ge(&[])
    }

    /// To the last entry.
    pub(crate) fn last(&mut self) -> Option<&'a Entry<P>> {
        let Some(leaf) = self.descend(None, Target::End, Way::Any) else { return self.before_all() };
        let order = leaf.order();
        Some(self.at(leaf, order.slot(order.count() - 1)))
    }

    /// To the first entry with this key or a greater one.
    pub(crate) fn seek_ge(&mut self, key: &[u8]) -> Option<&'a Entry<P>> {
        self.forward(key, |located| located.unwrap_or_else(|rank| rank))
    }

    /// To the first entry with a greater key.
    pub(crate) fn seek_gt(&mut self, key: &[u8]) -> Option<&'a Entry<P>> {
        self.forward(key, |located| located.map_or_else(|rank| rank, |rank| rank + 1))
    }

    /// To the last entry with this key or a lesser one.
    pub(crate) fn seek_le(&mut self, key: &[u8]) -> Option<&'a Entry<P>> {
        let ends = |located: Located| located.map_or_else(|rank| rank, |rank| rank + 1);
        self.backward(Target::Key(key), key, ends)
    }

    /// To the last entry with a lesser key.
    pub(crate) fn seek_lt(&mut self, key: &[u8]) -> Option<&'a Entry<P>> {
        self.backward(Target::Before(key), key, |located| located.unwrap_or_else(|rank| rank))
    }

    /// To the next entry.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<&'a Entry<P>> {
        let (leaf, slot) = match self.place {
            Place::At(leaf, slot) => (leaf, slot),
            Place::Nowhere | Place::BeforeAll => return self.first(),
            Place::BehindAll => return None,
        };
        let order = leaf.order();
        if order.is_frozen() {
            return self.seek_gt(leaf.entry(slot).key());
        }
        let rank = order.rank_of(slot) + 1;
        self.prefetch_ahead(rank);
        if rank < order.count() {
            return Some(self.at(leaf, order.slot(rank)));
        }
        self.over_end(leaf)
    }

    /// To the entry before.
    #[inline]
    pub(crate) fn prev(&mut self) -> Option<&'a Entry<P>> {
        let (leaf, slot) = match self.place {
            Place::At(leaf, slot) => (leaf, slot),
            Place::Nowhere | Place::BehindAll => return self.last(),
            Place::BeforeAll => return None,
        };
        let order = leaf.order();
        if order.is_frozen() {
            return self.seek_lt(leaf.entry(slot).key());
        }
        let rank = order.rank_of(slot);
        self.prefetch_ahead(order.count() - rank);
        match rank {
            0 => self.over_begin(leaf),
            rank => Some(self.at(leaf, order.slot(rank - 1))),
        }
    }

    /// To the first entry of what `rank` says of the key's place in its leaf.
    #[inline]
    fn forward(&mut self, key: &[u8], rank: impl Fn(Located) -> usize) -> Option<&'a Entry<P>> {
        let Some(leaf) = self.descend(None, Target::Key(key), Way::Any) else { return self.behind_all() };
        let order = leaf.order();
        let rank = rank(leaf.locate(order, key));
        if rank < order.count() { Some(self.at(leaf, order.slot(rank))) } else { self.over_end(leaf) }
    }

    /// To the last entry before what `rank` says of the key's place in its leaf.
    #[inline]
    fn backward(
        &mut self,
        target: Target<'_>,
        key: &[u8],
        rank: impl Fn(Located) -> usize,
    ) -> Option<&'a Entry<P>> {
        let Some(leaf) = self.descend(None, target, Way::Any) else { return self.before_all() };
        let order = leaf.order();
        match rank(leaf.locate(order, key)) {
            0 => self.over_begin(leaf),
            rank => Some(self.at(leaf, order.slot(rank - 1))),
        }
    }

    /// From the end of a leaf to the first entry behind it, which is the leaf's bound.
    fn over_end(&mut self, leaf: &'a Node<P, N>) -> Option<&'a Entry<P>> {
        let Some(high) = leaf.high() else { return self.behind_all() };
        let start = self.parent.filter(|parent| !parent.ends_with(leaf));
        let leaf = self.descend(start, Target::Key(high.key()), Way::Forward)?;
        let order = leaf.order();
        let rank =
            leaf.locate(order, high.key()).expect("an entry that is a leaf's low bound is in the leaf");
        Some(self.at(leaf, order.slot(rank)))
    }

    /// From the begin of a leaf to the last entry before it.
    fn over_begin(&mut self, leaf: &'a Node<P, N>) -> Option<&'a Entry<P>> {
        let Some(low) = leaf.low() else { return self.before_all() };
        let start = self.parent.filter(|parent| !parent.begins_with(leaf));
        let leaf = self.descend(start, Target::Before(low.key()), Way::Backward)?;
        let order = leaf.order();
        let rank = leaf.locate(order, low.key()).unwrap_or_else(|rank| rank);
        Some(self.at(leaf, order.slot(rank - 1)))
    }

    /// The leaf that `target` leads to, from `start` if that is still part of the tree, else from the root.
    #[inline]
    fn descend(
        &mut self,
        start: Option<&'a Node<P, N>>,
        target: Target<'_>,
        way: Way,
    ) -> Option<&'a Node<P, N>> {
        let start = start.filter(|start| !start.order().is_frozen());
        let mut node = start.or_else(|| self.index.root())?;
        (self.parent, self.ahead) = (None, None);
        while node.level() > 0 {
            let child = node.child_towards(target);
            if node.level() == 1 {
                self.parent = Some(node);
                self.ahead = leaf_ahead(node, &child, way);
            }
            node = child.node;
        }
        Some(node)
    }

    /// Has the entries of the next leaf fetched, when the cursor has gone so many steps in its own.
    #[inline]
    fn prefetch_ahead(&mut self, steps: usize) {
        if steps == STEPS_TO_PREFETCH
            && let Some(leaf) = self.ahead.take()
        {
            leaf.prefetch_entries();
        }
    }

    fn at(&mut self, leaf: &'a Node<P, N>, slot: usize) -> &'a Entry<P> {
        self.place = Place::At(leaf, slot);
        leaf.entry(slot)
    }

    fn before_all(&mut self) -> Option<&'a Entry<P>> {
        self.place = Place::BeforeAll;
        None
    }

    fn behind_all(&mut self) -> Option<&'a Entry<P>> {
        self.place = Place::BehindAll;
        None
    }
}

/// The leaf that a walk comes to after this one, which is fetched meanwhile.
#[inline]
fn leaf_ahead<'a, P, const N: usize>(
    parent: &'a Node<P, N>,
    child: &Child<'_, P, N>,
    way: Way,
) -> Option<&'a Node<P, N>> {
    let rank = match way {
        Way::Any => return None,
        Way::Forward => child.rank + 1,
        Way::Backward => child.rank.checked_sub(1)?,
    };
    let leaf = (rank < child.order.count()).then(|| parent.child(child.order.slot(rank)))?;
    prefetch(leaf);
    Some(leaf)
}
