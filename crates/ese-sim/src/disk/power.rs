//! Syncs of names and of all, the end of a process, and the end of the power: what is left of what was not synced.

use super::{
    fault::{What, refuse},
    inode::{Change, Inode},
    names::NameChange,
    profile::{Fates, Survival},
    world::{Power, World},
};
use std::{io, path::Path};

/// A change that was not synced.
enum Unsynced {
    Data(usize, Change),
    Name(NameChange),
}

impl World {
    /// The process is gone and another one begins: files and locks are closed, all that was written is there.
    pub(super) fn kill(&mut self) {
        self.boot += 1;
        self.power = Power::On;
        self.inodes.iter_mut().for_each(Inode::forget_openings);
    }

    /// The power goes and comes back: a kill, and every change that was not synced meets its fate.
    pub(super) fn reboot(&mut self) {
        self.kill();
        let unsynced = self.take_unsynced();
        let World { inodes, names, dice, profile, .. } = self;
        let mut fates = Fates::new(profile.survival, unsynced.len(), dice);
        for change in unsynced {
            let Some(part) = fates.next() else { continue };
            match change {
                Unsynced::Name(change) => names.reach(&change, part, dice),
                Unsynced::Data(number, change) => {
                    inodes[number].reach_in_part(&change, part, profile, dice);
                }
            }
        }
        names.revert();
        let mut is_named = vec![false; inodes.len()];
        names.files().for_each(|number| is_named[number] = true);
        for (inode, is_named) in inodes.iter_mut().zip(is_named) {
            if !is_named {
                // Nobody can reach it any more.
                inode.durable = Vec::new();
            }
            inode.is_late = false;
            inode.revert();
        }
    }

    /// Makes the names of a directory durable, as far as the faults let it.
    pub(super) fn sync_directory(&mut self, directory: &Path, what: Option<What>) -> io::Result<()> {
        let World { names, profile, dice, .. } = self;
        match what {
            None => {
                names.sync(directory)?;
                if profile.survival == Survival::InOrder {
                    self.sync_everything();
                }
                Ok(())
            }
            Some(What::Ignore) => Ok(()),
            what => {
                let mut fates = Fates::new(profile.survival, names.pending.len(), dice);
                names.lose(directory, &mut fates, dice)?;
                refuse(what)
            }
        }
    }

    /// Makes durable all there is, as a disk does on which nothing overtakes anything.
    pub(super) fn sync_everything(&mut self) {
        self.names.sync_everything();
        self.inodes.iter_mut().for_each(Inode::sync);
    }

    /// How many changes were not synced.
    pub(super) fn unsynced(&self) -> usize {
        self.names.pending.len() + self.inodes.iter().map(|inode| inode.pending.len()).sum::<usize>()
    }

    /// All changes that were not synced, of bytes and of names, oldest first.
    fn take_unsynced(&mut self) -> Vec<Unsynced> {
        let mut unsynced: Vec<(u64, Unsynced)> = Vec::new();
        for (number, inode) in self.inodes.iter_mut().enumerate() {
            let pending = std::mem::take(&mut inode.pending).into_iter();
            unsynced.extend(pending.map(|(order, change)| (order, Unsynced::Data(number, change))));
        }
        let pending = std::mem::take(&mut self.names.pending).into_iter();
        unsynced.extend(pending.map(|(order, change)| (order, Unsynced::Name(change))));
        unsynced.sort_by_key(|(order, _)| *order);
        unsynced.into_iter().map(|(_, change)| change).collect()
    }
}
