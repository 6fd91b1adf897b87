//! A session's next step, and how its transactions begin, take back and end.

use super::{Txn, World};
use crate::{
    overlay::overlay_tests::oracle::RowId,
    seam::{session::Mode, version_store::VersionStore},
};
use rand::Rng;
use std::{collections::BTreeSet, sync::Arc};

impl World {
    pub(super) fn session_step(&mut self, at: usize) {
        let Some(mut txn) = self.sessions[at].txn.take() else { return self.begin(at) };
        if let Some(position) = txn.committing {
            if self.queue.iter().any(|(queued, _)| *queued == position) {
                self.publish(position);
            }
            self.sessions[at].party.end();
            return;
        }
        let can_write = txn.mode == Mode::ReadWrite;
        match self.rng.random_range(0..100) {
            n if n < 20 => self.read(at, &txn),
            n if n < 25 => self.walk(at, &txn),
            n if n < 30 => self.look_for_users(at),
            n if n < 75 && can_write => self.write(at, &mut txn),
            n if n < 78 && can_write => self.probe(at, &txn),
            n if n < 82 => txn.savepoints.push(txn.ops.len()),
            n if n < 86 && can_write => self.undo(at, &mut txn),
            n if n < 92 => return self.end(at, txn),
            _ => {}
        }
        self.sessions[at].txn = Some(txn);
    }

    fn begin(&mut self, at: usize) {
        let mode = if self.rng.random_bool(0.3) { Mode::ReadOnly } else { Mode::ReadWrite };
        let snapshot = self.sessions[at].party.begin(mode);
        assert_eq!(snapshot, self.oracle.newest(), "a snapshot covers what was committed before");
        self.states.extend(self.overlay.written(&self.sessions[at].party.slot).state.map(Arc::downgrade));
        self.sessions[at].txn = Some(Txn {
            mode,
            snapshot,
            databases: self.attached.keys().copied().collect(),
            ops: Vec::new(),
            savepoints: Vec::new(),
            used: BTreeSet::new(),
            committing: None,
        });
    }

    pub(super) fn end(&mut self, at: usize, mut txn: Txn) {
        let party = &mut self.sessions[at].party;
        if txn.mode == Mode::ReadOnly {
            return party.end();
        }
        if self.overlay.written(&party.slot).versions == 0 || self.rng.random_bool(0.2) {
            return party.abort();
        }
        let ops = txn.ops.drain(..).map(|(op, _)| op).filter(|op| op.kind.is_data()).collect();
        let position = self.oracle.claim(ops);
        self.queue.push((position, party.claim(position)));
        if self.rng.random_bool(0.1) {
            // The owner dies; somebody else publishes.
            return party.end();
        }
        txn.committing = Some(position);
        self.sessions[at].txn = Some(txn);
        if self.rng.random_bool(0.7) {
            self.session_step(at);
        }
    }

    /// What the transaction sees: its snapshot with its own writes.
    pub(super) fn mine(&self, txn: &Txn, row: RowId) -> Option<Vec<u8>> {
        let mut value = self.oracle.value(txn.snapshot, row);
        for (op, _) in txn.ops.iter().filter(|(op, _)| op.row == row) {
            op.apply(&mut value);
        }
        value
    }

    fn undo(&mut self, at: usize, txn: &mut Txn) {
        let Some(versions) = txn.savepoints.pop() else { return };
        let versions = versions.min(txn.ops.len());
        self.overlay.undo_to(&mut self.sessions[at].party.slot, versions);
        for (_, wrote) in txn.ops.drain(versions..) {
            self.oracle.undo(wrote);
        }
        txn.savepoints.retain(|savepoint| *savepoint <= versions);
    }
}
