//! What all sessions share about a tree: who wrote in it last, so that untouched trees pay nothing.
//!
//! Invariants:
//! - While somebody holds a tree's object or names its ordinal in a slot, there is no other object of that tree.
//! - An object goes only when no view has a generation as young as the newest that holds anything of its tree: a new
//!   object says the same of it, nothing.
//! - Ordinals are never given twice.

use super::slot::Slots;
use ese_base::{
    AttachmentNo, TreeId,
    sync::{
        RwLock,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
};
use hashbrown::HashMap;
use std::sync::Arc;

/// One tree, shared.
#[derive(Debug)]
pub(crate) struct SharedTree {
    pub(crate) id: TreeId,
    /// Names it among all trees this engine ever saw.
    pub(crate) ordinal: u64,
    /// The newest generation that holds anything of it; raised before the insert.
    newest_generation: AtomicU32,
}

impl SharedTree {
    #[inline]
    pub(crate) fn newest_generation(&self) -> u32 {
        self.newest_generation.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn raise(&self, number: u32) {
        if self.newest_generation.load(Ordering::Relaxed) < number {
            self.newest_generation.fetch_max(number, Ordering::Relaxed);
        }
    }
}

/// Trees that may be known before it is looked which of them are held.
const KNOWN_MIN: usize = 256;

/// The trees that sessions have asked for.
#[derive(Debug)]
pub(crate) struct Trees {
    known: RwLock<HashMap<TreeId, Arc<SharedTree>, foldhash::fast::FixedState>>,
    /// With so many it is looked again: twice as many as were held the last time.
    clean_at: AtomicUsize,
    next_ordinal: AtomicU64,
}

impl Default for Trees {
    fn default() -> Self {
        let (clean_at, next_ordinal) = (AtomicUsize::new(KNOWN_MIN), AtomicU64::new(0));
        Trees { known: RwLock::default(), clean_at, next_ordinal }
    }
}

impl Trees {
    /// The shared object of a tree; sessions keep it.
    pub(crate) fn get(&self, id: TreeId) -> Arc<SharedTree> {
        if let Some(tree) = self.known.read().get(&id) {
            return Arc::clone(tree);
        }
        Arc::clone(self.known.write().entry(id).or_insert_with(|| {
            Arc::new(SharedTree {
                id,
                ordinal: self.next_ordinal.fetch_add(1, Ordering::Relaxed) + 1,
                newest_generation: AtomicU32::new(0),
            })
        }))
    }

    /// The trees of an attachment that anybody asked for.
    pub(crate) fn of(&self, attachment: AttachmentNo) -> Vec<Arc<SharedTree>> {
        self.known.read().values().filter(|tree| tree.id.attachment == attachment).cloned().collect()
    }

    /// Forgets the trees that nobody holds, once their number has doubled. `oldest` is the number of the oldest
    /// generation that any view has, or will have.
    pub(crate) fn clean(&self, oldest: impl FnOnce() -> u32, slots: &Slots) {
        if self.known.read().len() < self.clean_at.load(Ordering::Relaxed) {
            return;
        }
        let oldest = oldest();
        let mut known = self.known.write();
        let unheld = |tree: &mut Arc<SharedTree>| {
            Arc::get_mut(tree).is_some_and(|tree| tree.newest_generation() < oldest).then_some(tree.ordinal)
        };
        let mut ordinals: Vec<u64> = known.values_mut().filter_map(unheld).collect();
        // Only now: who names one of them has done so while it held the object, and nobody gets hold of it any more.
        for (_, slot) in slots.lines().filter(|(_, slot)| slot.pinned().is_some_and(|pinned| pinned.writes)) {
            ordinals.retain(|ordinal| !slot.uses_tree(*ordinal));
        }
        ordinals.sort_unstable();
        known.retain(|_, tree| ordinals.binary_search(&tree.ordinal).is_err());
        self.clean_at.store((2 * known.len()).max(KNOWN_MIN), Ordering::Relaxed);
    }
}

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests {
    use super::*;
    use crate::overlay::fixtures::{owner, tree_id};

    fn known(trees: &Trees) -> usize {
        trees.known.read().len()
    }

    #[test]
    fn trees_that_nobody_holds_are_forgotten() {
        let (trees, slots) = (Trees::default(), Slots::new(1));
        let held: Vec<_> = (0..400).map(|number| trees.get(tree_id(1, number))).collect();
        for number in 0..10_000 {
            trees.get(tree_id(2, number));
            trees.clean(|| 1, &slots);
            assert!(known(&trees) <= 2 * held.len(), "{} are known", known(&trees));
        }
        assert!(held.iter().all(|tree| Arc::ptr_eq(tree, &trees.get(tree.id))), "one object of each");
        assert_eq!(trees.get(tree_id(3, 0)).ordinal, 10_401, "a number of its own");
        drop(held);
        for number in 0..1000 {
            trees.get(tree_id(4, number));
            trees.clean(|| 1, &slots);
        }
        assert!(known(&trees) <= KNOWN_MIN, "{} are known", known(&trees));
    }

    #[test]
    fn what_a_view_or_a_slot_needs_stays() {
        let (trees, slots) = (Trees::default(), Slots::new(1));
        let line = slots.line(slots.open(owner(1)).unwrap());
        line.name_view(1, true);
        let (written, used) = (trees.get(tree_id(1, 1)), trees.get(tree_id(1, 2)));
        written.raise(7);
        line.use_tree(used.ordinal);
        let ordinals = (written.ordinal, used.ordinal);
        drop((written, used));
        let clean = |oldest| {
            for number in 10..1000 {
                trees.get(tree_id(1, number));
            }
            trees.clean(|| oldest, &slots);
            (trees.get(tree_id(1, 1)), trees.get(tree_id(1, 2)).ordinal)
        };
        let (written, used) = clean(7);
        assert_eq!((written.ordinal, written.newest_generation(), used), (ordinals.0, 7, ordinals.1));
        drop(written);
        line.clear();
        let (written, used) = clean(8);
        assert!(written.newest_generation() == 0 && written.ordinal > ordinals.1 && used > ordinals.1);
    }
}
