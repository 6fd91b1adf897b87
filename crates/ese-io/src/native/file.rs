//! An open file of the operating system.

use super::{calls, lock, map, transfer};
use crate::{
    DiskFile, FileId, LockMode, OpenMode, Region,
    failure::{on_bytes, on_path},
};
use ese_base::{Error, ErrorKind, Result};
use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// How much is written at once where a file has to be grown by writing.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// An open regular file.
#[derive(Debug)]
pub(super) struct NativeFile {
    file: File,
    path: PathBuf,
    mode: OpenMode,
    id: FileId,
}

impl NativeFile {
    pub(super) fn new(file: File, path: &Path, mode: OpenMode, id: FileId) -> Self {
        NativeFile { file, path: path.to_owned(), mode, id }
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn write_zeros(&self, range: Range<u64>) -> io::Result<()> {
        let mut at = range.start;
        while at < range.end {
            let len = usize::try_from(range.end - at).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()));
            transfer::write_full(&ZEROS[..len], at, |bytes, at| self.file.write_at(bytes, at))?;
            at += wide(len);
        }
        Ok(())
    }
}

impl DiskFile for NativeFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn id(&self) -> FileId {
        self.id
    }

    fn len(&self) -> Result<u64> {
        self.length().map_err(|error| on_path("look-up of the length", &self.path, error))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let len = wide(buffer.len());
        transfer::read_full(buffer, offset, |into, at| self.file.read_at(into, at))
            .map_err(|error| on_bytes("read", &self.path, offset, len, error))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        transfer::write_full(bytes, offset, |bytes, at| self.file.write_at(bytes, at))
            .map_err(|error| on_bytes("write", &self.path, offset, wide(bytes.len()), error))
    }

    fn allocate(&self, len: u64) -> Result<()> {
        let failed = |error| on_path(&format!("growth to {len} bytes"), &self.path, error);
        let present = self.length().map_err(failed)?;
        let Some(missing) = len.checked_sub(present).filter(|missing| *missing > 0) else { return Ok(()) };
        if calls::reserve(&self.file, present, missing).map_err(failed)? {
            return Ok(());
        }
        self.write_zeros(present..len).map_err(failed)
    }

    fn truncate(&self, len: u64) -> Result<()> {
        let failed = |error| on_path(&format!("cutting to {len} bytes"), &self.path, error);
        if self.length().map_err(failed)? <= len {
            return Ok(());
        }
        if !self.mode.is_writable() {
            // The system calls this an invalid argument, which says nothing of permissions.
            return Err(failed(io::ErrorKind::PermissionDenied.into()));
        }
        self.file.set_len(len).map_err(failed)
    }

    fn sync_data(&self) -> Result<()> {
        calls::sync_data(&self.file).map_err(|error| on_path("sync", &self.path, error))
    }

    fn map(&self, range: Range<u64>) -> Result<Region> {
        let len = range.end.checked_sub(range.start).and_then(|len| usize::try_from(len).ok());
        let place = || format!("map of {range:?} of {}", self.path.display());
        let Some(len) = len.filter(|len| isize::try_from(*len).is_ok()) else {
            return Err(Error::new(ErrorKind::InvalidParameter, format!("{}: no range", place())));
        };
        let present = self.len()?;
        if present < range.end {
            let what = format!("{}: it has {present} bytes", place());
            return Err(Error::new(ErrorKind::FileTooShort, what));
        }
        map::map(&self.file, range.start, len)
            .map_err(|error| on_bytes("map", &self.path, range.start, wide(len), error))
    }

    fn lock(&self, mode: LockMode) -> Result<()> {
        match lock::try_lock(&self.file, mode) {
            Ok(lock::Attempt::Locked) => Ok(()),
            Ok(lock::Attempt::Held) => {
                let what = format!("{mode:?} lock of {}: another instance holds it", self.path.display());
                Err(Error::new(ErrorKind::FileAccessDenied, what))
            }
            Err(error) => Err(on_path("lock", &self.path, error)),
        }
    }

    fn unlock(&self) -> Result<()> {
        lock::unlock(&self.file).map_err(|error| on_path("unlock", &self.path, error))
    }
}

fn wide(len: usize) -> u64 {
    // A length in memory fits 64 bits on every machine there is.
    u64::try_from(len).unwrap_or(u64::MAX)
}
