//! Errors of the operating system as ese's: the kind a program branches on, and a sentence with operation and place.

use ese_base::{Error, ErrorKind};
use std::{io, path::Path};

/// The kind of an error of the operating system. What is not listed is `DiskIo`: the disk is not to be trusted.
#[must_use]
pub fn kind_of(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::FileNotFound,
        io::ErrorKind::AlreadyExists => ErrorKind::FileExists,
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::ExecutableFileBusy => ErrorKind::FileAccessDenied,
        // The quota of a user and the largest file allowed are a full disk to whoever meets them.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::DiskFull
        }
        io::ErrorKind::IsADirectory
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::DirectoryNotEmpty
        | io::ErrorKind::CrossesDevices => ErrorKind::InvalidPath,
        io::ErrorKind::UnexpectedEof => ErrorKind::FileTooShort,
        io::ErrorKind::OutOfMemory => ErrorKind::OutOfMemory,
        _ => by_number(error),
    }
}

/// Those for which the standard library has no stable kind.
#[cfg(unix)]
fn by_number(error: &io::Error) -> ErrorKind {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE) => ErrorKind::OutOfFileHandles,
        // A circle of links; a pipe that nobody reads.
        Some(Errno::LOOP | Errno::NXIO) => ErrorKind::InvalidPath,
        // What the kernel says to a write on a handle for reads.
        Some(Errno::BADF) => ErrorKind::FileAccessDenied,
        _ => ErrorKind::DiskIo,
    }
}

#[cfg(not(unix))]
fn by_number(_error: &io::Error) -> ErrorKind {
    ErrorKind::DiskIo
}

/// An error of an operation on a path: "`operation` of `path`".
#[cold]
#[must_use]
pub fn on_path(operation: &str, path: &Path, error: io::Error) -> Error {
    let what = format!("{operation} of {}: {error}", path.display());
    Error::new(kind_of(&error), what).caused_by(error)
}

/// An error of an operation on bytes of a file: "`operation` of `len` bytes at offset `offset` of `path`".
#[cold]
#[must_use]
pub fn on_bytes(operation: &str, path: &Path, offset: u64, len: u64, error: io::Error) -> Error {
    let what = format!("{operation} of {len} bytes at offset {offset} of {}: {error}", path.display());
    Error::new(kind_of(&error), what).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn errors_name_operation_path_and_offset() {
        let error = on_bytes("write", Path::new("a/b"), 4096, 512, io::ErrorKind::StorageFull.into());
        assert_eq!(error.kind(), ErrorKind::DiskFull);
        assert_eq!(error.jet_err(), -1808);
        assert!(error.to_string().contains("write of 512 bytes at offset 4096 of a/b: "), "{error}");
        assert!(error.source().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn numbers_of_the_system_have_kinds() {
        use rustix::io::Errno;
        let kind = |errno: Errno| kind_of(&io::Error::from(errno));
        assert_eq!(kind(Errno::IO), ErrorKind::DiskIo);
        assert_eq!(kind(Errno::NOSPC), ErrorKind::DiskFull);
        assert_eq!(kind(Errno::DQUOT), ErrorKind::DiskFull);
        assert_eq!(kind(Errno::FBIG), ErrorKind::DiskFull);
        assert_eq!(kind(Errno::NOENT), ErrorKind::FileNotFound);
        assert_eq!(kind(Errno::EXIST), ErrorKind::FileExists);
        assert_eq!(kind(Errno::ACCESS), ErrorKind::FileAccessDenied);
        assert_eq!(kind(Errno::PERM), ErrorKind::FileAccessDenied);
        assert_eq!(kind(Errno::ROFS), ErrorKind::FileAccessDenied);
        assert_eq!(kind(Errno::ISDIR), ErrorKind::InvalidPath);
        assert_eq!(kind(Errno::NOTDIR), ErrorKind::InvalidPath);
        assert_eq!(kind(Errno::LOOP), ErrorKind::InvalidPath);
        assert_eq!(kind(Errno::NAMETOOLONG), ErrorKind::InvalidPath);
        assert_eq!(kind(Errno::MFILE), ErrorKind::OutOfFileHandles);
        assert_eq!(kind(Errno::NOMEM), ErrorKind::OutOfMemory);
    }
}
