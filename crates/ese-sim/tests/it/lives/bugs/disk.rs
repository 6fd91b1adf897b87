//! A disk, as a store with a bug would use it.

use super::Bug;
use ese_base::Result;
use ese_io::{Disk, DiskFile, Entry, FileId, LockMode, Metadata, OpenMode, Region};
use ese_sim::disk::SimDisk;
use std::{
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The kind of a meta page and its magic, at their places: see docs/format/database-file.md.
fn is_meta(page: &[u8]) -> bool {
    page.get(4) == Some(&4) && page.get(12..16).is_some_and(|magic| magic.starts_with(b"ESE"))
}

/// See the head of the module.
#[derive(Debug)]
pub(super) struct BuggyDisk {
    pub(super) below: SimDisk,
    pub(super) bug: Bug,
}

#[derive(Debug)]
struct BuggyFile {
    below: Arc<dyn DiskFile>,
    bug: Bug,
    /// The creation is over: what is wrong with that is another bug.
    is_made: AtomicBool,
    wrote_meta: AtomicBool,
}

impl BuggyFile {
    fn bug(&self) -> Bug {
        // One that is being made has another ending, for its first life.
        let is_database = self.below.path().to_string_lossy().contains(".ese");
        if is_database && self.is_made.load(Ordering::Relaxed) { self.bug } else { Bug::None }
    }
}

impl Disk for BuggyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let below = self.below.open(path, mode)?;
        let is_made = AtomicBool::new(mode != OpenMode::CreateNew);
        Ok(Arc::new(BuggyFile { below, bug: self.bug, is_made, wrote_meta: AtomicBool::new(false) }))
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
        if self.bug == Bug::SyncsNoDirectory { Ok(()) } else { self.below.sync_directory(directory) }
    }
    fn free_space(&self, path: &Path) -> Result<u64> {
        self.below.free_space(path)
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
        let is_meta = is_meta(bytes);
        self.wrote_meta.store(is_meta, Ordering::Relaxed);
        if is_meta && self.bug() == Bug::OneSlot {
            let mut page = bytes.to_vec();
            page[5] = 0;
            page[16..24].fill(0);
            let checksum = crc32c(&page[4..512]);
            page[..4].copy_from_slice(&checksum.to_le_bytes());
            return self.below.write_all_at(&page, 0);
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
        let (bug, wrote_meta) = (self.bug(), self.wrote_meta.load(Ordering::Relaxed));
        self.is_made.store(true, Ordering::Relaxed);
        if bug == Bug::MetaBeforePages && !wrote_meta { Ok(()) } else { self.below.sync_data() }
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

/// Crc32c, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}
