//! A base whose scans break at a row they had at hand.

use crate::map_backend::MapBackend;
use ese_base::Position;
use ese_base::{Error, ErrorKind, Result, TreeNo, Value, clock::ManualClock};
use ese_core::{
    Backend, Background, Base, BaseScan, Change, Direction, DropProgress, Durability, KeyRange, LocalEngine,
    Merge, Mode, Options, Put, Scan, SessionOptions, Store, StoreStats,
};
use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

static NO_MORE_SCANS: AtomicBool = AtomicBool::new(false);
static BROKEN: AtomicBool = AtomicBool::new(false);

struct Broken(MapBackend);
struct BrokenStore(Arc<dyn Store>);
struct BrokenBase(Arc<dyn Base>);
struct BrokenMerge(Box<dyn Merge>);
/// As a range of the tree: a row at hand whose value lies in pages of its own, which cannot be read.
struct BrokenScan<'b> {
    scan: Box<dyn BaseScan<'b> + 'b>,
    given: u32,
    failed: bool,
}

impl Backend for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }
    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(BrokenStore(self.0.create(database)?)))
    }
    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(BrokenStore(self.0.attach(database)?)))
    }
    fn detach(&self, database: &str) -> Result<()> {
        self.0.detach(database)
    }
}

impl Store for BrokenStore {
    fn newest(&self) -> Arc<dyn Base> {
        Arc::new(BrokenBase(self.0.newest()))
    }
    fn begin_merge(self: Arc<Self>) -> Result<Box<dyn Merge>> {
        Ok(Box::new(BrokenMerge(Arc::clone(&self.0).begin_merge()?)))
    }
    fn reserve_tree_numbers(&self, count: u64) -> Result<TreeNo> {
        self.0.reserve_tree_numbers(count)
    }
    fn key_max_bytes(&self) -> usize {
        self.0.key_max_bytes()
    }
    fn check(&self, _: &Arc<dyn Base>, _: &mut dyn FnMut(String)) -> Result<()> {
        Ok(())
    }
    fn stats(&self) -> StoreStats {
        self.0.stats()
    }
}

impl Merge for BrokenMerge {
    fn apply(&mut self, tree: TreeNo, key: &[u8], change: Change<'_>) -> Result<()> {
        self.0.apply(tree, key, change)
    }
    fn drop_tree(&mut self, tree: TreeNo, pages: usize) -> Result<DropProgress> {
        self.0.drop_tree(tree, pages)
    }
    fn finish(self: Box<Self>, l: Position) -> Result<Arc<dyn Base>> {
        Ok(Arc::new(BrokenBase(self.0.finish(l)?)))
    }
}

impl Base for BrokenBase {
    fn get<'b>(&'b self, tree: TreeNo, key: &[u8]) -> Result<Option<Value<'b>>> {
        self.0.get(tree, key)
    }
    fn scan<'b>(&'b self, tree: TreeNo, range: KeyRange<'_>) -> Result<Box<dyn BaseScan<'b> + 'b>> {
        if NO_MORE_SCANS.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::PageChecksum, "page 8"));
        }
        Ok(Box::new(BrokenScan { scan: self.0.scan(tree, range)?, given: 0, failed: false }))
    }
    fn trees(&self) -> Vec<TreeNo> {
        self.0.trees()
    }
}

impl BrokenScan<'_> {
    fn check(&mut self, direction: Direction) -> Result<()> {
        let breaks = BROKEN.load(Ordering::Relaxed) && direction == Direction::Forward && self.given == 2;
        if self.failed || breaks {
            self.failed = true;
            return Err(Error::new(ErrorKind::PageChecksum, "page 7"));
        }
        self.given += 1;
        Ok(())
    }
}

impl<'b> Scan<'b> for BrokenScan<'b> {
    fn next(&mut self) -> Result<Option<(&[u8], Value<'b>)>> {
        self.check(Direction::Forward)?;
        self.scan.next()
    }
    fn next_back(&mut self) -> Result<Option<(&[u8], Value<'b>)>> {
        self.check(Direction::Backward)?;
        self.scan.next_back()
    }
}

impl<'b> BaseScan<'b> for BrokenScan<'b> {
    fn key(&self) -> &[u8] {
        self.scan.key()
    }
    fn is_at_hand(&self, _: Direction) -> bool {
        // As `ese_btree::Range` after its first row, with no stop near.
        (1..=2).contains(&self.given) && !self.failed
    }
    fn stop_at(&mut self, key: &[u8]) {
        self.scan.stop_at(key);
    }
    fn take_stop(&mut self, direction: Direction) -> Result<Option<Value<'b>>> {
        self.scan.take_stop(direction)
    }
}

fn joined(test: impl FnOnce(&dyn ese_core::Session, ese_base::TreeId)) {
    let options = Options { background: Background::Manual, ..Options::default() };
    let engine = LocalEngine::start(
        options,
        Arc::new(Broken(MapBackend::default())),
        Arc::new(ManualClock::default()),
    )
    .unwrap();
    let mut s = engine.session(SessionOptions::default()).unwrap();
    let t = s.create_tree(engine.main_database(), "t").unwrap();
    s.begin(Mode::ReadWrite).unwrap();
    for n in 0..10_u8 {
        s.put(t, &[n], b"base", Put::Insert).unwrap();
    }
    s.commit(Durability::Sync).unwrap();
    engine.merge().unwrap();
    // A version far behind, so that scans are joined.
    s.put(t, &[200], b"version", Put::Insert).unwrap();
    s.begin(Mode::ReadOnly).unwrap();
    test(&*s, t);
    s.commit(Durability::Sync).unwrap();
}

/// "After an error every further call returns an error of the same kind."
#[test]
fn after_an_error_both_ends_of_a_joined_scan_fail() {
    joined(|s, t| {
        let mut scan = s.scan(t, (Bound::Unbounded, Bound::Unbounded)).unwrap();
        assert_eq!(scan.next().unwrap().unwrap().0, [0]);
        assert_eq!(scan.next().unwrap().unwrap().0, [1]);
        BROKEN.store(true, Ordering::Relaxed);
        let failed = scan.next().map(|_| ());
        BROKEN.store(false, Ordering::Relaxed);
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::PageChecksum);
        let after = scan.next_back().map(|row| row.map(|row| row.0.to_vec()));
        assert_eq!(after.map_err(|error| error.kind()), Err(ErrorKind::PageChecksum));
    });
}

#[test]
fn an_end_that_cannot_begin_ends_the_other() {
    joined(|s, t| {
        let mut scan = s.scan(t, (Bound::Unbounded, Bound::Unbounded)).unwrap();
        assert_eq!(scan.next().unwrap().unwrap().0, [0]);
        NO_MORE_SCANS.store(true, Ordering::Relaxed);
        let failed = scan.next_back().map(|_| ());
        NO_MORE_SCANS.store(false, Ordering::Relaxed);
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::PageChecksum);
        let after = scan.next().map(|row| row.map(|row| row.0.to_vec()));
        assert_eq!(after.map_err(|error| error.kind()), Err(ErrorKind::PageChecksum));
    });
}
