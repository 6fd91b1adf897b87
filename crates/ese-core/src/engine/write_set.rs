//! What a transaction has written: its future log frame, an index over it, and the marks of its versions.
//!
//! Every operation is appended to one buffer, which is the transaction's frame when it commits. Entries are linked from
//! the newest own operation on a row to the own older one. Gets find them by hash. An ordered index exists only once the
//! transaction scans: loads that never scan pay nothing for it.
//!
//! Invariants:
//! - An own write never changes an earlier operation's bytes.
//! - Rolling back to a savepoint cuts the buffer and restores the links; it allocates nothing.
//! - Locks are operations without bytes: they are undone like writes, and nobody reads them.
//!
//! ```text
//! kind u8 | key length u32 le | payload length u32 le | attachment u32 be | tree u64 be | key | payload
//!                                                     '------------- row -------------'
//! ```
//! The row's bytes stand together and sort as (attachment, tree, key): the ordered index borrows them for its look-ups.

use crate::{
    overlay::{Deltas, Mark, decode_delta},
    seam::version_store::Direction,
    txn::Kind,
};
use ese_base::{TreeId, TreeNo};
use hashbrown::HashTable;
use std::{
    cell::OnceCell,
    collections::{BTreeMap, btree_map},
    ops::Bound,
};

/// Kind and lengths.
const HEAD_BYTES: usize = 1 + 4 + 4;
/// Attachment and tree.
const TREE_BYTES: usize = 4 + 8;
/// Up to so many operations are searched without an index.
const FEW: usize = 8;
/// Capacity that is kept for the next transaction.
const KEPT_BYTES: usize = 1 << 20;
const NONE: u32 = u32::MAX;

/// By the bytes of the row.
type Ordered = BTreeMap<Box<[u8]>, u32>;

/// What a transaction has written.
#[derive(Default)]
pub(super) struct WriteSet {
    buffer: Vec<u8>,
    ops: Vec<Op>,
    /// The newest data operation of each row; empty while there are few.
    index: HashTable<u32>,
    ordered: OnceCell<Ordered>,
}

struct Op {
    tree: TreeId,
    hash: u64,
    /// Where its bytes begin in the buffer.
    at: usize,
    key_len: u32,
    payload_len: u32,
    /// The own older data operation on the row.
    older: u32,
    kind: Kind,
    mark: Mark,
}

/// What the transaction did to a row.
#[derive(Debug, Default)]
pub(super) struct Own<'w> {
    /// The newest own value (`Some(None)`: deleted); `None`: not written, or only added to.
    pub(super) data: Option<Option<&'w [u8]>>,
    /// Own adds above it.
    pub(super) deltas: Deltas,
}

/// Where a savepoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    ops: usize,
    buffer: usize,
}

impl WriteSet {
    /// Whether nothing was written or locked, or all of it was rolled back.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Operations, locks included.
    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    /// Bytes it takes.
    pub(super) fn bytes(&self) -> u64 {
        (self.buffer.capacity() + self.ops.capacity() * size_of::<Op>() + self.index.capacity() * 5) as u64
    }

    /// The frame for the log: everything written and not rolled back, locks excluded; empty: nothing to log.
    pub(super) fn frame(&self) -> &[u8] {
        &self.buffer
    }

    /// A savepoint.
    pub(super) fn place(&self) -> Place {
        Place { ops: self.ops.len(), buffer: self.buffer.len() }
    }

    fn row(&self, op: &Op) -> &[u8] {
        let from = op.at + HEAD_BYTES;
        &self.buffer[from..from + TREE_BYTES + op.key_len as usize]
    }

    fn key(&self, op: &Op) -> &[u8] {
        &self.row(op)[TREE_BYTES..]
    }

    fn payload(&self, op: &Op) -> &[u8] {
        let from = op.at + HEAD_BYTES + TREE_BYTES + op.key_len as usize;
        &self.buffer[from..from + op.payload_len as usize]
    }

    fn is_of(&self, op: &Op, tree: TreeId, key: &[u8]) -> bool {
        op.tree == tree && self.key(op) == key
    }

    /// The newest data operation on a row.
    fn newest(&self, tree: TreeId, key: &[u8], hash: u64) -> Option<u32> {
        if self.index.is_empty() {
            let found = self
                .ops
                .iter()
                .rposition(|op| op.hash == hash && op.kind.is_data() && self.is_of(op, tree, key))?;
            return u32::try_from(found).ok();
        }
        self.index
            .find(hash, |at| {
                let op = &self.ops[*at as usize];
                op.hash == hash && self.is_of(op, tree, key)
            })
            .copied()
    }

    /// What the transaction did to a row.
    #[inline]
    pub(super) fn find(&self, tree: TreeId, key: &[u8], hash: u64) -> Own<'_> {
        if self.ops.is_empty() {
            return Own::default();
        }
        self.newest(tree, key, hash).map(|at| self.own(at)).unwrap_or_default()
    }

    /// Follows the links from operation `at` down to a value or a deletion.
    pub(super) fn own(&self, at: u32) -> Own<'_> {
        let mut own = Own::default();
        let mut next = at;
        while next != NONE {
            let op = &self.ops[next as usize];
            if op.kind == Kind::PUT {
                own.data = Some(Some(self.payload(op)));
                break;
            }
            if op.kind == Kind::DELETE {
                own.data = Some(None);
                break;
            }
            if let Some((offset, delta)) = decode_delta(op.kind, self.payload(op)) {
                own.deltas.add(offset, delta);
            }
            next = op.older;
        }
        own
    }

    /// Appends an operation whose version has been written.
    pub(super) fn push(
        &mut self,
        tree: TreeId,
        key: &[u8],
        hash: u64,
        (kind, payload): (Kind, &[u8]),
        mark: Mark,
    ) {
        let at = self.buffer.len();
        let lengths = (u32::try_from(key.len()), u32::try_from(payload.len()));
        let (Ok(key_len), Ok(payload_len)) = lengths else {
            unreachable!("keys and values were checked against their limits, which are below 2 GiB")
        };
        let number =
            u32::try_from(self.ops.len()).expect("the budget ends a transaction long before 2^32 operations");
        if !kind.is_data() {
            self.ops.push(Op { tree, hash, at, key_len: 0, payload_len: 0, older: NONE, kind, mark });
            return;
        }
        let older = self.newest(tree, key, hash).unwrap_or(NONE);
        self.buffer.reserve(HEAD_BYTES + TREE_BYTES + key.len() + payload.len());
        self.buffer.push(kind.number());
        self.buffer.extend_from_slice(&key_len.to_le_bytes());
        self.buffer.extend_from_slice(&payload_len.to_le_bytes());
        self.buffer.extend_from_slice(&tree_bytes(tree));
        self.buffer.extend_from_slice(key);
        self.buffer.extend_from_slice(payload);
        self.ops.push(Op { tree, hash, at, key_len, payload_len, older, kind, mark });
        if let Some(ordered) = self.ordered.get_mut() {
            let row = at + HEAD_BYTES..at + HEAD_BYTES + TREE_BYTES + key.len();
            ordered.insert(Box::from(&self.buffer[row]), number);
        }
        if !self.index.is_empty() {
            self.index_op(number);
        } else if self.ops.len() > FEW {
            for number in 0..=number {
                self.index_op(number);
            }
        }
    }

    /// Points the index at an operation, which is the newest of its row.
    fn index_op(&mut self, number: u32) {
        let op = &self.ops[number as usize];
        if !op.kind.is_data() {
            return;
        }
        let (hash, older) = (op.hash, op.older);
        if older != NONE
            && let Some(slot) = self.index.find_mut(hash, |at| *at == older)
        {
            *slot = number;
            return;
        }
        let ops = &self.ops;
        self.index.insert_unique(hash, number, |at| ops[*at as usize].hash);
    }

    /// Takes back everything behind `place`; `undo` gets the mark of each version, newest first.
    pub(super) fn roll_back_to(&mut self, place: Place, mut undo: impl FnMut(Mark)) {
        while self.ops.len() > place.ops {
            let Some(op) = self.ops.pop() else { break };
            undo(op.mark);
            if !op.kind.is_data() {
                continue;
            }
            let number = u32::try_from(self.ops.len()).unwrap_or(NONE);
            if let Ok(slot) = self.index.find_entry(op.hash, |at| *at == number) {
                if op.older == NONE {
                    slot.remove();
                } else {
                    *slot.into_mut() = op.older;
                }
            }
            let row = op.at + HEAD_BYTES..op.at + HEAD_BYTES + TREE_BYTES + op.key_len as usize;
            if let Some(ordered) = self.ordered.get_mut() {
                if op.older == NONE {
                    ordered.remove(&self.buffer[row]);
                } else if let Some(at) = ordered.get_mut(&self.buffer[row]) {
                    *at = op.older;
                }
            }
        }
        self.buffer.truncate(place.buffer);
    }

    /// Forgets everything, for the next transaction.
    pub(super) fn clear(&mut self) {
        self.ordered.take();
        self.index.clear();
        self.ops.clear();
        self.buffer.clear();
        if self.bytes() > KEPT_BYTES as u64 {
            *self = WriteSet::default();
        }
    }

    /// The rows of a tree that were written, in key order, from either end.
    pub(super) fn range(&self, tree: TreeId, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> OwnRows<'_> {
        let ordered = self.ordered.get_or_init(|| self.order());
        let prefix = tree_bytes(tree);
        let row = |key: &[u8]| [&prefix[..], key].concat();
        let lower = match lower {
            Bound::Unbounded => Bound::Included(prefix.to_vec()),
            bound => bound.map(row),
        };
        let upper = match upper {
            Bound::Unbounded => {
                let next = TreeNo(tree.number.0.saturating_add(1));
                Bound::Excluded(tree_bytes(TreeId { attachment: tree.attachment, number: next }).to_vec())
            }
            bound => bound.map(row),
        };
        let rows = is_ascending(&lower, &upper).then(|| {
            ordered.range::<[u8], _>((lower.as_ref().map(Vec::as_slice), upper.as_ref().map(Vec::as_slice)))
        });
        OwnRows { write_set: self, rows }
    }

    fn order(&self) -> Ordered {
        let data = self.ops.iter().zip(0_u32..).filter(|(op, _)| op.kind.is_data());
        data.map(|(op, number)| (Box::from(self.row(op)), number)).collect()
    }
}

fn tree_bytes(tree: TreeId) -> [u8; TREE_BYTES] {
    let mut bytes = [0; TREE_BYTES];
    bytes[..4].copy_from_slice(&tree.attachment.0.to_be_bytes());
    bytes[4..].copy_from_slice(&tree.number.0.to_be_bytes());
    bytes
}

/// Whether a range can hold anything: the map refuses ranges that run backwards.
fn is_ascending(lower: &Bound<Vec<u8>>, upper: &Bound<Vec<u8>>) -> bool {
    match (lower, upper) {
        (Bound::Included(lower), Bound::Included(upper)) => lower <= upper,
        (
            Bound::Included(lower) | Bound::Excluded(lower),
            Bound::Included(upper) | Bound::Excluded(upper),
        ) => lower < upper,
        _ => true,
    }
}

/// The written rows of one tree within a range.
pub(super) struct OwnRows<'w> {
    write_set: &'w WriteSet,
    rows: Option<btree_map::Range<'w, Box<[u8]>, u32>>,
}

impl<'w> OwnRows<'w> {
    /// The next row in that direction.
    pub(super) fn next(&mut self, direction: Direction) -> Option<(&'w [u8], Own<'w>)> {
        let rows = self.rows.as_mut()?;
        let (row, at) = match direction {
            Direction::Forward => rows.next()?,
            Direction::Backward => rows.next_back()?,
        };
        Some((&row[TREE_BYTES..], self.write_set.own(*at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        overlay::encode_delta,
        seam::transaction::{Delta, LockMode},
    };
    use ese_base::AttachmentNo;
    use std::ptr::NonNull;

    const TREE: TreeId = TreeId { attachment: AttachmentNo(3), number: TreeNo(7) };

    /// A mark that no test ever uses.
    fn mark() -> Mark {
        Mark::dangling(NonNull::<u64>::dangling())
    }

    fn hash(key: &[u8]) -> u64 {
        key.iter().fold(3, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte)))
    }

    fn put(set: &mut WriteSet, key: &[u8], value: &[u8]) {
        set.push(TREE, key, hash(key), (Kind::PUT, value), mark());
    }

    fn get<'w>(set: &'w WriteSet, key: &[u8]) -> Option<Option<&'w [u8]>> {
        set.find(TREE, key, hash(key)).data
    }

    #[test]
    fn rollback_restores_what_was_below() {
        for many in [2_u32, 100] {
            let mut set = WriteSet::default();
            for n in 0..many {
                put(&mut set, &n.to_be_bytes(), b"first");
            }
            let place = set.place();
            for scan_first in [false, true] {
                if scan_first {
                    assert!(
                        set.range(TREE, Bound::Unbounded, Bound::Unbounded)
                            .next(Direction::Forward)
                            .is_some()
                    );
                }
                put(&mut set, &0_u32.to_be_bytes(), b"second");
                set.push(TREE, b"new", hash(b"new"), (Kind::DELETE, b""), mark());
                set.push(TREE, b"x", hash(b"x"), (Kind::lock(LockMode::Read), b""), mark());
                assert_eq!(get(&set, &0_u32.to_be_bytes()), Some(Some(&b"second"[..])));
                assert_eq!(get(&set, b"new"), Some(None));
                assert_eq!(get(&set, b"x"), None, "a lock is not data");
                let mut undone = 0;
                set.roll_back_to(place, |_| undone += 1);
                assert_eq!(undone, 3);
                assert_eq!(get(&set, &0_u32.to_be_bytes()), Some(Some(&b"first"[..])));
                assert_eq!(get(&set, b"new"), None);
                assert_eq!(set.place(), place);
                let mut rows = set.range(TREE, Bound::Unbounded, Bound::Unbounded);
                let mut count = 0;
                while let Some((_, own)) = rows.next(Direction::Backward) {
                    assert_eq!(own.data, Some(Some(&b"first"[..])));
                    count += 1;
                }
                assert_eq!(count, many);
            }
        }
    }

    #[test]
    fn own_deltas_stand_above_own_data() {
        let mut set = WriteSet::default();
        put(&mut set, b"k", &5_i64.to_le_bytes());
        for by in [1, 2] {
            let delta = Delta::I64(by);
            set.push(TREE, b"k", hash(b"k"), (Kind::delta(0, delta), &encode_delta(0, delta)), mark());
        }
        let own = set.find(TREE, b"k", hash(b"k"));
        let mut value = own.data.unwrap().unwrap().to_vec();
        own.deltas.apply(&mut value);
        assert_eq!(value, 8_i64.to_le_bytes());
    }

    #[test]
    fn ranges_stay_in_their_tree() {
        let mut set = WriteSet::default();
        let other = TreeId { attachment: AttachmentNo(3), number: TreeNo(8) };
        put(&mut set, b"b", b"1");
        put(&mut set, b"a", b"2");
        set.push(other, b"", hash(b""), (Kind::PUT, b"3"), mark());
        let keys = |lower, upper| {
            let mut rows = set.range(TREE, lower, upper);
            std::iter::from_fn(|| rows.next(Direction::Forward).map(|(key, _)| key.to_vec()))
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(Bound::Unbounded, Bound::Unbounded), [b"a", b"b"]);
        assert_eq!(keys(Bound::Excluded(b"a"), Bound::Unbounded), [b"b"]);
        assert!(keys(Bound::Included(b"z"), Bound::Included(b"a")).is_empty(), "inverted");
        assert!(keys(Bound::Excluded(b"a"), Bound::Excluded(b"a")).is_empty());
        assert!(keys(Bound::Excluded(b"a"), Bound::Included(b"a")).is_empty());
    }
}
