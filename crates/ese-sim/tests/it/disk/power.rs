//! What kills and power cuts leave.

use super::{create, fails, open, seen, sync_root};
use ese_base::ErrorKind;
use ese_io::{Disk, LockMode, OpenMode};
use ese_sim::disk::{Operation, Profile, Sector, SimDisk, Survival, Torn};
use std::{collections::BTreeSet, path::Path};

/// All that a file holds after power cuts of many seeds, from one state.
fn ends(disk: &SimDisk, path: &str) -> BTreeSet<Option<Vec<u8>>> {
    let end = |seed| {
        let disk = disk.fork(seed);
        disk.reboot();
        seen(&disk, path)
    };
    (0..400).map(end).collect()
}

#[test]
fn only_a_sync_makes_bytes_durable() {
    let disk = SimDisk::new(1, Profile::NOTHING);
    let file = create(&disk, "/a");
    sync_root(&disk);
    file.write_all_at(b"kept", 0).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(b"lost", 0).unwrap();
    file.allocate(100).unwrap();
    drop(file);
    assert_eq!(seen(&disk, "/a").unwrap().len(), 100);
    assert_eq!(disk.durable("/a".as_ref()), Some(b"kept".to_vec()));
    disk.reboot();
    assert_eq!(seen(&disk, "/a"), Some(b"kept".to_vec()));
}

#[test]
fn only_the_sync_of_a_directory_makes_names_durable() {
    let disk = SimDisk::new(1, Profile::NOTHING);
    disk.create_directory("/d".as_ref()).unwrap();
    let file = create(&disk, "/d/a");
    file.write_all_at(b"x", 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_directory("/d".as_ref()).unwrap();
    assert_eq!(disk.durable("/d/a".as_ref()), None, "the directory's own name was not synced");
    let lost = disk.fork(1);
    lost.reboot();
    assert_eq!(lost.list("/".as_ref()).unwrap(), []);
    lost.create_directory("/d".as_ref()).unwrap();
    assert_eq!(lost.list("/d".as_ref()).unwrap(), [], "a new directory, without what was in the lost one");
    sync_root(&disk);
    assert_eq!(disk.durable("/d/a".as_ref()), Some(b"x".to_vec()));
    disk.rename("/d/a".as_ref(), "/d/b".as_ref()).unwrap();
    disk.reboot();
    assert_eq!((seen(&disk, "/d/a"), seen(&disk, "/d/b")), (Some(b"x".to_vec()), None));
    disk.remove("/d/a".as_ref()).unwrap();
    disk.reboot();
    assert!(seen(&disk, "/d/a").is_some(), "the removal was not synced");
    disk.remove("/d/a".as_ref()).unwrap();
    disk.sync_directory("/d".as_ref()).unwrap();
    disk.reboot();
    assert_eq!(disk.list("/d".as_ref()).unwrap(), []);
}

#[test]
fn names_survive_each_by_itself() {
    let disk = SimDisk::new(1, Profile::ANY_ORDER);
    disk.install("/a".as_ref(), b"a").unwrap();
    disk.rename("/a".as_ref(), "/b".as_ref()).unwrap();
    create(&disk, "/c");
    disk.remove("/b".as_ref()).unwrap();
    let end = |seed| {
        let disk = disk.fork(seed);
        disk.reboot();
        let names = disk.list("/".as_ref()).unwrap();
        names.iter().map(|entry| entry.name.to_str().unwrap()).collect::<String>()
    };
    let ends: BTreeSet<String> = (0..400).map(end).collect();
    // Neither a rename in part nor a removal that takes back the rename before it.
    assert_eq!(ends, ["a", "ac", "b", "bc", "", "c"].map(str::to_owned).into());
}

#[test]
fn a_rename_is_durable_with_either_of_its_directories_and_after_what_came_before_it() {
    for synced in ["/", "/d"] {
        let disk = SimDisk::new(1, Profile::NOTHING);
        disk.create_directory("/d".as_ref()).unwrap();
        sync_root(&disk);
        create(&disk, "/d/a").write_all_at(b"old", 0).unwrap();
        disk.install("/a".as_ref(), b"new").unwrap();
        disk.rename("/a".as_ref(), "/d/a".as_ref()).unwrap();
        disk.sync_directory(synced.as_ref()).unwrap();
        assert_eq!(disk.unsynced(), 1, "the old file's bytes");
        disk.sync_directory("/d".as_ref()).unwrap();
        disk.reboot();
        assert_eq!((seen(&disk, "/a"), seen(&disk, "/d/a")), (None, Some(b"new".to_vec())), "{synced}");
    }
}

#[test]
fn a_file_that_is_installed_stays_whatever_was_unsynced() {
    let disk = SimDisk::new(1, Profile::EVERYTHING);
    create(&disk, "/a");
    disk.rename("/a".as_ref(), "/b".as_ref()).unwrap();
    disk.install("/a".as_ref(), b"x").unwrap();
    fails(disk.install("/a/b".as_ref(), b"x"), ErrorKind::InvalidPath, "installation of /a/b");
    disk.reboot();
    assert_eq!((seen(&disk, "/a"), seen(&disk, "/b")), (Some(b"x".to_vec()), Some(Vec::new())));
}

#[test]
fn a_kill_loses_nothing_and_makes_nothing_durable() {
    let disk = SimDisk::new(1, Profile::NOTHING);
    let file = create(&disk, "/a");
    sync_root(&disk);
    file.write_all_at(b"abc", 0).unwrap();
    file.lock(LockMode::Exclusive).unwrap();
    disk.kill();
    fails(file.len(), ErrorKind::DiskIo, "the process that opened the file is gone");
    fails(file.read_at(&mut [0], 0), ErrorKind::DiskIo, "gone");
    fails(file.write_all_at(b"late", 0), ErrorKind::DiskIo, "gone");
    fails(file.sync_data(), ErrorKind::DiskIo, "gone");
    assert_eq!(seen(&disk, "/a"), Some(b"abc".to_vec()));
    let again = open(&disk, "/a");
    again.lock(LockMode::Exclusive).unwrap();
    drop(file);
    fails(open(&disk, "/a").lock(LockMode::Shared), ErrorKind::FileAccessDenied, "another instance");
    assert_eq!(disk.unsynced(), 1, "a dead handle's end ends no lock, and syncs nothing");
    disk.reboot();
    assert_eq!(seen(&disk, "/a"), Some(Vec::new()), "read after a kill, and lost after all");
    drop(again);
}

#[test]
fn a_sync_after_a_kill_makes_durable_what_the_dead_wrote() {
    let disk = SimDisk::new(1, Profile::NOTHING);
    create(&disk, "/a").write_all_at(b"abc", 0).unwrap();
    disk.kill();
    open(&disk, "/a").sync_data().unwrap();
    sync_root(&disk);
    disk.reboot();
    assert_eq!(seen(&disk, "/a"), Some(b"abc".to_vec()));
}

#[test]
fn bytes_length_and_sectors_survive_apart() {
    let disk = SimDisk::new(1, Profile::ANY_ORDER);
    disk.install("/a".as_ref(), &[1; 1024]).unwrap();
    open(&disk, "/a").write_all_at(&[2; 1024], 512).unwrap();
    let file = |sectors: &[u8]| Some(sectors.iter().flat_map(|byte| [*byte; 512]).collect::<Vec<u8>>());
    // Old; the length without the bytes; one of the sectors; both; the first one without the length.
    let expected = [&[1, 1][..], &[1, 1, 0], &[1, 2, 0], &[1, 1, 2], &[1, 2, 2], &[1, 2]];
    assert_eq!(ends(&disk, "/a"), expected.into_iter().map(file).collect());
    disk.set_profile(Profile::of(Survival::InOrder));
    let expected = [&[1, 1][..], &[1, 2], &[1, 2, 2]];
    assert_eq!(ends(&disk, "/a"), expected.into_iter().map(file).collect(), "from the front, in order");
    disk.set_profile(Profile::ANY_ORDER.with_sector(Sector::Large));
    let expected = [&[1, 1][..], &[1, 1, 0], &[1, 2, 2], &[1, 2]];
    assert_eq!(ends(&disk, "/a"), expected.into_iter().map(file).collect(), "all in one sector");
    disk.set_profile(Profile::EVERYTHING);
    assert_eq!(ends(&disk, "/a"), [file(&[1, 2, 2])].into());
}

#[test]
fn a_torn_sector_may_hold_anything_and_a_synced_one_what_was_written() {
    let disk = SimDisk::new(1, Profile::ANY_ORDER.with_torn(Torn::Anything));
    disk.install("/a".as_ref(), &[1; 1536]).unwrap();
    let file = open(&disk, "/a");
    file.write_all_at(&[2; 1024], 0).unwrap();
    let odd = |bytes: &[u8]| bytes.iter().any(|byte| !matches!(byte, 1 | 2));
    let ends = ends(&disk, "/a");
    let all = || ends.iter().flatten();
    assert!(all().any(|bytes| odd(&bytes[..512])) && all().any(|bytes| odd(&bytes[512..1024])));
    assert!(all().any(|bytes| bytes[..512] == [0; 512]));
    assert!(all().all(|bytes| bytes[1024..] == [1; 512]), "another sector is never touched");
    file.sync_data().unwrap();
    let synced: Vec<u8> = [[2; 512], [2; 512], [1; 512]].concat();
    assert_eq!(super::power::ends(&disk, "/a"), [Some(synced)].into());
}

#[test]
fn a_cut_and_what_grows_after_it() {
    let disk = SimDisk::new(1, Profile::ANY_ORDER);
    disk.install("/a".as_ref(), b"abcd").unwrap();
    let file = open(&disk, "/a");
    file.truncate(2).unwrap();
    file.allocate(5).unwrap();
    assert_eq!(seen(&disk, "/a"), Some(b"ab\0\0\0".to_vec()));
    let expected = [&b"abcd"[..], b"ab", b"ab\0", b"ab\0\0", b"ab\0\0\0", b"abcd\0"];
    // Of a growth the front may be done.
    assert_eq!(ends(&disk, "/a"), expected.map(|bytes| Some(bytes.to_vec())).into());
    file.sync_data().unwrap();
    assert_eq!(ends(&disk, "/a"), [Some(b"ab\0\0\0".to_vec())].into());
}

#[test]
fn where_nothing_overtakes_anything_a_sync_is_one_of_all_before_it() {
    let run = |profile, sync: fn(&SimDisk)| {
        let disk = SimDisk::new(1, profile);
        disk.install("/a".as_ref(), b"").unwrap();
        open(&disk, "/a").write_all_at(b"x", 0).unwrap();
        create(&disk, "/b");
        sync(&disk);
        disk.unsynced()
    };
    assert_eq!(run(Profile::IN_ORDER, |disk| open(disk, "/b").sync_data().unwrap()), 0);
    assert_eq!(run(Profile::IN_ORDER, sync_root), 0);
    assert_eq!(run(Profile::ANY_ORDER, |disk| open(disk, "/b").sync_data().unwrap()), 2);
    assert_eq!(run(Profile::ANY_ORDER, sync_root), 1);
}

#[test]
fn every_subset_of_changes_can_be_chosen() {
    let disk = SimDisk::new(1, Profile::ANY_ORDER);
    disk.install("/a".as_ref(), b"....").unwrap();
    let file = open(&disk, "/a");
    for (place, letter) in [b"w", b"x", b"y", b"z"].into_iter().enumerate() {
        file.write_all_at(letter, u64::try_from(place).unwrap()).unwrap();
    }
    assert_eq!(disk.unsynced(), 4);
    let left = |mask| {
        let end = disk.fork(1);
        end.set_profile(Profile::of(Survival::Chosen(mask)));
        end.reboot();
        String::from_utf8(seen(&end, "/a").unwrap()).unwrap()
    };
    assert_eq!((left(0), left(0b1010), left(0b1111)), ("....".into(), ".x.z".into(), "wxyz".into()));
}

#[test]
fn changes_of_names_and_bytes_are_in_one_order() {
    let disk = SimDisk::new(1, Profile::ANY_ORDER);
    disk.install("/n".as_ref(), b"1").unwrap();
    let old = open(&disk, "/n");
    disk.rename("/n".as_ref(), "/a".as_ref()).unwrap();
    old.write_all_at(b"2", 0).unwrap();
    create(&disk, "/n");
    old.write_all_at(b"3", 0).unwrap();
    disk.rename("/n".as_ref(), "/b".as_ref()).unwrap();
    let left = |mask| {
        let end = disk.fork(1);
        end.set_profile(Profile::of(Survival::Chosen(mask)));
        end.reboot();
        ["/n", "/a", "/b"].map(|path| seen(&end, path).map(|bytes| bytes.first().copied().unwrap_or(b'-')))
    };
    assert_eq!(left(0b00001), [None, Some(b'1'), None]);
    assert_eq!(left(0b00010), [Some(b'2'), None, None]);
    assert_eq!(left(0b00101), [Some(b'-'), Some(b'1'), None]);
    assert_eq!(left(0b01010), [Some(b'3'), None, None]);
    assert_eq!(left(0b10000), [Some(b'1'), None, Some(b'-')], "the old file is not the one that was renamed");
    assert_eq!(left(0b11111), [None, Some(b'3'), Some(b'-')]);
}

#[test]
fn the_interrupted_change_is_done_in_part_or_not_at_all_and_nothing_follows() {
    let mut lens = BTreeSet::new();
    for seed in 0..100 {
        let disk = SimDisk::new(seed, Profile::EVERYTHING);
        let file = create(&disk, "/a");
        disk.crash_after(1);
        file.write_all_at(&[1; 500], 0).unwrap();
        assert!(!disk.is_off());
        assert_eq!(file.len().unwrap(), 500, "reads are no changes");
        fails(file.write_all_at(&[1; 1000], 500), ErrorKind::DiskIo, "the power is off");
        assert!(disk.is_off());
        fails(file.len(), ErrorKind::DiskIo, "the power is off");
        fails(disk.metadata("/a".as_ref()), ErrorKind::DiskIo, "the power is off");
        fails(disk.open("/a".as_ref(), OpenMode::Read), ErrorKind::DiskIo, "the power is off");
        let (killed, traced) = (disk.fork(seed), disk.trace());
        fails(disk.create_directory("/d".as_ref()), ErrorKind::DiskIo, "the power is off");
        assert_eq!(disk.trace(), traced, "nobody asked anything");
        disk.reboot();
        killed.kill();
        assert!(!disk.is_off() && !killed.is_off());
        let (bytes, same) = (seen(&disk, "/a").unwrap(), seen(&killed, "/a").unwrap());
        assert_eq!(bytes, same, "this profile keeps all, as a kill does");
        assert!(bytes.iter().all(|byte| *byte == 1));
        lens.insert(bytes.len());
    }
    assert_eq!(lens, [500, 512, 1024, 1500].into());
}

#[test]
fn interrupted_names_and_syncs_are_done_or_not() {
    let mut ends = BTreeSet::new();
    for seed in 0..100 {
        let disk = SimDisk::new(seed, Profile::NOTHING);
        let file = create(&disk, "/a");
        file.write_all_at(b"x", 0).unwrap();
        sync_root(&disk);
        disk.crash_after(0);
        assert!(file.sync_data().is_err());
        disk.kill();
        disk.crash_after(0);
        assert!(disk.rename("/a".as_ref(), "/b".as_ref()).is_err());
        disk.kill();
        let is_renamed = seen(&disk, "/b").is_some();
        sync_root(&disk);
        disk.reboot();
        ends.insert((is_renamed, seen(&disk, if is_renamed { "/b" } else { "/a" }).unwrap().len()));
    }
    assert_eq!(ends.len(), 4, "{ends:?}");
}

#[test]
fn a_crash_that_was_to_come_is_gone_with_a_reboot() {
    let disk = SimDisk::new(1, Profile::ANY_ORDER);
    disk.crash_after(1);
    disk.reboot();
    for name in ["/a", "/b", "/c"] {
        create(&disk, name);
    }
    assert!(!disk.is_off());
    assert_eq!((disk.changes(), disk.calls(Operation::Create), disk.calls(Operation::Open)), (3, 3, 0));
}

#[test]
fn a_fork_has_the_same_past_and_its_own_future() {
    let disk = SimDisk::new(1, Profile::NOTHING);
    let file = create(&disk, "/a");
    sync_root(&disk);
    file.write_all_at(b"abc", 0).unwrap();
    file.lock(LockMode::Exclusive).unwrap();
    let fork = disk.fork(2);
    assert_eq!((fork.trace(), fork.unsynced()), (disk.trace(), disk.unsynced()));
    let same = open(&fork, "/a");
    same.lock(LockMode::Exclusive).expect("the other's lock is not here");
    same.write_all_at(b"xyz", 0).unwrap();
    assert_eq!(seen(&disk, "/a"), Some(b"abc".to_vec()));
    fork.reboot();
    file.write_all_at(b"d", 3).expect("the other disk has its power");
    assert_eq!((seen(&disk, "/a"), seen(&fork, "/a")), (Some(b"abcd".to_vec()), Some(Vec::new())));
}

/// Some calls that hang on the dice in every way.
fn run(seed: u64, last: &[u8]) -> SimDisk {
    let disk = SimDisk::new(seed, Profile::ANY_ORDER);
    for round in 0..20 {
        let path = format!("/{round}");
        let file = create(&disk, &path);
        file.write_all_at(&[round; 3000], u64::from(round) * 100).expect("no fault");
        if let Some(bytes) = seen(&disk, "/3") {
            file.write_all_at(&bytes, 0).expect("no fault");
        }
        if round % 4 == 0 {
            sync_root(&disk);
            file.sync_data().expect("no fault");
        }
        if round % 7 == 6 {
            disk.reboot();
        }
    }
    create(&disk, "/last").write_all_at(last, 0).expect("no fault");
    disk
}

#[test]
fn one_seed_is_one_run() {
    let traces: BTreeSet<u64> = (0..10).map(|seed| run(seed, b"a").trace()).collect();
    assert!(traces.len() > 1, "seeds differ");
    for seed in 0..10 {
        assert_eq!(run(seed, b"a").trace(), run(seed, b"a").trace());
        assert_ne!(run(seed, b"a").trace(), run(seed, b"b").trace(), "what is written counts");
    }
    let hundred = |seed| (0..100).map(|at| seen(&run(seed, b"a"), &format!("/{at}"))).collect::<Vec<_>>();
    assert_eq!(hundred(5), hundred(5));
}

#[test]
fn files_without_a_name_take_no_space_after_a_reboot() {
    let disk = SimDisk::new(1, Profile::NOTHING);
    disk.set_capacity(5000);
    create(&disk, "/a").write_all_at(&[1; 4000], 0).unwrap();
    assert_eq!(disk.free_space(Path::new("/")).unwrap(), 1000);
    disk.reboot();
    assert_eq!(disk.free_space(Path::new("/")).unwrap(), 5000);
}
