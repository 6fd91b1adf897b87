//! Engines to test, each as a function that starts one.

use crate::reference::ReferenceEngine;
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

/// The reference engine.
///
/// # Errors
/// `InvalidSettings`.
pub fn reference(options: Options, _: Arc<dyn Clock>) -> Result<Arc<dyn Engine>> {
    ReferenceEngine::start(options)
}
