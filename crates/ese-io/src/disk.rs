//! What happens to names: opening, listing, renaming, removing, and making names durable.
//!
//! Paths are taken as they are; a caller that keeps names in its files joins only plain components to a directory of
//! its own. Every change of a name is durable only after [`Disk::sync_directory`] of its directory.

use crate::DiskFile;
use ese_base::Result;
use std::{ffi::OsString, fmt, path::Path, sync::Arc};

/// How a file is opened. There is no "open, else create": whoever creates a file has to lay it out, and must know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OpenMode {
    /// An existing file, for reads.
    Read,
    /// An existing file, for reads and writes.
    ReadWrite,
    /// A new file, for reads and writes; whatever stands at the path already is an error.
    CreateNew,
}

impl OpenMode {
    /// Whether the file may be written.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        !matches!(self, OpenMode::Read)
    }
}

/// What stands behind a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else: a link, a pipe, a device.
    Other,
}

/// A name in a directory.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    /// The name, without the directory.
    pub name: OsString,
    /// What stands behind it (a link is `Other`, wherever it points).
    pub kind: EntryKind,
}

/// What is known of a path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Metadata {
    /// What stands there; links are followed.
    pub kind: EntryKind,
    /// The length of a file in bytes.
    pub len: u64,
}

/// A place for files: the operating system's, or a simulated one.
///
/// All methods may be called from any thread. Errors name the operation and the path; their kinds are those of
/// [`failure::kind_of`](crate::failure::kind_of).
///
/// ```
/// # #[cfg(unix)] fn main() -> ese_base::Result<()> {
/// use ese_io::{Disk, NativeDisk, OpenMode};
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// let disk = NativeDisk::new();
/// let file = disk.open(&folder.join("data.new"), OpenMode::CreateNew)?;
/// file.allocate(4096)?; // a full disk says so here
/// file.write_all_at(b"hello", 0)?;
/// file.sync_data()?; // the bytes are durable, the name is not
/// disk.rename(&folder.join("data.new"), &folder.join("data"))?;
/// disk.sync_directory(folder)?; // now the name is, too
/// # Ok(()) }
/// # #[cfg(not(unix))] fn main() {}
/// ```
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens or creates a regular file (mode 0600, closed on exec). Does not wait, whatever stands at the path.
    ///
    /// # Errors
    /// `FileNotFound`, `FileExists`, `FileAccessDenied` (permissions, a read-only file system), `InvalidPath` (no
    /// regular file), `DiskFull`, `OutOfFileHandles`, `DiskIo`.
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>>;

    /// Creates a directory (mode 0700) in an existing one.
    ///
    /// # Errors
    /// `FileExists`, `FileNotFound` (no parent), `FileAccessDenied`, `DiskFull`, `DiskIo`.
    fn create_directory(&self, path: &Path) -> Result<()>;

    /// The names in a directory, sorted, so that nothing hangs on the order in which a file system keeps them.
    ///
    /// # Errors
    /// `FileNotFound`, `InvalidPath` (no directory), `FileAccessDenied`, `DiskIo`.
    fn list(&self, directory: &Path) -> Result<Vec<Entry>>;

    /// What stands at a path; `None` when nothing does.
    ///
    /// # Errors
    /// `FileAccessDenied`, `DiskIo`.
    fn metadata(&self, path: &Path) -> Result<Option<Metadata>>;

    /// Gives a file another name; what stood there before is replaced in one step.
    ///
    /// # Errors
    /// `FileNotFound`, `FileAccessDenied`, `InvalidPath`, `DiskFull`, `DiskIo`.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file's name. Open files and regions of it stay usable.
    ///
    /// # Errors
    /// `FileNotFound`, `FileAccessDenied`, `InvalidPath` (a directory), `DiskIo`.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Makes the names in a directory durable: what was created, renamed and removed there. Never tried again.
    ///
    /// # Errors
    /// `FileNotFound`, `InvalidPath` (no directory), `DiskIo`; after one it is unknown which names are durable.
    fn sync_directory(&self, directory: &Path) -> Result<()>;

    /// How many bytes an ordinary user may still write to the file system of a path.
    ///
    /// # Errors
    /// `FileNotFound`, `DiskIo`.
    fn free_space(&self, path: &Path) -> Result<u64>;
}
