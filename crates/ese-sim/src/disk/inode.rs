//! One file: what programs see, what a power cut leaves, and what is between the two.
//!
//! Invariant: `durable` with all of `pending` applied in order is as long as `cache`, and has its bytes unless a fault came
//! between them.

use super::{
    image::Image,
    profile::{Fates, Part, Profile, Sector, Torn},
};
use crate::seed::Dice;
use ese_io::LockMode;
use std::{cmp::Ordering, io, sync::Weak};

/// What a region shows behind the end of its file: where the operating system would kill who looks.
const CUT_OFF: u8 = 0xdb;

/// What was done to a file and may not be on the disk yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// Bytes at an offset; `Growth::ToEnd` where the file became longer by them.
    Write { offset: u64, bytes: Vec<u8>, growth: Growth },
    /// At least this long.
    Grow(u64),
    /// At most this long.
    Cut(u64),
}

/// Whether a write makes its file longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Growth {
    None,
    ToEnd,
}

/// A file.
#[derive(Clone, Default)]
pub(super) struct Inode {
    pub(super) cache: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Changes since the last sync, with their place in the order of all changes on the disk.
    pub(super) pending: Vec<(u64, Change)>,
    /// The next sync tells of an earlier failure.
    pub(super) is_late: bool,
    images: Vec<Weak<Image>>,
    /// Openings that hold a lock.
    locks: Vec<(u64, LockMode)>,
}

impl Inode {
    /// A file that was synced.
    pub(super) fn durable(bytes: &[u8]) -> Self {
        Inode { cache: bytes.to_vec(), durable: bytes.to_vec(), ..Inode::default() }
    }

    /// Writes into the cache, and notes it for the disk.
    pub(super) fn write(&mut self, order: u64, offset: u64, bytes: &[u8]) {
        let growth =
            if offset + wide(bytes.len()) > wide(self.cache.len()) { Growth::ToEnd } else { Growth::None };
        self.show(narrow(offset), bytes);
        self.pending.push((order, Change::Write { offset, bytes: bytes.to_vec(), growth }));
    }

    /// Writes into the cache; the disk gets nothing of it but the length, and the bytes only at `elsewhere`.
    pub(super) fn write_astray(&mut self, order: u64, offset: u64, bytes: &[u8], elsewhere: Option<u64>) {
        self.show(narrow(offset), bytes);
        self.pending.push((order, Change::Grow(wide(self.cache.len()))));
        if let Some(offset) = elsewhere {
            let change = Change::Write { offset, bytes: bytes.to_vec(), growth: Growth::None };
            self.pending.push((order, change));
        }
    }

    /// Makes the file longer or shorter, and notes it for the disk.
    pub(super) fn resize(&mut self, order: u64, len: u64) {
        let change = if len < wide(self.cache.len()) { Change::Cut(len) } else { Change::Grow(len) };
        self.set_len(narrow(len));
        self.pending.push((order, change));
    }

    fn show(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.cache.len() < end {
            self.set_len(end);
        }
        self.cache[offset..end].copy_from_slice(bytes);
        self.refresh(offset, bytes);
    }

    fn set_len(&mut self, len: usize) {
        let old = self.cache.len();
        self.cache.resize(len, 0);
        if !self.images.is_empty() && old != len {
            let (first, last) = (old.min(len), old.max(len));
            let fill = if len < old { CUT_OFF } else { 0 };
            self.refresh(first, &vec![fill; last - first]);
        }
    }

    /// Shows bytes in the regions of the file.
    fn refresh(&mut self, offset: usize, bytes: &[u8]) {
        self.images.retain(|image| match image.upgrade() {
            Some(image) => {
                image.refresh(wide(offset), bytes);
                true
            }
            None => false,
        });
    }

    /// Later writes are to reach an image.
    pub(super) fn add_image(&mut self, image: Weak<Image>) {
        self.images.push(image);
    }

    /// The process that had the file open is gone: no lock is left, and its regions, if anybody still holds them, stay
    /// as they are.
    pub(super) fn forget_openings(&mut self) {
        self.images.clear();
        self.locks.clear();
    }

    /// What is seen is what is on the disk. Regions are left alone: their readers may hold slices, and did not write.
    pub(super) fn revert(&mut self) {
        self.pending.clear();
        self.cache.clone_from(&self.durable);
    }

    /// All changes reach the disk.
    pub(super) fn sync(&mut self) {
        for (_, change) in std::mem::take(&mut self.pending) {
            self.reach(&change);
        }
        assert_eq!(self.durable.len(), self.cache.len(), "a synced file has the length that is seen");
    }

    /// A sync that fails: the changes meet their fates, as in a power cut, and none waits for a later sync. Only the length
    /// does: it is kept beside the bytes, and what is written from then on is to be found within it.
    pub(super) fn lose(&mut self, profile: &Profile, dice: &Dice) {
        let pending = std::mem::take(&mut self.pending);
        let mut fates = Fates::new(profile.survival, pending.len(), dice);
        for (_, change) in &pending {
            if let Some(part) = fates.next() {
                self.reach_in_part(change, part, profile, dice);
            }
        }
        if let Some((order, _)) = pending.last() {
            let len = wide(self.cache.len());
            match self.durable.len().cmp(&self.cache.len()) {
                Ordering::Less => self.pending.push((*order, Change::Grow(len))),
                Ordering::Equal => {}
                Ordering::Greater => self.pending.push((*order, Change::Cut(len))),
            }
        }
    }

    /// A change reaches the disk.
    fn reach(&mut self, change: &Change) {
        match change {
            Change::Write { offset, bytes, growth } => {
                if *growth == Growth::ToEnd {
                    self.grow(offset + wide(bytes.len()));
                }
                self.land(*offset, bytes);
            }
            Change::Grow(len) => self.grow(*len),
            Change::Cut(len) => self.durable.truncate(narrow(*len)),
        }
    }

    /// A part of a change reaches the disk. A cut does so or does not.
    pub(super) fn reach_in_part(&mut self, change: &Change, part: Part, profile: &Profile, dice: &Dice) {
        match (change, part) {
            (change, Part::Whole) => self.reach(change),
            (Change::Write { offset, bytes, growth }, part) => {
                self.write_in_part(*offset, bytes, *growth, part, profile, dice);
            }
            (Change::Grow(len), Part::Front) => {
                let present = wide(self.durable.len());
                self.grow(dice.between(present, present.max(*len)));
            }
            (Change::Grow(_) | Change::Cut(_), _) => {
                if dice.below(2) == 0 {
                    self.reach(change);
                }
            }
        }
    }

    fn write_in_part(
        &mut self,
        offset: u64,
        bytes: &[u8],
        growth: Growth,
        part: Part,
        profile: &Profile,
        dice: &Dice,
    ) {
        let pieces = sectors(offset, bytes, profile.sector.bytes());
        if part == Part::Sectors && growth == Growth::ToEnd && dice.below(2) == 0 {
            self.grow(offset + wide(bytes.len()));
        }
        let front = dice.index(pieces.len() + 1);
        for (index, (at, piece)) in pieces.iter().enumerate() {
            if part == Part::Front && index < front {
                if growth == Growth::ToEnd {
                    self.grow(at + wide(piece.len()));
                }
                self.land(*at, piece);
            } else if part == Part::Sectors && dice.below(2) == 0 {
                self.land(*at, piece);
            }
        }
        if profile.torn == Torn::Anything && dice.below(2) == 0 && !pieces.is_empty() {
            let (at, _) = dice.pick(&pieces);
            self.spoil(at, profile.sector, dice);
        }
    }

    /// Spoils the sector around a place, with all that stood there before.
    fn spoil(&mut self, at: u64, sector: Sector, dice: &Dice) {
        let first = at - at % wide(sector.bytes());
        let mut bytes = vec![0; sector.bytes()];
        if dice.below(2) == 0 {
            bytes.fill_with(|| dice.next().to_le_bytes()[0]);
        }
        self.land(first, &bytes);
    }

    fn grow(&mut self, len: u64) {
        let len = self.durable.len().max(narrow(len));
        self.durable.resize(len, 0);
    }

    /// Bytes reach the disk, as far as the file reaches there.
    fn land(&mut self, offset: u64, bytes: &[u8]) {
        overlay(&mut self.durable, offset, bytes);
    }

    /// Changes bytes in the cache and on the disk, and tells no region.
    pub(super) fn overwrite(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(wide(bytes.len())).filter(|end| *end <= wide(self.cache.len()));
        if end.is_none() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        overlay(&mut self.cache, offset, bytes);
        overlay(&mut self.durable, offset, bytes);
        Ok(())
    }

    /// Locks the file for an opening, if nobody else's lock forbids it. What the opening had is gone either way.
    pub(super) fn lock(&mut self, opening: u64, mode: LockMode) -> bool {
        self.unlock(opening);
        let is_free =
            self.locks.iter().all(|(_, held)| mode == LockMode::Shared && *held == LockMode::Shared);
        if is_free {
            self.locks.push((opening, mode));
        }
        is_free
    }

    /// An opening ends.
    pub(super) fn unlock(&mut self, opening: u64) {
        self.locks.retain(|(holder, _)| *holder != opening);
    }
}

/// Puts bytes over those of a file, as far as it reaches.
fn overlay(file: &mut [u8], offset: u64, bytes: &[u8]) {
    let Some(place) = usize::try_from(offset).ok().and_then(|at| file.get_mut(at..)) else { return };
    let len = place.len().min(bytes.len());
    place[..len].copy_from_slice(&bytes[..len]);
}

/// The pieces of a write that lie in different sectors.
pub(super) fn sectors(offset: u64, mut bytes: &[u8], sector: usize) -> Vec<(u64, &[u8])> {
    let (mut at, mut pieces) = (offset, Vec::new());
    while !bytes.is_empty() {
        let rest = sector - narrow(at % wide(sector));
        let (piece, more) = bytes.split_at(rest.min(bytes.len()));
        pieces.push((at, piece));
        (at, bytes) = (at + wide(piece.len()), more);
    }
    pieces
}

/// A length in memory as one in a file.
pub(super) fn wide(len: usize) -> u64 {
    u64::try_from(len).expect("a length in memory fits 64 bits")
}

/// A place in a file that is in memory.
pub(super) fn narrow(len: u64) -> usize {
    usize::try_from(len).expect("the file is in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_split_where_sectors_are() {
        let lens = |offset, len| -> Vec<(u64, usize)> {
            sectors(offset, &vec![0; len], 512).into_iter().map(|(at, piece)| (at, piece.len())).collect()
        };
        assert_eq!(lens(0, 1024), [(0, 512), (512, 512)]);
        assert_eq!(lens(500, 600), [(500, 12), (512, 512), (1024, 76)]);
        assert_eq!(lens(7, 0), []);
    }
}
