//! What the tests share: a folder, small options, frames that tell their position.

use ese_base::{Position, Result};
use ese_core::Log;
use ese_io::{Disk, NativeDisk};
use ese_wal::{Access, Wal, WalOptions};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

/// A folder that goes away; in memory where there is one for that, because nothing here cuts the power.
pub(crate) fn tempdir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn disk() -> Arc<dyn Disk> {
    Arc::new(NativeDisk::new())
}

/// Segments of 16 KiB, so that logs of many are small.
pub(crate) fn small() -> WalOptions {
    let mut options = WalOptions::default();
    options.segment_min_bytes = 16 << 10;
    options.segment_max_bytes = 16 << 10;
    options.buffer_bytes = 16 << 10;
    options.log_max_bytes = 1 << 20;
    options
}

/// The same in blocks of 512 bytes.
pub(crate) fn small_blocks() -> WalOptions {
    let mut options = small();
    options.block_bytes = 512;
    options
}

/// The bytes of the frame at a position, of a length that hangs on it.
pub(crate) fn frame_of(at: Position, length: usize) -> Box<[u8]> {
    let mut frame = at.0.to_le_bytes().to_vec();
    frame.extend((0..length as u64).map(|place| u8::try_from((at.0 + place) % 251).unwrap()));
    frame.into_boxed_slice()
}

/// A log, and the position to be claimed next.
pub(crate) struct Running {
    pub(crate) wal: Wal,
    pub(crate) next: Position,
}

/// Compares, and tells positions and lengths where it differs.
#[track_caller]
pub(crate) fn assert_same(found: &[(Position, Vec<u8>)], expected: &[(Position, Vec<u8>)], when: &str) {
    let short = |frames: &[(Position, Vec<u8>)]| -> Vec<_> {
        frames.iter().map(|(at, frame)| (at.0, frame.len())).collect()
    };
    assert_eq!(short(found), short(expected), "{when}");
    assert!(found == expected, "{when}: the frames' bytes");
}

/// What a replay gave.
pub(crate) type Frames = Vec<(Position, Vec<u8>)>;

pub(crate) fn log_of(folder: &Path) -> PathBuf {
    folder.join("log")
}

pub(crate) fn create(folder: &Path, options: WalOptions) -> Running {
    let wal = Wal::create(disk(), &log_of(folder), options).unwrap();
    wal.replay(Position::FIRST, &mut |_, _| panic!("it is new")).unwrap();
    begin(wal)
}

pub(crate) fn begin(wal: Wal) -> Running {
    let next = wal.begin_epoch().unwrap().at;
    Running { wal, next }
}

pub(crate) fn replay(wal: &Wal, from: Position) -> Result<Frames> {
    let mut frames = Vec::new();
    wal.replay(from, &mut |at, frame| {
        frames.push((at, frame.to_vec()));
        Ok(())
    })?;
    Ok(frames)
}

/// Opens for reads and replays.
pub(crate) fn read(folder: &Path, options: WalOptions, from: Position) -> Result<Frames> {
    replay(&Wal::open(disk(), &log_of(folder), options, Access::Read)?, from)
}

/// Opens for writing, replays from `from`, and begins an epoch.
pub(crate) fn reopen(folder: &Path, options: WalOptions, from: Position) -> Result<(Running, Frames)> {
    let wal = Wal::open(disk(), &log_of(folder), options, Access::ReadWrite)?;
    let frames = replay(&wal, from)?;
    Ok((begin(wal), frames))
}

impl Running {
    /// Appends a frame without making it durable.
    pub(crate) fn lazy(&mut self, length: usize) -> Position {
        let frame = frame_of(self.next, length);
        self.wal.room(frame.len() as u64).unwrap();
        self.wal.append(self.next, frame);
        self.next = self.next.next();
        Position(self.next.0 - 1)
    }

    pub(crate) fn sync(&mut self, length: usize) -> Position {
        let at = self.lazy(length);
        assert!(self.wal.flush(at).unwrap() > at);
        at
    }

    /// Appends a frame, makes it durable, and notes it.
    pub(crate) fn noted(&mut self, length: usize, frames: &mut Frames) -> Position {
        let at = self.sync(length);
        frames.push((at, frame_of(at, length).to_vec()));
        at
    }

    /// A position without a frame.
    pub(crate) fn skip(&mut self) -> Position {
        self.next = self.next.next();
        Position(self.next.0 - 1)
    }
}

/// The names in the log's folder with an ending.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(log_of(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect();
    files.sort();
    files
}

/// Every file with its bytes.
pub(crate) fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(folder, "").into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Puts the log's folder into the state of a snapshot.
pub(crate) fn restore(folder: &Path, files_then: &[(PathBuf, Vec<u8>)]) {
    for path in files(folder, "") {
        std::fs::remove_file(path).unwrap();
    }
    for (path, bytes) in files_then {
        std::fs::write(path, bytes).unwrap();
    }
}
