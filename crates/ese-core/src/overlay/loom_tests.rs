//! The overlay's protocols in every order within the model checker's bound: begin, gate, free, window.
//!
//! Each test names the line it protects: without it the test fails. Views that were freed are kept by the tests; their
//! bases tell whether somebody used them afterwards, or at the same time.

#![expect(
    unsafe_code,
    reason = "the model checker's cells are shared between threads, to see whether that is right"
)]

use super::{
    fixtures::{self, Party, row, tree_id},
    store::Overlay,
    tree::SharedTree,
    view::View,
    visibility::{Data, encode_delta},
};
use crate::{
    seam::{
        merges::{Merges, NewBase},
        scan::BaseScan,
        session::Mode,
        store::Base,
        transaction::{Delta, KeyRange},
        version_store::{Refusal, VersionStore},
    },
    txn::Kind,
};
use ese_base::{AttachmentNo, CommitTs, Position, Result, TreeId, TreeNo, Value, sync::Mutex};
use loom::{
    cell::UnsafeCell,
    model::Builder,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use std::sync::Arc;

const DATABASE: AttachmentNo = AttachmentNo(1);
const TREE: TreeId = tree_id(1, 1);
const COUNTER: &[u8] = b"n";

/// Tries every order with as many switches of threads against their will as the environment says, else `switches`.
fn check(switches: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(switches));
    builder.max_branches = 50_000;
    builder.check(model);
}

loom::lazy_static! {
    static ref MET: AtomicBool = AtomicBool::new(false);
}

/// A point at which the model checker tries every order of the threads, as at the fences (see `ese_base::sync`).
fn meet() {
    MET.store(false, Ordering::Relaxed);
}

/// A base that holds a counter and tells when it is used after the views that have it were freed.
struct Watched {
    counter: i64,
    /// Read by who reads the base, written by who frees it: the model checker sees whether one came before the other.
    uses: UnsafeCell<()>,
    is_freed: Mutex<bool>,
}

// SAFETY: the model checker says when accesses race; there is nothing in the cell.
unsafe impl Sync for Watched {}
// SAFETY: as above.
unsafe impl Send for Watched {}

impl Watched {
    fn new(counter: i64) -> Arc<Self> {
        Arc::new(Watched { counter, uses: UnsafeCell::new(()), is_freed: Mutex::new(false) })
    }

    fn read(&self) -> i64 {
        assert!(!*self.is_freed.lock(), "a freed view is used");
        self.uses.with(|_| ());
        self.counter
    }

    fn free(&self) {
        *self.is_freed.lock() = true;
        self.uses.with_mut(|_| ());
    }
}

impl Base for Watched {
    fn get<'b>(&'b self, _tree: TreeNo, _key: &[u8]) -> Result<Option<Value<'b>>> {
        Ok(Some(Value::owned(&self.read().to_le_bytes())))
    }

    fn scan<'b>(&'b self, _tree: TreeNo, _range: KeyRange<'_>) -> Result<Box<dyn BaseScan<'b> + 'b>> {
        unreachable!("nobody scans here")
    }

    fn trees(&self) -> Vec<TreeNo> {
        Vec::new()
    }
}

/// An overlay over one database, with a tree.
struct World {
    overlay: Arc<Overlay>,
    tree: Arc<SharedTree>,
    /// The bases of the views that were not freed, by number of the view.
    bases: Mutex<Vec<(u64, Arc<Watched>)>>,
    /// Views that were freed, kept to the end.
    freed: Mutex<Vec<View>>,
}

impl World {
    fn new(counter: i64) -> Arc<Self> {
        let first = Watched::new(counter);
        let base: Arc<dyn Base> = Arc::clone(&first) as _;
        let overlay = fixtures::overlay(3, 1 << 20, [base]);
        let tree = overlay.tree(TREE);
        let bases = Mutex::new(vec![(overlay.newest_view(), first)]);
        Arc::new(World { overlay, tree, bases, freed: Mutex::new(Vec::new()) })
    }

    /// A session. It is dropped by the thread that made it, after the others have ended: that takes a lock.
    fn party(&self) -> Party {
        Party::new(&self.overlay, 1)
    }

    /// The same in a transaction that may write.
    fn begun(&self) -> Party {
        Party::begun(&self.overlay, 1)
    }

    fn put(&self, party: &mut Party, key: &[u8]) -> Result<(), Refusal> {
        party.write(&row(&self.overlay, &self.tree, key), Kind::PUT, b"v")
    }

    /// Adds 1 to the counter.
    fn add(&self, party: &mut Party) {
        let kind = Kind::delta(0, Delta::I64(1));
        party.write(&row(&self.overlay, &self.tree, COUNTER), kind, &encode_delta(0, Delta::I64(1))).unwrap();
    }

    /// Adds 1 to the counter and tells what it was.
    fn fetch_add(&self, party: &mut Party) -> i64 {
        party.fetch_add(&row(&self.overlay, &self.tree, COUNTER), (0, Delta::I64(1))).unwrap()
    }

    /// Whether the overlay has the row for the party's snapshot.
    fn sees(&self, party: &Party, key: &[u8]) -> bool {
        self.overlay.find(&party.slot, &row(&self.overlay, &self.tree, key)).data != Data::Nothing
    }

    /// The counter for the party's snapshot: the base's, and what the overlay adds.
    fn counter(&self, party: &Party) -> i64 {
        let base = self.overlay.base(&party.slot, DATABASE).unwrap();
        let mut value = base.get(TREE.number, COUNTER).unwrap().unwrap().to_vec();
        let found = self.overlay.find(&party.slot, &row(&self.overlay, &self.tree, COUNTER));
        found.deltas.apply(&mut value);
        counter_in(&value)
    }

    /// Seals the active generation; everything below position `cut` has been written.
    fn seal(&self, cut: u64) {
        assert_eq!(self.overlay.cut(&mut || Position(cut)).at, Position(cut));
        let number = self.overlay.newest_view();
        let mut bases = self.bases.lock();
        let (newest, base) = bases.last().cloned().unwrap();
        if newest < number {
            bases.push((number, base));
        }
    }

    /// Publishes a view with a base that has the counter as given and everything below `l`.
    fn install(&self, counter: i64, l: u64) {
        let next = Watched::new(counter);
        let base: Arc<dyn Base> = Arc::clone(&next) as _;
        let bases = [NewBase { attachment: DATABASE, l: Position(l), base: Some(base) }];
        assert!(self.overlay.install(&bases, &[]));
        let number = self.overlay.newest_view();
        self.bases.lock().push((number, next));
    }

    /// Frees the views that may be freed.
    fn free(&self) {
        for view in self.overlay.views.free(&self.overlay.slots) {
            let base = {
                let mut bases = self.bases.lock();
                let at = bases.iter().position(|(number, _)| *number == view.number).unwrap();
                let (_, base) = bases.remove(at);
                (!bases.iter().any(|(_, other)| Arc::ptr_eq(other, &base))).then_some(base)
            };
            if let Some(base) = base {
                base.free();
            }
            self.freed.lock().push(view);
        }
    }
}

fn counter_in(value: &[u8]) -> i64 {
    i64::from_le_bytes(value.try_into().unwrap())
}

/// Runs in a thread of its own.
fn spawn<R: 'static>(world: &Arc<World>, run: impl FnOnce(&World) -> R + 'static) -> thread::JoinHandle<R> {
    let world = Arc::clone(world);
    thread::spawn(move || {
        meet();
        let end = run(&world);
        meet();
        end
    })
}

/// A transaction writes one key before a seal and another after it, and commits: who begins meanwhile sees both or none.
///
/// Protects the second look at the view's number in `Overlay::pin`.
#[test]
fn loom_begin_beside_seal_and_commit() {
    check(3, || {
        let world = World::new(0);
        let (mut writer, mut reader) = (world.begun(), world.party());
        world.put(&mut writer, b"a").unwrap();
        let applier = spawn(&world, move |world| {
            world.seal(1);
            world.put(&mut writer, b"b").unwrap();
            writer.commit(1);
            writer
        });
        meet();
        let snapshot = reader.begin(Mode::ReadOnly);
        let seen = [world.sees(&reader, b"a"), world.sees(&reader, b"b")];
        assert_eq!(seen, [snapshot == CommitTs(1); 2], "at {snapshot}");
        drop(applier.join().unwrap());
    });
}

/// The same with seal and commit in threads of their own.
#[test]
fn loom_begin_beside_a_seal_beside_a_commit() {
    check(2, || {
        let world = World::new(0);
        let (mut writer, mut reader) = (world.begun(), world.party());
        world.put(&mut writer, b"a").unwrap();
        let writing = spawn(&world, move |world| {
            world.put(&mut writer, b"b").unwrap();
            writer.commit(1);
            writer
        });
        let applier = spawn(&world, |world| world.seal(1));
        meet();
        let snapshot = reader.begin(Mode::ReadOnly);
        let seen = [world.sees(&reader, b"a"), world.sees(&reader, b"b")];
        assert_eq!(seen, [snapshot == CommitTs(1); 2], "at {snapshot}");
        applier.join().unwrap();
        drop(writing.join().unwrap());
    });
}

/// A transaction that adds 1 becomes visible and is merged, while a reader begins and reads.
fn begin_beside_a_merge(is_held: bool) {
    check(3, move || {
        let world = World::new(10);
        let (mut writer, mut other, mut reader) = (world.begun(), world.begun(), world.party());
        world.add(&mut writer);
        if is_held {
            // An open transaction keeps the generation in the view: what the base has must be skipped there.
            world.put(&mut other, b"x").unwrap();
        }
        let applier = spawn(&world, move |world| {
            writer.commit(1);
            world.seal(2);
            world.install(11, 2);
            world.free();
            writer
        });
        meet();
        let snapshot = reader.begin(Mode::ReadOnly);
        assert_eq!(world.counter(&reader), 10 + i64::try_from(snapshot.0).unwrap(), "at {snapshot}");
        drop(applier.join().unwrap());
    });
}

/// The merged generation leaves: neither is the base younger than the snapshot, nor does the snapshot miss a commit.
///
/// Protects the order of the loads in `Overlay::pin`: the view's number first.
#[test]
fn loom_begin_beside_a_merge() {
    begin_beside_a_merge(false);
}

/// The merged generation stays: its adds count once.
///
/// Protects the comparison with L in `visibility::counts`.
#[test]
fn loom_begin_beside_a_merge_whose_generation_stays() {
    begin_beside_a_merge(true);
}

/// Two writers of one key: one succeeds.
///
/// Protects the latch in `Overlay::insert`.
#[test]
fn loom_two_writers_of_one_row() {
    check(3, || {
        let world = World::new(0);
        let (mut one, mut two) = (world.begun(), world.begun());
        let other = spawn(&world, move |world| (world.put(&mut one, b"k").is_ok(), one));
        meet();
        let here = world.put(&mut two, b"k").is_ok();
        let (there, one) = other.join().unwrap();
        assert!(here != there, "one of them meets the other's version");
        drop(one);
    });
}

/// One writer of a key before a seal or during it, another after it: one succeeds.
///
/// Protects the wait for the slots in `Gate::close`, and the fences there and in `Gate::enter`.
#[test]
fn loom_writers_of_one_row_around_a_seal() {
    check(3, || {
        let world = World::new(0);
        let (mut one, mut two) = (world.begun(), world.begun());
        world.put(&mut two, b"x").unwrap();
        let applier = spawn(&world, move |world| {
            world.seal(1);
            (world.put(&mut one, b"k").is_ok(), one)
        });
        meet();
        let here = world.put(&mut two, b"k").is_ok();
        let (there, one) = applier.join().unwrap();
        assert!(here != there, "one of them meets the other's version");
        drop(one);
    });
}

/// A session that opens its slot while the gate is being closed does not slip in unseen.
///
/// Protects that `Gate::close` asks which slots there are after it has set the flag.
#[test]
fn loom_a_new_slot_beside_a_seal() {
    check(3, || {
        let world = World::new(0);
        let mut one = world.begun();
        world.put(&mut one, b"x").unwrap();
        let other = spawn(&world, |world| {
            let mut two = world.begun();
            (world.put(&mut two, b"k").is_ok(), two)
        });
        world.seal(1);
        meet();
        let here = world.put(&mut one, b"k").is_ok();
        let (there, two) = other.join().unwrap();
        assert!(here != there, "one of them meets the other's version");
        drop(two);
    });
}

/// Publishes two more views and frees what may be freed after each.
fn publish_and_free(world: &Arc<World>) -> thread::JoinHandle<()> {
    spawn(world, |world| {
        for l in [2, 3] {
            world.install(0, l);
            world.free();
        }
    })
}

/// The views before the newest are freed when nobody uses them any more.
fn assert_all_freed(world: &World) {
    world.free();
    assert_eq!(world.freed.lock().len(), 2, "nothing is kept for ever");
}

/// A writer in the gate uses the view that is current there, while views are published and freed.
///
/// Protects `Retired::inside`, and the fences in `Gate::enter` and `Views::publish`.
#[test]
fn loom_view_of_the_gate_beside_free() {
    check(3, || {
        let world = World::new(0);
        let party = world.party();
        let applier = publish_and_free(&world);
        for _ in 0..2 {
            let entered = world.overlay.gate.enter(world.overlay.slots.line(0));
            let view = world.overlay.views.current(&entered);
            view.databases[0].as_ref().unwrap().base.get(TREE.number, COUNTER).unwrap();
        }
        applier.join().unwrap();
        assert_all_freed(&world);
        drop(party);
    });
}

/// A pinned reader uses its view, while views are published and freed.
///
/// Protects the slots' names in `Views::free`, the second look in `Overlay::pin`, and the fences in `Slot::name_view` and
/// `Views::publish`.
#[test]
fn loom_pinned_view_beside_free() {
    check(3, || {
        let world = World::new(0);
        let mut reader = world.party();
        let applier = publish_and_free(&world);
        reader.begin(Mode::ReadOnly);
        world.counter(&reader);
        reader.end();
        applier.join().unwrap();
        assert_all_freed(&world);
    });
}

/// A transaction reads the newest base for an escrow's old value, while views are published and freed.
///
/// Protects the slots' second names in `Views::free`, and the second look and the fence in `SecondPin::new`.
#[test]
fn loom_second_view_beside_free() {
    check(3, || {
        let world = World::new(0);
        let mut party = world.begun();
        let applier = publish_and_free(&world);
        assert_eq!(world.fetch_add(&mut party), 0);
        party.abort();
        applier.join().unwrap();
        assert_all_freed(&world);
    });
}

/// A merge and the old value of an escrow add: each add is counted once, by the base or by its version.
///
/// Protects the comparison of L in `Overlay::insert`.
#[test]
fn loom_old_value_beside_a_merge() {
    check(3, || {
        let world = World::new(10);
        let (mut writer, mut party) = (world.begun(), world.begun());
        world.add(&mut writer);
        writer.commit(1);
        world.seal(2);
        let applier = spawn(&world, |world| world.install(11, 2));
        assert_eq!(world.fetch_add(&mut party), 11);
        applier.join().unwrap();
    });
}

/// A version that my snapshot does not have leaves the view: I meet it there or in the window.
///
/// Protects that `Overlay::publish_and_let_go` enters the window before it publishes.
#[test]
fn loom_conflict_check_beside_leaving() {
    check(3, || {
        let world = World::new(0);
        let (mut late, mut early) = (world.begun(), world.begun());
        world.put(&mut early, b"k").unwrap();
        early.commit(1);
        world.seal(2);
        let applier = spawn(&world, |world| {
            world.install(0, 2);
            world.free();
        });
        match world.put(&mut late, b"k") {
            Err(Refusal::Conflict(_) | Refusal::ConflictMerged) => {}
            other => panic!("{other:?}"),
        }
        applier.join().unwrap();
    });
}

/// A version leaves while a transaction begins: either that has the version in its snapshot, or it is in the window.
///
/// Protects the fence in `Overlay::oldest_writing_snapshot`.
#[test]
fn loom_begin_beside_leaving() {
    check(3, || {
        let world = World::new(0);
        let (mut early, mut late) = (world.begun(), world.party());
        world.put(&mut early, b"k").unwrap();
        let state = early.claim(1);
        early.end();
        world.seal(2);
        let applier = spawn(&world, move |world| {
            world.overlay.publish(&state);
            world.install(0, 2);
        });
        let snapshot = late.begin(Mode::ReadWrite);
        assert_eq!(world.put(&mut late, b"k").is_ok(), snapshot == CommitTs(1), "at {snapshot}");
        applier.join().unwrap();
    });
}
