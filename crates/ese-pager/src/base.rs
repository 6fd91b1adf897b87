//! One state of the database: a forest, and a hold on the pages it reaches.
//!
//! A state is the same whether its pages are read in place or copied; [`FilePages`] is the difference.

use crate::{
    cache::CopyPages,
    forest_tree,
    map::MapPages,
    medium::{Medium, Shared},
    merge::FileMerge,
    pager::Pager,
    pins::Live,
    sink::FileSink,
};
use ese_base::{Position, Result, TreeNo, Value};
use ese_btree::{Forest, Pages, Range, Root, Side, check};
use ese_core::{Base, BaseScan, Direction, KeyRange, Merge, Scan};
use std::sync::Arc;

/// The pages of one state of a file, whichever way they are read.
pub(crate) trait FilePages: Pages + Clone + Send + 'static {
    /// The same file's pages, of another state.
    fn of(&self, live: Arc<Live>) -> Self;
}

impl FilePages for MapPages {
    fn of(&self, live: Arc<Live>) -> Self {
        MapPages::of(self, live)
    }
}

impl FilePages for CopyPages {
    fn of(&self, live: Arc<Live>) -> Self {
        CopyPages::of(self, live)
    }
}

/// What the store does with a state.
pub(crate) trait State: Base {
    /// Its number.
    fn number(&self) -> u64;

    /// It holds exactly the transactions below this position.
    fn l(&self) -> Position;

    /// Its trees.
    fn forest(&self) -> &Forest;

    /// Begins the next state.
    fn merge(self: Arc<Self>, pager: Arc<Pager>) -> Box<dyn Merge>;

    /// Changes the tree at `root`, which holds the forest `from`, so that it holds this one's.
    ///
    /// # Errors
    /// What reading and writing report.
    fn write_forest(&self, root: Option<Root>, from: &Forest, sink: &mut FileSink) -> Result<Option<Root>>;

    /// Walks everything it reaches.
    fn walk(&self, fault: &mut dyn FnMut(String)) -> check::Reached;

    /// Walks the tree at `root`, which holds a forest.
    fn walk_forest(
        &self,
        root: Option<Root>,
        trees: u64,
        number: u64,
        fault: &mut dyn FnMut(String),
    ) -> check::Reached;
}

/// The state of that number, with the forest that the tree at `root` holds.
///
/// # Errors
/// What reading reports; `DatabaseCorrupted`.
pub(crate) fn read_state(
    shared: &Arc<Shared>,
    number: u64,
    l: Position,
    root: Option<Root>,
) -> Result<Arc<dyn State>> {
    let live = Live::new(number, shared);
    match &shared.medium {
        Medium::Map(map) => with_pages(MapPages::new(map, live), shared, number, l, root),
        Medium::Cache(cache) => with_pages(CopyPages::new(cache, live), shared, number, l, root),
    }
}

fn with_pages<P: FilePages>(
    pages: P,
    shared: &Shared,
    number: u64,
    l: Position,
    root: Option<Root>,
) -> Result<Arc<dyn State>> {
    let forest = forest_tree::read(&pages, &shared.file, root)?;
    Ok(Arc::new(FileBase::new(number, l, forest, pages)))
}

/// A state.
pub(crate) struct FileBase<P> {
    number: u64,
    l: Position,
    forest: Forest,
    pages: P,
}

impl<P: FilePages> FileBase<P> {
    pub(crate) fn new(number: u64, l: Position, forest: Forest, pages: P) -> Self {
        FileBase { number, l, forest, pages }
    }
}

impl<P: FilePages> State for FileBase<P> {
    fn number(&self) -> u64 {
        self.number
    }

    fn l(&self) -> Position {
        self.l
    }

    fn forest(&self) -> &Forest {
        &self.forest
    }

    fn merge(self: Arc<Self>, pager: Arc<Pager>) -> Box<dyn Merge> {
        Box::new(FileMerge::new(pager, self.forest.clone(), self.pages.clone()))
    }

    fn write_forest(&self, root: Option<Root>, from: &Forest, sink: &mut FileSink) -> Result<Option<Root>> {
        forest_tree::write(&self.pages, sink, root, from, &self.forest)
    }

    fn walk(&self, fault: &mut dyn FnMut(String)) -> check::Reached {
        check::check(&self.pages, &self.forest, self.number, check::Checksums, fault)
    }

    fn walk_forest(
        &self,
        root: Option<Root>,
        trees: u64,
        number: u64,
        fault: &mut dyn FnMut(String),
    ) -> check::Reached {
        let forest = forest_tree::as_forest(root, trees);
        check::check(&self.pages, &forest, number, check::Checksums, fault)
    }
}

impl<P: FilePages> Base for FileBase<P> {
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

    fn scan<'b>(&'b self, tree: TreeNo, range: KeyRange<'_>) -> Result<Box<dyn BaseScan<'b> + 'b>> {
        Ok(Box::new(FileScan(self.forest.range(&self.pages, tree, range.0, range.1))))
    }

    fn trees(&self) -> Vec<TreeNo> {
        self.forest.entries().iter().map(|entry| entry.tree).collect()
    }
}

/// A range behind the engine's trait.
struct FileScan<'b, P: Pages>(Range<'b, P>);

impl<'b, P: Pages> Scan<'b> for FileScan<'b, P> {
    #[inline]
    fn next(&mut self) -> Result<Option<(&[u8], Value<'b>)>> {
        self.0.next()
    }

    #[inline]
    fn next_back(&mut self) -> Result<Option<(&[u8], Value<'b>)>> {
        self.0.next_back()
    }
}

impl<'b, P: Pages> BaseScan<'b> for FileScan<'b, P> {
    #[inline]
    fn key(&self) -> &[u8] {
        self.0.key()
    }

    #[inline]
    fn is_at_hand(&self, direction: Direction) -> bool {
        self.0.is_at_hand(side(direction))
    }

    fn stop_at(&mut self, key: &[u8]) {
        self.0.stop_at(key);
    }

    fn take_stop(&mut self, direction: Direction) -> Result<Option<Value<'b>>> {
        self.0.take_stop(side(direction))
    }
}

/// The end that a scan in that direction reads from.
#[inline]
fn side(direction: Direction) -> Side {
    match direction {
        Direction::Forward => Side::Front,
        Direction::Backward => Side::Back,
    }
}
