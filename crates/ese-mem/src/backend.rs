//! Databases in memory, by name.

use crate::store::MemStore;
use ese_base::{Error, ErrorKind, Result, limits, sync::Mutex};
use ese_core::{Backend, Store};
use std::{collections::BTreeMap, sync::Arc};

/// The in-memory backend. A detached database is kept by name until the backend is dropped.
///
/// ```
/// use ese_core::Backend;
/// let backend = ese_mem::MemoryBackend::new(4096)?;
/// let store = backend.create("main")?;
/// assert_eq!(store.stats().pages, 0);
/// # Ok::<(), ese_base::Error>(())
/// ```
#[derive(Default)]
pub struct MemoryBackend {
    page_size: Option<usize>,
    databases: Mutex<Databases>,
}

#[derive(Default)]
struct Databases {
    by_name: BTreeMap<String, Database>,
    limit_bytes: Option<u64>,
}

struct Database {
    store: Arc<MemStore>,
    attached: bool,
}

impl MemoryBackend {
    /// A backend with pages of that many bytes: 4, 8, 16 or 32 KiB.
    ///
    /// # Errors
    /// `InvalidSettings` for another size.
    pub fn new(page_size: usize) -> Result<Self> {
        let (min, max) = (limits::PAGE_SIZE_MIN_BYTES, limits::PAGE_SIZE_MAX_BYTES);
        if !page_size.is_power_of_two() || !(min..=max).contains(&page_size) {
            let what = format!("the page size is {page_size}, must be a power of two from {min} to {max}");
            return Err(Error::new(ErrorKind::InvalidSettings, what));
        }
        Ok(MemoryBackend { page_size: Some(page_size), databases: Mutex::default() })
    }

    /// A backend with pages of the default size, each of whose databases has at most so many bytes of pages in use, as
    /// if it lay on a small disk: beyond, merges fail with `DiskFull`. [`MemoryBackend::set_limit`] says what counts.
    #[must_use]
    pub fn with_limit(bytes: u64) -> Self {
        let databases = Databases { by_name: BTreeMap::new(), limit_bytes: Some(bytes) };
        MemoryBackend { page_size: None, databases: Mutex::new(databases) }
    }

    /// Changes the limit of every database, present and to come; `None`: no limit.
    ///
    /// In use is each page that the newest base, an older one that somebody reads, or a merge under way has. A merge
    /// gets no page that would bring these above the limit, be it a new one or one that was used before; nor does the
    /// limit let new ones be added beyond it, so a long value may be refused for want of free pages in a row. What is in
    /// use when a limit is lowered stays, and nothing is handed out until enough of it is given back: by dropping
    /// trees, or by readers of old bases that end. (A merge that deletes rows needs pages first.)
    ///
    /// Not limited: the versions that are not merged yet, which the version store's budget bounds, and what is taken
    /// from the system ahead, in large pieces.
    pub fn set_limit(&self, bytes: Option<u64>) {
        let mut databases = self.databases.lock();
        databases.limit_bytes = bytes;
        databases.by_name.values().for_each(|database| database.store.set_limit(bytes));
    }

    /// Changes the limit of one database, as [`MemoryBackend::set_limit`] does.
    ///
    /// # Errors
    /// `DatabaseNotFound`.
    pub fn set_database_limit(&self, database: &str, bytes: Option<u64>) -> Result<()> {
        self.databases.lock().find(database)?.store.set_limit(bytes);
        Ok(())
    }

    fn page_size(&self) -> usize {
        self.page_size.unwrap_or(limits::PAGE_SIZE_DEFAULT_BYTES)
    }
}

impl Databases {
    fn find(&mut self, name: &str) -> Result<&mut Database> {
        let missing = || Error::new(ErrorKind::DatabaseNotFound, format!("{name:?} was not created here"));
        self.by_name.get_mut(name).ok_or_else(missing)
    }
}

impl Backend for MemoryBackend {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        let mut databases = self.databases.lock();
        if databases.by_name.contains_key(database) {
            return Err(Error::new(ErrorKind::DatabaseDuplicate, format!("{database:?}")));
        }
        let store = Arc::new(MemStore::new(self.page_size(), databases.limit_bytes));
        let entry = Database { store: Arc::clone(&store), attached: true };
        databases.by_name.insert(database.into(), entry);
        Ok(store)
    }

    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        let mut databases = self.databases.lock();
        let found = databases.find(database)?;
        if found.attached {
            return Err(Error::new(ErrorKind::DatabaseAttached, format!("{database:?}")));
        }
        found.attached = true;
        let store: Arc<MemStore> = Arc::clone(&found.store);
        Ok(store)
    }

    fn detach(&self, database: &str) -> Result<()> {
        self.databases.lock().find(database)?.attached = false;
        Ok(())
    }
}
