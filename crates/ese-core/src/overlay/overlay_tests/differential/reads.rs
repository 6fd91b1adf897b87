//! What snapshots show, by row and by walk, and who is seen to use a tree.

use super::{KEYS, TREES, Txn, World};
use crate::{
    overlay::{
        fixtures::{row, tree_id},
        visibility::{Data, Found},
    },
    seam::version_store::{Direction, From, VersionStore, Walk},
};
use rand::{Rng, seq::IndexedRandom};
use std::collections::BTreeMap;

impl World {
    pub(super) fn read(&mut self, at: usize, txn: &Txn) {
        let slot = &self.sessions[at].party.slot;
        let id = *self.rows(txn).choose(&mut self.rng).unwrap();
        let tree = self.overlay.tree(id.0);
        let row = row(&self.overlay, &tree, id.1);
        let base = self.overlay.base(slot, id.0.attachment).unwrap().get(id.0.number, id.1).unwrap();
        let base = base.map(|value| value.to_vec());
        let shown = folded(base, &self.overlay.find(slot, &row));
        assert_eq!(shown, self.oracle.value(txn.snapshot, id), "{id:?} at {}", txn.snapshot);
        let own = folded(shown, &self.overlay.find_own(slot, &row));
        assert_eq!(own, self.mine(txn, id), "{id:?} at {} with own writes", txn.snapshot);
        let mut listed = Vec::new();
        self.overlay.each_written(slot, &mut |own| {
            listed.push((own.tree, own.key.to_vec(), own.kind, own.payload.to_vec()))
        });
        let data = txn.ops.iter().map(|(op, _)| op).filter(|op| op.kind.is_data());
        let data: Vec<_> =
            data.map(|op| (op.row.0, op.row.1.to_vec(), op.kind, op.payload.clone())).collect();
        assert_eq!(listed, data);
        assert_eq!(self.overlay.written(slot).versions, txn.ops.len());
    }

    pub(super) fn walk(&mut self, at: usize, txn: &Txn) {
        let slot = &self.sessions[at].party.slot;
        let tree = self.rows(txn).choose(&mut self.rng).unwrap().0;
        let shared = self.overlay.tree(tree);
        let direction = *[Direction::Forward, Direction::Backward].choose(&mut self.rng).unwrap();
        let key = *KEYS.choose(&mut self.rng).unwrap();
        let from = *[From::End, From::At(key), From::Behind(key)].choose(&mut self.rng).unwrap();
        let is_within = |other: &[u8]| match (from, direction) {
            (From::End, _) => true,
            (From::At(key), Direction::Forward) => other >= key,
            (From::Behind(key), Direction::Forward) => other > key,
            (From::At(key), Direction::Backward) => other <= key,
            (From::Behind(key), Direction::Backward) => other < key,
        };
        let base = self.overlay.base(slot, tree.attachment).unwrap();
        let mut rows: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for key in KEYS.into_iter().filter(|key| is_within(key)) {
            rows.insert(key.to_vec(), base.get(tree.number, key).unwrap().map(|value| value.to_vec()));
        }
        let walked = collect(self.overlay.walk(slot, &shared, direction, from), direction);
        fold_walk(&mut rows, &walked);
        let want = |own: bool| {
            let mut want: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
            let shown = self.oracle.tree(txn.snapshot, tree);
            for key in KEYS.into_iter().filter(|key| is_within(key)) {
                let value = if own { self.mine(txn, (tree, key)) } else { shown.get(key).cloned() };
                want.insert(key.to_vec(), value);
            }
            want
        };
        assert_eq!(rows, want(false), "walk at {}", txn.snapshot);
        let walked = collect(self.overlay.walk_own(slot, &shared, direction, from), direction);
        fold_walk(&mut rows, &walked);
        assert_eq!(rows, want(true), "walk at {} with own writes", txn.snapshot);
    }

    pub(super) fn look_for_users(&mut self, at: usize) {
        let attachments: Vec<_> = self.attached.keys().copied().collect();
        let tree = tree_id(attachments.choose(&mut self.rng).unwrap().0, self.rng.random_range(1..=TREES));
        let others = self.sessions.iter().enumerate().filter(|(index, _)| *index != at);
        let others: Vec<&Txn> = others.filter_map(|(_, session)| session.txn.as_ref()).collect();
        let is_used = others.iter().any(|txn| txn.used.contains(&tree));
        let stands_for_all = others.iter().any(|txn| txn.used.len() > 6);
        let user = self.overlay.user_of(&self.sessions[at].party.slot, &self.overlay.tree(tree));
        assert_eq!(user.is_some(), is_used || stands_for_all, "{tree} is used");
    }
}

/// What a value becomes by what versions say.
fn folded(value: Option<Vec<u8>>, found: &Found<'_>) -> Option<Vec<u8>> {
    let mut value = match found.data {
        Data::Nothing => value,
        Data::Put(value) => Some(value.to_vec()),
        Data::Deleted => None,
    };
    if let Some(value) = &mut value {
        found.deltas.apply(value);
    }
    value
}

type Walked<'a> = Vec<(&'a [u8], Found<'a>)>;

/// All rows of a walk, whose keys go one way.
fn collect<'a>(walk: Option<impl Walk<'a>>, direction: Direction) -> Walked<'a> {
    let Some(mut walk) = walk else { return Vec::new() };
    let rows: Walked<'a> = std::iter::from_fn(|| walk.next()).collect();
    match direction {
        Direction::Forward => assert!(rows.is_sorted_by(|a, b| a.0 < b.0)),
        Direction::Backward => assert!(rows.is_sorted_by(|a, b| a.0 > b.0)),
    }
    rows
}

/// Applies what was walked to rows, which are all that a walk may meet.
fn fold_walk(rows: &mut BTreeMap<Vec<u8>, Option<Vec<u8>>>, walked: &Walked<'_>) {
    for (key, found) in walked {
        let value = rows.get_mut(*key).expect("a walk stays within its range");
        *value = folded(value.take(), found);
    }
}
