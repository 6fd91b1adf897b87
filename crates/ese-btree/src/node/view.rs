//! Reading a node.
//!
//! Holding a [`NodeView`] proves that the bytes passed [`NodeView::parse`] or were written by this crate: every offset
//! and length in them lies inside the page. (Were they changed behind our back, an access would panic, not misread
//! memory: nothing here is unchecked.)

use super::{
    layout::{
        CHILD_BYTES, HEAD_BYTES, HEADER_BYTES, Header, OVERFLOW, SLOT_BYTES, TRAILER_BYTES, beyond_head,
        decode_child, decode_run_ref, head_of, padded,
    },
    search::{Head, count_below, count_equal},
};
use crate::{
    pages::{ChildRef, PageBytes, PageNo, RunRef},
    prefetch,
};
use ese_base::{Error, ErrorKind, Value};
use std::{
    cmp::Ordering,
    ops::{Deref, Range},
};
use zerocopy::FromBytes;

/// A node whose bytes are known to be sound.
#[derive(Clone, Copy, Debug)]
pub struct NodeView<B> {
    bytes: B,
    /// Bytes 4 .. 12 of the header: kind, level, count, length of the prefix, end of the cells. One number, because
    /// a view of several small fields is copied through memory, and a copy that is wider than the stores before it
    /// has to wait for them: one after the other, descents that should go on side by side.
    start: u64,
}

/// Where the parts of a leaf lie, computed once for whoever reads many of its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowParts {
    heads_at: usize,
    slots_at: usize,
    /// The last row's index.
    last: usize,
    /// Where the cells end.
    pub(crate) end: usize,
    pub(crate) prefix_len: usize,
}

/// Where one row lies: its key beyond the head from `start`, what belongs to it from `cell` to `end`.
pub(crate) struct LeafRow {
    head: usize,
    start: usize,
    cell: usize,
    end: usize,
    /// The length of the key's suffix.
    pub(crate) key_len: usize,
    is_run: bool,
}

/// How much of a row found by its key is asked for at once.
const VALUE_AHEAD_BYTES: usize = 256;

/// How much [`NodeView::copy_suffix`] may write behind a suffix.
pub(crate) const COPY_SLACK: usize = 24;
const _: () = assert!(COPY_SLACK - HEAD_BYTES <= TRAILER_BYTES);

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
    #[inline(always)]
    #[must_use]
    pub fn trusted(bytes: B) -> Self {
        let start = bytes[4..].first_chunk().expect("a page is longer than its header");
        let start = u64::from_le_bytes(*start);
        NodeView { bytes, start }
    }

    /// As [`NodeView::trusted`], of a node that has to be of that level: a descent goes down in any case.
    ///
    /// # Errors
    /// `DatabaseCorrupted` for another level.
    #[inline(always)]
    pub fn of_level(bytes: B, level: u8) -> ese_base::Result<Self> {
        let node = NodeView::trusted(bytes);
        if node.level() != level {
            return Err(wrong_level(&node, level));
        }
        Ok(node)
    }

    /// The page.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &B {
        &self.bytes
    }

    /// 0 for a leaf, one more with each level above.
    #[inline(always)]
    #[must_use]
    pub fn level(&self) -> u8 {
        let [_, level, ..] = self.start.to_le_bytes();
        level
    }

    /// How many keys it has; an inner node has one child more.
    #[inline(always)]
    #[must_use]
    pub fn count(&self) -> usize {
        let [_, _, n0, n1, ..] = self.start.to_le_bytes();
        usize::from(u16::from_le_bytes([n0, n1]))
    }

    #[inline(always)]
    fn prefix_len(&self) -> usize {
        let [_, _, _, _, p0, p1, ..] = self.start.to_le_bytes();
        usize::from(u16::from_le_bytes([p0, p1]))
    }

    /// Where the cells end.
    #[inline(always)]
    fn end(&self) -> usize {
        let [.., e0, e1] = self.start.to_le_bytes();
        usize::from(u16::from_le_bytes([e0, e1]))
    }

    /// Where the heads begin.
    #[inline(always)]
    fn heads_at(&self) -> usize {
        HEADER_BYTES + padded(self.prefix_len())
    }

    /// Where the slots begin.
    #[inline(always)]
    fn slots_at(&self) -> usize {
        let children = if self.level() == 0 { 0 } else { CHILD_BYTES * (self.count() + 1) };
        self.heads_at() + HEAD_BYTES * self.count() + children
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
        self.end() + TRAILER_BYTES
    }

    /// What all keys begin with.
    #[inline]
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..HEADER_BYTES + self.prefix_len()]
    }

    /// Child `index` of an inner node, `index` ≤ count.
    #[inline]
    #[must_use]
    pub fn child(&self, index: usize) -> ChildRef {
        let at = self.heads_at() + HEAD_BYTES * self.count() + CHILD_BYTES * index;
        let bytes = self.bytes[at..].first_chunk::<CHILD_BYTES>().expect("children lie inside the page");
        decode_child(bytes)
    }

    /// What belongs to key `index` of a leaf.
    #[inline]
    #[must_use]
    pub fn cell(&self, index: usize) -> Cell {
        let (start, len) = self.slot(index);
        self.cell_behind(index, start + beyond_head(usize::from(len & !OVERFLOW)), len)
    }

    /// The cell of key `index` from `start` on, which lies behind the key's bytes.
    #[inline(always)]
    fn cell_behind(&self, index: usize, start: usize, len: u16) -> Cell {
        let range = start..self.cell_end(index);
        if len & OVERFLOW == 0 {
            return Cell::Inline(range);
        }
        Cell::Run(decode_run_ref(&self.bytes[range]).expect("a sound leaf has whole references"))
    }

    /// The length of key `index`.
    #[must_use]
    pub fn key_len(&self, index: usize) -> usize {
        self.prefix_len() + self.suffix_len(index)
    }

    /// Where the parts of this leaf lie.
    #[inline]
    pub(crate) fn row_parts(&self) -> RowParts {
        RowParts {
            heads_at: self.heads_at(),
            slots_at: self.slots_at(),
            last: self.count().saturating_sub(1),
            end: self.end(),
            prefix_len: self.prefix_len(),
        }
    }

    /// Where row `index` of a leaf lies.
    #[inline(always)]
    pub(crate) fn row(&self, parts: &RowParts, index: usize) -> LeafRow {
        // The slot and the one behind it; the trailer lies behind the slots, so that there are eight bytes.
        let bytes = self.bytes[parts.slots_at + SLOT_BYTES * index..].first_chunk::<8>();
        let [o0, o1, l0, l1, n0, n1, ..] = *bytes.expect("slots lie inside the page");
        let start = usize::from(u16::from_le_bytes([o0, o1]));
        let flags = u16::from_le_bytes([l0, l1]);
        let end = if index == parts.last { parts.end } else { usize::from(u16::from_le_bytes([n0, n1])) };
        let key_len = usize::from(flags & !OVERFLOW);
        LeafRow {
            head: parts.heads_at + HEAD_BYTES * index,
            start,
            cell: start + beyond_head(key_len),
            end,
            key_len,
            is_run: flags & OVERFLOW != 0,
        }
    }

    /// What a row of a leaf has behind its key.
    #[inline(always)]
    pub(crate) fn row_cell(&self, row: &LeafRow) -> Cell {
        let range = row.cell..row.end;
        if row.is_run {
            return Cell::Run(decode_run_ref(&self.bytes[range]).expect("a sound leaf has whole references"));
        }
        Cell::Inline(range)
    }

    /// Where row `index` of a leaf begins; of one behind the last, where the rows end.
    pub(crate) fn row_at(&self, parts: &RowParts, index: usize) -> usize {
        if index > parts.last { parts.end } else { self.slot(index).0 }
    }

    /// Puts the suffix of a row's key into `out` at `at`. Up to [`COPY_SLACK`] bytes behind the suffix are overwritten:
    /// most suffixes fit a copy of fixed length.
    #[inline(always)]
    pub(crate) fn copy_suffix(&self, row: &LeafRow, out: &mut [u8], at: usize) {
        const FIXED: usize = COPY_SLACK - HEAD_BYTES;
        let bytes: &[u8] = &self.bytes;
        let head = bytes[row.head..].first_chunk::<HEAD_BYTES>();
        let head = head.expect("heads lie inside the page").to_number();
        // The trailer behind the cells is longer than the fixed copy.
        let from = *bytes[row.start..].first_chunk::<FIXED>().expect("cells lie inside the page");
        let to = out[at..].first_chunk_mut::<COPY_SLACK>().expect("there is room for a suffix and the slack");
        let (to_head, to_rest) = to.split_at_mut(HEAD_BYTES);
        to_head.copy_from_slice(&head.to_be_bytes());
        to_rest.copy_from_slice(&from);
        let beyond = row.cell - row.start;
        if beyond > FIXED {
            let rest = at + COPY_SLACK..at + HEAD_BYTES + beyond;
            out[rest].copy_from_slice(&bytes[row.start + FIXED..row.cell]);
        }
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
        self.search_at(key, self.guess(key))
    }

    /// The child of an inner node that holds `key`.
    #[inline(always)]
    #[must_use]
    pub fn child_index(&self, key: &[u8]) -> usize {
        let (suffix, head) = match self.cut(key) {
            Ok(cut) => cut,
            Err(index) => return index,
        };
        let heads = self.heads();
        let first = count_below(heads, head);
        if heads.get(first).is_none_or(|other| other.to_number() != head) {
            return first;
        }
        match self.search_ties(suffix, first, head) {
            Ok(separator) => separator + 1,
            Err(index) => index,
        }
    }

    /// Where `key` is if it is there, found without a look at cells; [`NodeView::search_at`] and
    /// [`NodeView::find_at`] take it on from there.
    #[inline(always)]
    pub(crate) fn guess(&self, key: &[u8]) -> usize {
        self.cut(key).map_or_else(|index| index, |(_, head)| count_below(self.heads(), head))
    }

    /// As [`NodeView::search`], with what [`NodeView::guess`] said.
    #[inline]
    pub(crate) fn search_at(&self, key: &[u8], guess: usize) -> Result<usize, usize> {
        let (suffix, head) = self.cut(key)?;
        if self.heads().get(guess).is_none_or(|other| other.to_number() != head) {
            return Err(guess);
        }
        self.search_ties(suffix, guess, head)
    }

    /// What belongs to `key` in a leaf, if it is there.
    #[inline(always)]
    pub(crate) fn find(&self, key: &[u8]) -> Option<Cell> {
        let (suffix, head) = self.cut(key).ok()?;
        self.find_suffix(suffix, head, count_below(self.heads(), head))
    }

    /// As [`NodeView::find`], with what [`NodeView::guess`] said.
    #[inline(always)]
    pub(crate) fn find_at(&self, key: &[u8], guess: usize) -> Option<Cell> {
        let (suffix, head) = self.cut(key).ok()?;
        self.find_suffix(suffix, head, guess)
    }

    #[inline(always)]
    fn find_suffix(&self, suffix: &[u8], head: u64, guess: usize) -> Option<Cell> {
        let [other, behind @ ..] = self.heads().get(guess..)? else { return None };
        if other.to_number() != head {
            return None;
        }
        // Nearly always only one key has the head.
        if behind.first().is_some_and(|next| next.to_number() == head) {
            return self.search_ties(suffix, guess, head).ok().map(|index| self.cell(index));
        }
        let row = self.row(&self.row_parts(), guess);
        // The value's lines are asked for with the key's: whoever asked for the row will look at both.
        prefetch::lines(&self.bytes, row.start, row.end.saturating_sub(row.start).min(VALUE_AHEAD_BYTES));
        if row.key_len != suffix.len() {
            return None;
        }
        if let Some(beyond) = suffix.get(HEAD_BYTES..)
            && !equal(&self.bytes[row.start..row.cell], beyond)
        {
            return None;
        }
        Some(self.row_cell(&row))
    }

    /// What `key` has beyond the prefix, and its head; where it would lie when it does not begin with the prefix.
    #[inline(always)]
    fn cut<'k>(&self, key: &'k [u8]) -> Result<(&'k [u8], u64), usize> {
        let prefix_len = self.prefix_len();
        if prefix_len == 0 {
            return Ok((key, head_of(key)));
        }
        // Most prefixes are short: one comparison of eight bytes, which are there because a prefix is padded.
        let start = self.bytes[HEADER_BYTES..].first_chunk::<8>();
        if let (1..=8, Some(key_start), Some(start)) = (prefix_len, key.first_chunk::<8>(), start) {
            let differ = u64::from_be_bytes(*key_start) ^ u64::from_be_bytes(*start);
            if differ >> (64 - 8 * prefix_len) == 0 {
                let suffix = &key[prefix_len..];
                return Ok((suffix, head_of(suffix)));
            }
        }
        self.cut_long(key)
    }

    /// As [`NodeView::cut`], for what is not usual.
    #[cold]
    #[inline(never)]
    fn cut_long<'k>(&self, key: &'k [u8]) -> Result<(&'k [u8], u64), usize> {
        let prefix = self.prefix();
        match key.split_at_checked(prefix.len()) {
            Some((start, suffix)) if start == prefix => Ok((suffix, head_of(suffix))),
            // A shorter key that is a start of the prefix lies before it; slices compare so.
            _ => Err(if key < prefix { 0 } else { self.count() }),
        }
    }

    /// Among the keys from `first` on whose head is that of `suffix`.
    #[inline(never)]
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

    #[inline(always)]
    pub(super) fn heads(&self) -> &[[u8; HEAD_BYTES]] {
        let at = self.heads_at();
        self.bytes[at..at + HEAD_BYTES * self.count()].as_chunks().0
    }

    #[inline]
    fn head(&self, index: usize) -> u64 {
        u64::from_le_bytes(self.heads()[index])
    }

    /// Where the cell of key `index` begins, and the slot's length with its flag.
    #[inline(always)]
    fn slot(&self, index: usize) -> (usize, u16) {
        let at = self.slots_at() + SLOT_BYTES * index;
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
        if index + 1 < self.count() { self.slot(index + 1).0 } else { self.end() }
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

/// Whether two slices of one length are equal; most are a few words long.
#[inline(always)]
fn equal(a: &[u8], b: &[u8]) -> bool {
    let ((a_words, a_rest), (b_words, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    a_words.len() == b_words.len() && a_words.iter().zip(b_words).all(|(a, b)| a == b) && a_rest == b_rest
}

#[cold]
fn wrong_level<B: Deref<Target = [u8]>>(node: &NodeView<B>, level: u8) -> Error {
    let what = format!("page {} has level {}, expected {level}", node.page(), node.level());
    Error::new(ErrorKind::DatabaseCorrupted, what)
}

impl<'p, B: PageBytes<'p>> NodeView<B> {
    /// Bytes of the page as a value.
    #[inline]
    #[must_use]
    pub fn value(&self, range: Range<usize>) -> Value<'p> {
        self.bytes.value(range)
    }
}
