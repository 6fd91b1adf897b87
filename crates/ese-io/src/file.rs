//! What happens to bytes: positioned reads and writes, growth, syncs, regions and locks of one open file.
//!
//! Calls of several threads on one file may overlap; two writes to the same bytes at the same time leave either's.
//! Writes are seen at once by every reader of the file, through whichever handle or region.

use crate::Region;
use ese_base::{Error, ErrorKind, Result};
use std::{fmt, ops::Range, path::Path};

/// Which file it is, by whatever name it was reached: two handles with equal ids share their bytes and their locks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId {
    /// The device.
    pub device: u64,
    /// The number of the file on it.
    pub number: u64,
}

/// Who else may lock a file at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LockMode {
    /// Others may, if they share it as well: for instances that only read.
    Shared,
    /// Nobody else may.
    Exclusive,
}

/// An open file. Closed when the last handle and the last [`Region`] of it are dropped; closing syncs nothing.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// The path it was opened by, for errors.
    fn path(&self) -> &Path;

    /// Which file it is.
    fn id(&self) -> FileId;

    /// Its length in bytes.
    ///
    /// # Errors
    /// `DiskIo`.
    fn len(&self) -> Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// `DiskIo`.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads at `offset` until the buffer is full or the file ends; returns how many bytes were read.
    ///
    /// # Errors
    /// `DiskIo`; the buffer then holds anything.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize>;

    /// Fills the whole buffer from `offset` on.
    ///
    /// # Errors
    /// `FileTooShort` when the file ends before, `DiskIo`; the buffer then holds anything.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let read = self.read_at(buffer, offset)?;
        if read == buffer.len() {
            return Ok(());
        }
        let what = format!(
            "read of {} bytes at offset {offset} of {}: only {read} are there",
            buffer.len(),
            self.path().display()
        );
        Err(Error::new(ErrorKind::FileTooShort, what))
    }

    /// Writes all bytes at `offset`; the file grows if it has to.
    ///
    /// # Errors
    /// `DiskFull`, `FileAccessDenied` (opened for reads), `DiskIo`. A part of the bytes may have been written, and it
    /// is unknown which.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()>;

    /// Makes the file at least `len` bytes long. What is added reads as zeros and has its space on the disk, so that
    /// later writes to it (and their sync) cannot meet a full disk. Never makes it shorter, never changes a byte.
    ///
    /// # Errors
    /// `DiskFull`, `FileAccessDenied`, `DiskIo`. The length is then anything between the old one and `len`.
    fn allocate(&self, len: u64) -> Result<()>;

    /// Makes the file exactly `len` bytes long, where it is longer. Touching a region's bytes behind `len` afterwards
    /// kills the process: nobody may hold one (see [`Region::bytes`]).
    ///
    /// # Errors
    /// `FileAccessDenied`, `DiskIo`.
    fn truncate(&self, len: u64) -> Result<()>;

    /// Makes durable all writes to the file that had returned when this was called, and the length it takes to read
    /// them. Says nothing about its name.
    ///
    /// # Errors
    /// `DiskFull`, `DiskIo`. **Never call it again after an error**: the bytes may be gone already, and the next call
    /// may say `Ok`. Nothing written since the last success can be relied on until the file is opened and read anew.
    fn sync_data(&self) -> Result<()>;

    /// The bytes of a range as memory that shows every later write. The range has to lie inside the file; a file that
    /// grew is mapped by another region, the ones there are stay valid.
    ///
    /// # Errors
    /// `FileTooShort` when the file ends inside the range, `InvalidParameter` for a range that ends before it begins
    /// or exceeds the address space, `OutOfMemory`, `DiskIo`.
    fn map(&self, range: Range<u64>) -> Result<Region>;

    /// Locks the file as such, not its name: another handle meets the lock through a link and within one process, too.
    /// Does not wait. It ends with the last handle and region of *this* opening, and when the process dies. A handle
    /// that holds one may ask for the other mode, and may lose what it had when that is refused.
    ///
    /// # Errors
    /// `FileAccessDenied` when another opening holds the file, `DiskIo`.
    fn lock(&self, mode: LockMode) -> Result<()>;

    /// Gives the lock of this opening back, if it has one, though handles and regions of it are still there. From then on
    /// others may change the file: whoever vouched for the bytes of a region by the lock does so no more.
    ///
    /// # Errors
    /// `DiskIo`.
    fn unlock(&self) -> Result<()>;
}
