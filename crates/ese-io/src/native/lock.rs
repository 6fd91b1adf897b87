//! Locks on open files, and the free space of a file system: the only place that names `fs2`.
//!
//! The locks belong to the opening of a file (`flock`), so they are found through every name of it, conflict within one
//! process, end with the last handle, and go with the process however it dies. The calls are written out in full
//! because newer standard libraries have methods of the same names, with other results.

use crate::LockMode;
use std::{fs::File, io, path::Path};

/// Whether a lock was to be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Attempt {
    /// The file is locked.
    Locked,
    /// Somebody else holds it.
    Held,
}

pub(super) fn try_lock(file: &File, mode: LockMode) -> io::Result<Attempt> {
    let result = match mode {
        LockMode::Shared => fs2::FileExt::try_lock_shared(file),
        LockMode::Exclusive => fs2::FileExt::try_lock_exclusive(file),
    };
    match result {
        Ok(()) => Ok(Attempt::Locked),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => Ok(Attempt::Held),
        Err(error) => Err(error),
    }
}

pub(super) fn unlock(file: &File) -> io::Result<()> {
    fs2::FileExt::unlock(file)
}

pub(super) fn free_space(path: &Path) -> io::Result<u64> {
    fs2::available_space(path)
}
