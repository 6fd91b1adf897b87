//! What stands between the engine and the disk in a run: nothing, or a known bug.

use crate::disk::SimDisk;
use ese_core::Backend;
use ese_io::Disk;
use std::sync::Arc;

/// Puts something between. One rig serves one run after the other.
pub trait Rig {
    /// A run begins, on an empty disk; what is remembered of another one is forgotten.
    fn begin(&self) {}

    /// The disk as the backend is to see it.
    fn disk(&self, disk: &SimDisk) -> Arc<dyn Disk> {
        Arc::new(disk.clone())
    }

    /// The backend as the engine is to see it; `disk` is the one it stands on.
    fn backend(&self, backend: Arc<dyn Backend>, disk: &SimDisk) -> Arc<dyn Backend> {
        let _ = disk;
        backend
    }
}

/// Nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Plain;

impl Rig for Plain {}
