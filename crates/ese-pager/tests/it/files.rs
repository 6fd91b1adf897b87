//! What may stand at a path: names, locks, sizes, foreign and damaged files.
#![expect(clippy::disallowed_methods, reason = "files are looked at and damaged from outside")]

use crate::common::{Pair, Rows, draw, faults, point, rows};
use ese_base::{AttachmentNo, ErrorKind, Position, Result, TreeNo};
use ese_core::{Change, LogPoint, Store};
use ese_io::NativeDisk;
use ese_pager::{Access, Pager, PagerOptions, Reading};
use rand::{SeedableRng, rngs::SmallRng};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

const DISK: NativeDisk = NativeDisk::new();

fn kind<T>(result: Result<T>) -> ErrorKind {
    result.err().expect("an error").kind()
}

fn open(path: &Path) -> Result<Arc<Pager>> {
    Pager::open(&DISK, path, &PagerOptions::default(), &|_| true)
}

/// A closed database with rows, and its path.
fn filled(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("data.ese");
    let mut pair = Pair::create(&path, PagerOptions::default());
    let mut rng = SmallRng::seed_from_u64(5);
    pair.merge((0..500).map(|_| draw(&mut rng)).collect::<Vec<_>>()).unwrap();
    pair.pager.close(true).unwrap();
    path
}

#[test]
fn a_path_is_made_once_and_a_creation_that_was_cut_short_is_no_hindrance() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.ese");
    fs::File::create_new(folder.path().join("data.ese.new")).unwrap();
    let pager = Pager::create(&DISK, &path, &PagerOptions::default()).unwrap();
    assert!(pager.is_clean() && pager.point().is_none());
    assert_eq!(kind(Pager::create(&DISK, &path, &PagerOptions::default())), ErrorKind::DatabaseDuplicate);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary name is left");
    assert_eq!(
        kind(Pager::create(&DISK, &folder.path().join("no/data"), &PagerOptions::default())),
        ErrorKind::FileNotFound
    );
    assert_eq!(kind(Pager::create(&DISK, Path::new("/"), &PagerOptions::default())), ErrorKind::InvalidPath);
    let mut options = PagerOptions::default();
    options.page_size_bytes = Some(5_000);
    assert_eq!(kind(Pager::create(&DISK, &path, &options)), ErrorKind::InvalidSettings);
}

#[test]
fn who_writes_is_alone_and_readers_share() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(&folder);
    let link = folder.path().join("link");
    fs::hard_link(&path, &link).unwrap();
    let mut for_reads = PagerOptions::default();
    for_reads.access = Access::ReadOnly;
    let read = || Pager::open(&DISK, &link, &for_reads, &|_| true);
    let writer = open(&path).unwrap();
    assert_eq!(kind(open(&link)), ErrorKind::FileAccessDenied);
    assert_eq!(kind(read()), ErrorKind::FileAccessDenied);
    // The lock is the file's: it stays while a base of it does.
    let base = writer.newest();
    drop(writer);
    assert_eq!(kind(open(&link)), ErrorKind::FileAccessDenied);
    drop(base);
    let readers = (read().unwrap(), read().unwrap());
    assert_eq!(kind(open(&path)), ErrorKind::FileAccessDenied);
    drop(readers);
    open(&path).unwrap();
}

#[test]
fn a_file_opened_for_reads_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(&folder);
    let before = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
    let mut options = PagerOptions::default();
    options.access = Access::ReadOnly;
    let pager = Pager::open(&DISK, &path, &options, &|_| true).unwrap();
    assert!(!rows(&*pager.newest()).unwrap().is_empty());
    assert_eq!(faults(&pager), [""; 0]);
    assert_eq!(kind(Arc::clone(&pager).begin_merge()), ErrorKind::DatabaseFileReadOnly);
    assert_eq!(kind(pager.adopt(Some((AttachmentNo(2), point(900))))), ErrorKind::DatabaseFileReadOnly);
    assert_eq!(kind(pager.reserve_tree_numbers(1)), ErrorKind::DatabaseFileReadOnly);
    assert!(!pager.prepare(1 << 20));
    pager.close(true).unwrap();
    drop(pager);
    assert!(before == (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap()));
    options.access = Access::ReadWrite;
    drop(Pager::open(&DISK, &path, &options, &|_| true).unwrap());
    assert!(before.0 == fs::read(&path).unwrap(), "opening alone changes nothing");
}

#[test]
fn the_page_size_is_that_of_the_file_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.ese");
    let mut options = PagerOptions::default();
    options.page_size_bytes = Some(8192);
    drop(Pager::create(&DISK, &path, &options).unwrap());
    assert_eq!(open(&path).unwrap().page_size_bytes(), 8192);
    options.page_size_bytes = Some(4096);
    assert_eq!(kind(Pager::open(&DISK, &path, &options, &|_| true)), ErrorKind::PageSizeMismatch);
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.ese");
    assert_eq!(kind(open(&path)), ErrorKind::FileNotFound);
    assert_eq!(kind(open(folder.path())), ErrorKind::InvalidPath);
    assert_eq!(kind(open(Path::new("/dev/zero"))), ErrorKind::InvalidPath);
    for bytes in [vec![], vec![0], vec![7; 511], vec![0; 100_000], b"SQLite format 3\0".repeat(900)] {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(kind(open(&path)), ErrorKind::NotADatabase, "{} bytes", bytes.len());
        assert!(fs::read(&path).unwrap() == bytes);
    }
    let sparse = fs::File::create(&path).unwrap();
    sparse.set_len(16 << 40).or_else(|_| sparse.set_len(1 << 40)).unwrap();
    assert_eq!(kind(open(&path)), ErrorKind::NotADatabase);
}

#[test]
fn a_file_longer_than_it_says_is_fine_and_a_shorter_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(&folder);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len + 1_000_000).unwrap();
    let pair = Pair::open(Arc::new(DISK), path.clone(), PagerOptions::default(), Default::default()).unwrap();
    assert_eq!(faults(&pair.pager), [""; 0]);
    let mut pair = pair.reopen().unwrap();
    let mut rng = SmallRng::seed_from_u64(6);
    pair.rows = rows(&*pair.pager.newest()).unwrap();
    pair.merge((0..900).map(|_| draw(&mut rng)).collect::<Vec<_>>()).unwrap();
    pair.verify();
    drop(pair);
    for cut in [len - 1, len / 2, 8192] {
        file.set_len(cut).unwrap();
        assert_eq!(kind(open(&path)), ErrorKind::FileTooShort, "{cut}");
        let mut options = PagerOptions::default();
        options.reading = Reading::Copy;
        assert_eq!(kind(Pager::open(&DISK, &path, &options, &|_| true)), ErrorKind::FileTooShort);
    }
    file.set_len(4096 + 511).unwrap();
    assert_eq!(kind(open(&path)), ErrorKind::FileTooShort);
    file.set_len(511).unwrap();
    assert_eq!(kind(open(&path)), ErrorKind::NotADatabase);
}

/// Changes bytes of a meta page and seals it again.
fn reseal(path: &Path, slot: usize, change: impl Fn(&mut [u8])) {
    let mut bytes = fs::read(path).unwrap();
    let page = &mut bytes[4096 * slot..4096 * slot + 512];
    change(page);
    let checksum = crc32c::crc32c(&page[4..]);
    page[..4].copy_from_slice(&checksum.to_le_bytes());
    fs::write(path, bytes).unwrap();
}

#[test]
fn newer_formats_and_contradictions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(&folder);
    let whole = fs::read(&path).unwrap();
    let after = |slots: &[usize], at: usize, bytes: &[u8]| {
        fs::write(&path, &whole).unwrap();
        slots
            .iter()
            .for_each(|slot| reseal(&path, *slot, |page| page[at..at + bytes.len()].copy_from_slice(bytes)));
        open(&path).map(|_| ()).map_err(|error| error.kind())
    };
    assert_eq!(after(&[0, 1], 48, &[2]), Err(ErrorKind::InvalidDatabaseVersion));
    assert_eq!(after(&[0], 48, &[2]), Err(ErrorKind::InvalidDatabaseVersion), "a newer program was here");
    assert_eq!(after(&[0], 56, &[1]), Err(ErrorKind::InvalidDatabaseVersion), "an unknown feature");
    assert_eq!(after(&[0, 1], 64, &[1]), Ok(()), "a feature that need not be known");
    assert_eq!(after(&[1], 32, &[9; 16]), Err(ErrorKind::DatabaseCorrupted), "slots of two files");
    assert_eq!(after(&[0, 1], 72, &[5; 8]), Err(ErrorKind::DatabaseCorrupted), "one sequence");
    assert_eq!(after(&[0, 1], 5, &[1]), Err(ErrorKind::DatabaseCorrupted), "in the wrong slot");
    assert_eq!(after(&[0, 1], 80, &[255; 8]), Err(ErrorKind::DatabaseCorrupted), "pages");
    assert_eq!(after(&[0, 1], 80, &[0, 0, 255, 0]), Err(ErrorKind::FileTooShort), "pages");
    assert_eq!(after(&[0, 1], 156, &[40]), Err(ErrorKind::DatabaseCorrupted), "height");
    assert_eq!(after(&[0, 1], 180, &[9]), Err(ErrorKind::DatabaseCorrupted), "levels");
}

#[test]
fn a_file_that_says_it_is_huge_takes_no_more_than_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(&folder);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let Some(len) = [16 << 40, 15 << 40, 1 << 40].into_iter().find(|len| file.set_len(*len).is_ok()) else {
        return;
    };
    let pages: u64 = len / 4096;
    for slot in 0..2_u64 {
        use std::os::unix::fs::FileExt;
        let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut page = [0; 512];
        file.read_exact_at(&mut page, 4096 * slot).unwrap();
        page[80..88].copy_from_slice(&pages.to_le_bytes());
        let checksum = crc32c::crc32c(&page[4..]);
        page[..4].copy_from_slice(&checksum.to_le_bytes());
        file.write_all_at(&page, 4096 * slot).unwrap();
    }
    let pager = open(&path).unwrap();
    assert!(!rows(&*pager.newest()).unwrap().is_empty());
    let (attachment, at) = pager.point().unwrap();
    pager.adopt(Some((attachment, at))).unwrap();
    assert!(pager.check(&pager.newest(), &mut |_| {}).is_err(), "the space map does not reach that far");
    let mut merge = Arc::clone(&pager).begin_merge().unwrap();
    // Free pages are looked for where the space map is.
    merge.apply(TreeNo(1), b"short", Change::Put(&[1; 500])).unwrap();
    merge.finish(Position(at.at.0 + 1)).unwrap();
    assert!(rows(&*pager.newest()).unwrap().contains_key(&(1, b"short".to_vec())));
}

#[test]
fn a_damaged_meta_page_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(&folder);
    let whole = fs::read(&path).unwrap();
    let expected = rows(&*open(&path).unwrap().newest()).unwrap();
    for slot in 0..2 {
        let mut bytes = whole.clone();
        bytes[4096 * slot + 100] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let pager = open(&path).unwrap();
        assert!(rows(&*pager.newest()).unwrap() == expected);
        let (attachment, at) = pager.point().unwrap();
        assert_eq!(faults(&pager), [""; 0]);
        // Both are good again once the database is adopted.
        pager.adopt(Some((attachment, at))).unwrap();
        assert_eq!(faults(&pager), [""; 0]);
        drop(pager);
        let healed = fs::read(&path).unwrap();
        let other = [&healed[..4096 * slot], &[0; 4096], &healed[4096 * slot + 4096..]].concat();
        fs::write(&path, other).unwrap();
        assert!(rows(&*open(&path).unwrap().newest()).unwrap() == expected);
    }
    let mut bytes = whole.clone();
    bytes[100] ^= 1;
    bytes[4096 + 100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(kind(open(&path)), ErrorKind::DatabaseCorrupted);
    assert!(fs::read(&path).unwrap() == bytes);
}

#[test]
fn the_second_meta_page_is_found_at_every_page_size() {
    let folder = tempfile::tempdir().unwrap();
    for size in [4096, 8192, 16384, 32768] {
        let path = folder.path().join(size.to_string());
        let mut options = PagerOptions::default();
        options.page_size_bytes = Some(size);
        drop(Pager::create(&DISK, &path, &options).unwrap());
        let mut bytes = fs::read(&path).unwrap();
        bytes[..512].fill(0);
        fs::write(&path, bytes).unwrap();
        assert_eq!(open(&path).unwrap().page_size_bytes(), size);
    }
}

#[test]
fn a_database_belongs_to_its_log_until_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(&folder);
    let foreign = |at| Some((AttachmentNo(9), LogPoint { log: 78, epoch: 3, at: Position(at) }));
    let pager = open(&path).unwrap();
    assert!(pager.is_clean());
    let (attachment, at) = pager.point().unwrap();
    assert_eq!((attachment, pager.needed_from()), (AttachmentNo(1), Some(at.at)));
    // Closed in order it may go anywhere, but not back in its own log.
    let before = LogPoint { at: Position(at.at.0 - 1), ..at };
    assert_eq!(kind(pager.adopt(Some((attachment, before)))), ErrorKind::DatabaseDirtyShutdown);
    pager.adopt(foreign(500)).unwrap();
    assert!(!pager.is_clean());
    assert_eq!(pager.needed_from(), Some(Position(500)));
    let mut merge = Arc::clone(&pager).begin_merge().unwrap();
    merge.apply(TreeNo(1), b"new", Change::Put(b"1")).unwrap();
    let base = merge.finish(Position(502)).unwrap();
    let other_log = LogPoint { log: 77, epoch: 3, at: Position(502) };
    assert_eq!(kind(pager.checkpoint_step(&base, Some(other_log))), ErrorKind::InvalidParameter);
    assert_eq!(kind(pager.checkpoint_step(&base, None)), ErrorKind::InvalidParameter);
    drop((pager, base));
    // Left open it can only go on where it stands.
    let pager = open(&path).unwrap();
    assert!(!pager.is_clean());
    for other in [Some((attachment, at)), foreign(499), foreign(501), None] {
        assert_eq!(kind(pager.adopt(other)), ErrorKind::DatabaseDirtyShutdown, "{other:?}");
    }
    pager.adopt(foreign(500)).unwrap();
}

#[test]
fn the_log_is_kept_for_both_meta_pages() {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::create(&folder.path().join("data.ese"), PagerOptions::default());
    let needed = |pair: &Pair| pair.pager.needed_from().unwrap().0;
    for number in 1..6 {
        let row = (1, vec![number], Some(vec![number]));
        pair.merge([row]).unwrap();
        let base = pair.pager.newest();
        let before = needed(&pair);
        // Nothing is given up before the last step is done.
        while !pair.pager.checkpoint_step(&base, Some(point(pair.next))).unwrap() {
            assert_eq!(needed(&pair), before);
        }
        assert_eq!(needed(&pair), pair.next - 1, "the older meta page's");
    }
    // The same state once more: the older one comes up to it.
    pair.checkpoint().unwrap();
    assert_eq!(needed(&pair), pair.next);
    pair.reopen().unwrap().verify();
}

#[test]
fn both_meta_pages_are_stamped_before_anything_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(&folder);
    let under = (AttachmentNo(9), LogPoint { log: 78, epoch: 3, at: Position(500) });
    open(&path).unwrap().adopt(Some(under)).unwrap();
    for slot in 0..2 {
        flip(&path, 4096 * slot + 300);
        let pager = open(&path).unwrap();
        assert_eq!((pager.point(), pager.is_clean()), (Some(under), false), "slot {slot} is bad");
        drop(pager);
        flip(&path, 4096 * slot + 300);
    }
}

#[test]
fn tree_numbers_are_given_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.ese");
    let mut pair = Pair::create(&path, PagerOptions::default());
    let mut given = std::collections::BTreeSet::new();
    for round in 0..30 {
        for count in [1, 7, 5_000] {
            let first = pair.pager.reserve_tree_numbers(count).unwrap().0;
            assert!(first > 0 && (first..first + count).all(|number| given.insert(number)));
        }
        pair = if round % 3 == 0 { pair.reopen() } else { pair.crash() }.unwrap();
    }
    assert_eq!(kind(pair.pager.reserve_tree_numbers(u64::MAX)), ErrorKind::OutOfMemory);
    pair.pager.reserve_tree_numbers(1).unwrap();
}

#[test]
fn nothing_is_done_after_the_close_and_the_file_loses_what_is_free_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.ese");
    let mut pair = Pair::create(&path, PagerOptions::default());
    pair.merge([(1, b"a".to_vec(), Some(vec![2]))]).unwrap();
    pair.merge([(1, b"b".to_vec(), Some(vec![3; 300_000]))]).unwrap();
    while pair.pager.prepare(3_000_000) {}
    assert!(pair.pager.stats().free_pages * 4096 >= 250_000);
    let long = fs::metadata(&path).unwrap().len();
    let held = pair.pager.newest();
    pair.pager.close(true).unwrap();
    assert!(rows(&*held).unwrap() == pair.rows, "who holds a state reads on");
    let again = || Pager::open(&NativeDisk::new(), &path, &PagerOptions::default(), &|_| false);
    assert_eq!(kind(again()), ErrorKind::FileAccessDenied);
    drop(held);
    pair.pager.close(true).unwrap();
    assert!(rows(&*pair.pager.newest()).unwrap().is_empty(), "the file is somebody else's now");
    drop(again().unwrap());
    assert!(fs::metadata(&path).unwrap().len() + 200_000 < long, "{long}");
    assert_eq!(kind(Arc::clone(&pair.pager).begin_merge()), ErrorKind::NotInitialized);
    assert_eq!(kind(pair.pager.reserve_tree_numbers(1)), ErrorKind::NotInitialized);
    let pair = Pair { durable: (pair.rows.clone(), pair.next), ..pair }.crash().unwrap();
    assert!(pair.rows.len() == 2);
    pair.verify();
}

#[test]
fn copies_are_right_whatever_is_cached() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = PagerOptions::default();
    options.reading = Reading::Copy;
    options.cache_pages = 0;
    let mut pair = Pair::create(&folder.path().join("data.ese"), options);
    let mut rng = SmallRng::seed_from_u64(8);
    for _ in 0..20 {
        pair.merge((0..100).map(|_| draw(&mut rng)).collect::<Vec<_>>()).unwrap();
        pair.checkpoint().unwrap();
        pair.verify();
    }
}

/// A database that was left open after three checkpoints: its path, what the older and the newer meta page have, and the
/// newer one's slot.
fn left_open(folder: &tempfile::TempDir) -> (PathBuf, (Rows, u64), (Rows, u64), usize) {
    let path = folder.path().join("data.ese");
    let mut pair = Pair::create(&path, PagerOptions::default());
    let mut rng = SmallRng::seed_from_u64(9);
    let mut old = (pair.rows.clone(), pair.next);
    for _ in 0..3 {
        old = (pair.rows.clone(), pair.next);
        pair.merge((0..300).map(|_| draw(&mut rng)).collect::<Vec<_>>()).unwrap();
        pair.checkpoint().unwrap();
    }
    let new = pair.durable.clone();
    drop(pair);
    let bytes = fs::read(&path).unwrap();
    let sequence = |slot: usize| u64::from_le_bytes(bytes[4096 * slot + 72..][..8].try_into().unwrap());
    let newest = usize::from(sequence(1) > sequence(0));
    (path, old, new, newest)
}

/// Merges many rows into a database that is not adopted, as recovery does, and is cut short.
fn merge_and_stop(path: &Path, at: u64) {
    let pager = open(path).unwrap();
    let mut merge = Arc::clone(&pager).begin_merge().unwrap();
    for key in 0..3_000_u32 {
        merge.apply(TreeNo(1), &key.to_be_bytes(), Change::Put(&[7; 200])).unwrap();
    }
    merge.finish(Position(at + 1)).unwrap();
    assert_eq!(faults(&pager), [""; 0]);
}

/// Changes a byte.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, &bytes).unwrap();
}

#[test]
fn until_a_database_is_adopted_what_both_meta_pages_need_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old, new, newest) = left_open(&folder);
    merge_and_stop(&path, new.1);
    let pair = Pair::open(Arc::new(DISK), path.clone(), PagerOptions::default(), new.clone());
    drop(pair.unwrap().pager);
    let folder = tempfile::tempdir().unwrap();
    let (path, ..) = left_open(&folder);
    merge_and_stop(&path, new.1);
    flip(&path, 4096 * newest + 200);
    Pair::open(Arc::new(DISK), path, PagerOptions::default(), old).unwrap().verify();
}

#[test]
fn while_the_newest_meta_page_is_bad_nothing_it_may_need_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old, new, newest) = left_open(&folder);
    let whole = fs::read(&path).unwrap();
    flip(&path, 4096 * newest + 200);
    let pager = open(&path).unwrap();
    assert!(rows(&*pager.newest()).unwrap() == old.0);
    assert_eq!(pager.point().unwrap().1.at.0, old.1);
    drop(pager);
    merge_and_stop(&path, old.1);
    let bytes = fs::read(&path).unwrap();
    assert!(bytes[8192..whole.len()] == whole[8192..], "a page was written");
    // The bad page is readable again after all.
    flip(&path, 4096 * newest + 200);
    Pair::open(Arc::new(DISK), path, PagerOptions::default(), new).unwrap().verify();
}

#[test]
fn a_checkpoint_that_was_left_half_way_is_completed_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::create(&folder.path().join("data.ese"), PagerOptions::default());
    let mut rng = SmallRng::seed_from_u64(5);
    let mut merge = |pair: &mut Pair| {
        let rows: Vec<_> = (0..50).map(|_| draw(&mut rng)).collect();
        pair.merge(rows).unwrap();
        (pair.pager.newest(), Some(crate::common::point(pair.next)))
    };
    let (first, at) = merge(&mut pair);
    assert!(!pair.pager.checkpoint_step(&first, at).unwrap());
    let (second, at) = merge(&mut pair);
    assert!(!pair.pager.checkpoint_step(&second, at).unwrap());
    // Newer ones change nothing for one that has begun.
    merge(&mut pair);
    while !pair.pager.checkpoint_step(&second, at).unwrap() {}
    assert_eq!(pair.pager.point().map(|(_, point)| point), at);
}

#[test]
fn a_state_is_checkpointed_again_at_a_later_point() {
    for when in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.ese");
        let mut pair = Pair::create(&path, PagerOptions::default());
        let mut rng = SmallRng::seed_from_u64(5);
        pair.merge((0..50).map(|_| draw(&mut rng)).collect::<Vec<_>>()).unwrap();
        let first = pair.pager.newest();
        assert!(!pair.pager.checkpoint_step(&first, Some(crate::common::point(pair.next))).unwrap());
        // This database is idle, others are not: its L moves, its state does not.
        pair.next += 10;
        let later = Some(crate::common::point(pair.next));
        assert!(!pair.pager.checkpoint_step(&first, later).unwrap());
        for step in 0.. {
            if step == when {
                pair.merge((0..50).map(|_| draw(&mut rng)).collect::<Vec<_>>()).unwrap();
            }
            if pair.pager.checkpoint_step(&first, later).unwrap() {
                break;
            }
        }
        assert_eq!(pair.pager.point().map(|(_, point)| point), later);
        // Ended half way it gives its file back.
        let newest = pair.pager.newest();
        let point = Some(crate::common::point(pair.next));
        let _ = pair.pager.checkpoint_step(&newest, point).unwrap();
        drop((first, newest));
        pair.pager.close(false).unwrap();
        drop(Pager::open(&NativeDisk::new(), &path, &PagerOptions::default(), &|_| false).unwrap());
    }
}
