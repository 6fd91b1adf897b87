//! An open file of a simulated disk.

use super::{
    fault::{Operation, What, broken, refuse},
    image::Image,
    inode::{narrow, sectors, wide},
    opening::{Opened, Opening},
    profile::Survival,
    world::{Call, World},
};
use crate::seed::Dice;
use ese_base::{Error, ErrorKind, Result};
use ese_io::{
    DiskFile, FileId, LockMode, OpenMode, Region,
    failure::{on_bytes, on_path},
};
use std::{
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The last place of a file that can be named.
const END_MAX: u64 = i64::MAX.cast_unsigned();

/// What a failed growth of a file may have grown it by.
const GROWTH_ON_FAILURE_MAX: u64 = 1 << 16;

/// An open file.
pub(super) struct SimFile {
    path: PathBuf,
    mode: OpenMode,
    opening: Arc<Opening>,
}

impl SimFile {
    pub(super) fn new(path: &Path, mode: OpenMode, opening: Opening) -> Self {
        SimFile { path: path.to_owned(), mode, opening: Arc::new(opening) }
    }

    /// One call: refused to the dead, counted, and given what the faults say of it.
    fn call<T>(
        &self,
        operation: Operation,
        range: Range<u64>,
        data: &[u8],
        act: impl FnOnce(&mut World, Opened, Option<What>) -> io::Result<T>,
    ) -> io::Result<T> {
        let len = range.end.saturating_sub(range.start);
        let call = Call { operation, path: &self.path, offset: range.start, len, data };
        self.opening.on_disk(|world, opened| world.call(&call, |world, what| act(world, opened, what)))
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.mode.is_writable() { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    fn range_error(&self, kind: ErrorKind, range: &Range<u64>, what: &str) -> Error {
        Error::new(kind, format!("map of {range:?} of {}: {what}", self.path.display()))
    }
}

/// The range of `len` bytes from `offset` on, if a file can have it.
fn range(offset: u64, len: usize) -> io::Result<Range<u64>> {
    let end = offset.checked_add(wide(len)).filter(|end| *end <= END_MAX);
    Ok(offset..end.ok_or(io::ErrorKind::InvalidInput)?)
}

/// Writes into the cache, and notes for the disk what the faults leave of it.
fn write(
    world: &mut World,
    inode: usize,
    bytes: &[u8],
    at: Range<u64>,
    what: Option<What>,
) -> io::Result<()> {
    let present = wide(world.inode(inode).cache.len());
    let (order, free) = (world.next_order(), world.free());
    if at.end.saturating_sub(present) > free {
        // The disk is full: what still fits may be there.
        let end = present + world.dice.between(0, free);
        let fits = narrow(end.saturating_sub(at.start)).min(bytes.len());
        write_if_any(world, inode, order, at.start, &bytes[..fits]);
        return Err(io::ErrorKind::StorageFull.into());
    }
    match what {
        None => world.inode(inode).write(order, at.start, bytes),
        Some(What::Phantom) => world.inode(inode).write_astray(order, at.start, bytes, None),
        Some(What::Misdirect(by)) => {
            let elsewhere = at.start.saturating_add(by);
            world.inode(inode).write_astray(order, at.start, bytes, Some(elsewhere));
        }
        Some(What::Short) => {
            let sectors = sectors(at.start, bytes, world.profile.sector.bytes());
            let front: usize =
                sectors[..world.dice.index(sectors.len())].iter().map(|(_, piece)| piece.len()).sum();
            write_if_any(world, inode, order, at.start, &bytes[..front]);
            return Err(broken());
        }
        what => return refuse(what),
    }
    Ok(())
}

/// No bytes make no file longer.
fn write_if_any(world: &mut World, inode: usize, order: u64, offset: u64, bytes: &[u8]) {
    if !bytes.is_empty() {
        world.inode(inode).write(order, offset, bytes);
    }
}

fn grow(world: &mut World, inode: usize, present: u64, len: u64) -> io::Result<()> {
    let (missing, free) = (len - present, world.free());
    let is_full = missing > free;
    // How much of a growth that fails is done, nobody promises.
    let growth = if is_full { world.dice.between(0, free.min(GROWTH_ON_FAILURE_MAX)) } else { missing };
    if growth > 0 {
        let order = world.next_order();
        world.inode(inode).resize(order, present + growth);
    }
    if is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

fn sync(world: &mut World, inode: usize, what: Option<What>) -> io::Result<()> {
    if what == Some(What::Ignore) {
        return Ok(());
    }
    let is_late = std::mem::take(&mut world.inode(inode).is_late);
    if what.is_none() && !is_late {
        if world.profile.survival == Survival::InOrder {
            world.sync_everything();
        }
        world.inode(inode).sync();
        return Ok(());
    }
    let World { inodes, dice, profile, .. } = world;
    let inode = &mut inodes[inode];
    inode.lose(profile, dice);
    match what {
        Some(What::Late) => {
            inode.is_late = true;
            if is_late { Err(broken()) } else { Ok(()) }
        }
        Some(What::Revert) => {
            inode.revert();
            Err(broken())
        }
        None => Err(broken()),
        what => refuse(what),
    }
}

/// The bytes of a file from `offset` on, as many as there are of `len`, as a faulty device reads them.
fn look(file: &[u8], offset: u64, len: usize, what: Option<What>, dice: &Dice) -> io::Result<Vec<u8>> {
    let rest = |offset: u64| usize::try_from(offset).ok().and_then(|at| file.get(at..)).unwrap_or(&[]);
    let there = rest(offset);
    let mut bytes = there[..there.len().min(len)].to_vec();
    match what {
        None => {}
        Some(What::FlipBit | What::ZeroSector) if bytes.is_empty() => {}
        Some(What::FlipBit) => {
            let at = dice.index(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
        }
        Some(What::ZeroSector) => {
            let skew = narrow(offset % 512);
            let sector = dice.index((skew + bytes.len()).div_ceil(512));
            let first = (sector * 512).saturating_sub(skew);
            let last = ((sector + 1) * 512 - skew).min(bytes.len());
            bytes[first..last].fill(0);
        }
        Some(What::Misread(by)) => {
            let elsewhere = rest(offset.saturating_add(by));
            let len = elsewhere.len().min(bytes.len());
            bytes[..len].copy_from_slice(&elsewhere[..len]);
            bytes[len..].fill(0);
        }
        what => refuse(what)?,
    }
    Ok(bytes)
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile").field("path", &self.path).field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl DiskFile for SimFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn id(&self) -> FileId {
        FileId { device: 0, number: wide(self.opening.inode()) }
    }

    fn len(&self) -> Result<u64> {
        self.call(Operation::Look, 0..0, &[], |world, opened, what| {
            refuse(what)?;
            Ok(wide(world.inode(opened.inode).cache.len()))
        })
        .map_err(|error| on_path("look-up of the length", &self.path, error))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let len = buffer.len();
        let read = range(offset, len).and_then(|at| {
            self.call(Operation::Read, at, &[], |world, opened, what| {
                let World { inodes, dice, .. } = world;
                let bytes = look(&inodes[opened.inode].cache, offset, len, what, dice)?;
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            })
        });
        read.map_err(|error| on_bytes("read", &self.path, offset, wide(len), error))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let written = range(offset, bytes.len()).and_then(|at| {
            self.call(Operation::Write, at.clone(), bytes, |world, opened, what| {
                self.check_writable()?;
                write(world, opened.inode, bytes, at, what)
            })
        });
        written.map_err(|error| on_bytes("write", &self.path, offset, wide(bytes.len()), error))
    }

    fn allocate(&self, len: u64) -> Result<()> {
        self.call(Operation::Allocate, 0..len, &[], |world, opened, what| {
            refuse(what)?;
            let present = wide(world.inode(opened.inode).cache.len());
            if len <= present {
                return Ok(());
            }
            self.check_writable()?;
            grow(world, opened.inode, present, len)
        })
        .map_err(|error| on_path(&format!("growth to {len} bytes"), &self.path, error))
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.call(Operation::Truncate, 0..len, &[], |world, opened, what| {
            refuse(what)?;
            if wide(world.inode(opened.inode).cache.len()) <= len {
                return Ok(());
            }
            self.check_writable()?;
            let order = world.next_order();
            world.inode(opened.inode).resize(order, len);
            Ok(())
        })
        .map_err(|error| on_path(&format!("cutting to {len} bytes"), &self.path, error))
    }

    fn sync_data(&self) -> Result<()> {
        self.call(Operation::Sync, 0..0, &[], |world, opened, what| sync(world, opened.inode, what))
            .map_err(|error| on_path("sync", &self.path, error))
    }

    fn map(&self, range: Range<u64>) -> Result<Region> {
        let len = range.end.checked_sub(range.start).filter(|len| isize::try_from(*len).is_ok());
        let Some(len) = len else {
            return Err(self.range_error(ErrorKind::InvalidParameter, &range, "no range"));
        };
        let image = self.call(Operation::Map, range.clone(), &[], |world, opened, what| {
            let World { inodes, dice, .. } = world;
            let inode = &mut inodes[opened.inode];
            if range.end > wide(inode.cache.len()) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let bytes = look(&inode.cache, range.start, narrow(len), what, dice)?;
            let image = Arc::new(Image::new(range.start, bytes));
            inode.add_image(Arc::downgrade(&image));
            Ok(image)
        });
        let image = image.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                self.range_error(ErrorKind::FileTooShort, &range, "the file is shorter")
            }
            _ => on_bytes("map", &self.path, range.start, len, error),
        })?;
        Ok(Image::region(image, Arc::clone(&self.opening)))
    }

    fn lock(&self, mode: LockMode) -> Result<()> {
        let locked = self.call(Operation::Lock, 0..0, &[], |world, opened, what| {
            refuse(what)?;
            Ok(world.inode(opened.inode).lock(opened.number, mode))
        });
        if locked.map_err(|error| on_path("lock", &self.path, error))? {
            return Ok(());
        }
        let what = format!("{mode:?} lock of {}: another instance holds it", self.path.display());
        Err(Error::new(ErrorKind::FileAccessDenied, what))
    }

    fn unlock(&self) -> Result<()> {
        let unlocked = self.call(Operation::Lock, 0..0, &[], |world, opened, what| {
            refuse(what)?;
            world.inode(opened.inode).unlock(opened.number);
            Ok(())
        });
        unlocked.map_err(|error| on_path("unlock", &self.path, error))
    }
}
