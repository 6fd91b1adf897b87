//! One opening of a file: what locks belong to, and what ends with the process that made it.

use super::world::World;
use ese_base::sync::Mutex;
use std::{io, sync::Arc};

/// Known by its file's handles and regions; the last one of them ends it.
pub(super) struct Opening {
    world: Arc<Mutex<World>>,
    opened: Opened,
}

/// What the disk knows of an opening.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Opened {
    /// Its number; no two have the same.
    pub(super) number: u64,
    /// The number of the file.
    pub(super) inode: usize,
    /// Which process it was.
    pub(super) boot: u64,
}

impl Opening {
    pub(super) fn new(world: &Arc<Mutex<World>>, opened: Opened) -> Self {
        Opening { world: Arc::clone(world), opened }
    }

    /// The number of the file.
    pub(super) fn inode(&self) -> usize {
        self.opened.inode
    }

    /// Does something to the disk, if the process is still there.
    pub(super) fn on_disk<T>(&self, act: impl FnOnce(&mut World, Opened) -> io::Result<T>) -> io::Result<T> {
        let mut world = self.world.lock();
        if world.boot != self.opened.boot {
            return Err(io::Error::other("the process that opened the file is gone"));
        }
        act(&mut world, self.opened)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.world.lock().inode(self.opened.inode).unlock(self.opened.number);
    }
}
