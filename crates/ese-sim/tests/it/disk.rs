//! The simulated disk itself: that it is a disk (`conformance`, `regions`), that it loses what a disk may lose and nothing
//! else (`power`, `protocols`), and that faults happen to whom they are meant for (`faults`).

mod conformance;
mod faults;
mod power;
mod protocols;
mod regions;

use ese_base::{ErrorKind, Result};
use ese_io::{Disk, DiskFile, OpenMode};
use ese_sim::disk::SimDisk;
use std::{fmt::Debug, path::Path, sync::Arc};

/// A new file on the disk.
fn create(disk: &SimDisk, path: &str) -> Arc<dyn DiskFile> {
    disk.open(Path::new(path), OpenMode::CreateNew).expect("a new file")
}

/// A file that is there, for reads and writes.
fn open(disk: &SimDisk, path: &str) -> Arc<dyn DiskFile> {
    disk.open(Path::new(path), OpenMode::ReadWrite).expect("it is there")
}

/// Makes the names in `/` durable.
fn sync_root(disk: &SimDisk) {
    disk.sync_directory(Path::new("/")).expect("it can be synced");
}

/// All bytes of a file, as a program sees them; `None` when there is none.
fn seen(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    let file = disk.open(Path::new(path), OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().expect("it has a length")).expect("it is short")];
    file.read_exact_at(&mut bytes, 0).expect("it can be read");
    Some(bytes)
}

/// The call failed with `kind`, and the message has `word`.
#[track_caller]
fn fails<T: Debug>(result: Result<T>, kind: ErrorKind, word: &str) {
    let error = result.expect_err("it should have failed");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(word), "{word:?} is missing in: {error}");
}
