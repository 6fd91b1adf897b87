//! Writers and readers on a few keys, in every order within the model checker's bound.
//!
//! Nodes have two or three slots, so that few inserts split leaves and roots. Payloads are cells that the model checker
//! watches: a reader that came to an entry without the writer's leave would be a race.

use super::*;
use loom::{
    cell::UnsafeCell,
    model::Builder,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Tries every order with as many switches of threads against their will as the environment says, else `switches`.
fn check(switches: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(switches));
    builder.max_branches = 20_000;
    builder.check(model);
}

#[derive(Default)]
struct Watched(UnsafeCell<()>);

// SAFETY: the model checker says when accesses race; there is nothing in the cell.
unsafe impl Sync for Watched {}
// SAFETY: as above.
unsafe impl Send for Watched {}

struct Map<const N: usize> {
    index: Index<Watched, N>,
    arena: Arena,
}

impl<const N: usize> Map<N> {
    fn with(keys: &[u8]) -> Arc<Self> {
        // SAFETY: all inserts use the arena beside the index, which lives as long.
        let map = Map { index: unsafe { Index::new() }, arena: Arena::new(1 << 16, 1 << 16) };
        keys.iter().for_each(|key| assert!(map.insert(*key)));
        Arc::new(map)
    }

    /// Whether it was new.
    fn insert(&self, key: u8) -> bool {
        let placed = self.index.get_or_insert(&self.arena, &[key]);
        assert_eq!(read(placed.entry()), key);
        matches!(placed, Placed::Inserted(_))
    }

    fn has(&self, key: u8) -> bool {
        self.index.get(&[key]).is_some_and(|entry| read(entry) == key)
    }

    fn forward(&self) -> Vec<u8> {
        let mut cursor = self.index.cursor();
        std::iter::from_fn(|| cursor.next().map(read)).collect()
    }

    fn backward(&self) -> Vec<u8> {
        let mut cursor = self.index.cursor();
        std::iter::from_fn(|| cursor.prev().map(read)).collect()
    }
}

fn read(entry: &Entry<Watched>) -> u8 {
    entry.payload().0.with(|_| ());
    entry.key()[0]
}

/// Inserts two keys in a thread of its own and tells when the first is in.
fn spawn_writer<const N: usize>(
    map: &Arc<Map<N>>,
    keys: [u8; 2],
) -> (Arc<AtomicBool>, thread::JoinHandle<()>) {
    let (map, is_first_in) = (Arc::clone(map), Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&is_first_in);
    let writer = thread::spawn(move || {
        assert!(map.insert(keys[0]));
        flag.store(true, Ordering::Release);
        assert!(map.insert(keys[1]));
    });
    (is_first_in, writer)
}

/// Two writers fill and split one leaf; all is there afterwards, once.
#[test]
fn loom_two_writers_split_a_leaf() {
    check(4, || {
        let map = Map::<3>::with(&[10, 20]);
        let (_, other) = spawn_writer(&map, [12, 14]);
        assert!(map.insert(16));
        other.join().unwrap();
        assert_eq!(map.forward(), [10, 12, 14, 16, 20]);
        assert_eq!(map.backward(), [20, 16, 14, 12, 10]);
    });
}

/// Inserts one key in a thread of its own and tells when it is in.
fn spawn_insert<const N: usize>(map: &Arc<Map<N>>, key: u8) -> (Arc<AtomicBool>, thread::JoinHandle<()>) {
    let (map, is_in) = (Arc::clone(map), Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&is_in);
    let writer = thread::spawn(move || {
        assert!(map.insert(key));
        flag.store(true, Ordering::Release);
    });
    (is_in, writer)
}

/// Two writers of which one splits the leaf, and a reader that looks up what was there and what it knows to be.
#[test]
fn loom_two_writers_and_a_get() {
    check(2, || {
        let map = Map::<2>::with(&[10, 20]);
        let (is_in, one) = spawn_insert(&map, 12);
        let (_, two) = spawn_insert(&map, 16);
        let must_be = is_in.load(Ordering::Acquire);
        assert!(map.has(20));
        assert!(map.has(12) || !must_be);
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!(map.forward(), [10, 12, 16, 20]);
    });
}

/// A walk beside two writers: in order, nothing twice, and all that was there before it began.
fn walk_beside_writers(walk: fn(&Map<2>) -> Vec<u8>, is_before: fn(&u8, &u8) -> bool) {
    check(2, move || {
        let map = Map::<2>::with(&[10, 20]);
        let (is_in, one) = spawn_insert(&map, 12);
        let (_, two) = spawn_insert(&map, 5);
        let must_be = is_in.load(Ordering::Acquire);
        let walked = walk(&map);
        assert!(walked.is_sorted_by(is_before), "{walked:?}");
        assert!(walked.contains(&10) && walked.contains(&20), "{walked:?}");
        assert!(walked.contains(&12) || !must_be, "{walked:?}");
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!(map.forward(), [5, 10, 12, 20]);
    });
}

#[test]
fn loom_two_writers_and_a_walk_forward() {
    walk_beside_writers(Map::forward, |a, b| a < b);
}

#[test]
fn loom_two_writers_and_a_walk_backward() {
    walk_beside_writers(Map::backward, |a, b| a > b);
}

/// A cursor that stands in a leaf sees what was inserted before its next step, though the leaf was split meanwhile.
#[test]
fn loom_a_step_sees_what_came_before_it() {
    check(4, || {
        let map = Map::<2>::with(&[10, 20]);
        let mut cursor = map.index.cursor();
        assert_eq!(cursor.first().map(read), Some(10));
        let (is_first_in, writer) = spawn_writer(&map, [12, 11]);
        let must_be = is_first_in.load(Ordering::Acquire);
        let next = cursor.next().map(read);
        assert!(matches!(next, Some(11 | 12)) || !must_be && next == Some(20), "{next:?}");
        let must_be = is_first_in.load(Ordering::Acquire);
        let before = cursor.seek_lt(&[20]).map(read);
        assert!(before == Some(12) || !must_be && before == Some(10), "{before:?}");
        writer.join().unwrap();
    });
}

/// While one thread splits the leaf in which a cursor stands, another inserts behind the cursor into one of the copies.
#[test]
fn loom_a_step_sees_what_came_into_the_copy_of_its_leaf() {
    check(2, || {
        let map = Map::<3>::with(&[10, 30, 20]);
        let mut cursor = map.index.cursor();
        assert_eq!(cursor.seek_ge(&[20]).map(read), Some(20));
        let (_, splitter) = spawn_insert(&map, 40);
        let (is_in, other) = spawn_insert(&map, 25);
        let must_be = is_in.load(Ordering::Acquire);
        let next = cursor.next().map(read);
        assert!(next == Some(25) || !must_be && next == Some(30), "{next:?}");
        splitter.join().unwrap();
        other.join().unwrap();
    });
}

/// A leaf is split under a parent with room, while a reader is on its way to the half that leaves the leaf's slot.
#[test]
fn loom_a_get_while_the_leaf_on_its_way_splits() {
    check(4, || {
        let map = Map::<3>::with(&[10, 20, 30, 40]);
        let (_, writer) = spawn_insert(&map, 25);
        assert!(map.has(30));
        assert!(map.has(10));
        writer.join().unwrap();
        assert_eq!(map.forward(), [10, 20, 25, 30, 40]);
    });
}

/// The root is split and its halves are split under a reader that is on its way down.
#[test]
fn loom_a_get_while_inner_nodes_split() {
    check(4, || {
        // Two leaves of two under a full root: each further split of a leaf splits the root.
        let map = Map::<2>::with(&[10, 20, 30]);
        let (is_first_in, writer) = spawn_writer(&map, [25, 27]);
        let must_be = is_first_in.load(Ordering::Acquire);
        assert!(map.has(30));
        assert!(map.has(25) || !must_be);
        writer.join().unwrap();
        assert_eq!(map.forward(), [10, 20, 25, 27, 30]);
    });
}

/// Two threads insert the same key: one entry, one of them made it.
#[test]
fn loom_two_writers_of_one_key() {
    check(4, || {
        let map = Map::<2>::with(&[]);
        let other = {
            let map = Arc::clone(&map);
            thread::spawn(move || map.insert(1))
        };
        let here = map.insert(1);
        assert!(here != other.join().unwrap());
        assert_eq!(map.forward(), [1]);
    });
}
