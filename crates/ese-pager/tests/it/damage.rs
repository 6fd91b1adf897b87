//! Any byte changed, with its checksums or against them: an error or the same rows, never other rows, a panic or a hang.
#![expect(clippy::disallowed_methods, reason = "files are damaged from outside")]

use crate::common::{Pair, Rows, faults, point, rows};
use ese_base::{AttachmentNo, ErrorKind, Position, Result, TreeNo};
use ese_core::{Change, DropProgress, Store};
use ese_io::NativeDisk;
use ese_pager::{Pager, PagerOptions, Reading};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

const PAGE: usize = 4096;

/// A closed database of a few dozen pages: trees of two levels, runs, one tree half dropped.
fn small(folder: &tempfile::TempDir) -> (PathBuf, Rows) {
    let path = folder.path().join("data.ese");
    let mut pair = Pair::create(&path, PagerOptions::default());
    let row = |tree: u64, number: u32, len: usize| {
        (tree, [b"key".as_slice(), &number.to_be_bytes()].concat(), Some(vec![number.to_le_bytes()[0]; len]))
    };
    pair.merge((0..300).map(|number| row(1, number, 60))).unwrap();
    // A run of two whole pages, and one that fits in one.
    pair.merge([row(2, 1, 2 * PAGE - 96), row(2, 2, PAGE - 96), row(2, 3, 10)]).unwrap();
    pair.merge((0..200).map(|number| row(3, number, 90))).unwrap();
    pair.checkpoint().unwrap();
    assert!(!pair.drop_tree(3, 1).unwrap(), "something is left of it");
    pair.merge([row(1, 1_000, 5)]).unwrap();
    pair.pager.close(true).unwrap();
    (path, pair.rows)
}

fn options(reading: Reading) -> PagerOptions {
    let mut options = PagerOptions::default();
    options.reading = reading;
    options.cache_pages = 4;
    options
}

/// What a reader sees.
fn read(path: &Path, reading: Reading) -> Result<(Rows, Vec<String>)> {
    let pager = Pager::open(&NativeDisk::new(), path, &options(reading), &|_| true)?;
    let found = rows(&*pager.newest())?;
    let mut found_faults = Vec::new();
    pager.check(&pager.newest(), &mut |fault| found_faults.push(fault))?;
    Ok((found, found_faults))
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// The offset of the newest meta page.
fn newest_meta(bytes: &[u8]) -> usize {
    if number(bytes, 72) > number(bytes, PAGE + 72) { 0 } else { PAGE }
}

/// Whether the space map, of one page, calls a page free.
fn is_free(bytes: &[u8], page: usize) -> bool {
    let map = PAGE * usize::try_from(number(bytes, newest_meta(bytes) + 168)).unwrap();
    bytes[map + PAGE / 2 + page / 8] >> (page % 8) & 1 == 1
}

#[test]
fn every_changed_byte_is_found_or_means_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, expected) = small(&folder);
    let whole = fs::read(&path).unwrap();
    assert!((20..80).contains(&(whole.len() / PAGE)), "{}", whole.len() / PAGE);
    let (found, none) = read(&path, Reading::Copy).unwrap();
    assert!(found == expected && none.is_empty(), "{none:?}");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        let (page, inside) = (at / PAGE, at % PAGE);
        if page >= 2 && (is_free(&whole, page) || (inside > 150 && inside < PAGE - 60 && at % 41 != 0)) {
            continue;
        }
        std::os::unix::fs::FileExt::write_at(&file, &[whole[at] ^ 1 << (at % 8)], at as u64).unwrap();
        let reading = if at % 2 == 0 { Reading::Map } else { Reading::Copy };
        match read(&path, reading) {
            Ok((found, faults)) => {
                assert!(found == expected, "byte {inside} of page {page}: other rows");
                // A meta page has a twin, and means nothing behind its first sector.
                assert!(!faults.is_empty() || page < 2, "byte {inside} of page {page}: nothing was found");
            }
            Err(error) => {
                assert!(page >= 2, "{error}");
                let kinds = [ErrorKind::PageChecksum, ErrorKind::LostWrite, ErrorKind::WrongPage];
                assert!(kinds.contains(&error.kind()), "byte {inside} of page {page}: {error}");
                refused += 1;
            }
        }
        std::os::unix::fs::FileExt::write_at(&file, &whole[at..=at], at as u64).unwrap();
    }
    assert!(refused > 1_000, "{refused}");
}

#[test]
fn damage_behind_the_newest_meta_page_falls_back_where_the_log_reaches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.ese");
    let mut pair = Pair::create(&path, PagerOptions::default());
    pair.merge((0..50).map(|number| (1, vec![number], Some(vec![number; 50])))).unwrap();
    pair.checkpoint().unwrap();
    let old = pair.durable.clone();
    pair.merge([(2, b"a".to_vec(), Some(b"1".to_vec()))]).unwrap();
    pair.checkpoint().unwrap();
    drop(pair);
    let whole = fs::read(&path).unwrap();
    let meta = newest_meta(&whole);
    // The roots of the forest and of the space map.
    for root in [144, 168] {
        let mut bytes = whole.clone();
        bytes[PAGE * usize::try_from(number(&whole, meta + root)).unwrap() + 700] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let open = |reaches: bool| {
            Pager::open(&NativeDisk::new(), &path, &PagerOptions::default(), &move |from| {
                assert_eq!(from.at.0, old.1);
                reaches
            })
        };
        assert_eq!(open(false).err().unwrap().kind(), ErrorKind::PageChecksum);
        let pager = open(true).unwrap();
        assert!(pager.is_meta_page_damaged());
        assert!(rows(&*pager.newest()).unwrap() == old.0);
        assert_eq!(pager.point().unwrap().1.at.0, old.1);
        pager.adopt(Some((AttachmentNo(1), point(old.1)))).unwrap();
        assert!(!pager.is_meta_page_damaged());
        drop(pager);
        let mut pair =
            Pair::open(Arc::new(NativeDisk::new()), path.clone(), PagerOptions::default(), old.clone())
                .unwrap();
        pair.verify();
        pair.merge([(2, b"b".to_vec(), Some(b"2".to_vec()))]).unwrap();
        pair.checkpoint().unwrap();
        pair.crash().unwrap().verify();
    }
}

/// Seals every page again, from the leaves up, so that only what the bytes mean can be wrong.
struct Sealer {
    bytes: Vec<u8>,
    budget: usize,
}

impl Sealer {
    fn page(&mut self, page: u64) -> Option<usize> {
        self.budget = self.budget.checked_sub(1)?;
        let at = usize::try_from(page).ok()?.checked_mul(PAGE)?;
        (page >= 2 && at.checked_add(PAGE)? <= self.bytes.len()).then_some(at)
    }

    fn seal(&mut self, at: usize, end: usize) -> [u8; 4] {
        let checksum = crc32c::crc32c(&self.bytes[at + 4..end]).to_le_bytes();
        self.bytes[at..at + 4].copy_from_slice(&checksum);
        checksum
    }

    /// A node and what lies below it; in the leaves of the forest are the roots of the trees.
    fn node(&mut self, page: u64, depth: u8, is_forest: bool) -> Option<[u8; 4]> {
        let at = self.page(page)?;
        let short = |bytes: &[u8], at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let (kind, count) = (self.bytes[at + 4], short(&self.bytes, at + 6).min(PAGE / 12));
        let prefix = short(&self.bytes, at + 8).min(PAGE);
        let end = at + short(&self.bytes, at + 10).min(PAGE);
        let heads = at + 32 + prefix.next_multiple_of(8);
        let children = heads + 8 * count;
        if kind == 2 && depth > 0 {
            for child in (children..).step_by(10).take(count + 1).take_while(|child| child + 10 <= at + PAGE)
            {
                let mut number = [0; 8];
                number[..6].copy_from_slice(&self.bytes[child..child + 6]);
                if let Some(checksum) = self.node(u64::from_le_bytes(number), depth - 1, is_forest) {
                    self.bytes[child + 6..child + 10].copy_from_slice(&checksum);
                }
            }
        }
        for slot in (children..).step_by(4).take(if kind == 1 { count } else { 0 }) {
            if slot + 8 > at + PAGE {
                break;
            }
            let (offset, len) = (at + short(&self.bytes, slot), short(&self.bytes, slot + 2));
            let value = offset + (len & 0x7FFF).saturating_sub(8);
            if value + 24 > end {
                continue;
            }
            let target = number(&self.bytes, value);
            let checksum = if is_forest {
                self.node(target, 8, false)
            } else if len & 0x8000 != 0 {
                self.page(target).and_then(|run| {
                    let len = u32::from_le_bytes(self.bytes[value + 12..value + 16].try_into().unwrap());
                    let end = run.checked_add(96)?.checked_add(usize::try_from(len).ok()?)?;
                    (end <= self.bytes.len()).then(|| self.seal(run, end))
                })
            } else {
                None
            };
            if let Some(checksum) = checksum {
                self.bytes[value + 8..value + 12].copy_from_slice(&checksum);
            }
        }
        Some(self.seal(at, at + PAGE))
    }

    fn map(&mut self, page: u64, level: u8) -> Option<[u8; 4]> {
        let at = self.page(page)?;
        for entry in (at + PAGE / 2..at + PAGE).step_by(16).take(if level > 0 { PAGE / 32 } else { 0 }) {
            if let Some(checksum) = self.map(number(&self.bytes, entry), level - 1) {
                self.bytes[entry + 8..entry + 12].copy_from_slice(&checksum);
            }
        }
        Some(self.seal(at, at + PAGE))
    }

    fn all(bytes: Vec<u8>) -> Vec<u8> {
        let mut sealer = Sealer { bytes, budget: 0 };
        for meta in [0, PAGE] {
            for (root, is_forest) in [(144, true), (168, false)] {
                sealer.budget = 300;
                let page = number(&sealer.bytes, meta + root);
                let checksum = if is_forest {
                    sealer.node(page, 8, true)
                } else {
                    sealer.map(page, sealer.bytes[meta + 180].min(5))
                };
                if let Some(checksum) = checksum {
                    sealer.bytes[meta + root + 8..meta + root + 12].copy_from_slice(&checksum);
                }
            }
            sealer.seal(meta, meta + 512);
        }
        sealer.bytes
    }
}

/// Everything that can be done with a database: what it comes to does not matter.
fn use_all(path: &Path, reading: Reading) -> Result<()> {
    let pager = Pager::open(&NativeDisk::new(), path, &options(reading), &|_| true)?;
    let base = pager.newest();
    let read = rows(&*base).map(|_| ());
    let mut told = 0;
    let checked = pager.check(&base, &mut |_| told += 1);
    let (attachment, at) = pager.point().unwrap_or((AttachmentNo(1), point(1)));
    pager.adopt(Some((attachment, at)))?;
    pager.reserve_tree_numbers(3)?;
    for (round, tree) in [1, 2, 3, 9].into_iter().enumerate() {
        let merged = || -> Result<()> {
            let mut merge = Arc::clone(&pager).begin_merge()?;
            for number in (0..300_u32).step_by(37 + round) {
                let key = [b"key".as_slice(), &number.to_be_bytes()].concat();
                let change = if number % 2 == 0 { Change::Delete } else { Change::Put(&[9; 1_500]) };
                merge.apply(TreeNo(tree), &key, change)?;
            }
            merge.finish(Position(at.at.0.saturating_add(1))).map(|_| ())
        };
        let dropped = || -> Result<()> {
            let mut merge = Arc::clone(&pager).begin_merge()?;
            for _ in 0..100 {
                if merge.drop_tree(TreeNo(tree), 5)? == DropProgress::Done {
                    break;
                }
            }
            merge.finish(Position(at.at.0.saturating_add(1))).map(|_| ())
        };
        let _ = merged();
        if round % 2 == 0 {
            let _ = dropped();
        }
        let base = pager.newest();
        for _ in 0..8 {
            let at = ese_core::LogPoint { at: Position(at.at.0.saturating_add(1)), ..at };
            if pager.checkpoint_step(&base, Some(at)).unwrap_or(true) {
                break;
            }
        }
    }
    pager.close(true)?;
    read.and(checked)
}

#[test]
fn forged_files_are_refused_or_used_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = small(&folder);
    let whole = Sealer::all(fs::read(&path).unwrap());
    fs::write(&path, &whole).unwrap();
    assert_eq!(
        faults(&Pager::open(&NativeDisk::new(), &path, &options(Reading::Copy), &|_| true).unwrap()),
        [""; 0]
    );
    let mut rng = SmallRng::seed_from_u64(11);
    let used: Vec<usize> =
        (0..whole.len() / PAGE).filter(|page| *page < 2 || !is_free(&whole, *page)).collect();
    let mut refused = 0;
    for round in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..rng.random_range(1..4) {
            let page = PAGE * used[rng.random_range(0..used.len())];
            let inside = match rng.random_range(0..4) {
                0 => rng.random_range(0..100),
                1 => rng.random_range(PAGE / 2..PAGE),
                _ => rng.random_range(0..PAGE),
            };
            match rng.random_range(0..4) {
                0 => bytes[page + inside] ^= 1 << rng.random_range(0..8),
                1 => bytes[page + inside] = [0, 1, 2, 3, 4, 5, 127, 128, 255][rng.random_range(0..9)],
                // One page in the place of another.
                2 => {
                    let from = PAGE * used[rng.random_range(0..used.len())];
                    bytes.copy_within(from..from + PAGE, page);
                    if page > PAGE && rng.random_bool(0.7) {
                        bytes[page + 16..page + 24].copy_from_slice(&((page / PAGE) as u64).to_le_bytes());
                    }
                }
                // A number of a page where a number may be.
                _ => {
                    let number = (used[rng.random_range(0..used.len())] as u64).to_le_bytes();
                    let at = page + inside.min(PAGE - 8);
                    bytes[at..at + 8].copy_from_slice(&number);
                }
            }
        }
        fs::write(&path, Sealer::all(bytes)).unwrap();
        let reading = if round % 2 == 0 { Reading::Map } else { Reading::Copy };
        if let Err(error) = use_all(&path, reading) {
            let kinds = [ErrorKind::PageChecksum, ErrorKind::DatabaseCorrupted, ErrorKind::FileTooShort];
            let others =
                [ErrorKind::NotADatabase, ErrorKind::InvalidDatabaseVersion, ErrorKind::PageSizeMismatch];
            let rest = [ErrorKind::DatabaseDirtyShutdown, ErrorKind::WrongPage, ErrorKind::LostWrite];
            let is_told = kinds.iter().chain(&others).chain(&rest).any(|kind| *kind == error.kind());
            assert!(is_told, "round {round}: {error}");
            refused += 1;
        }
    }
    assert!(refused > 60, "{refused}");
}
