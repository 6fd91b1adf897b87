//! The memory backend with a log of the test's.

use ese_base::Result;
use ese_core::{Backend, Log, Store};
use ese_mem::MemoryBackend;
use std::sync::Arc;

/// Databases in memory, commits through a log.
pub(crate) struct Logged<L> {
    pub(crate) memory: MemoryBackend,
    pub(crate) log: Arc<L>,
}

impl<L: Log + 'static> Backend for Logged<L> {
    fn name(&self) -> &'static str {
        "memory with a log"
    }

    fn log(&self) -> Option<Arc<dyn Log>> {
        Some(Arc::clone(&self.log) as _)
    }

    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        self.memory.create(database)
    }

    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        self.memory.attach(database)
    }

    fn detach(&self, database: &str) -> Result<()> {
        self.memory.detach(database)
    }
}
