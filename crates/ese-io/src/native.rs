//! The operating system's disk.
//!
//! Parts: `file` (an open file), `transfer` (reads and writes that are interrupted or short), `map` (regions),
//! `lock` (locks and free space), `calls` (what the standard library lacks).

mod calls;
mod file;
mod lock;
mod map;
mod transfer;

use crate::{Disk, DiskFile, Entry, EntryKind, FileId, Metadata, OpenMode, failure::on_path};
use ese_base::{Error, ErrorKind, Result};
use file::NativeFile;
use std::{
    fs::{self, DirBuilder, FileType, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

/// Nobody but the owner reads or writes a database: its mode bits are set at the creation, not left to the umask.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeDisk(());

impl NativeDisk {
    /// The disk. It holds nothing; locks belong to open files.
    #[must_use]
    pub const fn new() -> Self {
        NativeDisk(())
    }
}

impl Disk for NativeDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let operation = if mode == OpenMode::CreateNew { "creation" } else { "opening" };
        let file = OpenOptions::new()
            .read(true)
            .write(mode.is_writable())
            // Exclusive: a link that stands there is not followed.
            .create_new(mode == OpenMode::CreateNew)
            .mode(FILE_MODE)
            .custom_flags(calls::DO_NOT_WAIT)
            .open(path)
            .map_err(|error| on_path(operation, path, error))?;
        let metadata = file.metadata().map_err(|error| on_path(operation, path, error))?;
        if !metadata.is_file() {
            let what = format!("{operation} of {}: it is no regular file", path.display());
            return Err(Error::new(ErrorKind::InvalidPath, what));
        }
        let id = FileId { device: metadata.dev(), number: metadata.ino() };
        Ok(Arc::new(NativeFile::new(file, path, mode, id)))
    }

    fn create_directory(&self, path: &Path) -> Result<()> {
        let made = DirBuilder::new().mode(DIRECTORY_MODE).create(path);
        made.map_err(|error| on_path("creation of the directory", path, error))
    }

    fn list(&self, directory: &Path) -> Result<Vec<Entry>> {
        let entries = fs::read_dir(directory).and_then(|entries| {
            entries
                .map(|entry| {
                    let entry = entry?;
                    Ok(Entry { name: entry.file_name(), kind: kind(entry.file_type()?) })
                })
                .collect::<io::Result<Vec<Entry>>>()
        });
        let mut entries = entries.map_err(|error| on_path("listing", directory, error))?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(Metadata { kind: kind(metadata.file_type()), len: metadata.len() })),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(on_path("look-up", path, error)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(|error| on_path(&format!("renaming to {}", to.display()), from, error))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|error| on_path("removal", path, error))
    }

    fn sync_directory(&self, directory: &Path) -> Result<()> {
        let failed = |error| on_path("sync of the directory", directory, error);
        let handle =
            OpenOptions::new().read(true).custom_flags(calls::DO_NOT_WAIT).open(directory).map_err(failed)?;
        if !handle.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        calls::sync_all(&handle).map_err(failed)
    }

    fn free_space(&self, path: &Path) -> Result<u64> {
        lock::free_space(path).map_err(|error| on_path("look-up of the free space", path, error))
    }
}

fn kind(file_type: FileType) -> EntryKind {
    if file_type.is_file() {
        EntryKind::File
    } else if file_type.is_dir() {
        EntryKind::Directory
    } else {
        EntryKind::Other
    }
}
