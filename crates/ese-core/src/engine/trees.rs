//! What a session remembers of the trees it uses, so that a statement on a known tree looks nothing up.
//!
//! Invariant: an entry's `found_at` is a word at which nobody was changing the directory, and at which a snapshot of this
//! session that had seen every change had the tree.

use super::{core::Attachment, directory::Quiet};
use crate::seam::version_store::VersionStore;
use ese_base::TreeId;
use std::sync::Arc;

/// Trees remembered at a time; the place follows from the tree's number.
const PLACES: usize = 16;

/// A session's trees.
pub(super) struct TreeCache<V: VersionStore>([Option<Known<V>>; PLACES]);

/// One tree.
pub(super) struct Known<V: VersionStore> {
    pub(super) id: TreeId,
    pub(super) tree: V::Tree,
    pub(super) attachment: Arc<Attachment<V>>,
    pub(super) found_at: Option<Quiet>,
}

impl<V: VersionStore> Default for TreeCache<V> {
    fn default() -> Self {
        TreeCache(std::array::from_fn(|_| None))
    }
}

impl<V: VersionStore> TreeCache<V> {
    fn place(id: TreeId) -> usize {
        // Directories and the first trees of several databases should not fall together.
        usize::try_from((id.number.0 ^ (u64::from(id.attachment.0) << 2)) % PLACES as u64).unwrap_or(0)
    }

    /// The tree, if it is remembered.
    #[inline]
    pub(super) fn get(&self, id: TreeId) -> Option<&Known<V>> {
        self.0[Self::place(id)].as_ref().filter(|known| known.id == id)
    }

    /// Remembers a tree.
    pub(super) fn insert(&mut self, known: Known<V>) -> &Known<V> {
        let place = Self::place(known.id);
        self.0[place].insert(known)
    }
}
