//! The same calls on the operating system's disk and on the simulated one: call by call the same answers.
//!
//! Histories are random, of few names and few handles, so that errors and odd cases are many. No crash, no fault, no full
//! disk. Compared are values and kinds of errors; and at the end, when all is synced, what a power cut leaves.

use super::regions::shows;
use ese_base::{ErrorKind, Result};
use ese_io::{Disk, DiskFile, EntryKind, LockMode, NativeDisk, OpenMode, Region};
use ese_sim::{
    disk::{Profile, SimDisk},
    seed::Dice,
};
use std::{
    fmt::Debug,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Histories, and calls in each. A sync of the operating system's disk takes its time: few calls are syncs.
const HISTORIES: u64 = 80;
const CALLS: u64 = 250;

/// Names below the root: some are made as files, some as directories, as it comes.
const NAMES: [&str; 9] = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "a/x", "z/x"];

/// Offsets that meet each other, sectors and the ends of the type.
const OFFSETS: [u64; 8] = [0, 1, 500, 512, 4095, 4096, 9000, u64::MAX];

const MODES: [OpenMode; 3] = [OpenMode::Read, OpenMode::ReadWrite, OpenMode::CreateNew];

/// One opening on both disks.
struct Both {
    native: Arc<dyn DiskFile>,
    simulated: Arc<dyn DiskFile>,
}

/// One region on both disks.
struct BothRegions {
    native: Region,
    simulated: Region,
    file: ese_io::FileId,
    end: u64,
}

struct History {
    native: NativeDisk,
    simulated: SimDisk,
    native_root: PathBuf,
    dice: Dice,
    files: Vec<Both>,
    regions: Vec<BothRegions>,
    what: String,
    seed: u64,
    agreed: u64,
    errors: u64,
}

impl History {
    /// Both answers are the same.
    fn compare<N, S, V: PartialEq + Debug>(
        &mut self,
        native: Result<N>,
        simulated: Result<S>,
        value_n: impl Fn(&N) -> V,
        value_s: impl Fn(&S) -> V,
    ) -> Option<(N, S)> {
        let kind = |error: &ese_base::Error| error.kind();
        let one: std::result::Result<V, ErrorKind> = native.as_ref().map(value_n).map_err(kind);
        let two: std::result::Result<V, ErrorKind> = simulated.as_ref().map(value_s).map_err(kind);
        let what = &self.what;
        assert_eq!(one, two, "seed {}: {what}: native {:?}, simulated {:?}", self.seed, native.err(), {
            simulated.err()
        });
        self.agreed += 1;
        match (native, simulated) {
            (Ok(native), Ok(simulated)) => Some((native, simulated)),
            _ => {
                self.errors += 1;
                None
            }
        }
    }

    fn same<V: PartialEq + Debug>(&mut self, native: Result<V>, simulated: Result<V>) {
        let kind = |error: &ese_base::Error| error.kind();
        let (one, two) = (native.as_ref().map_err(kind), simulated.as_ref().map_err(kind));
        assert_eq!(one, two, "seed {}: {}", self.seed, self.what);
        self.agreed += 1;
        self.errors += u64::from(native.is_err());
    }

    fn paths(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.native_root.join(name), Path::new("/").join(name))
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..30 => self.name_call(),
            30..96 => self.file_call(),
            96..98 => {
                self.what = "sync of the directory".to_owned();
                let name = self.dice.pick(&["", "d", "a", "z"]);
                let (one, two) = self.paths(name);
                self.same(self.native.sync_directory(&one), self.simulated.sync_directory(&two));
            }
            _ => self.look_everywhere(),
        }
    }

    fn name_call(&mut self) {
        let name = self.dice.pick(&NAMES);
        let (one, two) = self.paths(name);
        match self.dice.below(10) {
            0..4 => self.open(name),
            4 | 5 => {
                self.what = format!("creation of the directory {name}");
                self.same(self.native.create_directory(&one), self.simulated.create_directory(&two));
            }
            6 | 7 => {
                let to = self.dice.pick(&NAMES);
                let is_directory = |name: &str| {
                    let there = self.simulated.metadata(&self.paths(name).1).expect("it can be looked up");
                    there.is_some_and(|there| there.kind == EntryKind::Directory)
                };
                // Directories are not renamed, by what the call is for.
                if !is_directory(name) {
                    self.what = format!("renaming {name} to {to}");
                    let (to_one, to_two) = self.paths(to);
                    self.same(self.native.rename(&one, &to_one), self.simulated.rename(&two, &to_two));
                }
            }
            8 => {
                self.what = format!("removal of {name}");
                self.same(self.native.remove(&one), self.simulated.remove(&two));
            }
            _ => {
                self.what = format!("listing of {name}");
                self.same(self.native.list(&one), self.simulated.list(&two));
                let space = (self.native.free_space(&one), self.simulated.free_space(&two));
                self.same(space.0.map(|free| free > 0), space.1.map(|free| free > 0));
            }
        }
    }

    fn open(&mut self, name: &str) {
        let mode = self.dice.pick(&MODES);
        self.what = format!("{mode:?} of {name}");
        let (one, two) = self.paths(name);
        let (native, simulated) = (self.native.open(&one, mode), self.simulated.open(&two, mode));
        let opened = self.compare(native, simulated, |_| (), |_| ());
        let Some((native, simulated)) = opened else { return };
        for there in &self.files {
            assert_eq!(there.native.id() == native.id(), there.simulated.id() == simulated.id());
        }
        if self.files.len() == 6 {
            let old = self.dice.index(self.files.len());
            self.files.swap_remove(old);
        }
        self.files.push(Both { native, simulated });
    }

    fn file_call(&mut self) {
        if self.files.is_empty() {
            return;
        }
        let index = self.dice.index(self.files.len());
        let (native, simulated) =
            (Arc::clone(&self.files[index].native), Arc::clone(&self.files[index].simulated));
        let (offset, len) = (self.dice.pick(&OFFSETS), self.dice.pick(&[0, 1, 12, 512, 600, 4096, 5000]));
        self.what = format!("call on {} at {offset} for {len}", simulated.path().display());
        match self.dice.below(20) {
            0..6 => {
                let bytes: Vec<u8> = (0..len).map(|_| self.dice.next().to_le_bytes()[0]).collect();
                self.same(native.write_all_at(&bytes, offset), simulated.write_all_at(&bytes, offset));
            }
            6..10 => {
                let (mut one, mut two) = (vec![7; len], vec![7; len]);
                self.same(native.read_at(&mut one, offset), simulated.read_at(&mut two, offset));
                assert_eq!(one, two, "seed {}: {}", self.seed, self.what);
                self.same(native.read_exact_at(&mut one, offset), simulated.read_exact_at(&mut two, offset));
            }
            10 | 11 => {
                let len = self.dice.below(20_000);
                self.same(native.allocate(len), simulated.allocate(len));
            }
            12 => {
                let len = self.dice.below(12_000);
                let file = native.id();
                // Behind the end of its file a region of the operating system may not be touched.
                self.regions.retain(|region| region.file != file || region.end <= len);
                self.same(native.truncate(len), simulated.truncate(len));
            }
            13 | 14 => self.map(&native, &simulated),
            15 => {
                let mode = self.dice.pick(&[LockMode::Shared, LockMode::Exclusive]);
                self.what = format!("{mode:?} lock on {}", simulated.path().display());
                self.same(native.lock(mode), simulated.lock(mode));
            }
            16 => {
                self.files.swap_remove(index);
            }
            17 if self.dice.percent(30) => self.same(native.sync_data(), simulated.sync_data()),
            _ => {
                self.same(native.len(), simulated.len());
                self.same(native.is_empty(), simulated.is_empty());
            }
        }
    }

    fn map(&mut self, native: &Arc<dyn DiskFile>, simulated: &Arc<dyn DiskFile>) {
        let (start, end) = (self.dice.below(9000), self.dice.below(9000));
        self.what = format!("map of {start}..{end} of {}", simulated.path().display());
        let mapped =
            self.compare(native.map(start..end), simulated.map(start..end), Region::len, Region::len);
        let Some((one, two)) = mapped else { return };
        if self.regions.len() == 4 {
            let old = self.dice.index(self.regions.len());
            self.regions.swap_remove(old);
        }
        self.regions.push(BothRegions { native: one, simulated: two, file: native.id(), end });
    }

    /// Names, lengths and regions are the same.
    fn look_everywhere(&mut self) {
        for name in ["", "d", "d/e"] {
            let (one, two) = self.paths(name);
            self.same(self.native.list(&one), self.simulated.list(&two));
        }
        for name in NAMES {
            self.what = format!("look-up of {name}");
            let (one, two) = self.paths(name);
            // What the length of a directory is, nobody asks.
            let value = |found: Option<ese_io::Metadata>| {
                found.map(|found| (found.kind, (found.kind == EntryKind::File).then_some(found.len)))
            };
            self.same(self.native.metadata(&one).map(value), self.simulated.metadata(&two).map(value));
        }
        for region in &self.regions {
            let file = region.file;
            assert!(shows(&region.native) == shows(&region.simulated), "seed {}: {file:?}", self.seed);
        }
    }
}

/// Everything is synced, then the power goes: nothing is lost.
fn lose_power(history: &History) {
    let disk = &history.simulated;
    disk.sync_directory(Path::new("/")).expect("it can be synced");
    for name in NAMES {
        // Some are directories, some are files, some are not there.
        drop(disk.sync_directory(&Path::new("/").join(name)));
        if let Ok(file) = disk.open(&Path::new("/").join(name), OpenMode::Read) {
            file.sync_data().expect("it can be synced");
        }
    }
    let after = disk.fork(history.seed);
    after.reboot();
    for name in NAMES {
        let native =
            history.native.open(&history.native_root.join(name), OpenMode::Read).map(|file| bytes(&*file));
        let lost = after.open(&Path::new("/").join(name), OpenMode::Read).map(|file| bytes(&*file));
        let (native, lost) = (native.map_err(|error| error.kind()), lost.map_err(|error| error.kind()));
        assert!(native == lost, "seed {}: {name} after a power cut", history.seed);
    }
}

fn bytes(file: &dyn DiskFile) -> Vec<u8> {
    let len = usize::try_from(file.len().expect("it has a length")).expect("it is short");
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0).expect("it can be read");
    bytes
}

fn run(seed: u64) -> (u64, u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut history = History {
        native: NativeDisk::new(),
        simulated: SimDisk::new(seed, Profile::ANY_ORDER),
        native_root: folder.path().to_owned(),
        dice: Dice::new(seed),
        files: Vec::new(),
        regions: Vec::new(),
        what: String::new(),
        seed,
        agreed: 0,
        errors: 0,
    };
    for _ in 0..CALLS {
        history.step();
    }
    history.look_everywhere();
    lose_power(&history);
    (history.agreed, history.errors)
}

#[test]
fn both_disks_give_the_same_answers() {
    let (mut agreed, mut errors) = (0, 0);
    for seed in 0..HISTORIES {
        let (more, failed) = run(seed);
        (agreed, errors) = (agreed + more, errors + failed);
    }
    // Neither all calls nor none of them fail, else little is compared.
    assert!(
        agreed > HISTORIES * CALLS / 2 && errors * 20 > agreed && errors * 2 < agreed,
        "{errors}/{agreed}"
    );
}
