//! The index against the ordinary ordered map: all small cases, random ones, and threads.

mod cost;
mod exhaustive;
mod random;
mod threads;

use super::*;
use ese_base::sync::atomic::AtomicU64;
use std::collections::BTreeMap;

/// An index with its arena. Fields are dropped in this order, and nothing that came from the index outlives both.
struct Map<const N: usize> {
    index: Index<AtomicU64, N>,
    arena: Arena,
}

impl<const N: usize> Map<N> {
    fn new() -> Self {
        // SAFETY: only `insert` inserts, always with the arena beside it, which lives as long.
        Map { index: unsafe { Index::new() }, arena: Arena::new(1 << 10, 1 << 20) }
    }

    /// Inserts the key with `payload`, or tells the one that is there.
    fn insert(&self, key: &[u8], payload: u64) -> Result<(), u64> {
        match self.index.get_or_insert(&self.arena, key) {
            Placed::Inserted(entry) => {
                assert_eq!((entry.key(), value(entry)), (key, 0));
                entry.payload().store(payload, Ordering::Release);
                Ok(())
            }
            Placed::Found(entry) => {
                assert_eq!(entry.key(), key);
                Err(value(entry))
            }
        }
    }

    fn get(&self, key: &[u8]) -> Option<u64> {
        let entry = self.index.get(key)?;
        assert_eq!(entry.key(), key);
        Some(value(entry))
    }

    /// Checks the tree: bounds, order, levels, skipped bytes; and answers the height and the number of nodes.
    fn check(&self) -> (u32, usize) {
        let Some(root) = self.index.root() else { return (0, 0) };
        assert!(root.low().is_none() && root.high().is_none());
        (root.level(), check_node(root))
    }
}

fn check_node<const N: usize>(node: &Node<AtomicU64, N>) -> usize {
    let order = node.order();
    assert!(!order.is_latched() && !order.is_frozen() && order.count() > 0);
    let (low, high) = (node.low().map(Entry::key), node.high().map(Entry::key));
    let slots: Vec<usize> = (0..order.count()).map(|rank| order.slot(rank)).collect();
    if node.level() == 0 {
        let keys: Vec<&[u8]> = slots.iter().map(|slot| node.entry(*slot).key()).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        assert!(low.is_none_or(|low| keys[0] == low) && high.is_none_or(|high| keys[keys.len() - 1] < high));
        for (rank, key) in keys.iter().enumerate() {
            assert_eq!(node.locate(order, key), Ok(rank));
        }
        return 1;
    }
    let children: Vec<_> = slots.iter().map(|slot| node.child(*slot)).collect();
    assert!(children[0].begins_with(node) && children[children.len() - 1].ends_with(node));
    for pair in children.windows(2) {
        assert_eq!(pair[0].high().map(Entry::key), pair[1].low().map(Entry::key));
        assert!(pair[1].low().is_some());
    }
    let below = children.iter().map(|child| {
        assert_eq!(child.level() + 1, node.level());
        check_node(child)
    });
    1 + below.sum::<usize>()
}

fn value(entry: &Entry<AtomicU64>) -> u64 {
    entry.payload().load(Ordering::Acquire)
}

type Model = BTreeMap<Vec<u8>, u64>;

fn pair((key, value): (&Vec<u8>, &u64)) -> (Vec<u8>, u64) {
    (key.clone(), *value)
}

fn taken(entry: Option<&Entry<AtomicU64>>) -> Option<(Vec<u8>, u64)> {
    entry.map(|entry| (entry.key().to_vec(), value(entry)))
}

/// Compares everything that can be asked about `probes` with the model.
fn compare<const N: usize>(map: &Map<N>, model: &Model, probes: &[&[u8]]) {
    map.check();
    let mut cursor = map.index.cursor();
    for probe in probes.iter().copied() {
        assert_eq!(map.get(probe), model.get(probe).copied(), "get {probe:?}");
        let key = probe.to_vec();
        assert_eq!(taken(cursor.seek_ge(probe)), model.range(key.clone()..).next().map(pair), "ge {probe:?}");
        assert_eq!(taken(cursor.seek_lt(probe)), model.range(..key.clone()).next_back().map(pair));
        assert_eq!(taken(cursor.seek_le(probe)), model.range(..=key.clone()).next_back().map(pair));
        let mut behind = model.range(key..).filter(|(other, _)| other.as_slice() != probe);
        assert_eq!(taken(cursor.seek_gt(probe)), behind.next().map(pair), "gt {probe:?}");
    }
    let mut forward = map.index.cursor();
    let walked: Vec<_> = std::iter::from_fn(|| taken(forward.next())).collect();
    let expected: Vec<_> = model.iter().map(pair).collect();
    assert_eq!(walked, expected);
    let mut backward = map.index.cursor();
    let walked: Vec<_> = std::iter::from_fn(|| taken(backward.prev())).collect();
    assert_eq!(walked, expected.into_iter().rev().collect::<Vec<_>>());
    assert_eq!(taken(forward.prev()), model.iter().next_back().map(pair), "from behind all");
    assert_eq!(taken(backward.next()), model.iter().next().map(pair), "from before all");
}
