//! A backend whose contents outlive its engines, and whose power can fail at any step that makes something durable.

use crate::map_backend::MapBackend;
use ese_base::{AttachmentNo, Error, ErrorKind, Position, Result, TreeNo, sync::Mutex};
use ese_core::{Backend, Base, Change, Log, LogPoint, LogStats, Merge, Stamp, Store, StoreStats};
use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

type Rows = BTreeMap<(TreeNo, Vec<u8>), Vec<u8>>;

/// What is durable.
#[derive(Default)]
pub(crate) struct Shelf {
    /// Steps until the power fails; below zero it is off.
    power: AtomicI64,
    no_room: AtomicBool,
    no_space: AtomicBool,
    log: Mutex<LogOnShelf>,
    identity: AtomicU64,
    databases: Mutex<BTreeMap<String, Arc<Kept>>>,
}

#[derive(Default)]
struct LogOnShelf {
    epoch: u32,
    frames: BTreeMap<Position, Vec<u8>>,
    recycled: u64,
    end: u64,
}

/// A database: two durable states, the newer one last, and the tree numbers given.
#[derive(Default)]
struct Kept {
    states: Mutex<Vec<(Rows, Stamp)>>,
    trees: AtomicU64,
}

impl Shelf {
    /// Lets the power fail after so many steps.
    pub(crate) fn power_for(&self, steps: i64) {
        self.power.store(steps, Ordering::SeqCst);
    }

    /// Whether it has failed.
    pub(crate) fn is_off(&self) -> bool {
        self.power.load(Ordering::SeqCst) < 0
    }

    fn step(&self) -> Result<()> {
        let left = self.power.fetch_sub(1, Ordering::SeqCst);
        if left > 0 { Ok(()) } else { Err(Error::new(ErrorKind::DiskIo, "the power is off")) }
    }

    /// Loses the newer of two states of every database.
    pub(crate) fn rot(&self) {
        for kept in self.databases.lock().values() {
            let mut states = kept.states.lock();
            if states.len() > 1 {
                states.pop();
            }
        }
    }

    /// Makes the log another one.
    pub(crate) fn set_identity(&self, identity: u64) {
        self.identity.store(identity, Ordering::SeqCst);
    }

    /// Whether the log takes more.
    pub(crate) fn let_room(&self, is_there: bool) {
        self.no_room.store(!is_there, Ordering::SeqCst);
    }

    /// Whether the databases take more.
    pub(crate) fn let_space(&self, is_there: bool) {
        self.no_space.store(!is_there, Ordering::SeqCst);
    }

    /// Frames that are durable and not recycled.
    pub(crate) fn frames(&self) -> usize {
        self.log.lock().frames.len()
    }

    /// Loses a database's file.
    pub(crate) fn lose(&self, database: &str) {
        self.databases.lock().remove(database).unwrap();
    }

    /// A copy of a database's file as it is now; given back, it replaces what is there then.
    pub(crate) fn copy(&self, database: &str) -> impl FnOnce(&Shelf) + use<> {
        let name = database.to_owned();
        let kept = &self.databases.lock()[database];
        let (states, trees) = (kept.states.lock().clone(), kept.trees.load(Ordering::SeqCst));
        move |shelf| {
            let kept = Kept { states: Mutex::new(states), trees: AtomicU64::new(trees) };
            shelf.databases.lock().insert(name, Arc::new(kept));
        }
    }
}

/// One life of an engine on a shelf.
pub(crate) struct Life {
    shelf: Arc<Shelf>,
    log: Arc<ShelfLog>,
}

impl Life {
    pub(crate) fn new(shelf: &Arc<Shelf>) -> Arc<Life> {
        let log = ShelfLog { shelf: Arc::clone(shelf), pending: Mutex::default(), syncs: AtomicU64::new(0) };
        Arc::new(Life { shelf: Arc::clone(shelf), log: Arc::new(log) })
    }
}

impl Backend for Life {
    fn name(&self) -> &'static str {
        "shelf"
    }

    fn log(&self) -> Option<Arc<dyn Log>> {
        Some(Arc::clone(&self.log) as Arc<dyn Log>)
    }

    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        self.shelf.step()?;
        if self.shelf.databases.lock().contains_key(database) {
            return Err(Error::new(ErrorKind::DatabaseDuplicate, database));
        }
        self.shelf.databases.lock().insert(database.to_owned(), Arc::default());
        self.attach(database)
    }

    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        let kept = self.shelf.databases.lock().get(database).cloned();
        let kept = kept.ok_or_else(|| Error::new(ErrorKind::DatabaseNotFound, database))?;
        let inner = MapBackend::default().create(database)?;
        let newest = kept.states.lock().last().cloned();
        if let Some((rows, stamp)) = &newest {
            let mut merge = Arc::clone(&inner).begin_merge()?;
            for ((tree, key), value) in rows {
                merge.apply(*tree, key, Change::Put(value))?;
            }
            merge.finish(stamp.at.at)?;
        }
        let stamp = Mutex::new(newest.map(|(_, stamp)| stamp));
        Ok(Arc::new(ShelfStore {
            shelf: Arc::clone(&self.shelf),
            kept,
            inner,
            stamp,
            synced: Mutex::new(false),
        }))
    }

    fn detach(&self, _database: &str) -> Result<()> {
        Ok(())
    }
}

struct ShelfLog {
    shelf: Arc<Shelf>,
    pending: Mutex<Vec<(Position, Box<[u8]>)>>,
    syncs: AtomicU64,
}

impl ShelfLog {
    /// Puts pending frames below `below` on the shelf.
    fn write(&self, below: Position) {
        let mut pending = self.pending.lock();
        let mut log = self.shelf.log.lock();
        let count = pending.iter().take_while(|(at, _)| *at < below).count();
        for (at, frame) in pending.drain(..count) {
            log.frames.insert(at, frame.into_vec());
            log.end = log.end.max(at.0 + 1);
        }
    }
}

impl Log for ShelfLog {
    fn room(&self, _bytes: u64) -> Result<()> {
        if self.shelf.is_off() || self.shelf.no_room.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::LogFull, "no room"));
        }
        Ok(())
    }

    fn append(&self, at: Position, frame: Box<[u8]>) {
        self.pending.lock().push((at, frame));
    }

    fn durable(&self) -> Position {
        Position(self.shelf.log.lock().end.max(1))
    }

    fn flush(&self, up_to: Position) -> Result<Position> {
        if let Err(error) = self.shelf.step() {
            // What was under way may survive in part.
            let first = self.pending.lock().first().map(|(at, _)| *at);
            if let Some(first) = first.filter(|first| first.0 % 2 == 0) {
                self.write(first.next());
            }
            return Err(error);
        }
        self.syncs.fetch_add(1, Ordering::SeqCst);
        self.write(up_to.next());
        let mut log = self.shelf.log.lock();
        log.end = log.end.max(up_to.0 + 1);
        Ok(Position(log.end))
    }

    fn settle(&self, below: Position) -> Result<LogPoint> {
        if self.durable() < below {
            self.flush(Position(below.0 - 1))?;
        }
        Ok(LogPoint { log: self.identity(), epoch: self.shelf.log.lock().epoch, at: below })
    }

    fn identity(&self) -> u128 {
        7 + u128::from(self.shelf.identity.load(Ordering::SeqCst))
    }

    fn first(&self) -> Position {
        Position(self.shelf.log.lock().recycled.max(1))
    }

    fn replay(
        &self,
        from: Position,
        frame: &mut dyn FnMut(Position, &[u8]) -> Result<()>,
    ) -> Result<LogPoint> {
        assert!(from >= self.first(), "the engine needs what it let go: {from}");
        let frames = self.shelf.log.lock().frames.clone();
        for (at, bytes) in frames.range(from..) {
            frame(*at, bytes)?;
        }
        let log = self.shelf.log.lock();
        Ok(LogPoint { log: self.identity(), epoch: log.epoch, at: Position(log.end.max(1)) })
    }

    fn begin_epoch(&self) -> Result<LogPoint> {
        self.shelf.step()?;
        let mut log = self.shelf.log.lock();
        log.epoch += 1;
        // As after a crash whose last claims left no trace.
        log.end = log.end.max(1) + u64::from(log.epoch > 1) * 3;
        Ok(LogPoint { log: self.identity(), epoch: log.epoch, at: Position(log.end) })
    }

    fn recycle(&self, below: Position) -> Result<()> {
        self.shelf.step()?;
        let mut log = self.shelf.log.lock();
        log.frames = log.frames.split_off(&below);
        log.recycled = log.recycled.max(below.0);
        Ok(())
    }

    fn stats(&self) -> LogStats {
        LogStats::new(self.syncs.load(Ordering::SeqCst), 0)
    }
}

struct ShelfStore {
    shelf: Arc<Shelf>,
    kept: Arc<Kept>,
    inner: Arc<dyn Store>,
    stamp: Mutex<Option<Stamp>>,
    synced: Mutex<bool>,
}

impl ShelfStore {
    fn write(&self, rows: Rows, stamp: Stamp) -> Result<()> {
        self.shelf.step()?;
        let mut states = self.kept.states.lock();
        states.push((rows, stamp));
        if states.len() > 2 {
            states.remove(0);
        }
        *self.stamp.lock() = Some(stamp);
        Ok(())
    }

    /// Writes the newest state once more into both places, with another stamp.
    fn restamp(&self, change: impl Fn(Option<Stamp>) -> Stamp) -> Result<()> {
        for _ in 0..2 {
            let newest = self.kept.states.lock().last().cloned();
            let stamp = change(newest.as_ref().map(|(_, stamp)| *stamp));
            self.write(newest.map(|(rows, _)| rows).unwrap_or_default(), stamp)?;
        }
        Ok(())
    }
}

impl Store for ShelfStore {
    fn newest(&self) -> Arc<dyn Base> {
        self.inner.newest()
    }

    fn begin_merge(self: Arc<Self>) -> Result<Box<dyn Merge>> {
        if self.shelf.no_space.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::DiskFull, "no space"));
        }
        Arc::clone(&self.inner).begin_merge()
    }

    fn reserve_tree_numbers(&self, count: u64) -> Result<TreeNo> {
        Ok(TreeNo(1 + self.kept.trees.fetch_add(count, Ordering::SeqCst)))
    }

    fn key_max_bytes(&self) -> usize {
        1000
    }

    fn check(&self, _: &Arc<dyn Base>, _: &mut dyn FnMut(String)) -> Result<()> {
        Ok(())
    }

    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }

    fn stamp(&self) -> Option<Stamp> {
        *self.stamp.lock()
    }

    fn adopt(&self, under: Option<(AttachmentNo, LogPoint)>) -> Result<()> {
        let (attachment, at) = under.expect("there is a log");
        let stands = |stamp: Stamp| {
            !stamp.is_clean
                && stamp.attachment == attachment
                && stamp.at.log == at.log
                && stamp.at.at == at.at
        };
        if self.stamp().is_some_and(stands) {
            return Ok(());
        }
        self.restamp(|_| Stamp { attachment, at, is_clean: false })
    }

    fn checkpoint_step(&self, base: &Arc<dyn Base>, at: Option<LogPoint>) -> Result<bool> {
        self.shelf.step()?;
        // The first step stands for the sync of the pages.
        if !std::mem::replace(&mut *self.synced.lock(), true) {
            return Ok(false);
        }
        *self.synced.lock() = false;
        let mut rows = Rows::new();
        for tree in base.trees() {
            let mut scan = base.scan(tree, (Bound::Unbounded, Bound::Unbounded))?;
            while let Some((key, value)) = scan.next()? {
                rows.insert((tree, key.to_vec()), value.to_vec());
            }
        }
        let stamp = self.stamp().expect("a store is adopted before it is made durable");
        let at = at.expect("there is a log");
        assert!(at.at <= Position(self.shelf.log.lock().end.max(1)), "the log is durable up to L");
        assert!(at.at >= stamp.at.at, "L never goes back");
        self.write(rows, Stamp { at, is_clean: false, ..stamp })?;
        Ok(true)
    }

    fn needed_from(&self) -> Option<Position> {
        self.kept.states.lock().iter().map(|(_, stamp)| stamp.at.at).min()
    }

    fn close(&self, clean: bool) -> Result<()> {
        match self.stamp() {
            Some(_) if clean => self.restamp(|stamp| Stamp { is_clean: true, ..stamp.expect("it has one") }),
            _ => Ok(()),
        }
    }
}
