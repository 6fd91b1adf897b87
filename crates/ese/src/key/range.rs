//! Ranges of typed keys as one writes them.

use super::{KeyBuffer, KeyOf};
use std::ops::{Bound, Range, RangeBounds, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// What [`TypedTree::range`](crate::TypedTree::range) takes: `..`, `a..`, `..b`, `..=b`, `a..b`, `a..=b` and pairs of
/// [`Bound`]s, where the ends are whatever can stand for a key. A range that was iterated holds what is left of it.
pub trait TypedRange<K> {
    /// The two ends, encoded.
    fn encode(&self) -> (Bound<KeyBuffer>, Bound<KeyBuffer>);
}

fn encoded<K>(key: &impl KeyOf<K>) -> KeyBuffer {
    let mut out = KeyBuffer::new();
    key.encode(&mut out);
    out
}

impl<K> TypedRange<K> for RangeFull {
    fn encode(&self) -> (Bound<KeyBuffer>, Bound<KeyBuffer>) {
        (Bound::Unbounded, Bound::Unbounded)
    }
}

impl<K, Q: KeyOf<K>> TypedRange<K> for Range<Q> {
    fn encode(&self) -> (Bound<KeyBuffer>, Bound<KeyBuffer>) {
        (Bound::Included(encoded(&self.start)), Bound::Excluded(encoded(&self.end)))
    }
}

impl<K, Q: KeyOf<K>> TypedRange<K> for RangeInclusive<Q> {
    fn encode(&self) -> (Bound<KeyBuffer>, Bound<KeyBuffer>) {
        // The standard's own bounds: one that was iterated to its end excludes the end.
        (self.start_bound().map(encoded), self.end_bound().map(encoded))
    }
}

impl<K, Q: KeyOf<K>> TypedRange<K> for RangeFrom<Q> {
    fn encode(&self) -> (Bound<KeyBuffer>, Bound<KeyBuffer>) {
        (Bound::Included(encoded(&self.start)), Bound::Unbounded)
    }
}

impl<K, Q: KeyOf<K>> TypedRange<K> for RangeTo<Q> {
    fn encode(&self) -> (Bound<KeyBuffer>, Bound<KeyBuffer>) {
        (Bound::Unbounded, Bound::Excluded(encoded(&self.end)))
    }
}

impl<K, Q: KeyOf<K>> TypedRange<K> for RangeToInclusive<Q> {
    fn encode(&self) -> (Bound<KeyBuffer>, Bound<KeyBuffer>) {
        (Bound::Unbounded, Bound::Included(encoded(&self.end)))
    }
}

impl<K, Q: KeyOf<K>> TypedRange<K> for (Bound<Q>, Bound<Q>) {
    fn encode(&self) -> (Bound<KeyBuffer>, Bound<KeyBuffer>) {
        (self.0.as_ref().map(encoded), self.1.as_ref().map(encoded))
    }
}
