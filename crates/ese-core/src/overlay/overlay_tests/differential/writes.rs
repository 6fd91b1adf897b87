//! Writes and probes, and whether each was answered rightly.

use super::{Txn, VALUE_BYTES, World};
use crate::{
    overlay::{
        fixtures::row,
        overlay_tests::oracle::{Op, counter_in},
    },
    seam::{
        transaction::{Delta, LockMode},
        version_store::{Refusal, VersionStore},
    },
    txn::{Kind, TxnState},
};
use rand::{Rng, rngs::SmallRng, seq::IndexedRandom};
use std::sync::Arc;

impl World {
    fn choose_op(&mut self, txn: &Txn) -> Op {
        let row = *self.rows(txn).choose(&mut self.rng).unwrap();
        let kinds = [
            Kind::PUT,
            Kind::PUT,
            Kind::DELETE,
            Kind::lock(LockMode::Read),
            Kind::lock(LockMode::Read),
            Kind::lock(LockMode::Write),
            Kind::delta(0, Delta::I64(0)),
            Kind::delta(0, Delta::I64(0)),
            Kind::delta(0, Delta::I64(0)),
            Kind::delta(0, Delta::I32(0)),
        ];
        let kind = *kinds.choose(&mut self.rng).unwrap();
        let payload =
            |rng: &mut SmallRng| (0..VALUE_BYTES).map(|_| rng.random_range(0..3)).collect::<Vec<u8>>();
        if kind.is_delta() && self.mine(txn, row).is_some() {
            let by = self.rng.random_range(-5..5);
            let (at, delta) =
                if kind.is_wide() { ([0, 8], Delta::I64(by.into())) } else { ([4, 8], Delta::I32(by)) };
            return Op::add(row, *at.choose(&mut self.rng).unwrap(), delta);
        }
        // Adds need a row; now and then a row is deleted that is not there.
        let is_put = kind == Kind::PUT || kind.is_delta();
        let payload = if is_put { payload(&mut self.rng) } else { Vec::new() };
        Op { row, kind: if is_put { Kind::PUT } else { kind }, payload, add: None }
    }

    pub(super) fn write(&mut self, at: usize, txn: &mut Txn) {
        let op = self.choose_op(txn);
        let tree = self.overlay.tree(op.row.0);
        let party = &mut self.sessions[at].party;
        self.overlay.use_tree(&mut party.slot, &tree);
        txn.used.insert(op.row.0);
        let row = row(&self.overlay, &tree, op.row.1);
        let state = Arc::clone(self.overlay.written(&party.slot).state.unwrap());
        let answer = match op.add.filter(|_| self.rng.random_bool(0.5)) {
            None => party.write(&row, op.kind, &op.payload).map(|()| None),
            Some(place) => party.fetch_add(&row, place).map(Some),
        };
        self.judge(txn, &op, &state, answer.as_ref().map(drop));
        let Ok(before) = answer else { return };
        if let (Some(before), Some((offset, delta))) = (before, op.add) {
            let mut value = self.mine(txn, op.row);
            for other in self.oracle.added_by_others(op.row, (offset, delta), txn.snapshot, &state) {
                other.apply(&mut value);
            }
            let want = counter_in(&value.unwrap(), offset, delta);
            assert_eq!(before, want, "old value of {:?} at {}", op.row, txn.snapshot);
        }
        let wrote = self.oracle.note(op.clone(), &state);
        txn.ops.push((op, wrote));
    }

    pub(super) fn probe(&mut self, at: usize, txn: &Txn) {
        let op = self.choose_op(txn);
        if !self.attached.contains_key(&op.row.0.attachment) {
            return;
        }
        let tree = self.overlay.tree(op.row.0);
        let slot = &mut self.sessions[at].party.slot;
        let state = Arc::clone(self.overlay.written(slot).state.unwrap());
        let answer = self.overlay.probe(slot, &row(&self.overlay, &tree, op.row.1), op.kind);
        self.judge(txn, &op, &state, answer.as_ref().map(drop));
    }

    /// Compares the answer to a write with the truth.
    fn judge(&self, txn: &Txn, op: &Op, state: &Arc<TxnState>, answer: Result<(), &Refusal>) {
        let conflicts = self.oracle.conflicts(op.row, op.kind, txn.snapshot, state);
        let is_attached = self.attached.contains_key(&op.row.0.attachment);
        match answer {
            Ok(()) => {
                assert!(is_attached && conflicts.is_empty(), "missed conflict: {op:?} with {conflicts:?}")
            }
            Err(Refusal::Conflict(with)) => {
                assert!(
                    conflicts.iter().any(|known| Arc::ptr_eq(known, with)),
                    "false conflict: {op:?} with {with:?}"
                );
            }
            Err(Refusal::ConflictMerged) => assert!(!conflicts.is_empty(), "false conflict: {op:?}"),
            Err(Refusal::SnapshotTooOld) => {
                assert!(txn.snapshot < self.overlay.window.floor(), "{op:?} refused at {}", txn.snapshot);
            }
            Err(Refusal::Detached) => assert!(!is_attached, "{op:?}"),
        }
    }
}
