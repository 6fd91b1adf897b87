//! Pages in a map, each read checked in full.

use ese_base::{
    Error, ErrorKind, Result, TreeNo, Value,
    sync::atomic::{AtomicU64, Ordering},
};
use ese_btree::{
    Change, ChildRef, Forest, NodeView, PageNo, Pages, RunRef, Sink, Stretch, Verify, check, parse_run,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(crate) const TREE: TreeNo = TreeNo(5);

/// A database of pages that are never handed out again.
pub(crate) struct Disk {
    page_size: usize,
    pub(crate) pages: BTreeMap<u64, Arc<[u8]>>,
    pub(crate) forest: Forest,
    pub(crate) number: u64,
    next: u64,
    /// Pages that the newest forest does not need.
    pub(crate) free: BTreeSet<u64>,
    /// How many calls of it, and of a sink of it, go well before one fails.
    pub(crate) luck: AtomicU64,
    /// What readers check.
    pub(crate) verify: Verify,
}

impl Default for Disk {
    fn default() -> Self {
        Disk::new(4096)
    }
}

impl Disk {
    pub(crate) fn new(page_size: usize) -> Self {
        Disk {
            page_size,
            pages: BTreeMap::new(),
            forest: Forest::default(),
            number: 0,
            next: 0,
            free: BTreeSet::new(),
            luck: AtomicU64::new(u64::MAX),
            verify: Verify::Checksum,
        }
    }

    /// Merges changes and returns how many pages it wrote.
    pub(crate) fn merge<'c>(&mut self, changes: impl IntoIterator<Item = (Vec<u8>, Change<'c>)>) -> usize {
        self.try_merge(changes).unwrap()
    }

    /// As [`Disk::merge`]; nothing has changed after an error.
    pub(crate) fn try_merge<'c>(
        &mut self,
        changes: impl IntoIterator<Item = (Vec<u8>, Change<'c>)>,
    ) -> Result<usize> {
        let mut sink = self.writer();
        let mut merge = self.forest.merge(self, TREE)?;
        for (key, change) in changes {
            merge.apply(self, &mut sink, &key, change)?;
        }
        let written = merge.finish(self, &mut sink)?;
        let Writer { birth, next, written: pages, freed, .. } = sink;
        self.forest.merged(TREE, written);
        Ok(self.take(birth, next, pages, freed))
    }

    /// A sink for the next merge.
    pub(crate) fn writer(&self) -> Writer<'_> {
        let (birth, next) = (self.number + 1, self.next);
        Writer { disk: self, birth, next, given: None, written: BTreeMap::new(), freed: vec![] }
    }

    /// One call goes well, or fails.
    fn call(&self) -> Result<()> {
        let left = self.luck.load(Ordering::Relaxed);
        self.luck.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 { Err(Error::new(ErrorKind::DiskIo, "as the test wants it")) } else { Ok(()) }
    }

    /// One step in dropping the tree; `true` when it is gone.
    pub(crate) fn drop_step(&mut self, pages: usize) -> bool {
        self.try_drop_step(pages).unwrap()
    }

    /// As [`Disk::drop_step`]; nothing has changed after an error.
    pub(crate) fn try_drop_step(&mut self, pages: usize) -> Result<bool> {
        let mut sink = self.writer();
        let mut forest = self.forest.clone();
        let done = forest.drop_step(self, &mut sink, TREE, pages)?;
        assert!(sink.written.is_empty(), "dropping writes nothing");
        assert!(sink.freed.iter().map(|stretch| stretch.pages).sum::<u64>() < pages as u64 + 200);
        let Writer { birth, next, written, freed, .. } = sink;
        self.forest = forest;
        self.take(birth, next, written, freed);
        Ok(done)
    }

    fn take(
        &mut self,
        birth: u64,
        next: u64,
        written: BTreeMap<u64, Arc<[u8]>>,
        freed: Vec<Stretch>,
    ) -> usize {
        self.number = birth;
        self.next = next;
        for stretch in freed {
            assert!(stretch.birth < birth, "a merge frees what it wrote itself");
            for page in stretch.page.0..stretch.page.0 + stretch.pages {
                assert!(self.free.insert(page), "page {page} is freed twice");
            }
        }
        let count = written.len();
        self.pages.extend(written);
        count
    }

    /// Every fault that a check finds, pages that are not accounted for included.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |what| faults.push(what);
        let reached = check::check(self, &self.forest, self.number, self.verify, &mut fault);
        let free = self.free.iter().map(|page| Stretch { page: PageNo(*page), pages: 1, birth: 0 });
        let all = [Stretch { page: PageNo(0), pages: self.next, birth: 0 }];
        check::account(reached, free, all, &mut fault);
        faults
    }

    /// Throws the pages away that are free, as handing them out again would: nothing may need them.
    pub(crate) fn forget_free(&mut self) {
        for page in &self.free {
            self.pages.remove(page);
        }
    }

    /// How many pages were ever handed out.
    pub(crate) fn all_pages(&self) -> u64 {
        self.next
    }

    fn read(&self, page: PageNo) -> Result<Arc<[u8]>> {
        self.call()?;
        let missing = || Error::new(ErrorKind::DatabaseCorrupted, format!("there is no page {page}"));
        self.pages.get(&page.0).cloned().ok_or_else(missing)
    }
}

impl Pages for Disk {
    type Bytes<'p> = Arc<[u8]>;
    type Held = Arc<[u8]>;

    fn page_size(&self) -> usize {
        self.page_size
    }

    fn page(&self, at: ChildRef, level: u8) -> Result<Arc<[u8]>> {
        Ok(NodeView::parse(self.read(at.page)?, at, level, self.verify)?.bytes().clone())
    }

    fn held(&self, at: ChildRef, level: u8) -> Result<NodeView<Arc<[u8]>>> {
        self.node(at, level)
    }

    fn run(&self, at: RunRef) -> Result<Value<'_>> {
        Ok(Value::owned(parse_run(&self.read(at.page)?, at, self.verify)?))
    }

    fn run_pages(&self, at: RunRef) -> Result<Value<'_>> {
        Ok(Value::Shared(self.read(at.page)?))
    }
}

/// Keeps what a merge writes and frees.
pub(crate) struct Writer<'d> {
    disk: &'d Disk,
    birth: u64,
    next: u64,
    /// Given out and not yet written.
    given: Option<PageNo>,
    written: BTreeMap<u64, Arc<[u8]>>,
    freed: Vec<Stretch>,
}

impl Writer<'_> {
    /// What is wrong with the nodes it wrote, each for itself.
    pub(crate) fn unsound(&self) -> Vec<String> {
        let parse = |(page, bytes): (&u64, &Arc<[u8]>)| {
            let (kind, level) = (bytes[4], bytes[5]);
            let at = ChildRef { page: PageNo(*page), checksum: 0 };
            let parsed = NodeView::parse(&bytes[..], at, level, Verify::Structure);
            parsed.err().filter(|_| kind != 3).map(|error| error.to_string())
        };
        self.written.iter().filter_map(parse).collect()
    }
}

impl Sink for Writer<'_> {
    const CHECKSUMS: bool = true;

    fn birth(&self) -> u64 {
        self.birth
    }

    fn identity(&self) -> [u8; 16] {
        *b"identity of file"
    }

    fn allocate(&mut self, pages: u64) -> Result<PageNo> {
        self.disk.call()?;
        let page = PageNo(self.next);
        self.next += pages;
        assert_eq!(self.given.replace(page), None, "a page is written before the next one is asked for");
        Ok(page)
    }

    fn write(&mut self, page: PageNo, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        self.disk.call()?;
        let mut bytes = vec![0xEE; self.disk.page_size];
        fill(&mut bytes);
        assert_eq!(self.given.take(), Some(page), "the page that was given last");
        assert!(self.written.insert(page.0, bytes.into()).is_none());
        Ok(())
    }

    fn write_run(&mut self, page: PageNo, header: &[u8], value: &[u8]) -> Result<()> {
        self.disk.call()?;
        assert_eq!(self.given.take(), Some(page), "the page that was given last");
        assert!(self.written.insert(page.0, [header, value].concat().into()).is_none());
        Ok(())
    }

    fn free(&mut self, stretch: Stretch) -> Result<()> {
        self.freed.push(stretch);
        Ok(())
    }
}
