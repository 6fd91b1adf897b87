//! Databases of maps, and something of a test's between them and the engine.

use crate::map_backend::MapBackend;
use ese_base::{Position, Result, TreeNo};
use ese_core::{Backend, Base, Change, DropProgress, Merge, Store, StoreStats};
use std::sync::Arc;

/// A call of a store or of its merge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Apply,
    Finish,
    Prepare,
    Reserve,
}

/// What stands between; nothing, unless it says so.
pub(crate) trait Between: Send + Sync + 'static {
    /// Before that call goes on to the map.
    fn pass(&self, _place: Place) {}

    /// What the engine gets for a base of the map.
    fn base(_this: &Arc<Self>, base: Arc<dyn Base>) -> Arc<dyn Base> {
        base
    }
}

pub(crate) struct BetweenBackend<B> {
    map: MapBackend,
    between: Arc<B>,
}

struct BetweenStore<B> {
    map: Arc<dyn Store>,
    between: Arc<B>,
}

struct BetweenMerge<B> {
    map: Box<dyn Merge>,
    between: Arc<B>,
}

impl<B: Between> BetweenBackend<B> {
    pub(crate) fn new(between: &Arc<B>) -> Self {
        BetweenBackend { map: MapBackend::default(), between: Arc::clone(between) }
    }

    fn store(&self, map: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(BetweenStore { map, between: Arc::clone(&self.between) })
    }
}

impl<B: Between> Backend for BetweenBackend<B> {
    fn name(&self) -> &'static str {
        "between"
    }

    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        Ok(self.store(self.map.create(database)?))
    }

    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        Ok(self.store(self.map.attach(database)?))
    }

    fn detach(&self, database: &str) -> Result<()> {
        self.map.detach(database)
    }
}

impl<B: Between> Store for BetweenStore<B> {
    fn newest(&self) -> Arc<dyn Base> {
        B::base(&self.between, self.map.newest())
    }

    fn begin_merge(self: Arc<Self>) -> Result<Box<dyn Merge>> {
        let map = Arc::clone(&self.map).begin_merge()?;
        Ok(Box::new(BetweenMerge { map, between: Arc::clone(&self.between) }))
    }

    fn reserve_tree_numbers(&self, count: u64) -> Result<TreeNo> {
        self.between.pass(Place::Reserve);
        self.map.reserve_tree_numbers(count)
    }

    fn key_max_bytes(&self) -> usize {
        self.map.key_max_bytes()
    }

    fn check(&self, base: &Arc<dyn Base>, fault: &mut dyn FnMut(String)) -> Result<()> {
        self.map.check(base, fault)
    }

    fn stats(&self) -> StoreStats {
        self.map.stats()
    }

    fn prepare(&self, bytes: u64) -> bool {
        self.between.pass(Place::Prepare);
        self.map.prepare(bytes)
    }
}

impl<B: Between> Merge for BetweenMerge<B> {
    fn apply(&mut self, tree: TreeNo, key: &[u8], change: Change<'_>) -> Result<()> {
        self.between.pass(Place::Apply);
        self.map.apply(tree, key, change)
    }

    fn drop_tree(&mut self, tree: TreeNo, pages: usize) -> Result<DropProgress> {
        self.map.drop_tree(tree, pages)
    }

    fn finish(self: Box<Self>, l: Position) -> Result<Arc<dyn Base>> {
        self.between.pass(Place::Finish);
        Ok(B::base(&self.between, self.map.finish(l)?))
    }
}
