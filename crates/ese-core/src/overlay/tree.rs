//! What all sessions share about a tree: who wrote in it last, so that untouched trees pay nothing.

use ese_base::{
    AttachmentNo, TreeId,
    sync::{
        RwLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
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

/// The trees that sessions have asked for.
#[derive(Debug, Default)]
pub(crate) struct Trees {
    known: RwLock<HashMap<TreeId, Arc<SharedTree>, foldhash::fast::FixedState>>,
    next_ordinal: AtomicU64,
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
}
