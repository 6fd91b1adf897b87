//! Generations: when they are sealed, when they leave, and what conflict checks still know of those that left.

use crate::{
    overlay::{
        fixtures::{self, MapBase, Party, owner, row, tree_id},
        generation::Generation,
        store::Overlay,
    },
    seam::{
        merges::{Merges, NewBase},
        session::Mode,
        store::Base,
        transaction::LockMode,
        version_store::{Refusal, VersionStore},
    },
    txn::{Kind, TxnState},
};
use ese_base::{AttachmentNo, CommitTs, Position, Result, TreeId, limits::GENERATIONS_MAX};
use std::{sync::Arc, time::Duration};

/// An overlay over some databases, and what a merge and its publication would know.
struct World {
    overlay: Arc<Overlay>,
    databases: u32,
    claimed: u64,
}

impl World {
    fn new(databases: u32) -> Self {
        let bases = (0..databases).map(|_| Arc::new(MapBase::default()) as Arc<dyn Base>);
        World { overlay: fixtures::overlay(16, 1 << 12, bases), databases, claimed: 0 }
    }

    fn begun(&self) -> Party {
        Party::begun(&self.overlay, 1)
    }

    fn write(&self, party: &mut Party, tree: TreeId, key: &[u8], kind: Kind) -> Result<(), Refusal> {
        let tree = self.overlay.tree(tree);
        party.write(&row(&self.overlay, &tree, key), kind, b"value")
    }

    fn put(&self, party: &mut Party, database: u32, key: &[u8]) {
        self.write(party, tree_id(database, 1), key, Kind::PUT).unwrap();
    }

    fn commit(&mut self, mut party: Party) -> CommitTs {
        self.claimed += 1;
        party.commit(self.claimed)
    }

    /// A transaction that puts one row.
    fn committed(&mut self, database: u32, key: &[u8]) -> CommitTs {
        let mut party = self.begun();
        self.put(&mut party, database, key);
        self.commit(party)
    }

    /// Seals if that may be; whether it did.
    fn seal(&self) -> bool {
        let before = self.overlay.newest_view();
        let cut = self.overlay.cut(&mut || Position(self.claimed + 1));
        assert_eq!(cut.at, Position(self.claimed + 1));
        self.overlay.newest_view() > before
    }

    /// A merge of what was claimed, to databases that have space.
    fn merge(&self, full: &[u32]) {
        self.seal();
        let has_space = (1..=self.databases).filter(|database| !full.contains(database));
        let next = |database| NewBase {
            attachment: AttachmentNo(database),
            l: Position(self.claimed + 1),
            base: None,
        };
        let full: Vec<_> = full.iter().map(|database| AttachmentNo(*database)).collect();
        assert!(self.overlay.install(&has_space.map(next).collect::<Vec<_>>(), &full));
    }

    fn generations(&self) -> u64 {
        self.overlay.usage().generations
    }

    fn check(&self) {
        self.overlay.check(&mut |fault| panic!("{fault}"));
    }
}

fn new_state() -> Arc<TxnState> {
    Arc::new(TxnState::new(owner(1), Duration::ZERO))
}

#[test]
fn a_generation_waits_for_the_databases_its_writers_wrote_in() {
    let generation = Generation::new(1, 1 << 12);
    let states = [new_state(), new_state(), new_state()];
    for (state, places) in states.iter().zip([&[0][..], &[1, 2], &[6]]) {
        let writer = generation.add_writer(state);
        places.iter().for_each(|place| writer.use_database(*place));
    }
    let at = |l: [u64; 7]| l.map(Position);
    assert!(!generation.is_settled(&at([99; 7])), "all are open");
    assert!(!generation.may_leave(&at([4, 4, 4, 0, 0, 0, 0])));
    states[2].abort();
    for (state, position) in states[..2].iter().zip([4, 5]) {
        state.claim(Position(position));
        assert!(!generation.is_settled(&at([99; 7])), "a claim alone is not visible");
        state.commit(CommitTs(position));
    }
    assert!(
        !generation.may_leave(&at([4, 6, 5, 0, 0, 0, 0])),
        "L is the first position that is not in the base"
    );
    assert!(!generation.may_leave(&at([5, 6, 5, 0, 0, 0, 0])), "a writer in two databases waits for both");
    assert!(generation.is_settled(&at([5, 6, 6, 0, 0, 0, 0])), "the others' L does not matter");
    assert!(generation.may_leave(&at([5, 6, 6, 0, 0, 0, 0])));
    assert!(generation.may_leave(&at([5, 6, 6, 0, 0, 0, 0])), "and that stays so");
    assert!(!generation.is_settled(&at([4, 6, 6, 0, 0, 0, 0])));
}

#[test]
fn trees_of_a_generation() {
    let generation = Generation::new(1, 1 << 12);
    let ids: Vec<TreeId> =
        (1..=3).flat_map(|database| (0..200).map(move |tree| tree_id(database, tree))).collect();
    for id in &ids {
        assert!(generation.index(*id).is_none());
        generation.index_or_insert(*id).get_or_insert(generation.arena(), &id.number.0.to_be_bytes());
    }
    for id in &ids {
        let index = generation.index(*id).unwrap();
        assert!(std::ptr::eq(index, generation.index_or_insert(*id)));
        assert!(index.get(&id.number.0.to_be_bytes()).is_some());
    }
    let mut trees = generation.trees();
    trees.sort_unstable();
    assert_eq!(trees, ids);
}

/// Rows of one key in two generations, of which the newer one leaves first: the window answers, not the older chain.
#[test]
fn the_window_is_asked_whatever_a_chain_says() {
    let mut world = World::new(1);
    let mut slow = world.begun();
    world.put(&mut slow, 1, b"elsewhere");
    world.committed(1, b"k");
    assert!(world.seal());
    let mut late = world.begun();
    world.committed(1, b"k");
    world.merge(&[]);
    assert_eq!(world.generations(), 2, "the slow writer holds the older one");
    let refusal = world.write(&mut late, tree_id(1, 1), b"k", Kind::PUT);
    assert!(matches!(refusal, Err(Refusal::ConflictMerged)), "{refusal:?}");
    assert!(world.write(&mut late, tree_id(1, 1), b"free", Kind::PUT).is_ok());
    assert!(world.write(&mut late, tree_id(1, 2), b"k", Kind::PUT).is_ok(), "a row of another tree");
    late.abort();
    world.merge(&[]);
    assert_eq!(world.overlay.usage().window_entries, 1, "the slow writer's snapshot is older");
    slow.abort();
    world.merge(&[]);
    assert_eq!((world.overlay.usage().window_entries, world.generations()), (0, 1));
    world.check();
}

/// The window knows what kind of write it was, and nothing of what was taken back.
#[test]
fn kinds_in_the_window() {
    let mut world = World::new(1);
    let mut late = world.begun();
    let read = Kind::lock(LockMode::Read);
    let mut early = world.begun();
    world.write(&mut early, tree_id(1, 1), b"locked", read).unwrap();
    world.put(&mut early, 1, b"undone");
    world.overlay.undo_to(&mut early.slot, 1);
    world.commit(early);
    let mut aborted = world.begun();
    world.put(&mut aborted, 1, b"aborted");
    aborted.abort();
    world.merge(&[]);
    assert_eq!((world.generations(), world.overlay.usage().window_entries), (1, 1));
    for (key, kind, is_admitted) in [
        (&b"undone"[..], Kind::PUT, true),
        (b"aborted", Kind::PUT, true),
        (b"locked", Kind::lock(LockMode::Write), false),
        (b"locked", Kind::PUT, false),
        (b"locked", read, true),
    ] {
        assert_eq!(world.write(&mut late, tree_id(1, 1), key, kind).is_ok(), is_admitted, "{key:?} {kind:?}");
    }
}

/// A read lock in an older generation still counts when the newest chain holds only what is mine.
#[test]
fn locks_in_an_older_generation() {
    let world = World::new(1);
    let read = Kind::lock(LockMode::Read);
    let (mut one, mut two) = (world.begun(), world.begun());
    world.write(&mut one, tree_id(1, 1), b"k", read).unwrap();
    assert!(world.seal());
    world.write(&mut two, tree_id(1, 1), b"k", read).unwrap();
    let refusal = world.write(&mut two, tree_id(1, 1), b"k", Kind::PUT);
    assert!(matches!(refusal, Err(Refusal::Conflict(_))), "{refusal:?}");
    one.abort();
    assert!(
        world.write(&mut two, tree_id(1, 1), b"k", Kind::PUT).is_ok(),
        "the conflict is gone with the lock"
    );
}

/// Locks alone take a position, and let their generation go.
#[test]
fn locks_alone_let_their_generation_go() {
    let mut world = World::new(1);
    let mut party = world.begun();
    world.write(&mut party, tree_id(1, 1), b"k", Kind::lock(LockMode::Read)).unwrap();
    world.merge(&[]);
    assert_eq!(world.generations(), 2);
    world.commit(party);
    world.merge(&[]);
    assert_eq!(world.generations(), 1);
}

/// With four generations the active one stays open, and writers go on.
#[test]
fn four_generations_are_the_most() {
    let mut world = World::new(1);
    let mut slow = Vec::new();
    for number in 0..6_u8 {
        let mut party = world.begun();
        world.put(&mut party, 1, &[number]);
        slow.push(party);
        assert_eq!(world.seal(), usize::from(number) + 1 < GENERATIONS_MAX);
        world.merge(&[]);
        world.check();
    }
    assert_eq!(world.generations(), GENERATIONS_MAX as u64);
    let cut = world.overlay.cut(&mut || Position(world.claimed + 1));
    assert!(cut.unsealed);
    assert!(world.overlay.budget_bytes() > 0);
    // In any order: the newest first.
    while let Some(party) = slow.pop() {
        world.commit(party);
        world.merge(&[]);
        world.check();
    }
    world.merge(&[]);
    assert_eq!(world.generations(), 1);
    assert_eq!(world.overlay.budget_bytes(), 0, "an empty generation takes nothing");
}

#[test]
fn nothing_is_sealed_where_nothing_was_written() {
    let world = World::new(1);
    assert!(!world.seal());
    assert!(!world.overlay.seal_if_large());
    assert!(!world.overlay.wants_work());
    let mut party = world.begun();
    world.put(&mut party, 1, b"k");
    assert!(world.overlay.wants_work(), "the first chunk of its arena is as large as a generation may be");
    assert!(world.overlay.seal_if_large());
    assert!(!world.overlay.wants_work());
    assert_eq!(world.generations(), 2);
    assert!(!world.seal(), "the new one is empty");
}

/// A database without space holds its generations; the others go on, and those do not count.
#[test]
fn one_full_disk_does_not_stop_the_others() {
    let mut world = World::new(3);
    for number in 0..6_u8 {
        world.committed(2, &[number]);
        world.committed(1, &[number]);
        assert!(world.seal(), "round {number}");
        world.merge(&[2]);
        world.check();
    }
    assert_eq!(world.generations(), 7, "each round's is held by the full database alone");
    assert_eq!(world.overlay.usage().merged_below, Position(1));
    world.committed(1, b"only here");
    world.merge(&[2]);
    assert_eq!(world.generations(), 7, "nobody wrote there in the full database");
    // Another database leaves; the full one is as full as it was.
    assert!(world.overlay.detach(AttachmentNo(3)).is_some());
    world.check();
    world.databases = 2;
    world.committed(1, b"goes on");
    assert!(world.seal(), "the held ones still do not count");
    world.merge(&[]);
    assert_eq!(world.generations(), 1);
    world.check();
}

/// Below the window's floor nothing can be said: the old transaction fails, and no other.
#[test]
fn below_the_floor() {
    let mut world = World::new(1);
    let (mut old, mut reader) = (world.begun(), Party::new(&world.overlay, 2));
    for key in [b"a", b"b", b"c"] {
        world.committed(1, key);
    }
    reader.begin(Mode::ReadOnly);
    let mut young = world.begun();
    world.merge(&[]);
    world.overlay.window.shed(0);
    assert_eq!(world.overlay.window.floor(), CommitTs(3));
    assert_eq!(world.overlay.usage().window_entries, 0);
    let refusal = world.write(&mut old, tree_id(1, 1), b"untouched", Kind::PUT);
    assert!(matches!(refusal, Err(Refusal::SnapshotTooOld)), "{refusal:?}");
    assert!(world.write(&mut young, tree_id(1, 1), b"a", Kind::PUT).is_ok());
    let culprit = world.overlay.oldest(Mode::ReadWrite).unwrap();
    assert_eq!(culprit.snapshot, CommitTs(0));
}

/// What only an older view holds is counted apart, until its reader ends.
#[test]
fn bytes_that_readers_hold() {
    let mut world = World::new(1);
    let mut reader = Party::new(&world.overlay, 2);
    world.committed(1, b"k");
    reader.begin(Mode::ReadOnly);
    let before = world.overlay.budget_bytes();
    world.merge(&[]);
    assert_eq!((world.overlay.budget_bytes(), world.overlay.reader_bytes()), (0, before));
    world.overlay.free_views();
    assert_eq!(world.overlay.reader_bytes(), before);
    assert!(world.overlay.pinned_before(world.overlay.newest_view()).is_some());
    reader.end();
    assert!(world.overlay.pinned_before(world.overlay.newest_view()).is_none());
    assert!(world.overlay.free_views() > 0);
    assert_eq!((world.overlay.reader_bytes(), world.overlay.usage().views), (0, 1));
}

/// A row without a version is a fault; writers never leave one, refused or not.
#[test]
fn every_row_has_a_version() {
    let world = World::new(1);
    let check = || {
        let mut faults = Vec::new();
        world.overlay.check(&mut |fault| faults.push(fault));
        faults
    };
    let (mut one, mut two) = (world.begun(), world.begun());
    let tree = tree_id(1, 1);
    world.put(&mut one, 1, b"k");
    assert!(world.write(&mut two, tree, b"k", Kind::PUT).is_err());
    assert_eq!(check(), Vec::<String>::new());
    {
        let entered = world.overlay.gate.enter(two.slot.line());
        let active = world.overlay.views.current(&entered).active();
        active.index_or_insert(tree).get_or_insert(active.arena(), b"empty");
    }
    assert_eq!(check(), ["generation 1: a row of tree 1/1 has no version"]);
    one.abort();
    two.abort();
}

/// Old views that share generations: each generation counts once, whoever names it, and the current view's do not.
#[test]
fn what_old_views_hold_is_counted_once() {
    let mut world = World::new(1);
    let mut readers = [Party::new(&world.overlay, 2), Party::new(&world.overlay, 3)];
    world.committed(1, b"a");
    readers[0].begin(Mode::ReadOnly);
    assert!(world.seal());
    world.committed(1, b"b");
    readers[1].begin(Mode::ReadOnly);
    assert_eq!(world.overlay.reader_bytes(), 0, "all of it is current");
    let bytes = world.overlay.budget_bytes();
    world.merge(&[]);
    assert_eq!(world.overlay.reader_bytes(), bytes);
    let held = |except: &Party| world.overlay.held_by_others(&except.slot);
    assert!(0 < held(&readers[1]) && held(&readers[1]) < held(&readers[0]));
    assert_eq!(held(&readers[0]), bytes, "the younger of them has both generations");
    readers[1].end();
    assert_eq!(held(&readers[0]), 0);
    world.overlay.free_views();
    assert_eq!(world.overlay.reader_bytes(), held(&readers[1]), "the older one has one of them");
    readers[0].end();
    world.overlay.free_views();
    assert_eq!(world.overlay.reader_bytes(), 0);
}
