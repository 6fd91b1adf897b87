//! The truth: what was claimed, what each timestamp shows, and who wrote what; everything is looked for the slow way.

use crate::{
    overlay::{encode_delta, fixtures::Rows},
    seam::transaction::Delta,
    txn::{Kind, Outcome, TxnState},
};
use ese_base::{AttachmentNo, CommitTs, TreeId};
use std::{collections::BTreeMap, sync::Arc};

/// A row of a database that is or was attached.
pub(super) type RowId = (TreeId, &'static [u8]);
/// The rows that a snapshot shows.
pub(super) type Shown = BTreeMap<RowId, Vec<u8>>;

/// A write, as its transaction did it.
#[derive(Clone, Debug)]
pub(super) struct Op {
    pub(super) row: RowId,
    pub(super) kind: Kind,
    pub(super) payload: Vec<u8>,
    /// For adds: to which counter, and what.
    pub(super) add: Option<(u32, Delta)>,
}

impl Op {
    pub(super) fn add(row: RowId, offset: u32, delta: Delta) -> Self {
        let payload = encode_delta(offset, delta).to_vec();
        Op { row, kind: Kind::delta(offset, delta), payload, add: Some((offset, delta)) }
    }

    /// What becomes of the row's value.
    pub(super) fn apply(&self, value: &mut Option<Vec<u8>>) {
        match (self.add, value) {
            (Some((offset, delta)), Some(value)) => {
                let at = offset as usize;
                let sum = counter_in(value, offset, delta);
                match delta {
                    Delta::I64(by) => value[at..at + 8].copy_from_slice(&sum.wrapping_add(by).to_le_bytes()),
                    Delta::I32(by) => {
                        let sum = i32::try_from(sum).unwrap().wrapping_add(by);
                        value[at..at + 4].copy_from_slice(&sum.to_le_bytes());
                    }
                }
            }
            (None, value) if self.kind == Kind::PUT => *value = Some(self.payload.clone()),
            (None, value) if self.kind == Kind::DELETE => *value = None,
            _ => {}
        }
    }
}

/// The counter of the width of `like`.
pub(super) fn counter_in(value: &[u8], offset: u32, like: Delta) -> i64 {
    let at = &value[offset as usize..][..like.width()];
    match like {
        Delta::I32(_) => i64::from(i32::from_le_bytes(at.try_into().unwrap())),
        Delta::I64(_) => i64::from_le_bytes(at.try_into().unwrap()),
    }
}

/// A version that somebody wrote.
struct Wrote {
    op: Op,
    state: Arc<TxnState>,
    is_undone: bool,
}

/// See the head of the module.
pub(super) struct Oracle {
    /// By timestamp.
    shown: Vec<Shown>,
    /// What each position claimed, from position 1 on.
    log: Vec<Vec<Op>>,
    /// What the databases held when they were attached.
    first: BTreeMap<AttachmentNo, Shown>,
    wrote: Vec<Wrote>,
}

/// Names a version.
pub(super) type WroteNo = usize;

impl Oracle {
    pub(super) fn new() -> Self {
        Oracle { shown: vec![Shown::new()], log: Vec::new(), first: BTreeMap::new(), wrote: Vec::new() }
    }

    /// A database appears with these rows.
    pub(super) fn attach(&mut self, attachment: AttachmentNo, rows: &Shown) {
        self.first.insert(attachment, rows.clone());
        self.shown.last_mut().unwrap().extend(rows.clone());
    }

    pub(super) fn newest(&self) -> CommitTs {
        CommitTs(self.shown.len() as u64 - 1)
    }

    pub(super) fn next_position(&self) -> u64 {
        self.log.len() as u64 + 1
    }

    /// What a snapshot shows of a row.
    pub(super) fn value(&self, snapshot: CommitTs, row: RowId) -> Option<Vec<u8>> {
        self.shown[usize::try_from(snapshot.0).unwrap()].get(&row).cloned()
    }

    /// The rows of one tree that a snapshot shows.
    pub(super) fn tree(&self, snapshot: CommitTs, tree: TreeId) -> BTreeMap<&'static [u8], Vec<u8>> {
        let shown = &self.shown[usize::try_from(snapshot.0).unwrap()];
        shown
            .iter()
            .filter(|((id, _), _)| *id == tree)
            .map(|((_, key), value)| (*key, value.clone()))
            .collect()
    }

    pub(super) fn note(&mut self, op: Op, state: &Arc<TxnState>) -> WroteNo {
        self.wrote.push(Wrote { op, state: Arc::clone(state), is_undone: false });
        self.wrote.len() - 1
    }

    pub(super) fn undo(&mut self, wrote: WroteNo) {
        self.wrote[wrote].is_undone = true;
    }

    pub(super) fn claim(&mut self, ops: Vec<Op>) -> u64 {
        self.log.push(ops);
        self.log.len() as u64
    }

    pub(super) fn publish(&mut self, position: u64) {
        let mut shown = self.shown.last().unwrap().clone();
        for op in &self.log[usize::try_from(position).unwrap() - 1] {
            let mut value = shown.remove(&op.row);
            op.apply(&mut value);
            if let Some(value) = value {
                shown.insert(op.row, value);
            }
        }
        self.shown.push(shown);
    }

    /// What the base of a database must hold whose L is `l`.
    pub(super) fn prefix(&self, attachment: AttachmentNo, l: u64) -> Rows {
        let mut shown = self.first[&attachment].clone();
        for op in self.log[..usize::try_from(l).unwrap() - 1].iter().flatten() {
            if op.row.0.attachment == attachment {
                let mut value = shown.remove(&op.row);
                op.apply(&mut value);
                if let Some(value) = value {
                    shown.insert(op.row, value);
                }
            }
        }
        shown.into_iter().map(|((tree, key), value)| ((tree.number, key.to_vec()), value)).collect()
    }

    /// What others did to a row that a snapshot does not show, or may never show.
    fn younger<'o>(
        &'o self,
        row: RowId,
        snapshot: CommitTs,
        mine: &'o Arc<TxnState>,
    ) -> impl Iterator<Item = &'o Wrote> {
        self.wrote.iter().filter(move |wrote| {
            let is_younger = match wrote.state.outcome() {
                Outcome::Active => true,
                Outcome::Aborted => false,
                Outcome::Committed(ts) => ts > snapshot,
            };
            wrote.op.row == row && !wrote.is_undone && is_younger && !Arc::ptr_eq(&wrote.state, mine)
        })
    }

    /// With whom a write clashes.
    pub(super) fn conflicts(
        &self,
        row: RowId,
        kind: Kind,
        snapshot: CommitTs,
        mine: &Arc<TxnState>,
    ) -> Vec<Arc<TxnState>> {
        self.younger(row, snapshot, mine)
            .filter(|wrote| kind.clashes(wrote.op.kind))
            .map(|wrote| Arc::clone(&wrote.state))
            .collect()
    }

    /// What others have added to a counter that a snapshot does not show, in the counter's width.
    pub(super) fn added_by_others(
        &self,
        row: RowId,
        (offset, delta): (u32, Delta),
        snapshot: CommitTs,
        mine: &Arc<TxnState>,
    ) -> Vec<Op> {
        self.younger(row, snapshot, mine)
            .filter(|wrote| wrote.op.add.is_some_and(|(at, by)| at == offset && by.width() == delta.width()))
            .map(|wrote| wrote.op.clone())
            .collect()
    }
}
