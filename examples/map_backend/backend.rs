//! Databases by name.

use crate::store::MapStore;
use ese_base::{Error, ErrorKind, Result, sync::Mutex};
use ese_core::{Backend, Store};
use std::{collections::BTreeMap, sync::Arc};

/// Keeps databases in memory, by name, for as long as it lives.
#[derive(Default)]
pub(crate) struct MapBackend {
    databases: Mutex<BTreeMap<String, Arc<MapStore>>>,
}

impl Backend for MapBackend {
    fn name(&self) -> &'static str {
        "map"
    }

    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        let mut databases = self.databases.lock();
        if databases.contains_key(database) {
            return Err(Error::new(ErrorKind::DatabaseDuplicate, format!("{database:?} exists")));
        }
        let store = Arc::new(MapStore::default());
        databases.insert(database.to_owned(), Arc::clone(&store));
        Ok(store)
    }

    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        match self.databases.lock().get(database) {
            Some(store) => Ok(Arc::clone(store) as Arc<dyn Store>),
            None => Err(Error::new(ErrorKind::DatabaseNotFound, format!("{database:?} was never created"))),
        }
    }

    /// The store stays in the map: attaching finds it again.
    fn detach(&self, _database: &str) -> Result<()> {
        Ok(())
    }
}
