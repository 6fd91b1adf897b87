//! Writes, syncs and names that fail: what is promised stays, nothing is tried again, nothing is written behind.

use crate::support::{create, disk, frame_of, log_of, read, replay, small, tempdir};
use ese_base::{
    Error, ErrorKind, Position, Result,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use ese_core::Log;
use ese_io::{Disk, DiskFile, Entry, FileId, LockMode, Metadata, OpenMode, Region};
use ese_wal::{Access, Wal};
use std::{ops::Range, path::Path, sync::Arc};

/// What fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Write,
    Sync,
    Allocate,
    Rename,
    SyncDirectory,
    Open,
}

/// The disk below, with the n-th call of a kind failing, and what came after it.
#[derive(Debug)]
struct Faulty {
    below: Arc<dyn Disk>,
    plan: Arc<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    fails: Mutex<Option<(Call, u64, ErrorKind)>>,
    failed: AtomicU64,
    written_after: AtomicU64,
}

impl Plan {
    fn set(&self, call: Call, after: u64, kind: ErrorKind) {
        *self.fails.lock() = Some((call, after, kind));
    }

    fn meet(&self, call: Call) -> Result<()> {
        if self.failed.load(Ordering::SeqCst) > 0 && matches!(call, Call::Write | Call::Sync) {
            self.written_after.fetch_add(1, Ordering::SeqCst);
        }
        let mut fails = self.fails.lock();
        match &mut *fails {
            Some((planned, 0, kind)) if *planned == call => {
                let error = Error::new(*kind, format!("{call:?} was told to fail"));
                *fails = None;
                self.failed.fetch_add(1, Ordering::SeqCst);
                Err(error)
            }
            Some((planned, after, _)) if *planned == call => {
                *after -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Disk for Faulty {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        self.plan.meet(Call::Open)?;
        Ok(Arc::new(FaultyFile { below: self.below.open(path, mode)?, plan: Arc::clone(&self.plan) }))
    }
    fn create_directory(&self, path: &Path) -> Result<()> {
        self.below.create_directory(path)
    }
    fn list(&self, directory: &Path) -> Result<Vec<Entry>> {
        self.below.list(directory)
    }
    fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        self.below.metadata(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.plan.meet(Call::Rename)?;
        self.below.rename(from, to)
    }
    fn remove(&self, path: &Path) -> Result<()> {
        self.below.remove(path)
    }
    fn sync_directory(&self, directory: &Path) -> Result<()> {
        self.plan.meet(Call::SyncDirectory)?;
        self.below.sync_directory(directory)
    }
    fn free_space(&self, path: &Path) -> Result<u64> {
        self.below.free_space(path)
    }
}

#[derive(Debug)]
struct FaultyFile {
    below: Arc<dyn DiskFile>,
    plan: Arc<Plan>,
}

impl DiskFile for FaultyFile {
    fn path(&self) -> &Path {
        self.below.path()
    }
    fn id(&self) -> FileId {
        self.below.id()
    }
    fn len(&self) -> Result<u64> {
        self.below.len()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.below.read_at(buffer, offset)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.plan.meet(Call::Write)?;
        self.below.write_all_at(bytes, offset)
    }
    fn allocate(&self, len: u64) -> Result<()> {
        self.plan.meet(Call::Allocate)?;
        self.below.allocate(len)
    }
    fn truncate(&self, len: u64) -> Result<()> {
        self.below.truncate(len)
    }
    fn sync_data(&self) -> Result<()> {
        self.plan.meet(Call::Sync)?;
        self.below.sync_data()
    }
    fn map(&self, range: Range<u64>) -> Result<Region> {
        self.below.map(range)
    }
    fn lock(&self, mode: LockMode) -> Result<()> {
        self.below.lock(mode)
    }

    fn unlock(&self) -> Result<()> {
        self.below.unlock()
    }
}

fn faulty() -> (Arc<dyn Disk>, Arc<Plan>) {
    let plan = Arc::new(Plan::default());
    (Arc::new(Faulty { below: disk(), plan: Arc::clone(&plan) }), plan)
}

/// Commits until one fails; returns the acknowledged positions, and the error if there was one.
fn work(wal: &Wal, from: Position) -> (Vec<Position>, Option<Error>) {
    let (mut acknowledged, mut at) = (Vec::new(), from);
    for round in 0..30 {
        let frame = frame_of(at, 1500 + round);
        if let Err(error) = wal.room(frame.len() as u64) {
            return (acknowledged, Some(error));
        }
        wal.append(at, frame);
        if let Err(error) = wal.flush(at) {
            return (acknowledged, Some(error));
        }
        acknowledged.push(at);
        at = at.next();
        if round % 10 == 9
            && let Err(error) = wal.settle(at).and_then(|_| wal.recycle(Position(at.0 - 3)))
        {
            return (acknowledged, Some(error));
        }
    }
    let closed = wal.close(at);
    (acknowledged, closed.err())
}

#[test]
fn every_write_and_sync_that_fails_is_final() {
    for call in [Call::Write, Call::Sync, Call::Rename, Call::SyncDirectory] {
        for after in 0.. {
            let folder = tempdir();
            let (disk, plan) = faulty();
            let wal = Wal::create(disk, &log_of(folder.path()), small()).unwrap();
            replay(&wal, Position::FIRST).unwrap();
            let begun = wal.begin_epoch().unwrap().at;
            plan.set(call, after, ErrorKind::DiskIo);
            let (acknowledged, error) = work(&wal, begun);
            let Some(error) = error else {
                assert_eq!(
                    plan.failed.load(Ordering::SeqCst),
                    0,
                    "{call:?} {after}: a failure went unnoticed"
                );
                assert!(after > 10, "{call:?}");
                break;
            };
            let what = format!("{call:?} {after}: {error}");
            // One that was of no consequence for the log: a spare segment could not be made.
            if error.kind() == ErrorKind::DiskIo {
                wal.room(8).expect(&what);
                wal.give_back(8);
            } else {
                assert_eq!((error.kind(), error.jet_err()), (ErrorKind::LogWriteFailed, -510), "{what}");
                plan.written_after.store(0, Ordering::SeqCst);
                let next = Position(begun.0 + 1000);
                assert_eq!(wal.room(8).unwrap_err().kind(), ErrorKind::LogWriteFailed, "{what}");
                wal.append(next, frame_of(next, 8));
                assert_eq!(wal.flush(next).unwrap_err().kind(), ErrorKind::LogWriteFailed, "{what}");
                assert_eq!(wal.settle(next).unwrap_err().kind(), ErrorKind::LogWriteFailed, "{what}");
                assert_eq!(wal.close(next).unwrap_err().kind(), ErrorKind::LogWriteFailed, "{what}");
                assert!(!wal.prepare().unwrap());
                assert_eq!(plan.written_after.load(Ordering::SeqCst), 0, "{what}: something was written");
            }
            drop(wal);
            let from = Position(begun.0 + (acknowledged.len() as u64) / 10 * 10).max(Position(4));
            let from = Position(from.0 - 3);
            let found = read(folder.path(), small(), from).expect(&what);
            let kept: Vec<_> = found.iter().map(|(at, _)| *at).collect();
            let expected: Vec<_> = acknowledged.into_iter().filter(|at| *at >= from).collect();
            assert!(kept.starts_with(&expected), "{what}: {kept:?} of {expected:?}");
            assert!(kept.len() <= expected.len() + 1, "{what}");
        }
    }
}

#[test]
fn a_full_disk_is_told_before_anything_is_claimed_and_gets_over() {
    for call in [Call::Allocate, Call::Open] {
        let folder = tempdir();
        let (disk, plan) = faulty();
        let wal = Wal::create(disk, &log_of(folder.path()), small()).unwrap();
        replay(&wal, Position::FIRST).unwrap();
        let begun = wal.begin_epoch().unwrap().at;
        plan.set(call, 0, ErrorKind::DiskFull);
        let error = wal.room(100_000).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
        let (acknowledged, error) = work(&wal, begun);
        assert!(error.is_none() && acknowledged.len() == 30, "{error:?}");
    }
}

#[test]
fn an_epoch_that_cannot_begin_leaves_the_log_as_it_was() {
    let folder = tempdir();
    let mut log = create(folder.path(), small());
    let mut frames = Vec::new();
    for length in [10, 9000, 30_000, 4000] {
        log.noted(length, &mut frames);
    }
    drop(log);
    let mut failures = 0;
    for call in [Call::Write, Call::Sync, Call::Rename, Call::SyncDirectory, Call::Allocate, Call::Open] {
        for after in 0.. {
            let (disk, plan) = faulty();
            let opened = Wal::open(disk, &log_of(folder.path()), small(), Access::ReadWrite);
            let wal = opened.unwrap();
            assert_eq!(replay(&wal, Position::FIRST).unwrap(), frames);
            plan.set(call, after, ErrorKind::DiskIo);
            match wal.begin_epoch() {
                Err(_) => {
                    failures += 1;
                    assert!(wal.room(1).is_err() && wal.begin_epoch().is_err());
                }
                Ok(point) => {
                    // The calls behind the failure show that the log is sound.
                    plan.fails.lock().take();
                    wal.room(28).unwrap();
                    wal.append(point.at, frame_of(point.at, 20));
                    wal.flush(point.at).unwrap();
                    frames.push((point.at, frame_of(point.at, 20).to_vec()));
                    break;
                }
            }
        }
    }
    assert!(failures >= 8, "{failures}");
    assert_eq!(read(folder.path(), small(), Position::FIRST).unwrap(), frames);
}
