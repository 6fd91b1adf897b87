//! Reading a node.
//!
//! Holding a [`NodeView`] proves that the bytes passed [`NodeView::parse`] or were written by this crate: every offset
//! and length in them lies inside the page. (Were they changed behind our back, an access would panic, not misread
//! memory: nothing here is unchecked.)

use super::{
    layout::{
        CHILD_BYTES, HEAD_BYTES, HEADER_BYTES, Header, KIND_LEAF, OVERFLOW, SLOT_BYTES, beyond_head,
        decode_child, decode_run_ref, head_of, padded,
    },
    search::{count_below, count_equal},
};
use crate::pages::{ChildRef, PageBytes, PageNo, RunRef};
use ese_base::Value;
use std::{
    cmp::Ordering,
    ops::{Deref, Range},
};
use zerocopy::FromBytes;

/// A node whose bytes are known to be sound.
#[derive(Clone, Copy, Debug)]
pub struct NodeView<B> {
    bytes: B,
    /// Where the heads begin.
    heads: u16,
    /// Where the slots begin.
    slots: u16,
    count: u16,
    prefix_len: u16,
    end: u16,
    level: u8,
}

/// What belongs to a key of a leaf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cell {
    /// The value lies in these bytes of the leaf.
    Inline(Range<usize>),
    /// The value lies in a run of its own.
    Run(RunRef),
}

impl<B: Deref<Target = [u8]>> NodeView<B> {
    /// A view of bytes that are known to be a node: [`NodeView::parse`] accepted these very bytes before, or this
    /// crate wrote them and nobody else could.
    ///
    /// # Panics
    /// When the page is shorter than a header; other unsound bytes panic when they are looked at.
    #[inline]
    #[must_use]
    pub fn trusted(bytes: B) -> Self {
        let (header, _) = Header::ref_from_prefix(&bytes).expect("a page is longer than its header");
        let (count, prefix_len) = (header.count.get(), header.prefix_len.get());
        let (level, end) = (header.level, header.end.get());
        let heads = HEADER_BYTES + padded(usize::from(prefix_len));
        let children = if header.kind == KIND_LEAF { 0 } else { CHILD_BYTES * (usize::from(count) + 1) };
        let slots = heads + HEAD_BYTES * usize::from(count) + children;
        #[expect(clippy::cast_possible_truncation, reason = "a sound page has both inside its 32 KiB")]
        let (heads, slots) = (heads as u16, slots as u16);
        NodeView { bytes, heads, slots, count, prefix_len, end, level }
    }

    /// The page.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &B {
        &self.bytes
    }

    /// 0 for a leaf, one more with each level above.
    #[inline]
    #[must_use]
    pub fn level(&self) -> u8 {
        self.level
    }

    /// How many keys it has; an inner node has one child more.
    #[inline]
    #[must_use]
    pub fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// The number the page was written as.
    #[must_use]
    pub fn page(&self) -> PageNo {
        PageNo(self.header().page.get())
    }

    /// The merge that wrote it.
    #[must_use]
    pub fn birth(&self) -> u64 {
        self.header().birth.get()
    }

    /// Bytes in use, header and trailer included.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        usize::from(self.end) + super::layout::TRAILER_BYTES
    }

    /// What all keys begin with.
    #[inline]
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..HEADER_BYTES + usize::from(self.prefix_len)]
    }

    /// Child `index` of an inner node, `index` ≤ count.
    #[inline]
    #[must_use]
    pub fn child(&self, index: usize) -> ChildRef {
        let at = usize::from(self.heads) + HEAD_BYTES * self.count() + CHILD_BYTES * index;
        let bytes = self.bytes[at..].first_chunk::<CHILD_BYTES>().expect("children lie inside the page");
        decode_child(bytes)
    }

    /// What belongs to key `index` of a leaf.
    #[inline]
    #[must_use]
    pub fn cell(&self, index: usize) -> Cell {
        let (start, len) = self.slot(index);
        let range = start + beyond_head(usize::from(len & !OVERFLOW))..self.cell_end(index);
        if len & OVERFLOW == 0 {
            return Cell::Inline(range);
        }
        Cell::Run(decode_run_ref(&self.bytes[range]).expect("a sound leaf has whole references"))
    }

    /// The length of key `index`.
    #[must_use]
    pub fn key_len(&self, index: usize) -> usize {
        usize::from(self.prefix_len) + self.suffix_len(index)
    }

    /// Puts the suffix of key `index` into `out`, which has room for the longest key behind `at`, and returns its
    /// length. Up to 8 bytes behind the suffix may be overwritten.
    #[inline]
    pub fn copy_suffix(&self, index: usize, out: &mut [u8], at: usize) -> usize {
        let (start, len) = self.slot(index);
        let len = usize::from(len & !OVERFLOW);
        out[at..at + HEAD_BYTES].copy_from_slice(&self.head(index).to_be_bytes());
        let beyond = beyond_head(len);
        out[at + HEAD_BYTES..at + HEAD_BYTES + beyond].copy_from_slice(&self.bytes[start..start + beyond]);
        len
    }

    /// Appends key `index` to `out`.
    pub fn append_key(&self, index: usize, out: &mut Vec<u8>) {
        let (start, len) = self.slot(index);
        let len = usize::from(len & !OVERFLOW);
        out.extend_from_slice(self.prefix());
        out.extend_from_slice(&self.head(index).to_be_bytes()[..len.min(HEAD_BYTES)]);
        out.extend_from_slice(&self.bytes[start..start + beyond_head(len)]);
    }

    /// The place of `key` among the keys: `Ok` of its index, or `Err` of the index it would have.
    ///
    /// # Errors
    /// The `Err` is no failure: the key is not there.
    #[inline]
    pub fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let (suffix, head) = self.cut(key)?;
        self.search_from(suffix, head, count_below(self.heads(), head))
    }

    /// Where `key` is if it is there, found without a look at cells; [`NodeView::search_at`] takes it on from there.
    #[inline]
    pub(crate) fn guess(&self, key: &[u8]) -> usize {
        self.cut(key).map_or(0, |(_, head)| count_below(self.heads(), head))
    }

    /// As [`NodeView::search`], with what [`NodeView::guess`] said.
    #[inline]
    pub(crate) fn search_at(&self, key: &[u8], guess: usize) -> Result<usize, usize> {
        let (suffix, head) = self.cut(key)?;
        self.search_from(suffix, head, guess)
    }

    /// What `key` has beyond the prefix, and its head; where it would lie when it does not begin with the prefix.
    #[inline]
    fn cut<'k>(&self, key: &'k [u8]) -> Result<(&'k [u8], u64), usize> {
        let prefix_len = usize::from(self.prefix_len);
        if prefix_len == 0 {
            return Ok((key, head_of(key)));
        }
        let prefix = self.prefix();
        match key.split_at_checked(prefix_len) {
            Some((start, suffix)) if start == prefix => Ok((suffix, head_of(suffix))),
            // A shorter key that is a start of the prefix lies before it; slices compare so.
            _ => Err(if key < prefix { 0 } else { self.count() }),
        }
    }

    /// `first` is the first key whose head is not below `head`.
    #[inline]
    fn search_from(&self, suffix: &[u8], head: u64, first: usize) -> Result<usize, usize> {
        if self.heads().get(first).is_none_or(|other| u64::from_le_bytes(*other) != head) {
            return Err(first);
        }
        self.search_ties(suffix, first, head)
    }

    /// The child of an inner node that holds `key`.
    #[inline]
    #[must_use]
    pub fn child_index(&self, key: &[u8]) -> usize {
        match self.search(key) {
            Ok(separator) => separator + 1,
            Err(index) => index,
        }
    }

    /// Among the keys from `first` on whose head is that of `suffix`.
    fn search_ties(&self, suffix: &[u8], first: usize, head: u64) -> Result<usize, usize> {
        let (mut low, mut high) = (first, first + count_equal(&self.heads()[first..], head));
        while low < high {
            let middle = low.midpoint(high);
            match self.compare_tied(middle, suffix) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// How key `index` stands to a key whose suffix has the same head.
    #[inline]
    fn compare_tied(&self, index: usize, suffix: &[u8]) -> Ordering {
        let (start, len) = self.slot(index);
        let len = usize::from(len & !OVERFLOW);
        match suffix.get(HEAD_BYTES..) {
            Some(beyond) if len >= HEAD_BYTES => self.bytes[start..start + beyond_head(len)].cmp(beyond),
            // One of them ends within the head and goes on as the padding does: the shorter one is a start of the
            // other.
            _ => len.cmp(&suffix.len()),
        }
    }

    #[inline]
    pub(super) fn heads(&self) -> &[[u8; HEAD_BYTES]] {
        let at = usize::from(self.heads);
        self.bytes[at..at + HEAD_BYTES * self.count()].as_chunks().0
    }

    #[inline]
    fn head(&self, index: usize) -> u64 {
        u64::from_le_bytes(self.heads()[index])
    }

    /// Where the cell of key `index` begins, and the slot's length with its flag.
    #[inline]
    fn slot(&self, index: usize) -> (usize, u16) {
        let at = usize::from(self.slots) + SLOT_BYTES * index;
        let [o0, o1, l0, l1] =
            *self.bytes[at..].first_chunk::<SLOT_BYTES>().expect("slots lie inside the page");
        (usize::from(u16::from_le_bytes([o0, o1])), u16::from_le_bytes([l0, l1]))
    }

    #[inline]
    fn suffix_len(&self, index: usize) -> usize {
        usize::from(self.slot(index).1 & !OVERFLOW)
    }

    #[inline]
    fn cell_end(&self, index: usize) -> usize {
        if index + 1 < self.count() { self.slot(index + 1).0 } else { usize::from(self.end) }
    }

    fn header(&self) -> &Header {
        Header::ref_from_prefix(&self.bytes).expect("a page is longer than its header").0
    }

    /// Asks the processor for the cell of key `index`.
    #[inline]
    pub(crate) fn prefetch_cell(&self, index: usize) {
        if index < self.count() {
            crate::prefetch::line(&self.bytes, self.slot(index).0);
        }
    }
}

impl<'p, B: PageBytes<'p>> NodeView<B> {
    /// Bytes of the page as a value.
    #[inline]
    #[must_use]
    pub fn value(&self, range: Range<usize>) -> Value<'p> {
        self.bytes.value(range)
    }
}
