//! Calls of the operating system that the standard library lacks, or makes in another way than is needed here.
//!
//! `File::sync_data` of the standard library calls again when it was interrupted. A sync that did not succeed is never
//! called again here, whatever the reason, so these are the plain calls.

use std::{fs::File, io};

/// Opening a pipe does not wait for its other end; for regular files it means nothing.
pub(super) const DO_NOT_WAIT: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// Makes a file's data durable, and the length to read it by. Called once.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn sync_data(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fdatasync(file)?)
}

/// Makes a file's data durable. Apple's plain call leaves it in the drive's cache; this is the full one.
#[cfg(target_vendor = "apple")]
pub(super) fn sync_data(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fcntl_fullfsync(file)?)
}

/// Makes everything durable, names in a directory included. Called once.
pub(super) fn sync_all(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fsync(file)?)
}

/// Gives the bytes of a range space on the disk and makes the file long enough; what was there stays. `Ok(false)` where
/// the file system cannot.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn reserve(file: &File, offset: u64, len: u64) -> io::Result<bool> {
    use rustix::{
        fs::{FallocateFlags, fallocate},
        io::Errno,
    };
    match fallocate(file, FallocateFlags::empty(), offset, len) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// There is no such call.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn reserve(_file: &File, _offset: u64, _len: u64) -> io::Result<bool> {
    Ok(false)
}
