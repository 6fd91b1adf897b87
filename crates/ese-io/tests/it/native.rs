//! What the operating system does with names, bytes, locks and maps, call by call.

use ese_base::{ErrorKind, Result};
use ese_io::{Disk, DiskFile, Entry, EntryKind, LockMode, Metadata, NativeDisk, OpenMode};
use std::{
    fmt::Debug,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    sync::Arc,
};
use tempfile::TempDir;

const DISK: NativeDisk = NativeDisk::new();

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn create(path: &Path) -> Arc<dyn DiskFile> {
    DISK.open(path, OpenMode::CreateNew).expect("a new file")
}

/// The call failed with `kind`, and the message names what it should.
#[track_caller]
fn fails<T: Debug>(result: Result<T>, kind: ErrorKind, words: &[&str]) {
    let error = result.expect_err("it should have failed");
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is missing in: {error}");
    }
}

#[test]
fn a_file_keeps_what_was_written_where_it_was_written() {
    let folder = folder();
    let path = folder.path().join("a");
    let file = create(&path);
    assert!(file.is_empty().unwrap());
    file.write_all_at(b"world", 7).unwrap();
    file.write_all_at(b"hello", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(file.len().unwrap(), 12);
    let mut buffer = [9; 12];
    file.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(&buffer, b"hello\0\0world");

    let again = DISK.open(&path, OpenMode::Read).unwrap();
    assert_eq!(again.id(), file.id());
    assert_eq!(again.read_at(&mut buffer, 10).unwrap(), 2);
    assert_eq!(again.read_at(&mut buffer, 12).unwrap(), 0);
    assert_eq!(again.read_at(&mut buffer, 1 << 40).unwrap(), 0);
    fails(again.read_exact_at(&mut buffer, 1), ErrorKind::FileTooShort, &["12 bytes at offset 1", "only 11"]);
    fails(again.write_all_at(b"x", 3), ErrorKind::FileAccessDenied, &["write of 1 bytes at offset 3 of"]);
    fails(again.allocate(100), ErrorKind::FileAccessDenied, &["growth to 100 bytes"]);
    fails(again.truncate(3), ErrorKind::FileAccessDenied, &["cutting to 3 bytes"]);
    fails(again.read_exact_at(&mut buffer, u64::MAX), ErrorKind::DiskIo, &["read"]);
}

#[test]
fn files_and_directories_are_the_owners() {
    let folder = folder();
    let directory = folder.path().join("d");
    DISK.create_directory(&directory).unwrap();
    create(&directory.join("f"));
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(directory.join("f")).unwrap().permissions().mode() & 0o777, 0o600);
    fails(DISK.create_directory(&directory), ErrorKind::FileExists, &["d"]);
    fails(DISK.create_directory(&folder.path().join("x/y")), ErrorKind::FileNotFound, &["x/y"]);
}

#[test]
fn opening_says_what_is_wrong() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    for mode in [OpenMode::Read, OpenMode::ReadWrite] {
        fails(DISK.open(&at("a"), mode), ErrorKind::FileNotFound, &["opening of", "/a"]);
        fails(DISK.open(folder.path(), mode), ErrorKind::InvalidPath, &["opening"]);
        fails(DISK.open(Path::new("/dev/null"), mode), ErrorKind::InvalidPath, &["no regular file"]);
    }
    create(&at("a"));
    fails(DISK.open(&at("a"), OpenMode::CreateNew), ErrorKind::FileExists, &["creation of"]);
    fails(DISK.open(&at("a/b"), OpenMode::Read), ErrorKind::InvalidPath, &["a/b"]);
    symlink(at("nothing"), at("link")).unwrap();
    fails(DISK.open(&at("link"), OpenMode::CreateNew), ErrorKind::FileExists, &[]);
    assert!(!at("nothing").exists(), "a link is not followed when a file is created");
    symlink(at("circle"), at("circle")).unwrap();
    fails(DISK.open(&at("circle"), OpenMode::Read), ErrorKind::InvalidPath, &["circle"]);
}

/// No test here starts a process: until it has become another program, a child shares the open files of all threads, and
/// with them their locks.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_does_not_hold_up_its_opening() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let folder = folder();
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    for mode in [OpenMode::Read, OpenMode::ReadWrite] {
        fails(DISK.open(&pipe, mode), ErrorKind::InvalidPath, &["pipe"]);
    }
}

#[test]
fn names_are_listed_renamed_and_removed() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    for name in ["c", "a", "b"] {
        create(&at(name)).write_all_at(name.as_bytes(), 0).unwrap();
    }
    DISK.create_directory(&at("d")).unwrap();
    symlink(at("a"), at("e")).unwrap();
    let entry = |name: &str, kind| Entry { name: name.into(), kind };
    let files = ["a", "b", "c"].map(|name| entry(name, EntryKind::File));
    let others = [entry("d", EntryKind::Directory), entry("e", EntryKind::Other)];
    assert_eq!(DISK.list(folder.path()).unwrap(), [&files[..], &others[..]].concat());

    DISK.rename(&at("c"), &at("a")).unwrap();
    DISK.remove(&at("b")).unwrap();
    DISK.sync_directory(folder.path()).unwrap();
    let mut byte = [0];
    DISK.open(&at("a"), OpenMode::Read).unwrap().read_exact_at(&mut byte, 0).unwrap();
    assert_eq!(&byte, b"c");
    assert_eq!(DISK.metadata(&at("a")).unwrap(), Some(Metadata { kind: EntryKind::File, len: 1 }));
    assert_eq!(DISK.metadata(&at("d")).unwrap().unwrap().kind, EntryKind::Directory);
    assert_eq!(DISK.metadata(&at("b")).unwrap(), None);
    assert_eq!(DISK.metadata(&at("a/b")).unwrap(), None);

    fails(DISK.rename(&at("b"), &at("c")), ErrorKind::FileNotFound, &["renaming to", "/c of", "/b"]);
    fails(DISK.remove(&at("b")), ErrorKind::FileNotFound, &["removal of"]);
    fails(DISK.remove(&at("d")), ErrorKind::InvalidPath, &["removal of"]);
    fails(DISK.list(&at("a")), ErrorKind::InvalidPath, &["listing of"]);
    fails(DISK.sync_directory(&at("a")), ErrorKind::InvalidPath, &["sync of the directory"]);
    fails(DISK.sync_directory(&at("z")), ErrorKind::FileNotFound, &["sync of the directory"]);
}

#[test]
fn a_removed_file_stays_usable() {
    let folder = folder();
    let file = create(&folder.path().join("a"));
    DISK.remove(&folder.path().join("a")).unwrap();
    file.write_all_at(b"still", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(file.len().unwrap(), 5);
}

#[test]
fn allocated_space_is_real_and_zero() {
    let folder = folder();
    let path = folder.path().join("a");
    let file = create(&path);
    file.write_all_at(b"abc", 0).unwrap();
    file.allocate(1 << 20).unwrap();
    assert_eq!(file.len().unwrap(), 1 << 20);
    assert!(fs::metadata(&path).unwrap().blocks() * 512 >= 1 << 20, "the file has holes");
    let mut bytes = vec![1; 1 << 20];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes[..3], b"abc");
    assert!(bytes[3..].iter().all(|byte| *byte == 0));
    file.allocate(10).unwrap();
    assert_eq!(file.len().unwrap(), 1 << 20, "never shorter");
}

#[test]
fn a_full_disk_says_so_when_a_file_grows() {
    let folder = folder();
    let file = create(&folder.path().join("a"));
    let free = DISK.free_space(folder.path()).unwrap();
    assert!(free > 0);
    // More than the largest file or the whole disk: either answer is a full disk.
    fails(file.allocate(1 << 60), ErrorKind::DiskFull, &["growth to 1152921504606846976 bytes of"]);
}

#[test]
fn a_file_is_cut_and_not_grown_by_a_truncation() {
    let folder = folder();
    let file = create(&folder.path().join("a"));
    file.write_all_at(b"abcdef", 0).unwrap();
    file.truncate(9).unwrap();
    assert_eq!(file.len().unwrap(), 6);
    file.truncate(2).unwrap();
    file.allocate(4).unwrap();
    let mut bytes = [1; 4];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"ab\0\0");
}

#[test]
fn a_lock_is_on_the_file_and_not_on_its_name() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let first = create(&at("a"));
    symlink(at("a"), at("soft")).unwrap();
    fs::hard_link(at("a"), at("hard")).unwrap();
    first.lock(LockMode::Exclusive).unwrap();
    for name in ["a", "soft", "hard"] {
        for mode in [LockMode::Exclusive, LockMode::Shared] {
            let other = DISK.open(&at(name), OpenMode::Read).unwrap();
            fails(other.lock(mode), ErrorKind::FileAccessDenied, &[name, "another instance holds it"]);
        }
    }
    // A handle that never had the lock does not end it by closing.
    drop(DISK.open(&at("hard"), OpenMode::ReadWrite).unwrap());
    let other = DISK.open(&at("a"), OpenMode::ReadWrite).unwrap();
    fails(other.lock(LockMode::Exclusive), ErrorKind::FileAccessDenied, &[]);
    drop(first);
    other.lock(LockMode::Exclusive).unwrap();
}

#[test]
fn locks_are_shared_by_those_who_share() {
    let folder = folder();
    let path = folder.path().join("a");
    let (one, two, three) =
        (create(&path), DISK.open(&path, OpenMode::Read), DISK.open(&path, OpenMode::Read));
    let (two, three) = (two.unwrap(), three.unwrap());
    one.lock(LockMode::Shared).unwrap();
    two.lock(LockMode::Shared).unwrap();
    fails(three.lock(LockMode::Exclusive), ErrorKind::FileAccessDenied, &["Exclusive"]);
    drop((one, two));
    three.lock(LockMode::Exclusive).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_region_keeps_the_lock_of_its_file() {
    let folder = folder();
    let path = folder.path().join("a");
    let file = create(&path);
    file.allocate(4096).unwrap();
    file.lock(LockMode::Exclusive).unwrap();
    let region = file.map(0..4096).unwrap();
    drop(file);
    let other = DISK.open(&path, OpenMode::ReadWrite).unwrap();
    fails(other.lock(LockMode::Shared), ErrorKind::FileAccessDenied, &[]);
    drop(region);
    other.lock(LockMode::Shared).unwrap();
}

#[test]
fn a_lock_is_given_back_before_its_file_is_closed() {
    let folder = folder();
    let path = folder.path().join("a");
    let file = create(&path);
    file.allocate(4096).unwrap();
    file.unlock().unwrap();
    file.lock(LockMode::Exclusive).unwrap();
    let region = file.map(0..4096).unwrap();
    file.unlock().unwrap();
    let other = DISK.open(&path, OpenMode::ReadWrite).unwrap();
    other.lock(LockMode::Exclusive).unwrap();
    fails(file.lock(LockMode::Shared), ErrorKind::FileAccessDenied, &[]);
    drop(region);
}

#[test]
fn maps_need_their_bytes() {
    let folder = folder();
    let file = create(&folder.path().join("a"));
    file.allocate(8192).unwrap();
    assert_eq!(file.map(0..8192).unwrap().len(), 8192);
    assert_eq!(file.map(100..300).unwrap().len(), 200);
    assert!(file.map(8192..8192).unwrap().is_empty());
    fails(file.map(4096..8193), ErrorKind::FileTooShort, &["4096..8193", "8192 bytes"]);
    fails(file.map(0..u64::MAX), ErrorKind::InvalidParameter, &[]);
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    let reversed = 5..4;
    fails(file.map(reversed), ErrorKind::InvalidParameter, &[]);
}
