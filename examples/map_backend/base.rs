//! One state of a database. It never changes, so reads need no lock and hand out what lies in the map.

use ese_base::{Result, TreeNo, Value};
use ese_core::{Base, KeyRange, Scan};
use std::{
    collections::{BTreeMap, btree_map},
    ops::Bound,
    sync::Arc,
};

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

    fn scan<'b>(&'b self, tree: TreeNo, range: KeyRange<'_>) -> Result<Box<dyn Scan<'b> + 'b>> {
        let rows = self.trees.get(&tree).filter(|_| !is_empty(range));
        Ok(Box::new(MapScan(rows.map(|rows| rows.range::<[u8], _>(range)))))
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

/// A range of a map, or nothing.
struct MapScan<'b>(Option<Rows<'b>>);

type Rows<'b> = btree_map::Range<'b, Box<[u8]>, Arc<[u8]>>;

/// A row as a scan lends it.
fn lend<'b>(row: Option<<Rows<'b> as Iterator>::Item>) -> Option<(&'b [u8], Value<'b>)> {
    row.map(|(key, value)| (&**key, Value::Borrowed(value)))
}

impl<'b> Scan<'b> for MapScan<'b> {
    fn next(&mut self) -> Result<Option<(&[u8], Value<'b>)>> {
        Ok(lend(self.0.as_mut().and_then(Iterator::next)))
    }

    fn next_back(&mut self) -> Result<Option<(&[u8], Value<'b>)>> {
        Ok(lend(self.0.as_mut().and_then(DoubleEndedIterator::next_back)))
    }
}
