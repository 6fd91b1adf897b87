//! The durable backend: a folder with a log and database files in it.
//!
//! | in the folder | what |
//! |---|---|
//! | `lock` | locked by the instance that has the folder |
//! | `data.ese` | the main database |
//! | *name*`.ese` | another database of that name |
//! | `log/` | the log's segments |
//!
//! A database whose name is an absolute path lies there instead. Whoever opens a database locks its file as well, so one
//! that lies elsewhere, or is reached by two names, is still open once.

use ese_base::{Error, ErrorKind, Result};
use ese_core::{Access, Backend, Log, LogPoint, Store};
use ese_io::{Disk, DiskFile, LockMode, OpenMode};
use ese_pager::{Pager, PagerOptions};
use ese_wal::{Wal, WalOptions};
use std::{
    fmt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// The name of the main database, and of its file.
const MAIN: (&str, &str) = ("main", "data.ese");
/// The file that says whose the folder is.
const LOCK: &str = "lock";
/// The folder of the log.
const LOG: &str = "log";

/// Whether commits go through a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Logging {
    /// Yes: with a log of these settings.
    On(WalOptions),
    /// No: what a checkpoint made durable is all that outlives a crash (`JET_paramRecovery` off).
    Off,
}

/// See the head of the module.
pub(crate) struct DurableBackend {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    pages: PagerOptions,
    log: Option<Arc<Wal>>,
    /// Locked until the close.
    lock: Arc<dyn DiskFile>,
}

impl fmt::Debug for DurableBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableBackend").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl DurableBackend {
    /// Takes a folder and its log, which are made where they do not exist and may be.
    ///
    /// # Errors
    /// `FileNotFound` when the folder that is to hold it does not exist; `InvalidPath` when it is no folder;
    /// `FileAccessDenied` without permission, or while another instance has it; what the log and the disk report.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        mut pages: PagerOptions,
        logging: Logging,
        access: Access,
    ) -> Result<DurableBackend> {
        let (lock, log_access) = match access {
            Access::ReadWrite => {
                if disk.metadata(folder)?.is_none() {
                    disk.create_directory(folder)?;
                }
                pages.access = ese_pager::Access::ReadWrite;
                (lock(&*disk, &folder.join(LOCK))?, ese_wal::Access::ReadWrite)
            }
            Access::ReadOnly => {
                let lock = disk.open(&folder.join(LOCK), OpenMode::Read)?;
                lock.lock(LockMode::Shared)?;
                pages.access = ese_pager::Access::ReadOnly;
                (lock, ese_wal::Access::Read)
            }
        };
        let at = folder.join(LOG);
        if logging == Logging::Off && Wal::exists(&disk, &at)? {
            let what = format!(
                "{} has a log: open it with that or, when it was closed in order and is to go on without, remove {}",
                folder.display(),
                at.display()
            );
            return Err(Error::new(ErrorKind::InvalidSettings, what));
        }
        let log = match logging {
            Logging::On(options) if Wal::exists(&disk, &at)? => {
                Some(Arc::new(Wal::open(Arc::clone(&disk), &at, options, log_access)?))
            }
            Logging::On(options) if access == Access::ReadWrite => {
                Some(Arc::new(Wal::create(Arc::clone(&disk), &at, options)?))
            }
            _ => None,
        };
        Ok(DurableBackend { disk, folder: folder.to_owned(), pages, log, lock })
    }

    /// Where the database of that name lies.
    fn path(&self, database: &str) -> Result<PathBuf> {
        let refuse = |why: &str| Err(Error::new(ErrorKind::InvalidName, format!("{database:?}: {why}")));
        if database == MAIN.0 {
            return Ok(self.folder.join(MAIN.1));
        }
        let path = Path::new(database);
        if path.is_absolute() {
            return match path.components().next_back() {
                // New files have that ending until they are whole.
                Some(Component::Normal(_)) if path.extension().is_some_and(|end| end == "new") => {
                    refuse("a database cannot end in .new")
                }
                Some(Component::Normal(_)) => Ok(path.to_owned()),
                _ => refuse("the path does not end in a name"),
            };
        }
        let file = format!("{database}.ese");
        if file == MAIN.1 {
            return refuse("that is the file of the main database");
        }
        let mut parts = Path::new(&file).components();
        match (parts.next(), parts.next()) {
            (Some(Component::Normal(name)), None) if name == file.as_str() => Ok(self.folder.join(file)),
            _ => refuse("a name of one part, or an absolute path"),
        }
    }
}

/// The folder that a path lies in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Opens and locks the folder's lock file.
fn lock(disk: &dyn Disk, path: &Path) -> Result<Arc<dyn DiskFile>> {
    let file = match disk.open(path, OpenMode::ReadWrite) {
        Err(error) if error.kind() == ErrorKind::FileNotFound => match disk.open(path, OpenMode::CreateNew) {
            // Somebody else was faster; who gets the lock is decided below.
            Err(error) if error.kind() == ErrorKind::FileExists => disk.open(path, OpenMode::ReadWrite)?,
            made => made?,
        },
        found => found?,
    };
    file.lock(LockMode::Exclusive)?;
    Ok(file)
}

impl Backend for DurableBackend {
    fn name(&self) -> &'static str {
        "durable"
    }

    fn log(&self) -> Option<Arc<dyn Log>> {
        self.log.as_ref().map(|log| Arc::clone(log) as Arc<dyn Log>)
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        if database == MAIN.0 {
            // Whoever made the folder may have been killed before its name was durable.
            self.disk.sync_directory(parent(&self.folder))?;
        }
        let store = Pager::create(&*self.disk, &self.path(database)?, &self.pages)?;
        Ok(store)
    }

    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        let path = self.path(database)?;
        let reaches = |point: LogPoint| {
            self.log.as_ref().is_some_and(|log| log.identity() == point.log && log.first() <= point.at)
        };
        match Pager::open(&*self.disk, &path, &self.pages, &reaches) {
            Ok(store) => {
                if self.pages.access == ese_pager::Access::ReadWrite {
                    // Whoever made the file may have been killed before its name was durable.
                    self.disk.sync_directory(parent(&path))?;
                }
                Ok(store)
            }
            Err(error) if error.kind() == ErrorKind::FileNotFound => {
                let what = format!("database {database:?} at {}", path.display());
                Err(Error::new(ErrorKind::DatabaseNotFound, what).caused_by(error))
            }
            Err(error) => Err(error),
        }
    }

    /// The file was unlocked by its store's close; there is nothing else to give back.
    fn detach(&self, _database: &str) -> Result<()> {
        Ok(())
    }

    /// Others may have the folder from here on, though sessions live on.
    fn close(&self) -> Result<()> {
        self.lock.unlock()
    }
}
