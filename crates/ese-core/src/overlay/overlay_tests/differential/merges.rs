//! Publication in any order, merges step by step, and a database that comes and goes.

use super::{Attached, Txn, World, named_rows};
use crate::{
    overlay::{
        fixtures::{MapBase, Rows, TestStore},
        plan::MergePlan,
        view::Database,
    },
    seam::{
        merges::{Merges, NewBase, Progress},
        session::Mode,
        store::{Base, Change},
        version_store::VersionStore,
    },
};
use ese_base::{AttachmentNo, Position, limits::GENERATIONS_MAX};
use rand::{Rng, seq::IndexedRandom};
use std::{collections::BTreeMap, sync::Arc};

/// Where a merge stands.
pub(super) enum Merge {
    Idle,
    Cut(u64),
    Taking {
        plan: MergePlan,
        cut: u64,
        next: BTreeMap<AttachmentNo, Rows>,
        full: Option<AttachmentNo>,
        last: Option<RowKey>,
    },
}

/// What orders the changes of a merge.
type RowKey = (AttachmentNo, u64, Vec<u8>);

impl World {
    pub(super) fn publish(&mut self, position: u64) {
        let at = self.queue.iter().position(|(queued, _)| *queued == position).unwrap();
        let (_, state) = self.queue.remove(at);
        let ts = self.overlay.publish(&state);
        self.oracle.publish(position);
        assert_eq!(ts, self.oracle.newest());
        assert_eq!(self.overlay.last_visible(), ts);
    }

    /// In any order: lazy commits overtake.
    pub(super) fn publish_one(&mut self) {
        if let Some((position, _)) = self.queue.choose(&mut self.rng) {
            self.publish(*position);
        }
    }

    pub(super) fn merge_step(&mut self) {
        match std::mem::replace(&mut self.merge, Merge::Idle) {
            Merge::Idle => {
                let (next, mut calls) = (self.oracle.next_position(), 0);
                let cut = self.overlay.cut(&mut || {
                    calls += 1;
                    Position(next)
                });
                assert_eq!((cut.at, calls), (Position(next), 1));
                self.merge = Merge::Cut(next);
            }
            Merge::Cut(cut) => match self.queue.iter().find(|(position, _)| *position < cut) {
                Some((position, _)) => {
                    self.publish(*position);
                    self.merge = Merge::Cut(cut);
                }
                None => {
                    let attachments: Vec<_> = self.attached.keys().copied().collect();
                    let full = attachments
                        .choose(&mut self.rng)
                        .copied()
                        .filter(|_| self.may_be_full && self.rng.random_bool(0.15));
                    let plan = self.overlay.plan(Position(cut));
                    let next =
                        self.attached.iter().map(|(number, now)| (*number, now.rows.clone())).collect();
                    self.merge = Merge::Taking { plan, cut, next, full, last: None };
                }
            },
            Merge::Taking { mut plan, cut, mut next, full, mut last } => {
                let rows = self.rng.random_range(1..5);
                let taken = self.overlay.take(&mut plan, rows, &mut |taken| {
                    let key = (taken.attachment, taken.tree.0, taken.key.to_vec());
                    assert!(last.as_ref().is_none_or(|last| *last < key), "{key:?} comes behind {last:?}");
                    last = Some(key);
                    let (row, rows) =
                        ((taken.tree, taken.key.to_vec()), next.get_mut(&taken.attachment).unwrap());
                    match taken.change {
                        Change::Put(value) => drop(rows.insert(row, value.to_vec())),
                        Change::Delete => drop(rows.remove(&row)),
                    }
                    Ok(())
                });
                match taken.unwrap() {
                    Progress::More => self.merge = Merge::Taking { plan, cut, next, full, last },
                    Progress::Done => self.install(cut, next, full),
                }
            }
        }
    }

    fn install(&mut self, cut: u64, next: BTreeMap<AttachmentNo, Rows>, full: Option<AttachmentNo>) {
        let mut bases = Vec::new();
        for (attachment, rows) in next.into_iter().filter(|(attachment, _)| Some(*attachment) != full) {
            assert_eq!(rows, self.oracle.prefix(attachment, cut), "base of {attachment:?} below {cut}");
            let is_same = self.attached[&attachment].rows == rows;
            let base = (!is_same || self.rng.random_bool(0.5))
                .then(|| Arc::new(MapBase(rows.clone())) as Arc<dyn Base>);
            bases.push(NewBase { attachment, l: Position(cut), base });
            self.attached.insert(attachment, Attached { l: cut, rows });
        }
        let full: Vec<_> = full.into_iter().collect();
        assert!(self.overlay.install(&bases, &full), "there are few views");
        self.check_generations();
    }

    /// After an install.
    fn check_generations(&mut self) {
        let mut faults = Vec::new();
        self.overlay.check(&mut |fault| faults.push(fault));
        assert!(faults.is_empty(), "{faults:?}");
        self.watcher.begin(Mode::ReadOnly);
        let view = self.watcher.slot.view();
        let l = |place: &Option<Database>| place.as_ref().map_or(Position::UNCLAIMED, |database| database.l);
        let l = view.databases.each_ref().map(l);
        for generation in &view.generations[1..] {
            assert!(!generation.is_settled(&l), "generation {} stays for nobody", generation.number);
        }
        let counted = view.generations[1..].iter().filter(|generation| !generation.is_held_by_full());
        assert!(counted.count() < GENERATIONS_MAX, "too many generations");
        self.watcher.end();
    }

    /// A merge from its beginning to its end, with space for all.
    pub(super) fn merge_all(&mut self) {
        while !matches!(self.merge, Merge::Idle) {
            self.merge_step();
        }
        self.may_be_full = false;
        self.merge_step();
        while !matches!(self.merge, Merge::Idle) {
            self.merge_step();
        }
        self.may_be_full = true;
    }

    /// One database comes and goes.
    pub(super) fn detach_or_attach(&mut self) {
        while !matches!(self.merge, Merge::Idle) {
            self.merge_step();
        }
        let newest = self.attached.keys().copied().filter(|attachment| attachment.0 > 1).max();
        let Some(attachment) = newest else {
            let (number, rows) = (AttachmentNo(self.next_attachment), self.detached.clone());
            self.next_attachment += 1;
            self.oracle.attach(number, &named_rows(number, &rows));
            let l = self.oracle.next_position();
            let base: Arc<dyn Base> = Arc::new(MapBase(rows.clone()));
            assert!(self.overlay.attach(number, Arc::new(TestStore(base)), Position(l)));
            self.attached.insert(number, Attached { l, rows });
            return;
        };
        let open: Vec<&Txn> = self.sessions.iter().filter_map(|session| session.txn.as_ref()).collect();
        let is_used = open.iter().any(|txn| txn.used.iter().any(|tree| tree.attachment == attachment));
        let stands_for_all = open.iter().any(|txn| txn.used.len() > 6);
        let user = self.overlay.user_of_database(attachment);
        assert_eq!(user.is_some(), is_used || stands_for_all, "{attachment:?} is used");
        if user.is_none() {
            self.merge_all();
            assert!(self.overlay.detach(attachment).is_some());
            self.detached = self.attached.remove(&attachment).unwrap().rows;
        }
    }
}
