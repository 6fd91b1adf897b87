//! From a path to a pager: creation and opening.

use crate::{
    Access, Pager, PagerOptions, Reading,
    base::{State, read_state},
    cache::PageCache,
    file::PageFile,
    map::FileMap,
    medium::{Counts, Medium, Shared},
    meta::{META_PAGES, Meta},
    slots::{self, Slots},
    space::{Older, Space},
    space_map::MapPage,
    writer::{Writer, created_by},
};
use ese_base::{
    Error, ErrorKind, Position, Result,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64},
    },
};
use ese_core::LogPoint;
use ese_io::{Disk, DiskFile, LockMode, OpenMode};
use std::{
    collections::hash_map::RandomState,
    ffi::OsString,
    hash::BuildHasher,
    path::{Path, PathBuf},
    sync::Arc,
};

impl Pager {
    /// Makes a new, empty database at a path where nothing is, durably. It is as one that was closed in order and belongs
    /// to no log.
    ///
    /// # Errors
    /// `DatabaseDuplicate` when something is there; `InvalidSettings` for a page size that cannot be; `FileAccessDenied`
    /// while somebody else makes it; what the disk reports. After an error nothing is at the path.
    pub fn create(disk: &dyn Disk, path: &Path, options: &PagerOptions) -> Result<Arc<Pager>> {
        let page_size = options.new_page_size()?;
        if options.access == Access::ReadOnly {
            let what = format!("{}: a new database is for writing", path.display());
            return Err(Error::new(ErrorKind::InvalidSettings, what));
        }
        let temporary = temporary_name(path)?;
        let disk_file = claim_name(disk, &temporary)?;
        let made = create_in(disk, &disk_file, path, &temporary, page_size, options);
        if made.is_err() {
            // The name means nothing, and goes with the next creation if it does not go now.
            let _ = disk.remove(&temporary);
        }
        let metas = made?;
        let slots = Slots::of_new(metas);
        let file = PageFile::new(disk_file, page_size, options.access);
        finish(file, slots, Space::open(page_size, META_PAGES, 0, None, Older::Nothing), options)
    }

    /// Opens a database. Which of its two meta pages counts is decided here: the newer one, unless it is damaged. Is it
    /// sound and what it leads to damaged, then the older one counts if the log still has what came after it: of that
    /// `log_reaches` tells, which is asked for the point from which on the log would be needed.
    ///
    /// # Errors
    /// `FileNotFound`; `FileAccessDenied` while another instance has it; `NotADatabase`; `InvalidDatabaseVersion`;
    /// `PageSizeMismatch`; `FileTooShort`; `DatabaseCorrupted` (both meta pages are damaged, or contradict each other);
    /// `PageChecksum` and its kin; `InvalidPath`; `DiskIo`. The file is as it was.
    pub fn open(
        disk: &dyn Disk,
        path: &Path,
        options: &PagerOptions,
        log_reaches: &dyn Fn(LogPoint) -> bool,
    ) -> Result<Arc<Pager>> {
        let (mode, lock) = match options.access {
            Access::ReadWrite => (OpenMode::ReadWrite, LockMode::Exclusive),
            Access::ReadOnly => (OpenMode::Read, LockMode::Shared),
        };
        let disk_file = disk.open(path, mode)?;
        disk_file.lock(lock)?;
        let mut slots = Slots::read(&*disk_file)?;
        let opened = finish_open(&disk_file, slots.clone(), options);
        let Err(error) = opened else { return opened };
        let reaches = |meta: &Meta| meta.point.is_some_and(|(_, point)| log_reaches(point));
        if !is_damage(&error) || !slots.other().is_some_and(reaches) {
            return Err(error);
        }
        slots.fall_back();
        finish_open(&disk_file, slots, options)
    }
}

/// Whether an error tells of bytes that are not what they should be.
fn is_damage(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PageChecksum | ErrorKind::WrongPage | ErrorKind::LostWrite | ErrorKind::DatabaseCorrupted
    )
}

/// Opens the state of the newest slot.
fn finish_open(disk_file: &Arc<dyn DiskFile>, slots: Slots, options: &PagerOptions) -> Result<Arc<Pager>> {
    let newest = slots.newest();
    let file = PageFile::new(Arc::clone(disk_file), newest.page_size, options.access);
    if let Some(asked) = options.page_size_bytes.filter(|asked| *asked != newest.page_size) {
        let what = format!("{} has pages of {} bytes, asked for are {asked}", file.name(), newest.page_size);
        return Err(Error::new(ErrorKind::PageSizeMismatch, what));
    }
    let pages = file.pages()?;
    if pages < newest.pages {
        let what = format!("{} has {pages} whole pages, its meta page says {}", file.name(), newest.pages);
        return Err(Error::new(ErrorKind::FileTooShort, what));
    }
    if let Some(map) = newest.map {
        // The forest is read when the state is made; of the space map the root.
        MapPage::read(&file, map.entry(), map.level)?;
    }
    let older = match slots.other() {
        None => Older::Unknown,
        Some(other) if other.map == newest.map => Older::Nothing,
        Some(other) => other.map.map_or(Older::Nothing, |map| Older::Map(map, other.pages)),
    };
    let space = Space::open(file.page_size(), newest.pages, newest.free_pages, newest.map, older);
    finish(file, slots, space, options)
}

fn finish(file: PageFile, slots: Slots, space: Space, options: &PagerOptions) -> Result<Arc<Pager>> {
    let newest = slots.newest();
    let medium = match options.reading {
        Reading::Map => Medium::Map(Arc::new(FileMap::new(file.page_size()))),
        Reading::Copy => Medium::Cache(Arc::new(PageCache::new(options.cache_pages))),
    };
    medium.extend(&file, newest.pages)?;
    let highest = slots.other().map_or(0, |other| other.number).max(newest.number);
    let shared = Arc::new(Shared {
        identity: newest.identity,
        file,
        medium,
        pins: Mutex::default(),
        space: Mutex::new(space),
        number: AtomicU64::new(highest),
        merging: AtomicBool::new(false),
        counts: Counts::default(),
    });
    let l = newest.point.map_or(Position::FIRST, |(_, point)| point.at);
    let state: Arc<dyn State> = read_state(&shared, newest.number, l, newest.forest)?;
    let numbers = slots.numbers();
    let writer = Writer::new(&shared, slots, numbers, &*state);
    Ok(Pager::new(shared, state, writer))
}

/// The name under which a database is made before it gets its own.
fn temporary_name(path: &Path) -> Result<PathBuf> {
    let Some(name) = path.file_name() else {
        let what = format!("{} names no file", path.display());
        return Err(Error::new(ErrorKind::InvalidPath, what));
    };
    let mut temporary = OsString::from(name);
    temporary.push(".new");
    Ok(path.with_file_name(temporary))
}

/// The directory a path is in.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

/// A new, locked file of the temporary name; what a creation left there that was cut short is removed.
fn claim_name(disk: &dyn Disk, temporary: &Path) -> Result<Arc<dyn DiskFile>> {
    let mut made = disk.open(temporary, OpenMode::CreateNew);
    if made.as_ref().is_err_and(|error| error.kind() == ErrorKind::FileExists) {
        let left = disk.open(temporary, OpenMode::ReadWrite)?;
        left.lock(LockMode::Exclusive)?;
        disk.remove(temporary)?;
        made = disk.open(temporary, OpenMode::CreateNew);
    }
    let made = made?;
    made.lock(LockMode::Exclusive)?;
    Ok(made)
}

/// Both meta pages, synced; then the name, synced.
fn create_in(
    disk: &dyn Disk,
    disk_file: &Arc<dyn DiskFile>,
    path: &Path,
    temporary: &Path,
    page_size: usize,
    options: &PagerOptions,
) -> Result<[Meta; 2]> {
    let first = Meta {
        identity: options.identity.unwrap_or_else(random).to_le_bytes(),
        page_size,
        sequence: 1,
        number: 0,
        merged: 0,
        pages: META_PAGES,
        free_pages: 0,
        next_tree: 1,
        point: None,
        clean: true,
        forest: None,
        trees: 0,
        map: None,
        created_by: created_by(),
    };
    let second = Meta { sequence: 2, ..first.clone() };
    let page_bytes = crate::file::wide(page_size);
    disk_file.allocate(META_PAGES * page_bytes)?;
    disk_file.write_all_at(&slots::page(&first, 0), 0)?;
    disk_file.write_all_at(&slots::page(&second, 1), page_bytes)?;
    disk_file.sync_data()?;
    if disk.metadata(path)?.is_some() {
        let what = format!("{} is there already", path.display());
        return Err(Error::new(ErrorKind::DatabaseDuplicate, what));
    }
    disk.rename(temporary, path)?;
    if let Err(error) = disk.sync_directory(directory_of(path)) {
        // It may come back after a crash, as the empty database it is.
        let _ = disk.remove(path);
        return Err(error);
    }
    Ok([first, second])
}

/// A number that no other file has.
fn random() -> u128 {
    // The keys of the standard library's hash maps are seeded by the operating system.
    let half = |number: u64| u128::from(RandomState::new().hash_one(number));
    half(1) << 64 | half(2)
}
