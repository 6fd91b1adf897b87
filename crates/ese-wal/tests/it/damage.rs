//! Bytes changed (all of them in `ese-sim`), every file missing, cut, doubled, swapped or foreign: an error that says so, or, in what nobody
//! was promised, nothing lost but that. Never a panic, never an empty log, never a frame that was not written.

use crate::support::{
    Frames, Running, create, disk, files, log_of, read, reopen, restore, small_blocks, snapshot, tempdir,
};
use ese_base::{Error, ErrorKind, Position};
use ese_core::Log;
use ese_wal::{Access, Wal, WalOptions};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

const OF_THE_LOG: [ErrorKind; 4] =
    [ErrorKind::LogCorrupted, ErrorKind::LogGap, ErrorKind::LogForeign, ErrorKind::LogVersion];

fn tiny() -> WalOptions {
    let mut options = small_blocks();
    options.segment_min_bytes = 4096;
    options.segment_max_bytes = 4096;
    options
}

/// Two epochs over several segments, with batches of one and of several parts, gaps, and a mark behind the last frame.
fn made(folder: &Path) -> (Running, Frames) {
    let (mut log, mut frames) = (create(folder, tiny()), Vec::new());
    for length in [0, 300, 900, 5000] {
        log.noted(length, &mut frames);
        log.skip();
    }
    drop(log);
    let (mut log, _) = reopen(folder, tiny(), Position::FIRST).unwrap();
    for length in [40, 700, 3000, 9] {
        log.noted(length, &mut frames);
    }
    (log, frames)
}

/// What a reader may get: all frames of `all`, or those before the last `lost` ones, or an error of a log.
#[track_caller]
fn check(result: Result<Frames, Error>, all: &Frames, lost: usize, path: &Path, what: &str) -> &'static str {
    match result {
        Ok(found) if found == *all => "whole",
        Ok(found) => {
            let kept = all.len() - lost;
            assert!(found.len() >= kept && found[..] == all[..found.len()], "{what}: {}", found.len());
            "cut"
        }
        Err(error) => {
            assert!(OF_THE_LOG.contains(&error.kind()), "{what}: {error}");
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(error.to_string().contains(".log"), "{what}, {name}: {error}");
            "error"
        }
    }
}

#[test]
fn bytes_changed() {
    for settled in [true, false] {
        let folder = tempdir();
        let (log, frames) = made(folder.path());
        if settled {
            log.wal.settle(log.next).unwrap();
        }
        drop(log);
        // Unless something stands behind it, the last batch is all that a changed byte can take away.
        let lost = usize::from(!settled);
        let before = snapshot(folder.path());
        let mut outcomes = BTreeMap::new();
        let segments = before.iter().filter(|(path, _)| path.extension().unwrap() == "log");
        let newest = if settled { usize::MAX } else { 1 };
        for (path, bytes) in segments.rev().take(newest) {
            for offset in (0..bytes.len()).step_by(11) {
                let mut changed = bytes.clone();
                let mask = [0x01, 0x80, 0xff][offset % 3];
                changed[offset] ^= mask;
                std::fs::write(path, &changed).unwrap();
                let what = format!("{}, offset {offset}, mask {mask:#x}", path.display());
                let result = read(folder.path(), tiny(), Position::FIRST);
                *outcomes.entry(check(result, &frames, lost, path, &what)).or_insert(0) += 1;
            }
            std::fs::write(path, bytes).unwrap();
        }
        assert!(outcomes["error"] > if settled { 1000 } else { 100 }, "{outcomes:?}");
        assert_eq!(outcomes.contains_key("cut"), !settled, "{outcomes:?}");
    }
}

#[test]
fn every_sector_lost_or_old_or_elsewhere() {
    let folder = tempdir();
    let (mut log, frames) = made(folder.path());
    let old = snapshot(folder.path());
    let mut frames = frames;
    log.noted(100, &mut frames);
    log.wal.settle(log.next).unwrap();
    drop(log);
    let before = snapshot(folder.path());
    for (path, bytes) in before.iter().filter(|(path, _)| path.extension().unwrap() == "log") {
        let then = old.iter().find(|(other, _)| other == path).map(|(_, bytes)| bytes);
        for at in (0..bytes.len()).step_by(512) {
            let other = (at + 1024) % bytes.len();
            let kinds = [
                Some(vec![0; 512]),
                Some(vec![0xff; 512]),
                Some(bytes[other..other + 512].to_vec()),
                then.map(|then| then[at..at + 512].to_vec()),
            ];
            for (kind, sector) in kinds.into_iter().enumerate() {
                let Some(sector) = sector else { continue };
                let mut changed = bytes.clone();
                changed[at..at + 512].copy_from_slice(&sector);
                std::fs::write(path, &changed).unwrap();
                let what = format!("{}, sector at {at}, kind {kind}", path.display());
                check(read(folder.path(), tiny(), Position::FIRST), &frames, 0, path, &what);
            }
        }
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn many_lengths() {
    let folder = tempdir();
    let (log, frames) = made(folder.path());
    log.wal.settle(log.next).unwrap();
    drop(log);
    for (path, bytes) in snapshot(folder.path()).iter().filter(|(path, _)| path.extension().unwrap() == "log")
    {
        for length in (0..bytes.len()).step_by(7) {
            std::fs::write(path, &bytes[..length]).unwrap();
            let error = read(folder.path(), tiny(), Position::FIRST).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LogCorrupted, "{length}: {error}");
        }
        let mut longer = bytes.clone();
        longer.extend([7; 999]);
        std::fs::write(path, &longer).unwrap();
        assert_eq!(read(folder.path(), tiny(), Position::FIRST).unwrap(), frames);
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn every_segment_missing() {
    for settled in [true, false] {
        let folder = tempdir();
        let (log, frames) = made(folder.path());
        if settled {
            log.wal.settle(log.next).unwrap();
        }
        drop(log);
        let (before, mut errors) = (snapshot(folder.path()), 0);
        let segments = files(folder.path(), ".log");
        assert!(segments.len() >= 6);
        for first in 0..segments.len() {
            for last in first..segments.len() {
                segments[first..=last].iter().for_each(|path| std::fs::remove_file(path).unwrap());
                match read(folder.path(), tiny(), Position::FIRST) {
                    // What was in doubt is in the next epoch again: those segments are needed no more.
                    Ok(found) => assert!(found == frames && last < 3, "{first} to {last}"),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::LogGap, "{first} to {last}: {error}");
                        errors += 1;
                    }
                }
                restore(folder.path(), &before);
            }
        }
        assert!(errors >= segments.len() * (segments.len() + 1) / 2 - 3, "{errors}");
    }
}

#[test]
fn spare_files_do_not_matter() {
    let folder = tempdir();
    let (log, frames) = made(folder.path());
    while log.wal.prepare().unwrap() {}
    drop(log);
    let spares = files(folder.path(), ".spare");
    assert!(spares.len() >= 2);
    std::fs::remove_file(&spares[0]).unwrap();
    std::fs::write(&spares[1], b"anything").unwrap();
    std::fs::write(log_of(folder.path()).join("readme.txt"), b"none of ours").unwrap();
    std::fs::write(log_of(folder.path()).join("7.log"), b"none of ours").unwrap();
    let (mut log, found) = reopen(folder.path(), tiny(), Position::FIRST).unwrap();
    assert_eq!(found, frames);
    let mut frames = frames;
    for _ in 0..10 {
        log.noted(900, &mut frames);
    }
    drop(log);
    assert_eq!(read(folder.path(), tiny(), Position::FIRST).unwrap(), frames);
}

#[test]
fn segments_doubled_swapped_and_of_other_logs() {
    let (folder, other) = (tempdir(), tempdir());
    let (log, frames) = made(folder.path());
    log.wal.settle(log.next).unwrap();
    drop(log);
    let (foreign, _) = made(other.path());
    drop(foreign);
    let before = snapshot(folder.path());
    let (segments, strange) = (files(folder.path(), ".log"), files(other.path(), ".log"));
    let fails = |kinds: &[ErrorKind], what: &str| {
        let error = read(folder.path(), tiny(), Position::FIRST).expect_err(what);
        assert!(kinds.contains(&error.kind()), "{what}: {error}");
        restore(folder.path(), &before);
    };
    for (place, path) in segments.iter().enumerate() {
        std::fs::copy(path, log_of(folder.path()).join("00000000000000ff.log")).unwrap();
        fails(&[ErrorKind::LogCorrupted], "a copy behind the others");
        std::fs::copy(&strange[place.min(strange.len() - 1)], path).unwrap();
        fails(&[ErrorKind::LogForeign, ErrorKind::LogCorrupted], "a segment of another log");
        std::fs::copy(&strange[0], log_of(folder.path()).join("00000000000000ff.log")).unwrap();
        fails(&[ErrorKind::LogForeign, ErrorKind::LogCorrupted], "one more segment, of another log");
        if let Some(next) = segments.get(place + 1) {
            let held: PathBuf = folder.path().join("held");
            std::fs::rename(path, &held).unwrap();
            std::fs::rename(next, path).unwrap();
            std::fs::rename(&held, next).unwrap();
            fails(&[ErrorKind::LogCorrupted], "two segments swapped");
        }
    }
    assert_eq!(read(folder.path(), tiny(), Position::FIRST).unwrap(), frames);
}

#[test]
fn a_newer_version_is_refused_and_nothing_is_changed() {
    let folder = tempdir();
    let (log, _) = made(folder.path());
    drop(log);
    let path = files(folder.path(), ".log").pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[12..16].copy_from_slice(&(ese_wal::FORMAT_VERSION + 1).to_le_bytes());
    let crc = crc32c::crc32c(&bytes[12..512]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let before = snapshot(folder.path());
    let error = Wal::open(disk(), &log_of(folder.path()), tiny(), Access::ReadWrite).unwrap_err();
    assert_eq!((error.kind(), error.jet_err()), (ErrorKind::LogVersion, -514), "{error}");
    assert_eq!(snapshot(folder.path()), before);
}

#[test]
fn damage_refuses_writing_and_changes_nothing() {
    let folder = tempdir();
    let (log, _) = made(folder.path());
    log.wal.settle(log.next).unwrap();
    drop(log);
    let path = &files(folder.path(), ".log")[0];
    let mut bytes = std::fs::read(path).unwrap();
    bytes[1700] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let before = snapshot(folder.path());
    let error = reopen(folder.path(), tiny(), Position::FIRST).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::LogCorrupted, "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert!(error.to_string().contains("offset"), "{error}");
    assert_eq!(snapshot(folder.path()), before);
}

#[test]
fn a_closed_log_reads_little_and_misses_whatever_is_missing() {
    let folder = tempdir();
    let mut options = tiny();
    options.segment_min_bytes = 1 << 20;
    options.segment_max_bytes = 1 << 20;
    options.log_max_bytes = 32 << 20;
    let mut log = create(folder.path(), options);
    for _ in 0..40 {
        log.sync(20_000);
    }
    let next = log.next;
    log.wal.close(next).unwrap();
    assert_eq!(log.wal.room(1).unwrap_err().kind(), ErrorKind::InvalidParameter);
    drop(log);
    let segments = files(folder.path(), ".log");
    assert_eq!(segments.len(), 2, "the close is in a segment of its own");
    let bytes = std::fs::read(&segments[1]).unwrap();
    assert!(bytes[2048..].iter().all(|byte| *byte == 0), "and is all there is in it");
    assert_eq!(read(folder.path(), options, next).unwrap(), []);
    std::fs::remove_file(&segments[1]).unwrap();
    assert_eq!(read(folder.path(), options, next).unwrap_err().kind(), ErrorKind::LogGap);
}
