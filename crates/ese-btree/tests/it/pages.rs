//! Pages in a map, each read checked in full.

use ese_base::{Error, ErrorKind, Result, TreeNo, Value};
use ese_btree::{
    Change, ChildRef, Forest, NodeView, PageNo, Pages, RunRef, Sink, Stretch, Verify, check, parse_run,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(crate) const TREE: TreeNo = TreeNo(5);
const PAGE_SIZE: usize = 4096;

/// A database of pages that are never handed out again.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) pages: BTreeMap<u64, Arc<[u8]>>,
    pub(crate) forest: Forest,
    pub(crate) number: u64,
    next: u64,
    /// Pages that the newest forest does not need.
    pub(crate) free: BTreeSet<u64>,
}

impl Disk {
    /// Merges changes and returns how many pages it wrote.
    pub(crate) fn merge<'c>(&mut self, changes: impl IntoIterator<Item = (Vec<u8>, Change<'c>)>) -> usize {
        let mut sink = self.writer();
        let mut merge = self.forest.merge(self, TREE).unwrap();
        for (key, change) in changes {
            merge.apply(self, &mut sink, &key, change).unwrap();
        }
        let written = merge.finish(self, &mut sink).unwrap();
        self.forest.merged(TREE, written);
        self.take(sink)
    }

    /// A sink for the next merge.
    pub(crate) fn writer(&self) -> Writer {
        Writer { birth: self.number + 1, next: self.next, written: BTreeMap::new(), freed: vec![] }
    }

    /// One step in dropping the tree; `true` when it is gone.
    pub(crate) fn drop_step(&mut self, pages: usize) -> bool {
        let mut sink = self.writer();
        let mut forest = self.forest.clone();
        let done = forest.drop_step(self, &mut sink, TREE, pages).unwrap();
        assert!(sink.written.is_empty(), "dropping writes nothing");
        assert!(sink.freed.iter().map(|stretch| stretch.pages).sum::<u64>() < pages as u64 + 200);
        self.forest = forest;
        self.take(sink);
        done
    }

    fn take(&mut self, sink: Writer) -> usize {
        self.number = sink.birth;
        self.next = sink.next;
        for stretch in sink.freed {
            for page in stretch.page.0..stretch.page.0 + stretch.pages {
                assert!(self.free.insert(page), "page {page} is freed twice");
            }
        }
        let written = sink.written.len();
        self.pages.extend(sink.written);
        written
    }

    /// Every fault that a check finds, pages that are not accounted for included.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |what| faults.push(what);
        let reached = check::check(self, &self.forest, self.number, Verify::Checksum, &mut fault);
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

    fn read(&self, page: PageNo) -> Result<Arc<[u8]>> {
        let missing = || Error::new(ErrorKind::DatabaseCorrupted, format!("there is no page {page}"));
        self.pages.get(&page.0).cloned().ok_or_else(missing)
    }
}

impl Pages for Disk {
    type Bytes<'p> = Arc<[u8]>;
    type Held = Arc<[u8]>;

    fn page_size(&self) -> usize {
        PAGE_SIZE
    }

    fn page(&self, at: ChildRef, level: u8) -> Result<Arc<[u8]>> {
        Ok(NodeView::parse(self.read(at.page)?, at, level, Verify::Checksum)?.bytes().clone())
    }

    fn held(&self, at: ChildRef, level: u8) -> Result<NodeView<Arc<[u8]>>> {
        self.node(at, level)
    }

    fn run(&self, at: RunRef) -> Result<Value<'_>> {
        Ok(Value::owned(parse_run(&self.read(at.page)?, at, Verify::Checksum)?))
    }

    fn run_pages(&self, at: RunRef) -> Result<Value<'_>> {
        Ok(Value::Shared(self.read(at.page)?))
    }
}

/// Keeps what a merge writes and frees.
pub(crate) struct Writer {
    birth: u64,
    next: u64,
    written: BTreeMap<u64, Arc<[u8]>>,
    freed: Vec<Stretch>,
}

impl Sink for Writer {
    const CHECKSUMS: bool = true;

    fn birth(&self) -> u64 {
        self.birth
    }

    fn identity(&self) -> [u8; 16] {
        *b"identity of file"
    }

    fn allocate(&mut self, pages: u64) -> Result<PageNo> {
        let page = PageNo(self.next);
        self.next += pages;
        Ok(page)
    }

    fn write(&mut self, page: PageNo, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        let mut bytes = vec![0xEE; PAGE_SIZE];
        fill(&mut bytes);
        assert!(self.written.insert(page.0, bytes.into()).is_none());
        Ok(())
    }

    fn write_run(&mut self, page: PageNo, header: &[u8], value: &[u8]) -> Result<()> {
        assert!(self.written.insert(page.0, [header, value].concat().into()).is_none());
        Ok(())
    }

    fn free(&mut self, stretch: Stretch) {
        self.freed.push(stretch);
    }
}
