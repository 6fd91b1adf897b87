//! A disk in memory that forgets, tears, fails and fills up, and does so again from the same seed.
//!
//! What a running program sees is the *cache*: every write at once. What a power cut leaves is the *durable* state, and
//! whatever the [`Profile`] lets survive of the changes since the last sync: bytes, lengths and names are kept or lost
//! each for itself, and bytes sector by sector. A sync of a file makes its bytes and its length durable and no name; a
//! sync of a directory makes its names durable and nothing else. Dropping a file syncs nothing.
//!
//! A crash is in two steps, so that a test decides what kind of crash it was. [`SimDisk::crash_after`] says when the
//! program stops: the call at which it does may be done in part, and from then on every call fails. Then the disk is
//! given to the next program by [`SimDisk::kill`] (only the process died: all that was written is there, none of it is
//! more durable than before) or by [`SimDisk::reboot`] (the power went). Files, locks and regions of the old program are
//! dead: calls fail, regions stay readable and change no more.
//!
//! [`Fault`]s are data: which calls fail, how, and how often. Every call is hashed, so that a test can see that one seed
//! is one run.
//!
//! Simplified: paths are absolute and plain; directories are not renamed or removed; there are no links and no
//! permissions; a rename is one step, kept or lost as a whole, and durable with either of its directories; a file takes
//! as much space as it is long while it has a name.
//!
//! Reading order: [`SimDisk`], `profile`, `fault` (what can happen), `world` (a call), `inode`, `names` (what there is),
//! `power` (what is left), `file`, `opening`, `image` (handles and regions), `trace`.

mod fault;
mod file;
mod image;
mod inode;
mod names;
mod opening;
mod power;
mod profile;
mod trace;
mod world;

pub use fault::{Fault, Lasting, Operation, What};
pub use profile::{Profile, Sector, Survival, Torn};

use ese_base::{Result, sync::Mutex};
use ese_io::{Disk, DiskFile, Entry, Metadata, OpenMode, failure::on_path};
use fault::refuse;
use file::SimFile;
use names::Node;
use opening::Opening;
use std::{fmt, io, path::Path, sync::Arc};
use world::{Call, Power, World};

/// A simulated disk. Clones are the same disk; [`SimDisk::fork`] makes another one.
///
/// A program is to be right wherever it is stopped:
///
/// ```
/// use ese_base::Result;
/// use ese_io::{Disk, OpenMode};
/// use ese_sim::disk::{Profile, SimDisk};
///
/// /// Puts "new" in the place of "old", through a file beside it.
/// fn replace(disk: &SimDisk) -> Result<()> {
///     let file = disk.open("/a.new".as_ref(), OpenMode::CreateNew)?;
///     file.write_all_at(b"new", 0)?;
///     file.sync_data()?;
///     disk.rename("/a.new".as_ref(), "/a".as_ref())?;
///     disk.sync_directory("/".as_ref())
/// }
///
/// for crash in 0.. {
///     let disk = SimDisk::new(7, Profile::ANY_ORDER);
///     disk.install("/a".as_ref(), b"old")?;
///     disk.crash_after(crash);
///     let replaced = replace(&disk);
///     let is_over = !disk.is_off();
///     disk.reboot();
///     let bytes = disk.durable("/a".as_ref()).expect("one of the two");
///     assert!(bytes == b"new" || bytes == b"old" && replaced.is_err(), "crash at change {crash}");
///     if is_over {
///         break; // it never got as far as that change
///     }
/// }
/// # Ok::<(), ese_base::Error>(())
/// ```
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<World>>);

impl SimDisk {
    /// An empty disk with the directory `/` and a gigabyte of space. Everything random on it follows from `seed`.
    #[must_use]
    pub fn new(seed: u64, profile: Profile) -> Self {
        SimDisk(Arc::new(Mutex::new(World::new(seed, profile))))
    }

    /// Another disk with the same contents, durable or not, and its own future, which follows from `seed`: for trying
    /// several ends of one run. It has no open files.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        let mut world = self.0.lock().clone();
        world.inodes.iter_mut().for_each(inode::Inode::forget_openings);
        world.dice = crate::seed::Dice::new(seed);
        SimDisk(Arc::new(Mutex::new(world)))
    }

    /// What power cuts and failed syncs leave from now on.
    pub fn set_profile(&self, profile: Profile) {
        self.0.lock().profile = profile;
    }

    /// The program gets as far as `changes` more [changes](Operation::is_change). The next one is interrupted: it is not
    /// answered, and done as a whole, in part, or not at all. Then the disk [is off](SimDisk::is_off).
    pub fn crash_after(&self, changes: u64) {
        self.0.lock().power = Power::Until(changes);
    }

    /// Whether the program was stopped, so that every call fails until [`SimDisk::kill`] or [`SimDisk::reboot`].
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.0.lock().power == Power::Off
    }

    /// The process ended, and the next one begins: files and locks are gone, what was written is all there, and what was
    /// not synced still is not. A crash that was to come does not.
    pub fn kill(&self) {
        self.0.lock().kill();
    }

    /// The power went, and comes back: a kill, and of what was not synced there is what the profile lets survive.
    pub fn reboot(&self) {
        self.0.lock().reboot();
    }

    /// How many changes a power cut could undo now. See [`Survival::Chosen`].
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.0.lock().unsynced()
    }

    /// Bounds the bytes of all files together. Less than they have is no room for any more.
    pub fn set_capacity(&self, bytes: u64) {
        self.0.lock().capacity = bytes;
    }

    /// Adds a fault to those there are. It stays over crashes.
    pub fn inject(&self, fault: Fault) {
        self.0.lock().faults.add(fault);
    }

    /// Takes all faults away. What they did stays done.
    pub fn heal(&self) {
        self.0.lock().faults.clear();
    }

    /// How many calls have met a fault.
    #[must_use]
    pub fn faults_met(&self) -> u64 {
        self.0.lock().faults.met()
    }

    /// How many calls there were of a kind.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.0.lock().calls.get(&operation).copied().unwrap_or(0)
    }

    /// How many [changes](Operation::is_change) there were: as many places to crash at.
    #[must_use]
    pub fn changes(&self) -> u64 {
        Operation::ALL.into_iter().filter(|operation| operation.is_change()).map(|one| self.calls(one)).sum()
    }

    /// A hash of all calls, what was written by them and whether they went well: equal for equal runs.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.0.lock().trace.value()
    }

    /// As [`SimDisk::trace`], without what was written: equal for runs that differ in nothing but what programs draw at
    /// random, such as identities.
    #[must_use]
    pub fn shape(&self) -> u64 {
        self.0.lock().shape.value()
    }

    /// Puts a file with these bytes on the disk, durably, in the place of what has the name. Met by no fault. The other
    /// names of its directory become durable, too.
    ///
    /// # Errors
    /// `FileNotFound` (no directory), `InvalidPath` (it is a directory, or in a file).
    pub fn install(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.quietly("installation", path, |world| world.install(path, bytes))
    }

    /// Changes bytes of a file behind everybody's back, durably: rot. Regions that exist do not show it.
    ///
    /// # Errors
    /// `FileNotFound`, `InvalidPath`; `FileTooShort` where the file has no such bytes.
    pub fn overwrite(&self, path: &Path, offset: u64, bytes: &[u8]) -> Result<()> {
        self.quietly("overwriting", path, |world| {
            let number = world.names.file(path)?;
            world.inode(number).overwrite(offset, bytes)
        })
    }

    /// What a file would hold if the power went now and nothing unsynced survived; `None` without a durable name.
    #[must_use]
    pub fn durable(&self, path: &Path) -> Option<Vec<u8>> {
        let mut world = self.0.lock();
        let number = world.names.durable_file(path)?;
        Some(world.inode(number).durable.clone())
    }

    /// Something that is no call of the program.
    fn quietly<T>(
        &self,
        what: &str,
        path: &Path,
        act: impl FnOnce(&mut World) -> io::Result<T>,
    ) -> Result<T> {
        act(&mut self.0.lock()).map_err(|error| on_path(what, path, error))
    }

    /// One call that can only fail as a whole.
    fn call<T>(
        &self,
        what: &str,
        call: &Call<'_>,
        act: impl FnOnce(&mut World) -> io::Result<T>,
    ) -> Result<T> {
        let done = self.0.lock().call(call, |world, fault| {
            refuse(fault)?;
            act(world)
        });
        done.map_err(|error| on_path(what, call.path, error))
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").finish_non_exhaustive()
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let (operation, what) = match mode {
            OpenMode::CreateNew => (Operation::Create, "creation"),
            OpenMode::Read | OpenMode::ReadWrite => (Operation::Open, "opening"),
        };
        let opened = self.call(what, &Call::on(operation, path), |world| world.open(path, mode))?;
        Ok(Arc::new(SimFile::new(path, mode, Opening::new(&self.0, opened))))
    }

    fn create_directory(&self, path: &Path) -> Result<()> {
        self.call("creation of the directory", &Call::on(Operation::Create, path), |world| {
            let order = world.next_order();
            world.names.link(path, Node::Directory, order)
        })
    }

    fn list(&self, directory: &Path) -> Result<Vec<Entry>> {
        self.call("listing", &Call::on(Operation::Look, directory), |world| world.names.list(directory))
    }

    fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        self.call("look-up", &Call::on(Operation::Look, path), |world| Ok(world.metadata(path)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let what = format!("renaming to {}", to.display());
        let data = to.as_os_str().as_encoded_bytes();
        self.call(&what, &Call { data, ..Call::on(Operation::Rename, from) }, |world| {
            let order = world.next_order();
            world.names.rename(from, to, order)
        })
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.call("removal", &Call::on(Operation::Remove, path), |world| {
            let order = world.next_order();
            world.names.remove(path, order)
        })
    }

    fn sync_directory(&self, directory: &Path) -> Result<()> {
        let call = Call::on(Operation::SyncDirectory, directory);
        let done = self.0.lock().call(&call, |world, what| world.sync_directory(directory, what));
        done.map_err(|error| on_path("sync of the directory", directory, error))
    }

    fn free_space(&self, path: &Path) -> Result<u64> {
        self.call("look-up of the free space", &Call::on(Operation::Look, path), |world| {
            world.names.node(path)?;
            Ok(world.free())
        })
    }
}
