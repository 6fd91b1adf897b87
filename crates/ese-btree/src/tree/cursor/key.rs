//! The key of the row that a range gave last, put together from a leaf's prefix and the row's suffix.
//!
//! Invariant: `short` holds the key when it is short enough for a copy of fixed length behind its suffix, `long` when
//! not; `prefix_of` names the end whose leaf's prefix `short` begins with.

use super::Side;
use crate::node::{COPY_SLACK, LeafRow, NodeView, RowParts};
use std::ops::Deref;

/// Keys of usual length need no memory of their own.
const SHORT_BYTES: usize = 96;

/// See the head of the module.
pub(super) struct KeyBuffer {
    short: [u8; SHORT_BYTES],
    long: Vec<u8>,
    len: usize,
    prefix_of: Option<Side>,
}

impl KeyBuffer {
    /// No key.
    pub(super) fn new() -> Self {
        KeyBuffer { short: [0; SHORT_BYTES], long: Vec::new(), len: 0, prefix_of: None }
    }

    /// The key; empty before the first.
    #[inline(always)]
    pub(super) fn get(&self) -> &[u8] {
        if is_short(self.len) { &self.short[..self.len] } else { &self.long }
    }

    /// Says that an end has come to another leaf.
    pub(super) fn forget_prefix(&mut self) {
        self.prefix_of = None;
    }

    /// Takes the key of a row of the leaf that `side` stands in.
    #[inline(always)]
    pub(super) fn take<B: Deref<Target = [u8]>>(
        &mut self,
        side: Side,
        leaf: &NodeView<B>,
        parts: &RowParts,
        row: &LeafRow,
    ) {
        self.len = parts.prefix_len + row.key_len;
        if !is_short(self.len) {
            return self.take_long(leaf, parts, row);
        }
        if self.prefix_of != Some(side) {
            self.take_prefix(side, leaf.prefix());
        }
        leaf.copy_suffix(row, &mut self.short, parts.prefix_len);
    }

    #[cold]
    fn take_prefix(&mut self, side: Side, prefix: &[u8]) {
        self.short[..prefix.len()].copy_from_slice(prefix);
        self.prefix_of = Some(side);
    }

    #[cold]
    fn take_long<B: Deref<Target = [u8]>>(&mut self, leaf: &NodeView<B>, parts: &RowParts, row: &LeafRow) {
        self.long.clear();
        self.long.extend_from_slice(leaf.prefix());
        self.long.resize(self.len + COPY_SLACK, 0);
        leaf.copy_suffix(row, &mut self.long, parts.prefix_len);
        self.long.truncate(self.len);
    }
}

#[inline(always)]
const fn is_short(len: usize) -> bool {
    len <= SHORT_BYTES - COPY_SLACK
}
