//! Known bugs, switched on between the store and the disk, are found by stopping it.

use super::Program;
use ese_base::Result;
use ese_io::{Disk, DiskFile, Entry, FileId, LockMode, Metadata, OpenMode, Region};
use ese_pager::Reading;
use ese_sim::{
    disk::{Profile, SimDisk, Torn},
    seed::Dice,
};
use std::{
    cell::Cell,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// How many programs are stopped everywhere at most, to find something …
const SEEDS: u64 = 80;
/// … and to find nothing.
const SEEDS_FOR_NOTHING: u64 = 8;

/// What is done wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    None,
    /// The sync between pages and meta page is left out.
    MetaBeforePages,
    /// The sync after a meta page is left out: what was promised is not durable.
    PromiseBeforeSync,
    /// There is one slot only.
    OneSlot,
    /// The directory is not synced after the creation.
    NoDirectorySync,
}

/// A disk, as a store with a bug would use it.
#[derive(Debug)]
struct Wrong {
    disk: SimDisk,
    bug: Bug,
}

#[derive(Debug)]
struct WrongFile {
    file: Arc<dyn DiskFile>,
    bug: Bug,
    /// The creation is over: what is wrong with that is another bug.
    is_made: AtomicBool,
    wrote_meta: AtomicBool,
}

impl WrongFile {
    fn bug(&self) -> Bug {
        if self.is_made.load(Ordering::Relaxed) { self.bug } else { Bug::None }
    }
}

impl Disk for Wrong {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let file = self.disk.open(path, mode)?;
        let is_made = AtomicBool::new(mode != OpenMode::CreateNew);
        Ok(Arc::new(WrongFile { file, bug: self.bug, is_made, wrote_meta: AtomicBool::new(false) }))
    }

    fn create_directory(&self, path: &Path) -> Result<()> {
        self.disk.create_directory(path)
    }

    fn list(&self, directory: &Path) -> Result<Vec<Entry>> {
        self.disk.list(directory)
    }

    fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        self.disk.metadata(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.disk.remove(path)
    }

    fn sync_directory(&self, directory: &Path) -> Result<()> {
        if self.bug == Bug::NoDirectorySync { Ok(()) } else { self.disk.sync_directory(directory) }
    }

    fn free_space(&self, path: &Path) -> Result<u64> {
        self.disk.free_space(path)
    }
}

impl DiskFile for WrongFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn id(&self) -> FileId {
        self.file.id()
    }

    fn len(&self) -> Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let is_meta = offset <= 4096;
        self.wrote_meta.store(is_meta, Ordering::Relaxed);
        if is_meta && self.bug() == Bug::OneSlot {
            let mut page = bytes.to_vec();
            (page[5], page[16]) = (0, 0);
            let checksum = crc32c(&page[4..512]);
            page[..4].copy_from_slice(&checksum.to_le_bytes());
            return self.file.write_all_at(&page, 0);
        }
        self.file.write_all_at(bytes, offset)
    }

    fn allocate(&self, len: u64) -> Result<()> {
        self.file.allocate(len)
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.file.truncate(len)
    }

    fn sync_data(&self) -> Result<()> {
        let wrote_meta = self.wrote_meta.load(Ordering::Relaxed);
        let bug = self.bug();
        self.is_made.store(true, Ordering::Relaxed);
        match bug {
            Bug::MetaBeforePages if !wrote_meta => Ok(()),
            Bug::PromiseBeforeSync if wrote_meta => Ok(()),
            _ => self.file.sync_data(),
        }
    }

    fn map(&self, range: Range<u64>) -> Result<Region> {
        self.file.map(range)
    }

    fn lock(&self, mode: LockMode) -> Result<()> {
        self.file.lock(mode)
    }

    fn unlock(&self) -> Result<()> {
        self.file.unlock()
    }
}

/// Crc32c, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// Whether stopping the store at some change shows the bug.
fn is_found(bug: Bug, profile: Profile, seeds: u64) -> bool {
    let found = Cell::new(false);
    'seeds: for seed in 0..seeds {
        for crash in 0.. {
            let disk = SimDisk::new(seed ^ crash << 20, profile);
            let (wrong, dice) = (Wrong { disk: disk.clone(), bug }, Dice::new(seed));
            let mut program = Program::new(Reading::Copy);
            disk.crash_after(crash);
            let mut is_over = false;
            // What the program sees is not what it was promised: a panic here, as in every test.
            let lived = catch_unwind(AssertUnwindSafe(|| {
                let result = program.run(&wrong, &dice);
                is_over = !disk.is_off();
                assert!(result.is_ok() || !is_over, "{result:?}");
                disk.reboot();
                program.run(&wrong, &dice).expect("the second life");
            }));
            if lived.is_err() {
                found.set(true);
                break 'seeds;
            }
            if is_over {
                break;
            }
        }
    }
    found.get()
}

#[test]
fn a_store_without_bugs_passes() {
    assert!(!is_found(Bug::None, Profile::NOTHING, SEEDS_FOR_NOTHING));
}

#[test]
fn a_meta_page_before_its_pages_is_found() {
    assert!(is_found(Bug::MetaBeforePages, Profile::ANY_ORDER, SEEDS));
    let nothing = is_found(Bug::MetaBeforePages, Profile::IN_ORDER, SEEDS_FOR_NOTHING);
    assert!(!nothing, "it is the reordering that shows it");
}

#[test]
fn a_promise_before_the_sync_is_found() {
    assert!(is_found(Bug::PromiseBeforeSync, Profile::ANY_ORDER, SEEDS));
}

#[test]
fn a_single_slot_is_found() {
    assert!(is_found(Bug::OneSlot, Profile::ANY_ORDER.with_torn(Torn::Anything), SEEDS));
}

#[test]
fn a_directory_that_is_not_synced_is_found() {
    assert!(is_found(Bug::NoDirectorySync, Profile::ANY_ORDER, SEEDS));
}
