//! The space of files of many terabytes, on a file that keeps only what was written, beside a set of page numbers.

use super::*;
use crate::{
    Access,
    cache::PageCache,
    file::PageFile,
    medium::{Counts, Medium},
    space_map::MapRoot,
};
use ese_base::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64},
};
use ese_io::{DiskFile, FileId, LockMode, Region};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
    sync::Arc,
};

const PAGE: usize = 4096;

/// A file in memory, of which pages that were never written read as zeros.
#[derive(Debug, Default)]
struct Sparse {
    len: AtomicU64,
    pages: Mutex<BTreeMap<u64, Vec<u8>>>,
}

impl DiskFile for Sparse {
    fn path(&self) -> &Path {
        Path::new("sparse")
    }

    fn id(&self) -> FileId {
        FileId { device: 0, number: 0 }
    }

    fn len(&self) -> Result<u64> {
        Ok(self.len.load(Ordering::Relaxed))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        assert_eq!((buffer.len(), offset % PAGE as u64), (PAGE, 0));
        match self.pages.lock().get(&(offset / PAGE as u64)) {
            Some(page) => buffer.copy_from_slice(page),
            None => buffer.fill(0),
        }
        Ok(PAGE)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let pages =
            bytes.chunks(PAGE).zip(offset / PAGE as u64..).map(|(page, number)| (number, page.to_vec()));
        self.pages.lock().extend(pages);
        Ok(())
    }

    fn allocate(&self, len: u64) -> Result<()> {
        self.len.fetch_max(len, Ordering::Relaxed);
        Ok(())
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.len.fetch_min(len, Ordering::Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        Ok(())
    }

    fn map(&self, _range: Range<u64>) -> Result<Region> {
        Err(ErrorKind::DiskIo.into())
    }

    fn lock(&self, _mode: LockMode) -> Result<()> {
        Ok(())
    }

    fn unlock(&self) -> Result<()> {
        Ok(())
    }
}

/// A space, what it must know, and the map that was written last.
struct Pair {
    shared: Shared,
    space: Space,
    used: BTreeSet<u64>,
    number: u64,
    root: Option<MapRoot>,
    pages: u64,
    free: u64,
}

fn shared(file: &Arc<Sparse>) -> Shared {
    let disk_file: Arc<dyn DiskFile> = Arc::<Sparse>::clone(file);
    Shared {
        file: PageFile::new(disk_file, PAGE, Access::ReadWrite),
        identity: [1; 16],
        medium: Medium::Cache(Arc::new(PageCache::new(1))),
        pins: Mutex::default(),
        space: Mutex::new(Space::open(PAGE, META_PAGES, 0, None, Older::Nothing)),
        number: AtomicU64::new(1),
        merging: AtomicBool::new(false),
        counts: Counts::default(),
    }
}

impl Pair {
    fn new() -> Pair {
        let space = Space::open(PAGE, META_PAGES, 0, None, Older::Nothing);
        let shared = shared(&Arc::default());
        Pair {
            shared,
            space,
            used: BTreeSet::from([0, 1]),
            number: 1,
            root: None,
            pages: META_PAGES,
            free: 0,
        }
    }

    fn take(&mut self, pages: u64) -> u64 {
        let own = self.space.take(&self.shared, pages).unwrap();
        self.keep(&own)
    }

    fn run(&mut self, pages: u64) -> u64 {
        let own = self.space.take_run(&self.shared, pages).unwrap();
        assert_eq!(own.pages(), pages);
        let last = own.page().0 + pages - 1;
        assert_eq!(own.page().0 / crate::map::GRANULE_PAGES, last / crate::map::GRANULE_PAGES);
        self.keep(&own)
    }

    fn keep(&mut self, own: &Own) -> u64 {
        assert!((own.page().0..own.page().0 + own.pages()).all(|page| self.used.insert(page)), "in use");
        self.space.replace(std::slice::from_ref(own), &[]);
        own.page().0
    }

    fn free(&mut self, page: u64) {
        let mut dead = vec![Stretch { page: PageNo(page), pages: 1, birth: 0 }];
        self.space.check_dead(&self.shared, &mut dead).unwrap();
        self.space.replace(&[], &dead);
        self.used.remove(&page);
        self.shared.pins.lock().die(self.number, dead);
    }

    /// Writes the map; its own pages are in use as well.
    fn checkpoint(&mut self) {
        self.number += 1;
        self.shared.number.store(self.number, Ordering::Relaxed);
        let map = self.space.write_map(&self.shared, self.number).unwrap();
        for (own, bytes) in &map.writes {
            assert!((own.page().0..own.page().0 + own.pages()).all(|page| self.used.insert(page)));
            self.shared.file.write(own, 0, bytes).unwrap();
        }
        map.dead.iter().for_each(|stretch| assert!(self.used.remove(&stretch.page.0)));
        self.shared.pins.lock().die(self.number, map.dead);
        self.space.written(map.root, map.pages);
        assert!(!self.space.is_changed());
        (self.root, self.pages, self.free) = (map.root, map.pages, map.free);
        assert_eq!(map.free, map.pages - self.used.len() as u64);
    }

    /// Forgets everything that is not on the disk.
    fn reopen(&mut self) {
        self.space = Space::open(PAGE, self.pages, self.free, self.root, Older::Nothing);
        self.shared.pins = Mutex::default();
    }

    fn verify(&mut self) {
        self.space.collect(&self.shared).unwrap();
        let mut expected = Vec::new();
        let mut at = 0;
        for used in self.used.iter().copied().chain([self.space.pages()]) {
            if used > at {
                expected.push((at, used - at));
            }
            at = used + 1;
        }
        let unused = self.space.unused(&self.shared).unwrap();
        let unused: Vec<_> = unused.iter().map(|stretch| (stretch.page.0, stretch.pages)).collect();
        assert!(unused == expected, "what is free differs");
        assert_eq!(self.space.free, self.space.pages() - self.used.len() as u64);
        self.space.map_pages(&self.shared).unwrap();
    }
}

#[test]
fn maps_of_several_levels_are_what_is_in_use() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut pair = Pair::new();
    // 64 MiB are a leaf, 8 GiB a level, then another one.
    for grown in [1 << 10, 1 << 14, 1 << 21, 1 << 22] {
        pair.space.grow(&pair.shared, grown).unwrap();
        for round in 0..12 {
            for _ in 0..rng.random_range(0..30) {
                pair.space.cursor =
                    (rng.random_range(0..pair.space.chunks.len()), rng.random_range(0..16_384));
                match rng.random_range(0..10) {
                    0 => pair.run(rng.random_range(2..40_000)),
                    1..6 => pair.take(rng.random_range(1..300)),
                    _ => {
                        let page =
                            *pair.used.range(rng.random_range(2..pair.pages.max(3))..).next().unwrap_or(&0);
                        let is_map =
                            pair.space.map_pages(&pair.shared).unwrap().iter().any(|at| at.page.0 == page);
                        if page > 1 && !is_map {
                            pair.free(page);
                        }
                        0
                    }
                };
            }
            pair.checkpoint();
            if round % 3 == 0 {
                pair.reopen();
            }
            if round % 4 == 0 {
                pair.verify();
            }
        }
    }
    assert_eq!(pair.root.map(|root| root.level), Some(2));
}

#[test]
fn a_large_file_is_opened_and_used_without_reading_its_map() {
    let mut pair = Pair::new();
    pair.space.grow(&pair.shared, 1 << 23).unwrap();
    // All of the first 16 GiB are in use, but a page.
    let all: Vec<Own> = (0..256).map(|_| pair.space.take(&pair.shared, 1 << 14).unwrap()).collect();
    pair.space.replace(&all, &[]);
    for own in &all {
        pair.used.extend(own.page().0..own.page().0 + own.pages());
    }
    pair.free(77_777);
    pair.checkpoint();
    pair.reopen();
    let loaded = |pair: &Pair| pair.space.chunks.iter().flatten().count();
    assert_eq!(loaded(&pair), 0);
    assert_eq!(pair.take(100), 77_777);
    assert_eq!(loaded(&pair), 1, "index pages tell where free pages are");
    assert!(pair.take(100) >= 1 << 22);
    assert_eq!(loaded(&pair), 2);
    pair.checkpoint();
    pair.verify();
}

#[test]
fn runs_reuse_what_runs_left_and_do_not_straddle_granules() {
    let mut pair = Pair::new();
    let long = crate::map::GRANULE_PAGES / 2 + 5;
    let first = pair.run(long);
    let second = pair.run(long);
    assert_eq!((first / crate::map::GRANULE_PAGES, second), (0, crate::map::GRANULE_PAGES));
    let len = pair.space.pages();
    for run in [first, second] {
        let mut dead = vec![Stretch { page: PageNo(run), pages: long, birth: 0 }];
        pair.space.check_dead(&pair.shared, &mut dead).unwrap();
        pair.space.replace(&[], &dead);
        pair.used.retain(|page| !(run..run + long).contains(page));
        pair.shared.pins.lock().die(2, dead);
    }
    for _ in 0..2 {
        pair.run(long);
    }
    assert_eq!(pair.space.pages(), len, "the file did not grow");
    let too_long = pair.space.take_run(&pair.shared, crate::map::GRANULE_PAGES + 1);
    assert_eq!(too_long.unwrap_err().kind(), ErrorKind::ValueTooLarge);
    pair.checkpoint();
    pair.verify();
}

#[test]
fn pages_that_a_file_grew_by_are_free_in_the_next_map() {
    let mut pair = Pair::new();
    pair.space.grow(&pair.shared, 3 << 14).unwrap();
    pair.take(1);
    pair.checkpoint();
    pair.reopen();
    // The last chunk changes by nothing else.
    pair.space.grow(&pair.shared, 100).unwrap();
    pair.space.load(&pair.shared, 0).unwrap();
    pair.space.cursor = (0, 0);
    assert!(pair.take(1) < 1 << 14);
    pair.checkpoint();
    pair.reopen();
    pair.verify();
}
