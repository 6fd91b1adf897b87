//! Known bugs of logs, switched on between the log and its neighbours: the tests above notice each.

use super::{End, Program, script};
use ese_base::{Position, Result, sync::Mutex};
use ese_core::{Log, LogPoint, LogStats};
use ese_io::{Disk, DiskFile, Entry, FileId, LockMode, Metadata, OpenMode, Region};
use ese_sim::{
    disk::{Profile, SimDisk},
    seed::Dice,
};
use ese_wal::Wal;
use std::{ops::Range, path::Path, sync::Arc};

/// What is done wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    /// Nothing: the control.
    None,
    /// A commit is acknowledged, and synced with the next one.
    AcknowledgesBeforeTheSync,
    /// Segments go before the databases say that they need them no more.
    RecyclesEarly,
    /// Names are not made durable.
    SyncsNoDirectory,
    /// A segment that is left is not synced; the one that follows is.
    SyncsTheNewestSegmentOnly,
    /// What was in doubt is copied and named, not synced.
    NamesAnUnsyncedEpoch,
    /// An epoch that is none: what was in doubt is not written anew, and positions go on where the log was read to.
    BeginsNoEpoch,
    /// A recycled segment keeps the header of its former life.
    KeepsStaleHeaders,
    /// Frames behind one that is not there are replayed.
    ReplaysPastAHole,
}

/// The log, with a bug in front of it.
struct Buggy {
    log: Wal,
    bug: Bug,
    files: Arc<dyn Disk>,
    owed: Mutex<Option<Position>>,
    end: Mutex<Position>,
}

impl Buggy {
    fn pay(&self) -> Result<()> {
        let owed = self.owed.lock().take();
        owed.map_or(Ok(()), |owed| self.log.flush(owed).map(drop))
    }

    /// Every frame whose bytes are in a segment, whatever is around them.
    fn lying_around(&self, from: Position) -> Result<Vec<(Position, Vec<u8>)>> {
        let mut frames = Vec::new();
        for entry in self.files.list(super::FOLDER.as_ref())? {
            let path = Path::new(super::FOLDER).join(entry.name);
            if path.extension().is_none_or(|ending| ending != "log") {
                continue;
            }
            let file = self.files.open(&path, OpenMode::Read)?;
            let mut bytes = vec![0; usize::try_from(file.len()?).unwrap()];
            file.read_exact_at(&mut bytes, 0)?;
            let word =
                |at: usize| bytes.get(at..at + 8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
            for at in 0..bytes.len() {
                let Some(((life, place), length)) = word(at).zip(word(at + 8)).zip(word(at + 16)) else {
                    break;
                };
                if life > 1 << 20 || length > 10_000 || place < from.0 || place > 1 << 40 || place == 0 {
                    continue;
                }
                let frame = super::frame(life, Position(place), length);
                if bytes[at..].starts_with(&frame) && life > 0 {
                    frames.push((Position(place), frame));
                }
            }
        }
        frames.sort();
        frames.dedup();
        Ok(frames)
    }
}

impl Log for Buggy {
    fn room(&self, bytes: u64) -> Result<()> {
        self.log.room(bytes)
    }
    fn give_back(&self, bytes: u64) {
        self.log.give_back(bytes);
    }
    fn append(&self, at: Position, frame: Box<[u8]>) {
        self.log.append(at, frame);
    }
    fn durable(&self) -> Position {
        self.log.durable()
    }
    fn flush(&self, up_to: Position) -> Result<Position> {
        self.pay()?;
        if self.bug == Bug::AcknowledgesBeforeTheSync {
            *self.owed.lock() = Some(up_to);
            return Ok(up_to.next());
        }
        self.log.flush(up_to)
    }
    fn settle(&self, below: Position) -> Result<LogPoint> {
        self.pay()?;
        let point = self.log.settle(below)?;
        if self.bug == Bug::RecyclesEarly {
            self.log.recycle(below)?;
        }
        Ok(point)
    }
    fn identity(&self) -> u128 {
        self.log.identity()
    }
    fn first(&self) -> Position {
        self.log.first()
    }
    fn replay(
        &self,
        from: Position,
        frame: &mut dyn FnMut(Position, &[u8]) -> Result<()>,
    ) -> Result<LogPoint> {
        let mut last = from;
        let done = self.log.replay(from, &mut |at, bytes| {
            last = at.next();
            frame(at, bytes)
        });
        if self.bug == Bug::ReplaysPastAHole {
            self.lying_around(last)?.iter().try_for_each(|(at, bytes)| frame(*at, bytes))?;
        }
        if let Ok(point) = &done {
            *self.end.lock() = point.at;
        }
        done
    }
    fn begin_epoch(&self) -> Result<LogPoint> {
        let point = self.log.begin_epoch()?;
        let end = *self.end.lock();
        Ok(if self.bug == Bug::BeginsNoEpoch { LogPoint { at: end, ..point } } else { point })
    }
    fn recycle(&self, below: Position) -> Result<()> {
        self.log.recycle(below)
    }
    fn prepare(&self) -> Result<bool> {
        self.log.prepare()
    }
    fn close(&self, next: Position) -> Result<()> {
        self.pay()?;
        self.log.close(next)
    }
    fn stats(&self) -> LogStats {
        self.log.stats()
    }
}

/// The disk, with a bug in front of it.
#[derive(Debug)]
struct BuggyDisk {
    below: SimDisk,
    bug: Bug,
}

impl Disk for BuggyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let below = self.below.open(path, mode)?;
        Ok(Arc::new(BuggyFile { below, bug: self.bug, linked: Mutex::new(false) }))
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
        self.below.rename(from, to)
    }
    fn remove(&self, path: &Path) -> Result<()> {
        self.below.remove(path)
    }
    fn sync_directory(&self, directory: &Path) -> Result<()> {
        if self.bug == Bug::SyncsNoDirectory && directory == Path::new(super::FOLDER) {
            return Ok(());
        }
        self.below.sync_directory(directory)
    }
    fn free_space(&self, path: &Path) -> Result<u64> {
        self.below.free_space(path)
    }
}

#[derive(Debug)]
struct BuggyFile {
    below: Arc<dyn DiskFile>,
    bug: Bug,
    /// The link to the next segment has been written.
    linked: Mutex<bool>,
}

impl BuggyFile {
    fn is_spare(&self) -> bool {
        self.below.path().extension().is_some_and(|ending| ending == "spare")
    }
}

impl DiskFile for BuggyFile {
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
        *self.linked.lock() |= offset == 512;
        let mut old = [0; 8];
        if self.bug == Bug::KeepsStaleHeaders
            && offset == 0
            && self.is_spare()
            && self.below.read_at(&mut old, 0)? == 8
            && old == *b"ESE log\0"
        {
            return Ok(());
        }
        self.below.write_all_at(bytes, offset)
    }
    fn allocate(&self, len: u64) -> Result<()> {
        self.below.allocate(len)
    }
    fn truncate(&self, len: u64) -> Result<()> {
        self.below.truncate(len)
    }
    fn sync_data(&self) -> Result<()> {
        let is_skipped = match self.bug {
            Bug::SyncsTheNewestSegmentOnly => *self.linked.lock(),
            Bug::NamesAnUnsyncedEpoch => self.is_spare(),
            _ => false,
        };
        if is_skipped { Ok(()) } else { self.below.sync_data() }
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

/// Random programs with random crashes; how the first one ended that broke a promise.
fn first_broken(bug: Bug, seeds: u64) -> Option<(u64, String)> {
    for seed in 0..seeds {
        let dice = Dice::new(seed);
        let disk = SimDisk::new(seed, Profile::ANY_ORDER);
        let files: Arc<dyn Disk> = Arc::new(BuggyDisk { below: disk.clone(), bug });
        let mut program = Program::new();
        let wrap = |log: Wal| Buggy {
            log,
            bug,
            files: Arc::clone(&files),
            owed: Mutex::new(None),
            end: Mutex::new(Position::FIRST),
        };
        for _ in 0..8 {
            if dice.percent(80) {
                disk.crash_after(dice.below(60));
            }
            match program.run(&disk, &files, &script(&dice, 12), &wrap) {
                End::Done | End::Crash => {}
                End::Failed(how) | End::Broken(how) => return Some((seed, how)),
            }
            if dice.percent(30) { disk.kill() } else { disk.reboot() }
        }
    }
    None
}

#[test]
fn without_a_bug_nothing_breaks() {
    assert_eq!(first_broken(Bug::None, 300), None);
}

#[test]
fn every_known_bug_is_noticed() {
    for bug in [
        Bug::AcknowledgesBeforeTheSync,
        Bug::RecyclesEarly,
        Bug::SyncsNoDirectory,
        Bug::SyncsTheNewestSegmentOnly,
        Bug::NamesAnUnsyncedEpoch,
        Bug::BeginsNoEpoch,
        Bug::KeepsStaleHeaders,
        Bug::ReplaysPastAHole,
    ] {
        assert!(first_broken(bug, 300).is_some(), "{bug:?} goes unnoticed");
    }
}
