//! Engines to test, each as a function that starts one.

use crate::{
    disk::{Profile, SimDisk},
    reference::ReferenceEngine,
};
use ese::Instance;
use ese_base::{Result, clock::Clock, limits::PAGE_SIZE_DEFAULT_BYTES};
use ese_core::{Engine, LocalEngine, Options};
use ese_mem::MemoryBackend;
use std::sync::Arc;

/// The local engine on the memory backend.
///
/// # Errors
/// `InvalidSettings`.
pub fn memory(options: Options, clock: Arc<dyn Clock>) -> Result<Arc<dyn Engine>> {
    LocalEngine::start(options, Arc::new(MemoryBackend::new(PAGE_SIZE_DEFAULT_BYTES)?), clock)
}

/// The local engine on the durable backend, on a simulated disk of its own that nothing happens to; small segments and
/// pages, so that there are many.
///
/// # Errors
/// `InvalidSettings`.
pub fn durable(options: Options, clock: Arc<dyn Clock>) -> Result<Arc<dyn Engine>> {
    let disk = Arc::new(SimDisk::new(1, Profile::NOTHING));
    let builder = Instance::builder().page_size(4096).segment_bytes(16 << 10);
    LocalEngine::start(options, builder.durable_backend(disk, "/db")?, clock)
}

/// The reference engine.
///
/// # Errors
/// `InvalidSettings`.
pub fn reference(options: Options, _: Arc<dyn Clock>) -> Result<Arc<dyn Engine>> {
    ReferenceEngine::start(options)
}
