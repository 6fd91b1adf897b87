//! One state of a database. It never changes, so reads need no lock and hand out what lies in the map.

use ese_base::{Result, TreeNo, Value};
use ese_core::{Base, BaseScan, IterScan, KeyRange};
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

/// The rows of a tree.
pub(crate) type Tree = BTreeMap<Box<[u8]>, Arc<[u8]>>;

/// The trees of one state.
#[derive(Default)]
pub(crate) struct MapBase {
    pub(crate) trees: BTreeMap<TreeNo, Arc<Tree>>,
}

impl Base for MapBase {
    fn get<'b>(&'b self, tree: TreeNo, key: &[u8]) -> Result<Option<Value<'b>>> {
        let value = self.trees.get(&tree).and_then(|rows| rows.get(key));
        Ok(value.map(|value| Value::Borrowed(value)))
    }

    fn scan<'b>(&'b self, tree: TreeNo, range: KeyRange<'_>) -> Result<Box<dyn BaseScan<'b> + 'b>> {
        let rows = self.trees.get(&tree).filter(|_| !is_empty(range));
        let rows = rows.map(|rows| rows.range::<[u8], _>(range)).into_iter().flatten();
        Ok(Box::new(IterScan::new(rows.map(|(key, value)| (key, Value::Borrowed(value))))))
    }

    fn trees(&self) -> Vec<TreeNo> {
        self.trees.keys().copied().collect()
    }
}

/// Whether no key can lie in a range; a map panics when it is asked for one that ends before it begins.
fn is_empty(range: KeyRange<'_>) -> bool {
    match range {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            from >= to
        }
        _ => false,
    }
}
