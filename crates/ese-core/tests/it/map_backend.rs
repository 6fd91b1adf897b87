//! A backend whose bases are ordered maps.

use ese_base::{Error, ErrorKind, Position, Result, TreeNo, Value, sync::Mutex};
use ese_core::{Backend, Base, BaseScan, Change, DropProgress, IterScan, KeyRange, Merge, Store, StoreStats};
use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

type Rows = BTreeMap<(TreeNo, Vec<u8>), Vec<u8>>;

/// Makes databases of maps.
#[derive(Default)]
pub(crate) struct MapBackend(Mutex<BTreeMap<String, Arc<MapStore>>>);

pub(crate) struct MapStore {
    newest: Mutex<Arc<MapBase>>,
    next_tree: AtomicU64,
}

struct MapBase(Rows);

struct MapMerge {
    store: Arc<MapStore>,
    rows: Rows,
}

impl Backend for MapBackend {
    fn name(&self) -> &'static str {
        "map"
    }

    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        let mut all = self.0.lock();
        if all.contains_key(database) {
            return Err(Error::new(ErrorKind::DatabaseDuplicate, database));
        }
        let newest = Mutex::new(Arc::new(MapBase(Rows::new())));
        let store = Arc::new(MapStore { newest, next_tree: AtomicU64::new(1) });
        all.insert(database.to_owned(), Arc::clone(&store));
        Ok(store)
    }

    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        let all = self.0.lock();
        let store = all.get(database).ok_or_else(|| Error::new(ErrorKind::DatabaseNotFound, database))?;
        Ok(Arc::clone(store) as Arc<dyn Store>)
    }

    fn detach(&self, _database: &str) -> Result<()> {
        Ok(())
    }
}

impl Store for MapStore {
    fn newest(&self) -> Arc<dyn Base> {
        Arc::clone(&*self.newest.lock()) as Arc<dyn Base>
    }

    fn begin_merge(self: Arc<Self>) -> Result<Box<dyn Merge>> {
        let rows = self.newest.lock().0.clone();
        Ok(Box::new(MapMerge { store: self, rows }))
    }

    fn reserve_tree_numbers(&self, count: u64) -> Result<TreeNo> {
        Ok(TreeNo(self.next_tree.fetch_add(count, Ordering::Relaxed)))
    }

    fn key_max_bytes(&self) -> usize {
        1000
    }

    fn check(&self, _base: &Arc<dyn Base>, _fault: &mut dyn FnMut(String)) -> Result<()> {
        Ok(())
    }

    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }
}

impl Merge for MapMerge {
    fn apply(&mut self, tree: TreeNo, key: &[u8], change: Change<'_>) -> Result<()> {
        match change {
            Change::Put(value) => drop(self.rows.insert((tree, key.to_vec()), value.to_vec())),
            Change::Delete => drop(self.rows.remove(&(tree, key.to_vec()))),
        }
        Ok(())
    }

    fn drop_tree(&mut self, tree: TreeNo, _pages: usize) -> Result<DropProgress> {
        self.rows.retain(|(number, _), _| *number != tree);
        Ok(DropProgress::Done)
    }

    fn finish(self: Box<Self>, _l: Position) -> Result<Arc<dyn Base>> {
        let base = Arc::new(MapBase(self.rows));
        *self.store.newest.lock() = Arc::clone(&base);
        Ok(base)
    }
}

impl Base for MapBase {
    fn get<'b>(&'b self, tree: TreeNo, key: &[u8]) -> Result<Option<Value<'b>>> {
        Ok(self.0.get(&(tree, key.to_vec())).map(|value| Value::Borrowed(value)))
    }

    fn scan<'b>(&'b self, tree: TreeNo, (lower, upper): KeyRange<'_>) -> Result<Box<dyn BaseScan<'b> + 'b>> {
        let row = |key: &[u8]| (tree, key.to_vec());
        let lower = match lower {
            Bound::Unbounded => Bound::Included(row(b"")),
            bound => bound.map(row),
        };
        let upper = match upper {
            Bound::Unbounded => Bound::Excluded((TreeNo(tree.0 + 1), Vec::new())),
            bound => bound.map(row),
        };
        let empty = match (&lower, &upper) {
            (Bound::Included(l), Bound::Included(u)) => l > u,
            (Bound::Included(l) | Bound::Excluded(l), Bound::Included(u) | Bound::Excluded(u)) => l >= u,
            _ => false,
        };
        let none = || (Bound::Included(row(b"")), Bound::Excluded(row(b"")));
        let (lower, upper) = if empty { none() } else { (lower, upper) };
        let rows = self.0.range((lower, upper)).map(|((_, key), value)| (key, Value::Borrowed(value)));
        Ok(Box::new(IterScan::new(rows)))
    }

    fn trees(&self) -> Vec<TreeNo> {
        let mut trees: Vec<TreeNo> = self.0.keys().map(|(tree, _)| *tree).collect();
        trees.dedup();
        trees
    }
}
