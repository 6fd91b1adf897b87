//! One immutable state of a database: a forest, and a hold on the pages it reaches.

use crate::{arena::ArenaPages, store::Shared};
use ese_base::{Result, TreeNo, Value};
use ese_btree::{Forest, Range};
use ese_core::{Base, KeyRange, Scan};
use std::sync::Arc;

/// A state. While it lives, no page it reaches is handed out again; its end is told to the space.
pub(crate) struct MemBase {
    pub(crate) number: u64,
    pub(crate) forest: Forest,
    pub(crate) pages: ArenaPages,
    shared: Arc<Shared>,
}

impl MemBase {
    pub(crate) fn new(number: u64, forest: Forest, shared: Arc<Shared>) -> MemBase {
        MemBase { number, forest, pages: ArenaPages::new(Arc::clone(&shared.arena)), shared }
    }
}

impl Drop for MemBase {
    fn drop(&mut self) {
        self.shared.space.lock().retire(&self.shared.arena, self.number);
    }
}

impl Base for MemBase {
    #[inline]
    fn get<'b>(&'b self, tree: TreeNo, key: &[u8]) -> Result<Option<Value<'b>>> {
        self.forest.get(&self.pages, tree, key)
    }

    fn get_many<'b>(
        &'b self,
        tree: TreeNo,
        keys: &[&[u8]],
        out: &mut dyn FnMut(usize, Option<Value<'b>>),
    ) -> Result<()> {
        self.forest.multi_get(&self.pages, tree, keys, out)
    }

    fn scan<'b>(&'b self, tree: TreeNo, range: KeyRange<'_>) -> Result<Box<dyn Scan<'b> + 'b>> {
        Ok(Box::new(MemScan(self.forest.range(&self.pages, tree, range.0, range.1))))
    }

    fn trees(&self) -> Vec<TreeNo> {
        self.forest.entries().iter().map(|entry| entry.tree).collect()
    }
}

/// A range behind the engine's trait.
struct MemScan<'b>(Range<'b, ArenaPages>);

impl<'b> Scan<'b> for MemScan<'b> {
    #[inline]
    fn next(&mut self) -> Result<Option<(&[u8], Value<'b>)>> {
        self.0.next()
    }

    #[inline]
    fn next_back(&mut self) -> Result<Option<(&[u8], Value<'b>)>> {
        self.0.next_back()
    }
}
