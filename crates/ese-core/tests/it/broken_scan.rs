//! A base whose scans break at a row they had at hand.

use crate::{
    basics::{close, start},
    between::{Between, BetweenBackend},
};
use ese_base::{Error, ErrorKind, Result, TreeNo, Value};
use ese_core::{
    Background, Base, BaseScan, Direction, Durability, KeyRange, Mode, Options, Put, Scan, SessionOptions,
};
use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// What is broken, while it is.
#[derive(Default)]
struct Faults {
    no_more_scans: AtomicBool,
    third_row: AtomicBool,
}

struct BrokenBase {
    map: Arc<dyn Base>,
    faults: Arc<Faults>,
}

/// As a range of the tree: a row at hand whose value lies in pages of its own, which cannot be read.
struct BrokenScan<'b> {
    scan: Box<dyn BaseScan<'b> + 'b>,
    faults: &'b Faults,
    given: u32,
    failed: bool,
}

impl Between for Faults {
    fn base(this: &Arc<Self>, map: Arc<dyn Base>) -> Arc<dyn Base> {
        Arc::new(BrokenBase { map, faults: Arc::clone(this) })
    }
}

impl Base for BrokenBase {
    fn get<'b>(&'b self, tree: TreeNo, key: &[u8]) -> Result<Option<Value<'b>>> {
        self.map.get(tree, key)
    }
    fn scan<'b>(&'b self, tree: TreeNo, range: KeyRange<'_>) -> Result<Box<dyn BaseScan<'b> + 'b>> {
        if self.faults.no_more_scans.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::PageChecksum, "page 8"));
        }
        let scan = self.map.scan(tree, range)?;
        Ok(Box::new(BrokenScan { scan, faults: &self.faults, given: 0, failed: false }))
    }
    fn trees(&self) -> Vec<TreeNo> {
        self.map.trees()
    }
}

impl BrokenScan<'_> {
    fn check(&mut self, direction: Direction) -> Result<()> {
        let breaks = self.faults.third_row.load(Ordering::Relaxed)
            && direction == Direction::Forward
            && self.given == 2;
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

fn joined(test: impl FnOnce(&dyn ese_core::Session, ese_base::TreeId, &Faults)) {
    let faults = Arc::new(Faults::default());
    let options = Options { background: Background::Manual, ..Options::default() };
    let engine = start(options, Arc::new(BetweenBackend::new(&faults)));
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
    test(&*s, t, &faults);
    s.commit(Durability::Sync).unwrap();
    drop(s);
    close(&engine);
}

/// "After an error every further call returns an error of the same kind."
#[test]
fn after_an_error_both_ends_of_a_joined_scan_fail() {
    joined(|s, t, faults| {
        let mut scan = s.scan(t, (Bound::Unbounded, Bound::Unbounded)).unwrap();
        assert_eq!(scan.next().unwrap().unwrap().0, [0]);
        assert_eq!(scan.next().unwrap().unwrap().0, [1]);
        faults.third_row.store(true, Ordering::Relaxed);
        let failed = scan.next().map(|_| ());
        faults.third_row.store(false, Ordering::Relaxed);
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::PageChecksum);
        let after = scan.next_back().map(|row| row.map(|row| row.0.to_vec()));
        assert_eq!(after.map_err(|error| error.kind()), Err(ErrorKind::PageChecksum));
    });
}

#[test]
fn an_end_that_cannot_begin_ends_the_other() {
    joined(|s, t, faults| {
        let mut scan = s.scan(t, (Bound::Unbounded, Bound::Unbounded)).unwrap();
        assert_eq!(scan.next().unwrap().unwrap().0, [0]);
        faults.no_more_scans.store(true, Ordering::Relaxed);
        let failed = scan.next_back().map(|_| ());
        faults.no_more_scans.store(false, Ordering::Relaxed);
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::PageChecksum);
        let after = scan.next().map(|row| row.map(|row| row.0.to_vec()));
        assert_eq!(after.map_err(|error| error.kind()), Err(ErrorKind::PageChecksum));
    });
}
