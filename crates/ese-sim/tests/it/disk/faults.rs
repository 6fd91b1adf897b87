//! Faults: each happens to the calls it is meant for, as often as it says, and does what it says.

use super::{create, fails, open, regions::shows, seen, sync_root};
use ese_base::ErrorKind;
use ese_io::{Disk, LockMode, OpenMode};
use ese_sim::disk::{Fault, Operation, Profile, SimDisk, What};
use std::collections::BTreeSet;

fn disk() -> SimDisk {
    SimDisk::new(1, Profile::NOTHING)
}

/// A disk with a durable file of these bytes.
fn with_file(bytes: &[u8]) -> SimDisk {
    let disk = disk();
    disk.install("/a".as_ref(), bytes).expect("there is room");
    disk
}

/// What a power cut would leave of the file.
fn durable(disk: &SimDisk) -> Vec<u8> {
    disk.durable("/a".as_ref()).expect("it has a durable name")
}

#[test]
fn the_nth_call_of_a_kind_on_a_path_fails() {
    let disk = disk();
    let (a, b) = (create(&disk, "/a"), create(&disk, "/b"));
    disk.inject(Fault::new(What::Fail).on(Operation::Write).under("/a").after(1));
    a.write_all_at(b"1", 0).unwrap();
    b.write_all_at(b"1", 0).unwrap();
    b.write_all_at(b"2", 0).unwrap();
    fails(a.write_all_at(b"2", 0), ErrorKind::DiskIo, "write of 1 bytes at offset 0 of /a");
    assert_eq!((seen(&disk, "/a"), disk.faults_met()), (Some(b"1".to_vec()), 1));
    a.write_all_at(b"3", 0).expect("it happens once");
}

#[test]
fn a_lasting_fault_stays_until_the_disk_is_healed() {
    let disk = disk();
    let file = create(&disk, "/a");
    disk.inject(Fault::new(What::Full).on(Operation::Allocate).forever());
    for len in 1..4 {
        fails(file.allocate(len), ErrorKind::DiskFull, "growth to");
    }
    disk.reboot();
    let file = create(&disk, "/a");
    fails(file.allocate(1), ErrorKind::DiskFull, "growth to 1 bytes of /a");
    file.write_all_at(b"x", 0).expect("that is another call");
    disk.heal();
    file.allocate(4).unwrap();
}

#[test]
fn every_call_can_fail() {
    for operation in Operation::ALL {
        let disk = with_file(b"abc");
        let file = open(&disk, "/a");
        disk.inject(Fault::new(What::Fail).on(operation));
        let answers = [
            (Operation::Open, disk.open("/a".as_ref(), OpenMode::Read).err()),
            (Operation::Create, disk.open("/b".as_ref(), OpenMode::CreateNew).err()),
            (Operation::Rename, disk.rename("/a".as_ref(), "/c".as_ref()).err()),
            (Operation::Look, file.len().err()),
            (Operation::Read, file.read_at(&mut [0], 0).err()),
            (Operation::Map, file.map(0..1).err()),
            (Operation::Write, file.write_all_at(b"x", 0).err()),
            (Operation::Allocate, file.allocate(9).err()),
            (Operation::Truncate, file.truncate(1).err()),
            (Operation::Sync, file.sync_data().err()),
            (Operation::SyncDirectory, disk.sync_directory("/".as_ref()).err()),
            (Operation::Lock, file.lock(LockMode::Shared).err()),
            (Operation::Remove, disk.remove("/c".as_ref()).err()),
        ];
        let names: BTreeSet<Operation> = answers.iter().map(|(operation, _)| *operation).collect();
        assert_eq!(names.len(), Operation::ALL.len());
        for (called, error) in answers {
            // Without the rename there is nothing to remove.
            let is_missing = called == Operation::Remove && operation == Operation::Rename;
            let expected = match () {
                () if called == operation => Some(ErrorKind::DiskIo),
                () if is_missing => Some(ErrorKind::FileNotFound),
                () => None,
            };
            assert_eq!(error.map(|error| error.kind()), expected, "{called:?} with a fault on {operation:?}");
        }
        assert_eq!(disk.faults_met(), 1);
    }
}

#[test]
fn a_short_write_leaves_a_front() {
    let mut lens = BTreeSet::new();
    for seed in 0..50 {
        let disk = SimDisk::new(seed, Profile::NOTHING);
        let file = create(&disk, "/a");
        disk.inject(Fault::new(What::Short));
        fails(file.write_all_at(&[1; 1500], 100), ErrorKind::DiskIo, "write");
        let bytes = seen(&disk, "/a").unwrap();
        assert!(bytes.iter().skip(100).all(|byte| *byte == 1));
        lens.insert(bytes.len());
    }
    assert_eq!(lens, [0, 512, 1024, 1536].into());
}

#[test]
fn a_failed_sync_has_lost_what_was_written_and_the_next_one_says_ok() {
    for what in [What::Fail, What::Full] {
        let disk = with_file(b"old");
        let file = open(&disk, "/a");
        file.write_all_at(b"new", 0).unwrap();
        disk.inject(Fault::new(what).on(Operation::Sync));
        let kind = if what == What::Full { ErrorKind::DiskFull } else { ErrorKind::DiskIo };
        fails(file.sync_data(), kind, "sync of /a");
        assert_eq!((seen(&disk, "/a").unwrap(), durable(&disk)), (b"new".to_vec(), b"old".to_vec()));
        file.sync_data().expect("nothing is left to be written");
        assert_eq!((seen(&disk, "/a").unwrap(), durable(&disk)), (b"new".to_vec(), b"old".to_vec()));
        file.write_all_at(b"w", 2).unwrap();
        file.sync_data().unwrap();
        assert_eq!(durable(&disk), b"olw", "what comes later is as durable as ever");
        disk.reboot();
        assert_eq!(seen(&disk, "/a").unwrap(), b"olw");
    }
}

#[test]
fn what_is_written_after_a_failed_sync_can_be_read_when_it_is_synced() {
    let disk = with_file(b"old");
    let file = open(&disk, "/a");
    file.allocate(9).unwrap();
    disk.inject(Fault::new(What::Fail).on(Operation::Sync));
    assert!(file.sync_data().is_err());
    assert_eq!(durable(&disk), b"old", "the new length is lost");
    file.write_all_at(b"xyz", 4).unwrap();
    file.sync_data().unwrap();
    assert_eq!(durable(&disk), b"old\0xyz\0\0");
}

#[test]
fn a_failed_sync_may_have_kept_a_part() {
    let mut ends = BTreeSet::new();
    for seed in 0..200 {
        let disk = SimDisk::new(seed, Profile::ANY_ORDER);
        disk.install("/a".as_ref(), b"..").unwrap();
        let file = open(&disk, "/a");
        file.write_all_at(b"x", 0).unwrap();
        file.write_all_at(b"y", 1).unwrap();
        disk.inject(Fault::new(What::Fail).on(Operation::Sync));
        assert!(file.sync_data().is_err());
        ends.insert(durable(&disk));
    }
    assert_eq!(ends, [&b".."[..], b"x.", b".y", b"xy"].map(<[u8]>::to_vec).into());
}

#[test]
fn a_failed_sync_may_take_back_what_was_seen() {
    let disk = with_file(b"old");
    let file = open(&disk, "/a");
    file.write_all_at(b"newer", 0).unwrap();
    disk.inject(Fault::new(What::Revert));
    fails(file.sync_data(), ErrorKind::DiskIo, "sync of /a");
    assert_eq!(seen(&disk, "/a").unwrap(), b"old");
    file.sync_data().unwrap();
    assert_eq!(durable(&disk), b"old");
}

#[test]
fn a_late_error_is_told_once_and_to_whoever_syncs_next() {
    let disk = with_file(b"old");
    let file = open(&disk, "/a");
    file.write_all_at(b"new", 0).unwrap();
    disk.inject(Fault::new(What::Late));
    file.sync_data().unwrap();
    assert_eq!((seen(&disk, "/a").unwrap(), durable(&disk)), (b"new".to_vec(), b"old".to_vec()));
    fails(open(&disk, "/a").sync_data(), ErrorKind::DiskIo, "sync of /a");
    file.sync_data().expect("it was told");
    disk.inject(Fault::new(What::Late));
    file.sync_data().unwrap();
    disk.kill();
    let again = open(&disk, "/a");
    assert!(
        disk.fork(1).open("/a".as_ref(), OpenMode::Read).unwrap().sync_data().is_err(),
        "a kill ends nothing"
    );
    disk.reboot();
    assert!(again.sync_data().is_err(), "a dead handle");
    open(&disk, "/a").sync_data().expect("nobody is left to be told");
    disk.inject(Fault::new(What::Late).forever());
    let file = open(&disk, "/a");
    file.sync_data().expect("the first one is late");
    assert!(file.sync_data().is_err(), "each next one tells of the one before");
}

#[test]
fn a_drive_that_lies_keeps_what_is_unsynced_unsynced() {
    let disk = disk();
    let file = create(&disk, "/a");
    file.write_all_at(b"new", 0).unwrap();
    disk.inject(Fault::new(What::Ignore).forever());
    file.sync_data().unwrap();
    sync_root(&disk);
    assert_eq!((disk.unsynced(), disk.faults_met()), (2, 2));
    disk.heal();
    file.sync_data().unwrap();
    sync_root(&disk);
    assert_eq!((disk.unsynced(), durable(&disk)), (0, b"new".to_vec()));
}

#[test]
fn a_failed_sync_of_a_directory_has_lost_names() {
    let disk = disk();
    create(&disk, "/a");
    disk.inject(Fault::new(What::Fail).on(Operation::SyncDirectory));
    fails(disk.sync_directory("/".as_ref()), ErrorKind::DiskIo, "sync of the directory of /");
    disk.sync_directory("/".as_ref()).expect("nothing is left to be written");
    assert!(disk.metadata("/a".as_ref()).unwrap().is_some());
    disk.reboot();
    assert_eq!(disk.metadata("/a".as_ref()).unwrap(), None);
}

#[test]
fn a_phantom_write_is_seen_until_the_power_goes() {
    let disk = with_file(b"old");
    let file = open(&disk, "/a");
    disk.inject(Fault::new(What::Phantom));
    file.write_all_at(b"newer", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!((seen(&disk, "/a").unwrap(), durable(&disk)), (b"newer".to_vec(), b"old\0\0".to_vec()));
}

#[test]
fn a_misdirected_write_hits_something_else() {
    let disk = with_file(b"........");
    let file = open(&disk, "/a");
    disk.inject(Fault::new(What::Misdirect(3)));
    file.write_all_at(b"ab", 1).unwrap();
    file.sync_data().unwrap();
    assert_eq!((seen(&disk, "/a").unwrap(), durable(&disk)), (b".ab.....".to_vec(), b"....ab..".to_vec()));
    disk.inject(Fault::new(What::Misdirect(u64::MAX)));
    file.write_all_at(b"zz", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(durable(&disk), b"....ab..", "it may miss the file altogether");
}

#[test]
fn reads_may_be_wrong() {
    let disk = with_file(&[1; 1300]);
    let file = open(&disk, "/a");
    let read = |what, offset, len| {
        disk.inject(Fault::new(what).on(Operation::Read));
        let mut bytes = vec![7; len];
        file.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    };
    let bits = |bytes: &[u8]| bytes.iter().map(|byte| (byte ^ 1).count_ones()).sum::<u32>();
    assert_eq!(bits(&read(What::FlipBit, 0, 1300)), 1);
    let mut zeros = BTreeSet::new();
    for _ in 0..50 {
        let bytes = read(What::ZeroSector, 500, 800);
        let first = bytes.iter().position(|byte| *byte == 0).unwrap();
        let count = bytes.iter().filter(|byte| **byte == 0).count();
        assert!(bytes[first..first + count].iter().all(|byte| *byte == 0));
        zeros.insert((first, count));
    }
    assert_eq!(zeros, [(0, 12), (12, 512), (524, 276)].into());
    disk.overwrite("/a".as_ref(), 1000, b"xyz").unwrap();
    assert_eq!(read(What::Misread(1000), 0, 3), b"xyz");
    assert_eq!(read(What::Misread(1000), 299, 3), [1, 0, 0]);
    assert_eq!(seen(&disk, "/a").unwrap()[..3], [1, 1, 1], "the file is as it was");
    disk.inject(Fault::new(What::FlipBit));
    assert_eq!(file.read_at(&mut [0], 9999).unwrap(), 0, "where nothing is read, nothing is wrong");
}

#[test]
fn rot_is_seen_and_stays() {
    let disk = with_file(b"abc");
    let file = open(&disk, "/a");
    file.write_all_at(b"ABC", 0).unwrap();
    disk.overwrite("/a".as_ref(), 1, b"?").unwrap();
    assert_eq!((seen(&disk, "/a").unwrap(), durable(&disk)), (b"A?C".to_vec(), b"a?c".to_vec()));
    fails(disk.overwrite("/a".as_ref(), 2, b"??"), ErrorKind::FileTooShort, "overwriting of /a");
    fails(disk.overwrite("/b".as_ref(), 0, b"?"), ErrorKind::FileNotFound, "overwriting of /b");
    disk.reboot();
    assert_eq!(seen(&disk, "/a").unwrap(), b"a?c");
}

#[test]
fn maps_may_be_wrong() {
    let disk = with_file(&[1; 512]);
    disk.inject(Fault::new(What::ZeroSector).on(Operation::Map));
    assert_eq!(shows(&open(&disk, "/a").map(0..512).unwrap()), [0; 512]);
    assert_eq!(shows(&open(&disk, "/a").map(0..512).unwrap()), [1; 512]);
}

#[test]
fn a_full_disk_is_full_and_growth_is_taken_back_by_nobody() {
    let disk = disk();
    disk.set_capacity(1000);
    let (a, b) = (create(&disk, "/a"), create(&disk, "/b"));
    a.allocate(600).unwrap();
    assert_eq!(disk.free_space("/a".as_ref()).unwrap(), 400);
    b.write_all_at(&[1; 300], 0).unwrap();
    fails(b.allocate(500), ErrorKind::DiskFull, "growth to 500 bytes of /b");
    fails(b.write_all_at(&[2; 600], 100), ErrorKind::DiskFull, "write of 600 bytes at offset 100 of /b");
    let len = b.len().unwrap();
    assert!((300..=400).contains(&len), "{len}");
    a.write_all_at(&[3; 600], 0).expect("what was allocated is there");
    fails(a.allocate(1 << 60), ErrorKind::DiskFull, "growth");
    fails(b.write_all_at(b"far", 1 << 60), ErrorKind::DiskFull, "write");
    disk.remove("/a".as_ref()).unwrap();
    b.allocate(1000).unwrap();
    disk.set_capacity(10);
    assert_eq!(disk.free_space("/".as_ref()).unwrap(), 0);
    b.write_all_at(b"x", 999).unwrap();
}
