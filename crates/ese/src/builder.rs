//! The settings of an instance on their way to it.
//!
//! Settings are data, components are objects: everything but the backend and the clock ends up in the engine's plain
//! [`Options`], which are validated when the instance is made.

use crate::{
    Instance,
    durable::{DurableBackend, Logging},
    machine,
};
use ese_base::{
    Error, ErrorKind, Result,
    clock::{Clock, SystemClock},
    limits,
};
use ese_core::{Access, Backend, Background, Durability, LocalEngine, Options};
use ese_io::Disk;
use ese_mem::MemoryBackend;
use ese_pager::{PagerOptions, Reading};
use ese_wal::WalOptions;
use std::{path::Path, sync::Arc, time::Duration};

/// The largest version store that is taken without being asked for.
const VERSION_STORE_DEFAULT_MAX_BYTES: u64 = 1 << 30;
/// The smallest version store the engine takes.
const VERSION_STORE_MIN_BYTES: u64 = 1 << 20;

/// Makes an [`Instance`] with other settings than the defaults, from [`Instance::builder`].
///
/// Nothing is checked before [`Builder::open`], [`Builder::in_memory`] or [`Builder::backend`]; a setting out of its bounds fails there
/// with `InvalidSettings`, naming the setting, its value and its bounds.
///
/// ```
/// # fn main() -> ese::Result<()> {
/// use ese::{Durability, ErrorKind, Instance};
/// let db = Instance::builder().page_size(8192).version_store_bytes(64 << 20).durability(Durability::Lazy).in_memory()?;
/// db.close()?;
/// let error = Instance::builder().page_size(5000).in_memory().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidSettings);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `open`, `in_memory` or `backend` is called"]
pub struct Builder {
    options: Options,
    version_store_bytes: Option<u64>,
    generation_bytes: Option<u64>,
    page_size_bytes: Option<usize>,
    reading: Reading,
    log: Logging,
    durability: Durability,
    clock: Option<Arc<dyn Clock>>,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        Builder {
            options: Options::default(),
            version_store_bytes: None,
            generation_bytes: None,
            page_size_bytes: None,
            reading: Reading::Map,
            log: Logging::On(WalOptions::default()),
            durability: Durability::default(),
            clock: None,
        }
    }

    /// The page size of new databases, in bytes: a power of two, 4,096 (the default) to 32,768. Keys may have 1,000 bytes
    /// at 4 KiB pages and 2,000 from 8 KiB. A database that exists keeps its own, and is refused with `PageSizeMismatch`
    /// when another one is asked for here. A backend given to [`Builder::backend`] brings its own.
    pub fn page_size(mut self, bytes: usize) -> Builder {
        self.page_size_bytes = Some(bytes);
        self
    }

    /// How database files are read; default [`Reading::Map`]. In memory it means nothing.
    pub fn reading(mut self, reading: Reading) -> Builder {
        self.reading = reading;
        self
    }

    /// The longest segment of the log, in bytes: a multiple of 4,096, at least 16 KiB and at most 1 GiB; default 64 MiB.
    /// The first ones are shorter. All of them together have at least eight times that (see [`Builder::log_max_bytes`]).
    pub fn segment_bytes(mut self, bytes: u64) -> Builder {
        if let Logging::On(log) = &mut self.log {
            log.segment_max_bytes = bytes;
            log.segment_min_bytes = log.segment_min_bytes.min(bytes);
            log.log_max_bytes = log.log_max_bytes.max(bytes.saturating_mul(8));
        }
        self
    }

    /// How long all segments of the log together may get, in bytes, at least eight of the longest; default 2 GiB. Beyond
    /// it commits fail with `LogFull` until a checkpoint has let segments go, which only a full disk can keep it from for
    /// long.
    pub fn log_max_bytes(mut self, bytes: u64) -> Builder {
        if let Logging::On(log) = &mut self.log {
            log.log_max_bytes = bytes;
        }
        self
    }

    /// Does without a log (`JET_paramRecovery` off): a commit is durable with the next checkpoint, not before, and a crash
    /// falls back to the last one. All commits are as lazy ones then. For data that can be made again. A folder that has a
    /// log is refused (`InvalidSettings`): close it in order and remove its folder `log` first.
    pub fn without_log(mut self) -> Builder {
        self.log = Logging::Off;
        self
    }

    /// Opens for reads only: other readers may have it open at the same time, writers not. Nothing on the disk is created
    /// or changed; what the log has and the databases have not is kept in memory, which the version store's budget has to hold.
    /// That may be commits that were not durable yet when their process was killed: the power can still take them away.
    /// Read-write transactions, and whatever else changes something, fail with `DatabaseFileReadOnly`. In memory it
    /// makes an instance in which there is nothing.
    pub fn read_only(mut self) -> Builder {
        self.options.access = Access::ReadOnly;
        self
    }

    /// A lazy commit is durable at the latest after about this time; default 100 ms.
    pub fn flush_interval(mut self, interval: Duration) -> Builder {
        self.options.flush_interval = interval;
        self
    }

    /// How much log an opening after a crash may have to read, in bytes, about; at least 64 KiB, default 256 MiB
    /// (`JET_paramCheckpointDepthMax`).
    pub fn checkpoint_depth_bytes(mut self, bytes: u64) -> Builder {
        self.options.checkpoint_depth_bytes = bytes;
        self
    }

    /// A checkpoint begins when the last one is this old and something was merged since; default 30 s. One begins, too,
    /// when the log has grown or nothing was committed for a while.
    pub fn checkpoint_age(mut self, age: Duration) -> Builder {
        self.options.checkpoint_age = age;
        self
    }

    /// Bytes that versions younger than the base, lists of own writes and the conflict window may take, at least 1 MiB. What
    /// only old snapshots hold has a second bound, twice this size; one value may take a quarter of it. Default: a quarter of
    /// the machine's memory, at most 1 GiB (and 1 GiB where the machine does not tell its memory).
    pub fn version_store_bytes(mut self, bytes: u64) -> Builder {
        self.version_store_bytes = Some(bytes);
        self
    }

    /// A generation of versions is sealed at this size and merged from then on: 16 KiB to the version store's size.
    /// Default: 64 MiB, at most a quarter of the version store.
    pub fn generation_bytes(mut self, bytes: u64) -> Builder {
        self.generation_bytes = Some(bytes);
        self
    }

    /// How many sessions may be open at a time, 1 to 30,000; default 1,024. The closures of an instance use sessions,
    /// too: as many as run at a time; those are kept for the next closure and given up when a session is asked for.
    pub fn sessions_max(mut self, sessions: u32) -> Builder {
        self.options.sessions_max = sessions;
        self
    }

    /// How many levels a transaction may have, itself counted, at least 1. Default: as many as memory holds.
    pub fn levels_max(mut self, levels: u32) -> Builder {
        self.options.levels_max = Some(levels);
        self
    }

    /// The durability of commits that do not name one; default [`Durability::Sync`].
    pub fn durability(mut self, durability: Durability) -> Builder {
        self.durability = durability;
        self
    }

    /// Who does the background work; default [`Background::Threads`]. With [`Background::Manual`] nothing happens
    /// behind the program's back: it calls [`Instance::step`] or [`Instance::merge`].
    pub fn background(mut self, background: Background) -> Builder {
        self.options.background = background;
        self
    }

    /// A merge begins when this many changed rows wait for it, at least 1; default 100,000.
    pub fn merge_rows(mut self, rows: u64) -> Builder {
        self.options.merge_rows = rows;
        self
    }

    /// A merge begins when the oldest commit that waits for it is this old; default 5 s.
    pub fn merge_age(mut self, age: Duration) -> Builder {
        self.options.merge_age = age;
        self
    }

    /// A merge begins when nothing was committed for this long; default 200 ms.
    pub fn merge_idle(mut self, idle: Duration) -> Builder {
        self.options.merge_idle = idle;
        self
    }

    /// How long [`Instance::detach_database`] waits for transactions that still read the database; default 5 s. With
    /// [`Background::Manual`] it does not wait.
    pub fn detach_wait(mut self, wait: Duration) -> Builder {
        self.options.detach_wait = wait;
        self
    }

    /// The clock that ages and intervals are measured by; default: the machine's. Tests give a
    /// [`ManualClock`](crate::clock::ManualClock).
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Builder {
        self.clock = Some(clock);
        self
    }

    /// Opens the instance in `folder`, or makes one there: the folder is made where there is none, in one that exists.
    /// After a crash, what the log has and the databases have not is done again first ([`Stats::recovered`] tells how
    /// much). The folder holds the log, the main database `data.ese`, databases by name, and a lock file.
    ///
    /// # Errors
    /// After an error the databases and the log are as they were; a lock file and an empty log folder may be new.
    /// - `InvalidSettings`; `PageSizeMismatch`.
    /// - `FileNotFound`: the folder's own folder does not exist. `InvalidPath`: it is no folder. `FileAccessDenied`:
    ///   permissions, or another instance or process has it open.
    /// - `NotADatabase`, `InvalidDatabaseVersion`, `DatabaseCorrupted`, `PageChecksum` and its kin, `FileTooShort`: a
    ///   database file is not what it should be. `LogCorrupted`, `LogGap`, `LogForeign`, `LogVersion`: the log is not.
    /// - `DatabaseDirtyShutdown`: the database was not closed and its log is not here. `AttachedDatabaseMismatch`: a
    ///   database that was attached is missing or is another one.
    /// - `DiskFull`, `DiskIo`; `OutOfMemory`.
    ///
    /// [`Stats::recovered`]: crate::Stats::recovered
    ///
    /// ```
    /// # #[cfg(unix)] fn main() -> ese::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let folder = folder.path().join("shop");
    /// let db = ese::Instance::builder().page_size(8192).open(&folder)?;
    /// let stock = db.tree("stock")?;
    /// db.write(|tx| stock.put(tx, "apple", "3"))?;
    /// db.close()?;
    ///
    /// let db = ese::Instance::open(&folder)?; // pages are as they were made
    /// let stock = db.tree("stock")?;
    /// assert_eq!(db.read(|s| Ok(stock.contains_key(s, "apple")?))?, true);
    /// # Ok(()) }
    /// # #[cfg(not(unix))] fn main() {}
    /// ```
    #[cfg(unix)]
    pub fn open(self, folder: impl AsRef<Path>) -> Result<Instance> {
        // The files are opened one by one as they are needed, and the program may go to another folder meanwhile.
        let folder = std::path::absolute(folder.as_ref()).map_err(|error| {
            let what = format!("the folder {}", folder.as_ref().display());
            Error::new(ErrorKind::InvalidPath, what).caused_by(error)
        })?;
        self.open_on(Arc::new(ese_io::NativeDisk::new()), folder)
    }

    /// As `open`, on another disk than the machine's: one that is simulated, say. It is there on every system; `open` is on
    /// those whose files the library knows (Unix so far).
    ///
    /// # Errors
    /// As `open`.
    pub fn open_on(self, disk: Arc<dyn Disk>, folder: impl AsRef<Path>) -> Result<Instance> {
        let backend = self.durable_backend(disk, folder)?;
        self.backend(backend)
    }

    /// What [`Builder::open_on`] stands on, without an engine: for [`Builder::backend`], with something in front of it, say.
    ///
    /// # Errors
    /// As [`Builder::open`], as far as the folder and the log are concerned.
    pub fn durable_backend(&self, disk: Arc<dyn Disk>, folder: impl AsRef<Path>) -> Result<Arc<dyn Backend>> {
        self.clone().options(machine::memory_bytes()).validate()?;
        if let Logging::On(log) = &self.log {
            log.validate()?;
        }
        let mut pages = PagerOptions::default();
        pages.page_size_bytes = self.page_size_bytes.map(check_page_size).transpose()?;
        pages.reading = self.reading;
        let backend = DurableBackend::open(disk, folder.as_ref(), pages, self.log, self.options.access)?;
        Ok(Arc::new(backend))
    }

    /// Makes an instance in memory: the same engine as on disk, nothing outlives it.
    ///
    /// # Errors
    /// `InvalidSettings`; `OutOfMemory` when the thread that merges cannot be started.
    pub fn in_memory(self) -> Result<Instance> {
        let page = check_page_size(self.page_size_bytes.unwrap_or(limits::PAGE_SIZE_DEFAULT_BYTES))?;
        self.backend(Arc::new(MemoryBackend::new(page)?))
    }

    /// Makes an instance on `backend`, which is told nothing of the page size set here. What a backend must do is said in
    /// the crate `ese-core`, at its traits.
    ///
    /// # Errors
    /// `InvalidSettings`; `OutOfMemory` when the thread that merges cannot be started; what the backend reports.
    pub fn backend(self, backend: Arc<dyn Backend>) -> Result<Instance> {
        let durability = self.durability;
        let clock = match &self.clock {
            Some(clock) => Arc::clone(clock),
            None => Arc::new(SystemClock::new()),
        };
        let engine = LocalEngine::start(self.options(machine::memory_bytes()), backend, clock)?;
        Ok(Instance::new(engine, durability))
    }

    /// The engine's options on a machine of so much memory. [`Options::validate`] judges them when the engine starts.
    fn options(self, memory_bytes: Option<u64>) -> Options {
        let version_store_bytes = self.version_store_bytes.unwrap_or_else(|| {
            let share = memory_bytes.map_or(VERSION_STORE_DEFAULT_MAX_BYTES, |bytes| bytes / 4);
            share.clamp(VERSION_STORE_MIN_BYTES, VERSION_STORE_DEFAULT_MAX_BYTES)
        });
        let generation_bytes =
            self.generation_bytes.unwrap_or(self.options.generation_bytes.min(version_store_bytes / 4));
        Options { version_store_bytes, generation_bytes, ..self.options }
    }
}

fn check_page_size(page: usize) -> Result<usize> {
    let (least, most) = (limits::PAGE_SIZE_MIN_BYTES, limits::PAGE_SIZE_MAX_BYTES);
    if page.is_power_of_two() && (least..=most).contains(&page) {
        return Ok(page);
    }
    let what = format!("page_size is {page}, must be a power of two from {least} to {most}");
    Err(Error::new(ErrorKind::InvalidSettings, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_store_is_a_quarter_of_the_memory_within_bounds() {
        let chosen = |memory| Builder::new().options(memory).version_store_bytes;
        assert_eq!(chosen(None), 1 << 30);
        assert_eq!(chosen(Some(1 << 40)), 1 << 30);
        assert_eq!(chosen(Some(2 << 30)), 512 << 20);
        assert_eq!(chosen(Some(1 << 20)), 1 << 20);
        assert_eq!(Builder::new().version_store_bytes(5 << 20).options(None).version_store_bytes, 5 << 20);
    }

    #[test]
    fn every_default_is_valid_on_every_machine() {
        for memory in [None, Some(0), Some(1 << 20), Some(64 << 20), Some(1 << 50)] {
            assert!(Builder::new().options(memory).validate().is_ok(), "{memory:?}");
        }
        assert!(Builder::new().version_store_bytes(1 << 20).options(None).validate().is_ok());
    }

    #[test]
    fn generation_default_follows_the_version_store() {
        assert_eq!(Builder::new().options(None).generation_bytes, 64 << 20);
        assert_eq!(Builder::new().version_store_bytes(8 << 20).options(None).generation_bytes, 2 << 20);
        assert_eq!(Builder::new().generation_bytes(1 << 20).options(None).generation_bytes, 1 << 20);
    }
}
