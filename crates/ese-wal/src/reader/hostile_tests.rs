//! Files whose checksums are right and whose contents are not: what somebody writes who knows the format. Errors, never a
//! panic, and never more memory than the files have bytes.

use crate::{
    Access, Wal, WalOptions,
    folder::Folder,
    format::{
        part::{PART_HEADER_BYTES, Part},
        segment::{HEADER_BYTES, SegmentHeader},
    },
    segment::Segment,
};
use ese_base::{ErrorKind, Position, Result};
use ese_core::Log;
use ese_io::{Disk, NativeDisk, OpenMode};
use std::{path::Path, sync::Arc};

fn options() -> WalOptions {
    WalOptions {
        block_bytes: 512,
        segment_min_bytes: 2048,
        segment_max_bytes: 2048,
        buffer_bytes: 8192,
        ..WalOptions::default()
    }
}

fn commit(wal: &Wal, at: Position, length: usize) {
    wal.room(length as u64).unwrap();
    wal.append(at, vec![5; length].into_boxed_slice());
    wal.flush(at).unwrap();
}

/// Two epochs, batches in one part and in several.
fn made(disk: &Arc<dyn Disk>, folder: &Path) {
    let wal = Wal::create(Arc::clone(disk), folder, options()).unwrap();
    wal.replay(Position::FIRST, &mut |_, _| Ok(())).unwrap();
    let mut at = wal.begin_epoch().unwrap().at;
    for length in [0, 100, 1500] {
        commit(&wal, at, length);
        at = at.next();
    }
    drop(wal);
    let wal = Wal::open(Arc::clone(disk), folder, options(), Access::ReadWrite).unwrap();
    wal.replay(Position::FIRST, &mut |_, _| Ok(())).unwrap();
    let at = wal.begin_epoch().unwrap().at;
    commit(&wal, at, 30);
    commit(&wal, at.next(), 700);
    wal.settle(Position(at.0 + 2)).unwrap();
}

/// Opens for writing, so that what is in doubt is copied, and commits.
fn use_it(disk: &Arc<dyn Disk>, folder: &Path, from: Position) -> Result<()> {
    let wal = Wal::open(Arc::clone(disk), folder, options(), Access::ReadWrite)?;
    wal.replay(from, &mut |_, _| Ok(()))?;
    let at = wal.begin_epoch()?.at;
    wal.room(900)?;
    wal.append(at, vec![1; 900].into_boxed_slice());
    wal.flush(at)?;
    wal.recycle(at)?;
    wal.close(at.next())
}

/// A few lines of SplitMix64: numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn odd_one(&mut self, near: u64) -> u64 {
        let edges =
            [0, 1, 2, 103, 104, 408, 511, 512, 1 << 30, 1 << 31, 1 << 32, 1 << 62, u64::MAX, u64::MAX - 1];
        match self.below(4) {
            0 => near.wrapping_add(1),
            1 => near.wrapping_sub(1),
            2 => edges[usize::try_from(self.below(14)).unwrap()],
            _ => self.next() >> self.below(64),
        }
    }
}

/// Changes a field of the part, and its checksums to fit.
fn change_part(segment: &Segment, bytes: &mut [u8], offset: usize, dice: &mut Dice) {
    let place = segment.place(offset as u64);
    let Some(mut part) = Part::parse(&bytes[offset..], place) else { return };
    let narrow = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap();
    match dice.below(10) {
        0 => part.sequence = dice.odd_one(part.sequence),
        1 => part.durable = dice.odd_one(part.durable),
        2 => part.length = dice.odd_one(part.length),
        3 => part.from = Position(dice.odd_one(part.from.0)),
        4 => part.next = Position(dice.odd_one(part.next.0)),
        5 => part.frames = narrow(dice.odd_one(part.frames.into())),
        6 => part.begins = !part.begins,
        7 => part.ends = !part.ends,
        8 => {
            let within = usize::try_from(dice.below(part.length.clamp(1, 60))).unwrap();
            let value = dice.odd_one(0).to_le_bytes()[0];
            if let Some(byte) = bytes.get_mut(offset + PART_HEADER_BYTES + within) {
                *byte = value;
            }
        }
        _ => part.kind = crate::format::part::BatchKind::Epoch,
    }
    let extent = part.extent(512).and_then(|extent| usize::try_from(extent).ok()).unwrap_or(usize::MAX);
    let end = offset.saturating_add(extent).min(bytes.len());
    part.body_crc = place.body_crc([&bytes[offset + PART_HEADER_BYTES..end]], 0);
    let (header, _) = part.encode(place);
    bytes[offset..offset + PART_HEADER_BYTES].copy_from_slice(&header);
}

/// Changes a field of the header.
fn change_header(header: SegmentHeader, bytes: &mut [u8], dice: &mut Dice) {
    let mut changed = header;
    let narrow = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap();
    match dice.below(8) {
        0 => changed.length = dice.odd_one(header.length),
        1 => changed.epoch = narrow(dice.odd_one(header.epoch.into())),
        2 => changed.block = narrow(dice.odd_one(header.block.into())) % 8192,
        3 => changed.begins = None,
        4 => changed.salt = dice.next(),
        _ => {
            let mut begins = header.begins.unwrap_or(crate::format::segment::Takeover::NOTHING);
            match dice.below(4) {
                0 => begins.epoch = narrow(dice.odd_one(begins.epoch.into())),
                1 => begins.segment = dice.odd_one(begins.segment),
                2 => begins.sequence = dice.odd_one(begins.sequence),
                _ => begins.next = Position(dice.odd_one(begins.next.0)),
            }
            changed.begins = Some(begins);
        }
    }
    bytes[..HEADER_BYTES].copy_from_slice(&changed.encode()[..HEADER_BYTES]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "files are changed behind the log's back")]
fn files_of_somebody_who_knows_the_format() {
    // In memory where there is a folder for that: thousands of syncs prove nothing here.
    let tempdir = || tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (original, changed) = (tempdir(), tempdir());
    let disk: Arc<dyn Disk> = Arc::new(NativeDisk::new());
    let source = original.path().join("log");
    made(&disk, &source);
    let folder = Folder::new(Arc::clone(&disk), &source);
    let numbers = folder.list().unwrap().segments;
    let mut errors = 0;
    for seed in 0..6000 {
        let mut dice = Dice(seed);
        let target = changed.path().join(format!("{seed}"));
        disk.create_directory(&target).unwrap();
        for number in &numbers {
            let path = folder.segment_path(*number);
            let segment = Segment::open(disk.open(&path, OpenMode::Read).unwrap(), *number).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            for _ in 0..dice.below(3) {
                let offset = usize::try_from(2 + dice.below(2)).unwrap() * 512;
                change_part(&segment, &mut bytes, offset, &mut dice);
            }
            if dice.below(8) == 0 {
                change_header(segment.header, &mut bytes, &mut dice);
            }
            std::fs::write(target.join(path.file_name().unwrap()), &bytes).unwrap();
        }
        let from = Position(dice.below(4));
        if let Err(error) = use_it(&disk, &target, from) {
            errors += 1;
            let is_known = matches!(
                error.kind(),
                ErrorKind::LogCorrupted | ErrorKind::LogGap | ErrorKind::LogForeign | ErrorKind::LogVersion
            );
            assert!(is_known, "seed {seed}: {error}");
        } else {
            // What it wrote can be read.
            use_it(&disk, &target, Position(1 << 61)).expect_err("nobody has come that far");
        }
        std::fs::remove_dir_all(&target).unwrap();
    }
    assert!((2000..6000).contains(&errors), "{errors}");
}
