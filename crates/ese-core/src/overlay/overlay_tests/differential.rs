//! Random schedules of everything the overlay does, in one thread, against [`Oracle`].
//!
//! Few keys in few trees of two databases, of which one comes and goes; small generations and a small window, so that
//! every rule is met often. Compared are: what snapshots show, by row and by walk; own writes; each answer to a write,
//! both ways (no conflict missed, none made up); escrow's old values; what merges take; bases; and the overlay's own
//! account of its memory. A failure prints the seed of its run.

use super::oracle::{Op, Oracle, RowId, Shown, WroteNo, counter_in};
use crate::{
    overlay::{
        cut::MergePlan,
        fixtures::{self, MapBase, Party, Rows, TestStore, row, tree_id},
        store::{Limits, Overlay},
        view::Database,
        visibility::{Data, Found},
    },
    seam::{
        session::Mode,
        store::{Base, Change},
        transaction::{Delta, LockMode},
        version_store::{Direction, From, NewBase, Progress, Refusal, VersionStore, Walk},
    },
    txn::{Kind, TxnState},
};
use ese_base::{AttachmentNo, CommitTs, Position, TreeId, limits::GENERATIONS_MAX};
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

const KEYS: [&[u8]; 4] = [b"a", b"b", b"ba", b"c"];
const TREES: u64 = 2;
const SESSIONS: usize = 6;
/// Two wide counters, and two narrow ones over them.
const VALUE_BYTES: usize = 16;
/// Runs of the test; each has its own seed.
const RUNS: u64 = 3000;

/// A session and its transaction.
struct Session {
    party: Party,
    txn: Option<Txn>,
}

struct Txn {
    mode: Mode,
    snapshot: CommitTs,
    /// The databases there were when it began.
    databases: Vec<AttachmentNo>,
    /// What it wrote and did not undo.
    ops: Vec<(Op, WroteNo)>,
    savepoints: Vec<usize>,
    used: BTreeSet<TreeId>,
    /// Set with the claim.
    committing: Option<u64>,
}

enum Merge {
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

type RowKey = (AttachmentNo, u64, Vec<u8>);

/// What is in the view.
struct Attached {
    l: u64,
    rows: Rows,
}

struct World {
    rng: SmallRng,
    overlay: Arc<Overlay>,
    oracle: Oracle,
    sessions: Vec<Session>,
    attached: BTreeMap<AttachmentNo, Attached>,
    next_attachment: u32,
    /// Claimed and not visible.
    queue: Vec<(u64, Arc<TxnState>)>,
    merge: Merge,
    /// Whether stores may run out of space.
    may_be_full: bool,
    /// The rows of the database that is not attached.
    detached: Rows,
    /// Looks at the newest view.
    watcher: Party,
}

#[test]
fn random_schedules() {
    for seed in 0..RUNS {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| World::new(seed).run())) {
            let what = panic.downcast_ref::<String>().cloned();
            let what = what.or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()));
            panic!("seed {seed}: {}", what.unwrap_or_default());
        }
    }
}

fn named_rows(attachment: AttachmentNo, rows: &Rows) -> Shown {
    let named = rows.iter().map(|((number, key), value)| {
        let key = KEYS.into_iter().find(|known| *known == &key[..]).unwrap();
        ((TreeId { attachment, number: *number }, key), value.clone())
    });
    named.collect()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut oracle = Oracle::new();
        let mut attached = BTreeMap::new();
        for number in 1..=2 {
            let rows: Rows =
                BTreeMap::from([((tree_id(number, 1).number, b"a".to_vec()), vec![1; VALUE_BYTES])]);
            oracle.attach(AttachmentNo(number), &named_rows(AttachmentNo(number), &rows));
            attached.insert(AttachmentNo(number), Attached { l: 1, rows });
        }
        let bases =
            attached.values().map(|attached| Arc::new(MapBase(attached.rows.clone())) as Arc<dyn Base>);
        let limits = Limits {
            slots: SESSIONS + 1,
            generation_bytes: *[1, 20_000, 60_000].choose(&mut rng).unwrap(),
            window_bytes: *[200, 1 << 20].choose(&mut rng).unwrap(),
        };
        let overlay = Arc::new(Overlay::new(limits, fixtures::databases(bases)));
        let sessions =
            (0..SESSIONS as u64).map(|n| Session { party: Party::new(&overlay, n), txn: None }).collect();
        World {
            rng,
            watcher: Party::new(&overlay, 100),
            overlay,
            oracle,
            sessions,
            attached,
            next_attachment: 3,
            queue: Vec::new(),
            merge: Merge::Idle,
            may_be_full: true,
            detached: Rows::new(),
        }
    }

    fn run(mut self) {
        let merging = self.rng.random_range(5..40);
        let long = self.rng.random_bool(0.3);
        for _ in 0..self.rng.random_range(50..400) {
            match self.rng.random_range(0..100) {
                n if n < merging => self.merge_step(),
                n if n < merging + 3 => drop(self.overlay.seal_if_large()),
                n if n < merging + 6 => drop(self.overlay.free_views()),
                n if n < merging + 10 => self.publish_one(),
                n if n < merging + 11 => self.detach_or_attach(),
                _ => {
                    // With long transactions, few sessions get to their end while others run.
                    let most = if long && self.rng.random_bool(0.8) { 2 } else { SESSIONS };
                    let session = self.rng.random_range(0..most);
                    self.session_step(session);
                }
            }
            self.check_accounts();
        }
        self.finish();
    }

    fn rows(&self, txn: &Txn) -> Vec<RowId> {
        let trees =
            txn.databases.iter().flat_map(|database| (1..=TREES).map(|tree| tree_id(database.0, tree)));
        trees.flat_map(|tree| KEYS.map(|key| (tree, key))).collect()
    }

    // ---- sessions

    fn session_step(&mut self, at: usize) {
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

    fn end(&mut self, at: usize, mut txn: Txn) {
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
    fn mine(&self, txn: &Txn, row: RowId) -> Option<Vec<u8>> {
        let mut value = self.oracle.value(txn.snapshot, row);
        for (op, _) in txn.ops.iter().filter(|(op, _)| op.row == row) {
            op.apply(&mut value);
        }
        value
    }

    fn read(&mut self, at: usize, txn: &Txn) {
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

    fn walk(&mut self, at: usize, txn: &Txn) {
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

    fn look_for_users(&mut self, at: usize) {
        let attachments: Vec<_> = self.attached.keys().copied().collect();
        let tree = tree_id(attachments.choose(&mut self.rng).unwrap().0, self.rng.random_range(1..=TREES));
        let others = self.sessions.iter().enumerate().filter(|(index, _)| *index != at);
        let others: Vec<&Txn> = others.filter_map(|(_, session)| session.txn.as_ref()).collect();
        let is_used = others.iter().any(|txn| txn.used.contains(&tree));
        let stands_for_all = others.iter().any(|txn| txn.used.len() > 6);
        let user = self.overlay.user_of(&self.sessions[at].party.slot, &self.overlay.tree(tree));
        assert_eq!(user.is_some(), is_used || stands_for_all, "{tree} is used");
    }

    // ---- writes

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

    fn write(&mut self, at: usize, txn: &mut Txn) {
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

    fn probe(&mut self, at: usize, txn: &Txn) {
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

    fn undo(&mut self, at: usize, txn: &mut Txn) {
        let Some(versions) = txn.savepoints.pop() else { return };
        let versions = versions.min(txn.ops.len());
        self.overlay.undo_to(&mut self.sessions[at].party.slot, versions);
        for (_, wrote) in txn.ops.drain(versions..) {
            self.oracle.undo(wrote);
        }
        txn.savepoints.retain(|savepoint| *savepoint <= versions);
    }

    // ---- publication and merges

    fn publish(&mut self, position: u64) {
        let at = self.queue.iter().position(|(queued, _)| *queued == position).unwrap();
        let (_, state) = self.queue.remove(at);
        let ts = self.overlay.publish(&state);
        self.oracle.publish(position);
        assert_eq!(ts, self.oracle.newest());
        assert_eq!(self.overlay.last_visible(), ts);
    }

    /// In any order: lazy commits overtake.
    fn publish_one(&mut self) {
        if let Some((position, _)) = self.queue.choose(&mut self.rng) {
            self.publish(*position);
        }
    }

    fn merge_step(&mut self) {
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
                    let skip: Vec<_> = full.into_iter().filter(|_| self.rng.random_bool(0.5)).collect();
                    let plan = self.overlay.plan(Position(cut), &skip);
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
    fn merge_all(&mut self) {
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
    fn detach_or_attach(&mut self) {
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

    // ---- accounts

    fn check_accounts(&mut self) {
        let open: Vec<&Txn> = self.sessions.iter().filter_map(|session| session.txn.as_ref()).collect();
        assert_eq!(self.overlay.open_transactions(), open.len());
        for mode in [Mode::ReadOnly, Mode::ReadWrite] {
            let counted = open.iter().filter(|txn| txn.mode == Mode::ReadWrite || mode == Mode::ReadOnly);
            let oldest = self.overlay.oldest(mode).map(|culprit| culprit.snapshot);
            assert_eq!(oldest, counted.map(|txn| txn.snapshot).min());
        }
        let merged = self.attached.values().map(|attached| attached.l).min().unwrap();
        assert_eq!(self.overlay.usage().merged_below, Position(merged));
        self.watcher.begin(Mode::ReadOnly);
        let view = self.watcher.slot.view();
        let bytes: u64 = view.generations.iter().map(|generation| generation.bytes()).sum();
        assert_eq!(self.overlay.budget_bytes(), bytes + self.overlay.window.bytes());
        let held: u64 = self
            .overlay
            .views
            .held_by_readers(view, |_| true)
            .iter()
            .map(|generation| generation.bytes())
            .sum();
        self.watcher.end();
        assert_eq!(self.overlay.reader_bytes(), held);
    }

    /// Everybody ends; nothing stays behind.
    fn finish(mut self) {
        for at in 0..SESSIONS {
            while let Some(txn) = self.sessions[at].txn.take() {
                if txn.committing.is_some() {
                    self.sessions[at].txn = Some(txn);
                    self.session_step(at);
                } else {
                    self.end(at, txn);
                }
            }
        }
        while !self.queue.is_empty() {
            self.publish_one();
        }
        self.merge_all();
        self.merge_all();
        self.overlay.free_views();
        self.check_accounts();
        let usage = self.overlay.usage();
        assert_eq!((usage.views, usage.window_entries), (1, 0));
        assert!(
            usage.generations <= 2,
            "the active one, and one that was sealed when it was empty of others"
        );
        assert_eq!(self.overlay.reader_bytes(), 0);
        let newest = self.oracle.newest();
        for (attachment, attached) in &self.attached {
            for (row, value) in named_rows(*attachment, &attached.rows) {
                assert_eq!(self.oracle.value(newest, row), Some(value));
            }
        }
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
