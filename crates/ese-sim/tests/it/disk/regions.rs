//! Regions of the simulated disk: they show what is written, and outlive everything.
#![expect(unsafe_code, reason = "looks into regions")]

use super::{create, fails, open, sync_root};
use ese_base::ErrorKind;
use ese_io::{Disk, LockMode, Region};
use ese_sim::disk::{Fault, Operation, Profile, SimDisk, What};

/// A copy of what a region shows. Its file ends behind it and is written by this thread only, if on the native disk.
pub(super) fn shows(region: &Region) -> Vec<u8> {
    // SAFETY: the tests here write to their files by the thread that also copies, and not meanwhile; the one with two
    // threads copies when the other one is done. A simulated file that was cut leaves its region's bytes readable.
    unsafe { region.bytes(0..region.len()) }.expect("all of it").to_vec()
}

#[test]
fn a_region_shows_later_writes_and_outlives_growth() {
    let disk = SimDisk::new(1, Profile::ANY_ORDER);
    let file = create(&disk, "/a");
    file.write_all_at(b"abcdef", 0).unwrap();
    let region = file.map(2..6).unwrap();
    assert_eq!(shows(&region), b"cdef");
    file.write_all_at(b"XY", 1).unwrap();
    assert_eq!(shows(&region), b"Ydef");
    file.allocate(1 << 20).unwrap();
    open(&disk, "/a").write_all_at(b"Z???", 5).unwrap();
    assert_eq!(shows(&region), b"YdeZ");
    disk.remove("/a".as_ref()).unwrap();
    drop(file);
    assert_eq!(shows(&region), b"YdeZ");
}

#[test]
fn what_is_cut_off_and_grows_again_is_zero() {
    let disk = SimDisk::new(1, Profile::ANY_ORDER);
    let file = create(&disk, "/a");
    file.write_all_at(b"abcdef", 0).unwrap();
    let region = file.map(0..6).unwrap();
    file.truncate(2).unwrap();
    assert_eq!(shows(&region)[..2], *b"ab");
    assert_eq!(shows(&region)[2..], [0xdb; 4], "who looks behind the end is to notice");
    file.allocate(4).unwrap();
    assert_eq!(shows(&region)[..4], *b"ab\0\0");
    file.write_all_at(b"z", 5).unwrap();
    assert_eq!(shows(&region), b"ab\0\0\0z");
}

#[test]
fn regions_of_the_dead_are_readable_and_change_no_more() {
    let disk = SimDisk::new(1, Profile::NOTHING);
    let file = create(&disk, "/a");
    sync_root(&disk);
    file.write_all_at(b"abc", 0).unwrap();
    let region = file.map(0..3).unwrap();
    disk.crash_after(0);
    assert!(file.sync_data().is_err());
    assert_eq!(shows(&region), b"abc");
    disk.kill();
    open(&disk, "/a").write_all_at(b"xyz", 0).unwrap();
    assert_eq!(shows(&region), b"abc");
    disk.reboot();
    drop((file, disk));
    assert_eq!(shows(&region), b"abc");
}

#[test]
fn a_region_keeps_the_lock_of_its_file() {
    let disk = SimDisk::new(1, Profile::ANY_ORDER);
    let file = create(&disk, "/a");
    file.allocate(10).unwrap();
    file.lock(LockMode::Exclusive).unwrap();
    let region = file.map(0..10).unwrap();
    drop(file);
    let other = open(&disk, "/a");
    fails(other.lock(LockMode::Shared), ErrorKind::FileAccessDenied, "another instance");
    drop(region);
    other.lock(LockMode::Shared).unwrap();
}

#[test]
fn rot_and_reverts_are_not_shown_by_regions_that_exist() {
    let disk = SimDisk::new(1, Profile::NOTHING);
    disk.install("/a".as_ref(), b"old").unwrap();
    let file = open(&disk, "/a");
    file.write_all_at(b"new", 0).unwrap();
    let region = file.map(0..3).unwrap();
    disk.inject(Fault::new(What::Revert).on(Operation::Sync));
    assert!(file.sync_data().is_err());
    assert_eq!((shows(&region), shows(&file.map(0..3).unwrap())), (b"new".to_vec(), b"old".to_vec()));
    disk.overwrite("/a".as_ref(), 1, b"?").unwrap();
    assert_eq!((shows(&region), shows(&file.map(0..3).unwrap())), (b"new".to_vec(), b"o?d".to_vec()));
}

#[test]
fn regions_on_threads() {
    let disk = SimDisk::new(1, Profile::ANY_ORDER);
    let file = create(&disk, "/a");
    file.allocate(2000).unwrap();
    let region = file.map(0..2000).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..100).for_each(|byte| file.write_all_at(&[byte; 1000], 1000).unwrap()));
        for _ in 0..100 {
            // SAFETY: the other thread writes behind these bytes.
            let bytes = unsafe { region.bytes(0..1000) };
            assert_eq!(bytes, Some(&[0; 1000][..]));
        }
    });
    assert_eq!(shows(&region)[1000..], [99; 1000]);
}
