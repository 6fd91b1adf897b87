//! Small programs, each with one sync left out or one assumption too many, stopped at every change they make.
//!
//! The disk is as good as its power to tell the right program from the wrong one, so each stands here twice. Where a
//! missing sync is the fault, the wrong program dies on the disk that reorders and survives on the one that does not: it
//! is the reordering that finds it.

use ese_base::Result;
use ese_io::{Disk, DiskFile, OpenMode};
use ese_sim::disk::{Fault, Operation, Profile, Sector, SimDisk, Torn, What};
use std::{path::Path, sync::Arc};

/// Seeds tried at each place to crash.
const SEEDS: u64 = 60;

/// A program on a disk, and what has to hold after a crash. It says `Ok` when it has made its promise.
struct Protocol {
    prepare: fn(&SimDisk),
    run: fn(&SimDisk) -> Result<()>,
    /// What is wrong after a crash, given whether the promise was made.
    check: fn(&SimDisk, bool) -> Option<String>,
}

/// Stops the program at each change, and says what was wrong first.
fn crash_everywhere(protocol: &Protocol, profile: Profile) -> Option<String> {
    for crash in 0.. {
        let mut is_over = false;
        for seed in 0..SEEDS {
            let disk = SimDisk::new(seed, profile);
            (protocol.prepare)(&disk);
            disk.crash_after(crash);
            let promised = (protocol.run)(&disk).is_ok();
            is_over = !disk.is_off();
            disk.reboot();
            if let Some(wrong) = (protocol.check)(&disk, promised) {
                return Some(format!("crash at change {crash}, seed {seed}: {wrong}"));
            }
        }
        if is_over {
            break;
        }
    }
    None
}

#[track_caller]
fn survives(protocol: &Protocol, profile: Profile) {
    assert_eq!(crash_everywhere(protocol, profile), None, "{profile:?}");
}

#[track_caller]
fn dies(protocol: &Protocol, profile: Profile) {
    assert!(crash_everywhere(protocol, profile).is_some(), "{profile:?}: nothing was found");
}

/// The fault of `wrong` is a missing sync, and `right` has it.
#[track_caller]
fn is_found_by_reordering(wrong: &Protocol, right: &Protocol) {
    survives(right, Profile::ANY_ORDER);
    survives(right, Profile::ANY_ORDER.with_sector(Sector::Large));
    survives(right, Profile::IN_ORDER);
    survives(right, Profile::NOTHING);
    survives(wrong, Profile::IN_ORDER);
    dies(wrong, Profile::ANY_ORDER);
}

fn path(path: &str) -> &Path {
    Path::new(path)
}

fn file(disk: &SimDisk) -> Result<Arc<dyn DiskFile>> {
    disk.open(path("/a"), OpenMode::ReadWrite)
}

/// A durable file of zeros.
fn zeros(disk: &SimDisk) {
    disk.install(path("/a"), &[0; 4 * 4096]).expect("there is room");
}

fn durable(disk: &SimDisk) -> Vec<u8> {
    disk.durable(path("/a")).unwrap_or_default()
}

/// Replaces a file by one that is written beside it.
fn replace(disk: &SimDisk, syncs_file: Sync, syncs_directory: Sync) -> Result<()> {
    let file = disk.open(path("/a.new"), OpenMode::CreateNew)?;
    file.write_all_at(&[7; 4 * 4096], 0)?;
    if syncs_file == Sync::Yes {
        file.sync_data()?;
    }
    disk.rename(path("/a.new"), path("/a"))?;
    if syncs_directory == Sync::Yes { disk.sync_directory(path("/")) } else { Ok(()) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    Yes,
    No,
}

/// Old or new as a whole; new once it was promised.
fn is_replaced(disk: &SimDisk, promised: bool) -> Option<String> {
    let bytes = durable(disk);
    let (old, new) = (vec![0; 4 * 4096], vec![7; 4 * 4096]);
    match (bytes == old, bytes == new) {
        (true, _) if promised => Some("the promise is broken".to_owned()),
        (false, false) => Some(format!("neither old nor new, {} bytes", bytes.len())),
        _ => None,
    }
}

/// The same without the promise: a lazy replacement may be lost.
fn is_whole(disk: &SimDisk, _promised: bool) -> Option<String> {
    is_replaced(disk, false)
}

#[test]
fn a_rename_before_the_sync_of_the_file() {
    let wrong = Protocol { prepare: zeros, run: |disk| replace(disk, Sync::No, Sync::No), check: is_whole };
    let right = Protocol { run: |disk| replace(disk, Sync::Yes, Sync::No), ..wrong };
    is_found_by_reordering(&wrong, &right);
}

#[test]
fn a_rename_without_the_sync_of_the_directory() {
    let wrong =
        Protocol { prepare: zeros, run: |disk| replace(disk, Sync::Yes, Sync::No), check: is_replaced };
    let right = Protocol { run: |disk| replace(disk, Sync::Yes, Sync::Yes), ..wrong };
    survives(&right, Profile::ANY_ORDER);
    // What is promised and never synced is lost on any disk that loses something.
    dies(&wrong, Profile::ANY_ORDER);
    dies(&wrong, Profile::IN_ORDER);
    survives(&wrong, Profile::EVERYTHING);
}

/// Makes a file and promises that it is there.
fn make(disk: &SimDisk, syncs_directory: Sync) -> Result<()> {
    let file = disk.open(path("/b"), OpenMode::CreateNew)?;
    file.write_all_at(&[7; 512], 0)?;
    file.sync_data()?;
    if syncs_directory == Sync::Yes { disk.sync_directory(path("/")) } else { Ok(()) }
}

#[test]
fn a_new_file_without_the_sync_of_the_directory() {
    let check = |disk: &SimDisk, promised: bool| {
        let is_there = disk.durable(path("/b")).is_some_and(|bytes| bytes == [7; 512]);
        (promised && !is_there).then(|| "the promise is broken".to_owned())
    };
    let wrong = Protocol { prepare: zeros, run: |disk| make(disk, Sync::No), check };
    let right = Protocol { run: |disk| make(disk, Sync::Yes), ..wrong };
    is_found_by_reordering(&wrong, &right);
}

/// Writes what a file means into another one.
fn point(disk: &SimDisk, syncs_directory: Sync) -> Result<()> {
    make(disk, syncs_directory)?;
    let file = file(disk)?;
    file.write_all_at(&[1], 0)?;
    file.sync_data()
}

#[test]
fn a_pointer_to_a_file_whose_name_was_not_synced() {
    let check = |disk: &SimDisk, promised: bool| {
        let is_there = disk.durable(path("/b")).is_some_and(|bytes| bytes == [7; 512]);
        match durable(disk)[0] {
            0 if promised => Some("the promise is broken".to_owned()),
            1 if !is_there => Some("it points to nothing".to_owned()),
            _ => None,
        }
    };
    let wrong = Protocol { prepare: zeros, run: |disk| point(disk, Sync::No), check };
    let right = Protocol { run: |disk| point(disk, Sync::Yes), ..wrong };
    is_found_by_reordering(&wrong, &right);
}

/// Data, then a header that says that they are there.
fn data_and_header(disk: &SimDisk, syncs_data: Sync) -> Result<()> {
    let file = file(disk)?;
    file.write_all_at(&[5; 4096], 8192)?;
    if syncs_data == Sync::Yes {
        file.sync_data()?;
    }
    file.write_all_at(&[1], 0)?;
    file.sync_data()
}

#[test]
fn a_header_that_is_not_kept_behind_its_data() {
    let check = |disk: &SimDisk, promised: bool| {
        let bytes = durable(disk);
        match bytes[0] {
            0 if promised => Some("the promise is broken".to_owned()),
            1 if bytes[8192..12288] != [5; 4096] => Some("a header without its data".to_owned()),
            _ => None,
        }
    };
    let wrong = Protocol { prepare: zeros, run: |disk| data_and_header(disk, Sync::No), check };
    let right = Protocol { run: |disk| data_and_header(disk, Sync::Yes), ..wrong };
    is_found_by_reordering(&wrong, &right);
}

/// Records are appended to a file; its length says how many there are.
fn append(disk: &SimDisk, writes_first: Sync) -> Result<()> {
    let file = file(disk)?;
    let end = file.len()?;
    if writes_first == Sync::Yes {
        // Space first, bytes second, and a length that counts only when the bytes are durable.
        file.allocate(end + 512)?;
        file.write_all_at(&[9; 512], end)?;
        file.sync_data()?;
        file.write_all_at(&[1], 0)?;
    } else {
        file.write_all_at(&[9; 512], end)?;
    }
    file.sync_data()
}

#[test]
fn a_length_without_its_bytes() {
    let wrong = Protocol {
        prepare: zeros,
        run: |disk| append(disk, Sync::No),
        check: |disk, promised| {
            let bytes = durable(disk);
            match bytes.get(4 * 4096..).unwrap_or_default() {
                [] if promised => Some("the promise is broken".to_owned()),
                [] => None,
                record if *record == [9; 512] => None,
                record => Some(format!("a record of {} bytes", record.len())),
            }
        },
    };
    let right = Protocol {
        run: |disk| append(disk, Sync::Yes),
        check: |disk, promised| {
            let bytes = durable(disk);
            match bytes[0] {
                0 if promised => Some("the promise is broken".to_owned()),
                1 if bytes[4 * 4096..] != [9; 512] => Some("a count without its record".to_owned()),
                _ => None,
            }
        },
        ..wrong
    };
    is_found_by_reordering(&wrong, &right);
}

/// A block is written over in one call and trusted to be old or new.
fn overwrite(disk: &SimDisk, len: usize) -> Result<()> {
    let file = file(disk)?;
    file.write_all_at(&vec![3; len], 4096)?;
    file.sync_data()
}

fn is_one_block(disk: &SimDisk, len: usize) -> Option<String> {
    let bytes = durable(disk);
    let block = &bytes[4096..4096 + len];
    block.iter().any(|byte| *byte != block[0]).then(|| "the block is torn".to_owned())
}

#[test]
fn a_block_longer_than_a_sector() {
    let small = Protocol {
        prepare: zeros,
        run: |disk| overwrite(disk, 512),
        check: |disk, _| is_one_block(disk, 512),
    };
    let page =
        Protocol { run: |disk| overwrite(disk, 4096), check: |disk, _| is_one_block(disk, 4096), ..small };
    let pages =
        Protocol { run: |disk| overwrite(disk, 8192), check: |disk, _| is_one_block(disk, 8192), ..small };
    for base in [Profile::ANY_ORDER, Profile::IN_ORDER] {
        let large = base.with_sector(Sector::Large);
        survives(&small, base);
        survives(&small, large);
        dies(&page, base);
        survives(&page, large);
        dies(&pages, base);
        dies(&pages, large);
    }
}

/// Promises a record, then writes another one that far behind it.
fn append_behind(disk: &SimDisk, distance: u64) -> Result<()> {
    let file = file(disk)?;
    file.write_all_at(&[2; 100], 4096)?;
    file.sync_data()?;
    // What the first one promised is checked, whatever becomes of the second.
    let _ = file.write_all_at(&[3; 100], 4096 + distance);
    Ok(())
}

#[test]
fn a_durable_record_in_a_sector_that_is_written_to() {
    let check = |disk: &SimDisk, promised: bool| {
        (promised && durable(disk)[4096..4196] != [2; 100]).then(|| "the promise is broken".to_owned())
    };
    let close = Protocol { prepare: zeros, run: |disk| append_behind(disk, 100), check };
    let same_page = Protocol { run: |disk| append_behind(disk, 512), ..close };
    let apart = Protocol { run: |disk| append_behind(disk, 4096), ..close };
    let (small, large) = (Profile::ANY_ORDER, Profile::ANY_ORDER.with_sector(Sector::Large));
    for harmless in [&close, &same_page, &apart] {
        survives(harmless, small);
        survives(harmless, large);
    }
    let (small, large) = (small.with_torn(Torn::Anything), large.with_torn(Torn::Anything));
    dies(&close, small);
    dies(&close, large);
    survives(&same_page, small);
    dies(&same_page, large);
    survives(&apart, small);
    survives(&apart, large);
}

/// Writes a record that is killed before its sync; the next process finds it, serves it, and says so.
fn serve_after_kill(disk: &SimDisk, writes_again: Sync) -> Result<()> {
    file(disk)?.write_all_at(&[4; 512], 512)?;
    disk.kill();
    let file = file(disk)?;
    let mut found = [0; 512];
    file.read_exact_at(&mut found, 512)?;
    if writes_again == Sync::Yes {
        file.write_all_at(&found, 1024)?;
        file.sync_data()?;
    }
    Ok(())
}

#[test]
fn what_is_read_after_a_kill_and_lost_with_the_power() {
    // The promise here: what was served stays.
    let check = |disk: &SimDisk, promised: bool| {
        let bytes = durable(disk);
        let is_there = bytes[512..1024] == [4; 512] || bytes[1024..1536] == [4; 512];
        (promised && !is_there).then(|| "it was served, and is gone".to_owned())
    };
    let wrong = Protocol { prepare: zeros, run: |disk| serve_after_kill(disk, Sync::No), check };
    let right = Protocol { run: |disk| serve_after_kill(disk, Sync::Yes), ..wrong };
    survives(&right, Profile::ANY_ORDER);
    dies(&wrong, Profile::ANY_ORDER);
    survives(&wrong, Profile::EVERYTHING);
}

/// Takes a file out of use and another one into it, both by names.
fn swap(disk: &SimDisk, syncs_between: Sync) -> Result<()> {
    let file = disk.open(path("/b"), OpenMode::CreateNew)?;
    file.write_all_at(&[8; 512], 0)?;
    file.sync_data()?;
    if syncs_between == Sync::Yes {
        disk.sync_directory(path("/"))?;
    }
    disk.remove(path("/a"))?;
    disk.sync_directory(path("/"))
}

#[test]
fn a_removal_that_overtakes_a_creation() {
    let check = |disk: &SimDisk, _: bool| {
        let is_new = disk.durable(path("/b")).is_some_and(|bytes| bytes == [8; 512]);
        let is_old = disk.durable(path("/a")).is_some();
        (!is_new && !is_old).then(|| "neither file is there".to_owned())
    };
    let wrong = Protocol { prepare: zeros, run: |disk| swap(disk, Sync::No), check };
    let right = Protocol { run: |disk| swap(disk, Sync::Yes), ..wrong };
    is_found_by_reordering(&wrong, &right);
}

/// Fails each call of each kind in turn, once or for ever; then the power goes. Says what was wrong first.
fn fail_everywhere(protocol: &Protocol, what: What) -> Option<String> {
    let tried = SimDisk::new(0, Profile::ANY_ORDER);
    (protocol.prepare)(&tried);
    (protocol.run)(&tried).expect("no fault");
    for operation in Operation::ALL {
        for after in 0..tried.calls(operation) {
            let once = Fault::new(what).on(operation).after(after);
            for fault in [once.clone(), once.forever()] {
                for seed in 0..SEEDS {
                    let disk = SimDisk::new(seed, Profile::ANY_ORDER);
                    (protocol.prepare)(&disk);
                    disk.inject(fault.clone());
                    let promised = (protocol.run)(&disk).is_ok();
                    disk.reboot();
                    if let Some(wrong) = (protocol.check)(&disk, promised) {
                        return Some(format!("{fault:?}, seed {seed}: {wrong}"));
                    }
                }
            }
        }
    }
    None
}

#[test]
fn a_failed_sync_that_is_tried_again() {
    fn run(disk: &SimDisk, tries_again: Sync) -> Result<()> {
        let file = file(disk)?;
        file.write_all_at(&[6; 512], 0)?;
        match file.sync_data() {
            Err(_) if tries_again == Sync::Yes => file.sync_data(),
            other => other,
        }
    }
    let check = |disk: &SimDisk, promised: bool| {
        (promised && durable(disk)[..512] != [6; 512]).then(|| "the promise is broken".to_owned())
    };
    let wrong = Protocol { prepare: zeros, run: |disk| run(disk, Sync::Yes), check };
    let right = Protocol { run: |disk| run(disk, Sync::No), ..wrong };
    for what in [What::Fail, What::Full, What::Short, What::Revert] {
        assert_eq!(fail_everywhere(&right, what), None);
    }
    for what in [What::Fail, What::Full, What::Revert] {
        assert!(fail_everywhere(&wrong, what).is_some(), "{what:?}: nothing was found");
    }
    for lie in [What::Ignore, What::Late, What::Phantom, What::Misdirect(512)] {
        assert!(fail_everywhere(&right, lie).is_some(), "{lie:?}: such a disk leaves no promise standing");
    }
    let replaces =
        |syncs: fn(&SimDisk) -> Result<()>| Protocol { prepare: zeros, run: syncs, check: is_replaced };
    let right = replaces(|disk| replace(disk, Sync::Yes, Sync::Yes));
    for what in [What::Fail, What::Full, What::Short, What::Revert] {
        assert_eq!(fail_everywhere(&right, what), None);
    }
}

/// Numbered records: each is durable before the next one is written, and recovery goes on behind the last good one.
fn append_records(disk: &SimDisk) -> Result<u64> {
    let file = file(disk)?;
    let mut bytes = vec![0; 4 * 4096];
    file.read_exact_at(&mut bytes, 0)?;
    let good = bytes.chunks(512).take_while(|record| record[0] == 1).count();
    let mut acknowledged = 0;
    for place in (good..).take(3) {
        file.write_all_at(&[1; 512], u64::try_from(place).expect("a short file") * 512)?;
        file.sync_data()?;
        acknowledged = u64::try_from(place).expect("a short file") + 1;
    }
    Ok(acknowledged)
}

#[test]
fn crashes_in_recovery_three_deep_keep_what_was_acknowledged() {
    // Every way to stop four programs in a row, by forks of the disk.
    fn deep(disk: &SimDisk, depth: u32, acknowledged: u64, states: &mut u64) {
        for crash in 0.. {
            let next = disk.fork(crash);
            next.crash_after(crash);
            let more = append_records(&next).unwrap_or(0);
            let is_over = !next.is_off();
            next.reboot();
            *states += 1;
            let bytes = durable(&next);
            let good = bytes.chunks(512).take_while(|record| record[..] == [1; 512]).count();
            let acknowledged = acknowledged.max(more);
            assert!(u64::try_from(good).expect("a short file") >= acknowledged, "at depth {depth}");
            if depth > 0 {
                deep(&next, depth - 1, acknowledged, states);
            }
            if is_over {
                break;
            }
        }
    }
    let disk = SimDisk::new(1, Profile::ANY_ORDER);
    zeros(&disk);
    let mut states = 0;
    deep(&disk, 3, 0, &mut states);
    assert_eq!(states, 7 + 7 * 7 + 7 * 7 * 7 + 7 * 7 * 7 * 7, "six changes, and the end");
}
