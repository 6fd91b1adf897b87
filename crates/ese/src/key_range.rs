//! Ranges of byte keys as one writes them.
//!
//! The standard's `RangeBounds<K>` leaves `K` open for `..` and does not take `&str` for bytes; this trait infers.

use ese_core::KeyRange;
use std::ops::{Bound, Range, RangeBounds, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// What [`Tree::range`](crate::Tree::range) takes: `..`, `a..`, `..b`, `..=b`, `a..b`, `a..=b` and pairs of [`Bound`]s,
/// where the ends are anything that is bytes (`&[u8]`, `&[u8; N]`, `Vec<u8>`, `&str`, [`Key`](crate::Key), …).
///
/// A range whose ends are arrays of different lengths needs `.as_slice()` on one of them: `b"a".as_slice()..b"abc"`.
///
/// ```
/// use ese::IntoRange;
/// use std::ops::Bound;
/// assert_eq!((..).bounds(), (Bound::Unbounded, Bound::Unbounded));
/// assert_eq!(("a"..).bounds(), (Bound::Included(&b"a"[..]), Bound::Unbounded));
/// assert_eq!((b"a"..=b"b").bounds(), (Bound::Included(&b"a"[..]), Bound::Included(&b"b"[..])));
/// ```
pub trait IntoRange {
    /// The two ends.
    fn bounds(&self) -> KeyRange<'_>;
}

impl IntoRange for RangeFull {
    fn bounds(&self) -> KeyRange<'_> {
        (Bound::Unbounded, Bound::Unbounded)
    }
}

impl<T: AsRef<[u8]>> IntoRange for Range<T> {
    fn bounds(&self) -> KeyRange<'_> {
        (Bound::Included(self.start.as_ref()), Bound::Excluded(self.end.as_ref()))
    }
}

impl<T: AsRef<[u8]>> IntoRange for RangeInclusive<T> {
    fn bounds(&self) -> KeyRange<'_> {
        // The standard's own bounds: one that was iterated to its end excludes the end.
        (self.start_bound().map(AsRef::as_ref), self.end_bound().map(AsRef::as_ref))
    }
}

impl<T: AsRef<[u8]>> IntoRange for RangeFrom<T> {
    fn bounds(&self) -> KeyRange<'_> {
        (Bound::Included(self.start.as_ref()), Bound::Unbounded)
    }
}

impl<T: AsRef<[u8]>> IntoRange for RangeTo<T> {
    fn bounds(&self) -> KeyRange<'_> {
        (Bound::Unbounded, Bound::Excluded(self.end.as_ref()))
    }
}

impl<T: AsRef<[u8]>> IntoRange for RangeToInclusive<T> {
    fn bounds(&self) -> KeyRange<'_> {
        (Bound::Unbounded, Bound::Included(self.end.as_ref()))
    }
}

impl<T: AsRef<[u8]>> IntoRange for (Bound<T>, Bound<T>) {
    fn bounds(&self) -> KeyRange<'_> {
        (self.0.as_ref().map(AsRef::as_ref), self.1.as_ref().map(AsRef::as_ref))
    }
}

impl<R: IntoRange + ?Sized> IntoRange for &R {
    fn bounds(&self) -> KeyRange<'_> {
        (**self).bounds()
    }
}

/// Whether a range ends before it begins, or holds no key because of its two ends.
pub(crate) fn is_inverted(range: KeyRange<'_>) -> bool {
    match range {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            from >= to
        }
        _ => false,
    }
}

/// The first key behind all that begin with `prefix`; `None`: there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_is_the_next_key_that_does_not_begin_so() {
        assert_eq!(prefix_end(b""), None);
        assert_eq!(prefix_end(b"\xFF\xFF"), None);
        assert_eq!(prefix_end(b"a"), Some(b"b".to_vec()));
        assert_eq!(prefix_end(b"a\xFF\xFF"), Some(b"b".to_vec()));
        assert_eq!(prefix_end(b"\x00\xFE"), Some(b"\x00\xFF".to_vec()));
    }

    #[test]
    fn inverted_ranges_are_told() {
        for (range, inverted) in [
            (("b".."a").bounds(), true),
            (("a".."a").bounds(), true),
            (("a".."b").bounds(), false),
            (("a"..="a").bounds(), false),
            (("b"..="a").bounds(), true),
            ((Bound::Excluded("a"), Bound::Included("a")).bounds(), true),
            ((Bound::Excluded("a"), Bound::Excluded("a")).bounds(), true),
            ((Bound::Excluded("a"), Bound::Unbounded).bounds(), false),
            ((..).bounds(), false),
            ((.."").bounds(), false),
        ] {
            assert_eq!(is_inverted(range), inverted, "{range:?}");
        }
    }
}
