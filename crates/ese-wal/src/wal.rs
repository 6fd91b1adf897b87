//! The log as the engine sees it.

use crate::{
    epoch::Old,
    folder::Folder,
    options::WalOptions,
    reader::{
        chain::Chain,
        replay::{Found, replay},
    },
    shared::{Phase, Shared},
};
use ese_base::{Error, ErrorKind, Position, Result, sync::Mutex};
use ese_core::{Log, LogPoint, LogStats};
use ese_io::{Disk, EntryKind, OpenMode};
use std::{fmt, path::Path, sync::Arc};

/// What a log is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// Replay only; nothing on the disk is created or changed. What is in doubt is replayed, too: a power cut may still
    /// take back a commit that a reader of this kind has seen, if nobody opens the log for writing before.
    Read,
    /// Replay, and then commits.
    ReadWrite,
}

/// A log in a folder of its own.
///
/// Locks are its owner's affair: two logs open for writing in one folder destroy each other's work.
///
/// ```
/// # #[cfg(unix)] fn main() -> ese_base::Result<()> {
/// use ese_base::Position;
/// use ese_core::Log;
/// use ese_io::NativeDisk;
/// use ese_wal::{Access, Wal, WalOptions};
/// use std::sync::Arc;
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path().join("log");
/// let disk = Arc::new(NativeDisk::new());
/// let wal = Wal::create(disk.clone(), &folder, WalOptions::default())?;
/// wal.replay(Position::FIRST, &mut |_, _| unreachable!("it is new"))?;
/// let at = wal.begin_epoch()?.at;
/// wal.room(5)?;
/// wal.append(at, b"frame".as_slice().into());
/// wal.flush(at)?; // durable from here on
/// drop(wal); // a crash is no more than this
///
/// let wal = Wal::open(disk, &folder, WalOptions::default(), Access::ReadWrite)?;
/// let mut found = Vec::new();
/// wal.replay(Position::FIRST, &mut |at, frame| Ok(found.push((at, frame.to_vec()))))?;
/// assert_eq!(found, [(at, b"frame".to_vec())]);
/// # Ok(()) }
/// # #[cfg(not(unix))] fn main() {}
/// ```
pub struct Wal {
    shared: Shared,
    access: Access,
    identity: u128,
    /// Where it can be replayed from, as it was opened.
    first: Position,
    before: Mutex<Before>,
}

/// What a log is until its epoch begins.
enum Before {
    /// It is being made.
    New,
    /// It was opened, and perhaps replayed.
    Opened(Box<Chain>, Option<Box<Found>>),
    /// Its epoch was begun.
    Over,
}

impl Wal {
    /// Begins a new log in `folder`, which is created where it does not exist. Nothing of it is there before its epoch
    /// has begun.
    ///
    /// # Errors
    /// `FileExists` when there is a log already; `InvalidSettings`; what the disk reports.
    pub fn create(disk: Arc<dyn Disk>, folder: &Path, options: WalOptions) -> Result<Wal> {
        options.validate()?;
        if disk.metadata(folder)?.is_none() {
            disk.create_directory(folder)?;
        }
        // Also when it was there: who made it may have been killed before this.
        if let Some(parent) = folder.parent() {
            disk.sync_directory(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
        }
        let folder = Folder::new(disk, folder);
        if let Some(number) = folder.list()?.segments.first() {
            let what = format!("{}: there is a log already", folder.segment_path(*number).display());
            return Err(Error::new(ErrorKind::FileExists, what));
        }
        let (identity, before) = (crate::chance::draw_wide(), Mutex::new(Before::New));
        let shared = Shared::new(folder, options);
        Ok(Wal { shared, access: Access::ReadWrite, identity, first: Position::FIRST, before })
    }

    /// Opens a log that exists: reads and checks the header of every segment, and finds the epoch that counts.
    ///
    /// # Errors
    /// `LogGap` when there is no segment; `LogCorrupted`, `LogForeign` and `LogVersion` for segments that are not what
    /// they should be; `InvalidSettings`; what the disk reports.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path, options: WalOptions, access: Access) -> Result<Wal> {
        options.validate()?;
        let folder = Folder::new(disk, folder);
        let mode = match access {
            Access::Read => OpenMode::Read,
            Access::ReadWrite => OpenMode::ReadWrite,
        };
        let chain = Chain::open(&folder, &folder.list()?.segments, mode)?;
        let (identity, first) = (chain.identity, chain.first());
        let before = Mutex::new(Before::Opened(Box::new(chain), None));
        Ok(Wal { shared: Shared::new(folder, options), access, identity, first, before })
    }

    /// Whether there is a log in `folder`: one segment at least.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn exists(disk: &Arc<dyn Disk>, folder: &Path) -> Result<bool> {
        match disk.metadata(folder)? {
            Some(metadata) if metadata.kind == EntryKind::Directory => {
                Ok(!Folder::new(Arc::clone(disk), folder).list()?.segments.is_empty())
            }
            _ => Ok(false),
        }
    }

    /// What the log was opened with.
    #[must_use]
    pub fn options(&self) -> WalOptions {
        self.shared.options
    }
}

impl Log for Wal {
    fn room(&self, bytes: u64) -> Result<()> {
        self.shared.make_room(bytes)
    }

    fn give_back(&self, bytes: u64) {
        self.shared.give_room_back(bytes);
    }

    fn append(&self, at: Position, frame: Box<[u8]>) {
        self.shared.append_frame(at, frame);
    }

    fn durable(&self) -> Position {
        self.shared.durable()
    }

    fn flush(&self, up_to: Position) -> Result<Position> {
        self.shared.flush_to(up_to)
    }

    fn settle(&self, below: Position) -> Result<LogPoint> {
        self.shared.settle_below(below)
    }

    fn identity(&self) -> u128 {
        self.identity
    }

    fn first(&self) -> Position {
        self.first
    }

    fn replay(
        &self,
        from: Position,
        frame: &mut dyn FnMut(Position, &[u8]) -> Result<()>,
    ) -> Result<LogPoint> {
        match &mut *self.before.lock() {
            Before::New if from <= Position::FIRST => {
                Ok(LogPoint { log: self.identity, epoch: 0, at: Position::FIRST })
            }
            Before::New => {
                let folder = self.shared.folder.path.display();
                let what = format!("{folder}: the log is new, but is needed from position {from} on");
                Err(Error::new(ErrorKind::LogGap, what))
            }
            Before::Opened(chain, found) => {
                let read = replay(chain, &self.shared.folder, from, frame)?;
                let point = LogPoint { log: self.identity, epoch: chain.epoch(), at: read.next };
                *found = Some(Box::new(read));
                Ok(point)
            }
            Before::Over => {
                Err(Error::new(ErrorKind::InvalidParameter, "the log's epoch has begun: it is read no more"))
            }
        }
    }

    fn begin_epoch(&self) -> Result<LogPoint> {
        let refused = |what: &str| Err(Error::new(ErrorKind::InvalidParameter, what));
        if self.access == Access::Read {
            return refused("the log was opened for reads");
        }
        let mut before = self.before.lock();
        let old = match std::mem::replace(&mut *before, Before::Over) {
            Before::New => Old::Nothing(self.identity),
            Before::Opened(chain, Some(found)) => Old::Log(chain, found),
            Before::Opened(chain, None) => {
                *before = Before::Opened(chain, None);
                return refused("the log has not been replayed");
            }
            Before::Over => return refused("the log's epoch has begun already"),
        };
        self.shared.begin(old).inspect_err(|error| self.shared.fail(error))
    }

    fn recycle(&self, below: Position) -> Result<()> {
        self.shared.recycle_below(below)
    }

    fn prepare(&self) -> Result<bool> {
        self.shared.prepare_step()
    }

    fn close(&self, next: Position) -> Result<()> {
        self.shared.close_at(next)
    }

    fn stats(&self) -> LogStats {
        self.shared.tally.stats()
    }
}

impl fmt::Debug for Wal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        f.debug_struct("Wal")
            .field("folder", &self.shared.folder.path)
            .field("is_running", &(state.phase == Phase::Running))
            .field("segments", &state.live.len())
            .field("spares", &state.spares.len())
            .field("durable", &self.shared.durable())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::options::SPARES_RESERVED;
    use ese_io::NativeDisk;

    /// Frames that were promised room, written in batches of any cut, never reach into the reserved segments, and never
    /// wait for one to be made in the middle of a write.
    #[test]
    fn what_was_promised_fits_however_it_is_cut() {
        for block_bytes in [512, 4096] {
            let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
            let mut options = WalOptions { block_bytes, buffer_bytes: 20_000, ..WalOptions::default() };
            (options.segment_min_bytes, options.segment_max_bytes) = (16 << 10, 64 << 10);
            options.log_max_bytes = 64 << 20;
            let wal = Wal::create(Arc::new(NativeDisk::new()), &folder.path().join("log"), options).unwrap();
            wal.replay(Position::FIRST, &mut |_, _| Ok(())).unwrap();
            let mut next = wal.begin_epoch().unwrap().at;
            while wal.prepare().unwrap() {}
            let (mut promised, mut number) = (Vec::new(), 7_u64);
            let mut below = |end: u64| {
                number =
                    number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (number >> 33) % end
            };
            for _ in 0..3000 {
                let longest = [1, 100, 600, 5000, 60_000][usize::try_from(below(5)).unwrap()];
                let length = below(longest);
                match below(8) {
                    0..=3 if promised.len() < 3 => {
                        wal.room(length).unwrap();
                        promised.push(length);
                    }
                    0..=5 => {
                        for length in promised.drain(..) {
                            wal.append(next, vec![1; usize::try_from(length).unwrap()].into_boxed_slice());
                            next = next.next();
                        }
                    }
                    6 => drop(wal.flush(Position(next.0 - 1)).unwrap()),
                    _ => promised.drain(..).for_each(|length| wal.give_back(length)),
                }
                assert!(wal.shared.state.lock().spares.len() >= SPARES_RESERVED);
            }
            promised.drain(..).for_each(|length| wal.give_back(length));
            wal.flush(Position(next.0 - 1)).unwrap();
            wal.recycle(next).unwrap();
            let state = wal.shared.state.lock();
            assert_eq!(state.promised, crate::space::Promised::default());
            assert!(state.pending.is_empty() && state.live.len() == 1);
        }
    }
}
