//! The space map on disk: which pages of the file are free, under one meta page. The one place that knows its bytes.
//!
//! Under a meta page a page is free exactly when nothing that the meta page leads to has it. A *leaf* of the map has a
//! bit for each page of a *chunk* of the file; *index* pages lead from the root to the leaves. Map pages are written once
//! and never changed, as nodes are; a checkpoint writes those that have changed, and what leads to them.
//!
//! ```text
//! all numbers little-endian                     at half the page:
//!   0  u32  crc32c of all bytes from 4 on         level 0: a bit for each page of the chunk, 1 free;
//!   4  u8   5 space map                              page size × 4 pages. Bits behind the end of the file mean nothing.
//!   5  u8   level, 0 = leaf                       above: (u64 page, 0 none; u32 checksum; u32 free pages below)
//!   6  [6]  0                                        for each page of the level below; page size / 32 of them.
//!  12  [4]  "ESE1"                                   u32::MAX free pages: that many, or more.
//!  16  u64  number of this page
//!  24  u64  birth: the checkpoint that wrote it
//!  32 [16]  identity of the file
//!  48 [40]  spare (encryption)
//!  88  …    0
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::{
    file::{PageFile, narrow, wide},
    map::PAGES_MAX,
    meta::META_PAGES,
};
use ese_base::{Error, ErrorKind, Result};
use ese_btree::{PageNo, node::MAGIC};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, LE, U32, U64, Unaligned};

/// The kind of a page of the map.
pub(crate) const KIND_MAP: u8 = 5;

/// Where a map begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MapRoot {
    pub(crate) page: PageNo,
    pub(crate) checksum: u32,
    /// How many levels lie below it.
    pub(crate) level: u8,
}

impl MapRoot {
    /// Enough for every file at every page size.
    pub(crate) const LEVEL_MAX: u8 = 4;

    /// The root as an entry of a page above would name it.
    pub(crate) fn entry(self) -> Entry {
        Entry { page: self.page, checksum: self.checksum, free: u32::MAX }
    }
}

/// What an index page says of a page of the level below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) page: PageNo,
    pub(crate) checksum: u32,
    /// Free pages below; `u32::MAX`: that many, or more.
    pub(crate) free: u32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    checksum: U32<LE>,
    kind: u8,
    level: u8,
    zero: [u8; 6],
    magic: [u8; 4],
    page: U64<LE>,
    birth: U64<LE>,
    identity: [u8; 16],
    spare: [u8; 40],
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct EntryBytes {
    page: U64<LE>,
    checksum: U32<LE>,
    free: U32<LE>,
}

const _: () = assert!(size_of::<Header>() == 88 && size_of::<EntryBytes>() == 16);

/// How many pages of the file a leaf has bits for.
pub(crate) const fn chunk_pages(page_size: usize) -> usize {
    page_size.saturating_mul(4)
}

/// How many pages of the level below an index page names.
pub(crate) const fn fanout(page_size: usize) -> usize {
    page_size / 32
}

/// How many levels lie below the root of a map of so many leaves.
pub(crate) fn level_of(leaves: usize, page_size: usize) -> u8 {
    let mut level = 0;
    let mut reach = 1_usize;
    while reach < leaves {
        reach = reach.saturating_mul(fanout(page_size));
        level = u8::saturating_add(level, 1);
    }
    level
}

/// How many leaves lie below a page of that level.
pub(crate) fn leaves_below(level: u8, page_size: usize) -> usize {
    fanout(page_size).saturating_pow(level.into())
}

/// The place of what leads to a leaf in a page of that level, above the leaves.
pub(crate) fn place(leaf: usize, level: u8, page_size: usize) -> usize {
    let below = leaves_below(level.saturating_sub(1), page_size);
    leaf.checked_div(below).and_then(|index| index.checked_rem(fanout(page_size))).unwrap_or(0)
}

/// A page of a map, read and found sound.
pub(crate) struct MapPage {
    bytes: Box<[u8]>,
}

impl MapPage {
    /// Reads the page that `at` names.
    ///
    /// # Errors
    /// `PageChecksum`, `DatabaseCorrupted`; what a read reports.
    pub(crate) fn read(file: &PageFile, at: Entry, level: u8) -> Result<MapPage> {
        let mut bytes = vec![0; file.page_size()].into_boxed_slice();
        let outside = || file.corrupted(format_args!("the space map leads to page {}", at.page));
        if !(META_PAGES..PAGES_MAX).contains(&at.page.0) {
            return Err(outside());
        }
        let read = file.read(at.page, &mut bytes);
        read.map_err(|error| if error.kind() == ErrorKind::FileTooShort { outside() } else { error })?;
        let computed = crc32c::crc32c(bytes.get(4..).unwrap_or_default());
        let Ok((header, _)) = Header::ref_from_prefix(&bytes) else {
            return Err(file.corrupted("a page is shorter than its header"));
        };
        if computed != at.checksum || header.checksum.get() != at.checksum {
            let what = format!(
                "page {} of the space map: checksum {computed:08x}, stored {:08x}, expected {:08x}",
                at.page,
                header.checksum.get(),
                at.checksum
            );
            return Err(file.at_page(at.page, Error::new(ErrorKind::PageChecksum, what)));
        }
        let is_it = header.kind == KIND_MAP
            && header.level == level
            && header.magic == MAGIC
            && header.page.get() == at.page.0;
        if !is_it {
            return Err(file.corrupted(format_args!("page {} is not that part of the space map", at.page)));
        }
        Ok(MapPage { bytes })
    }

    /// The checkpoint that wrote it.
    pub(crate) fn birth(&self) -> u64 {
        Header::ref_from_prefix(&self.bytes).map_or(0, |(header, _)| header.birth.get())
    }

    /// The bits of a leaf.
    pub(crate) fn bits(&self) -> Box<[u64]> {
        let (words, _) = self.body().as_chunks::<8>();
        words.iter().map(|word| u64::from_le_bytes(*word)).collect()
    }

    /// What an index page says of page `index` of the level below; `None` where there is none.
    pub(crate) fn entry(&self, index: usize) -> Option<Entry> {
        let at = index.checked_mul(size_of::<EntryBytes>())?;
        let (entry, _) = EntryBytes::ref_from_prefix(self.body().get(at..)?).ok()?;
        let page = PageNo(entry.page.get());
        let found = Entry { page, checksum: entry.checksum.get(), free: entry.free.get() };
        (page.0 != 0).then_some(found)
    }

    fn body(&self) -> &[u8] {
        self.bytes.get(self.bytes.len() / 2..).unwrap_or_default()
    }
}

/// The leaf of a chunk in the map at `root`.
///
/// # Errors
/// As [`MapPage::read`]; `DatabaseCorrupted` where the map has none.
pub(crate) fn leaf(file: &PageFile, root: MapRoot, chunk: usize) -> Result<MapPage> {
    let missing = || file.corrupted(format_args!("the space map has no chunk {chunk}"));
    if chunk >= leaves_below(root.level, file.page_size()) {
        return Err(missing());
    }
    let mut at = root.entry();
    for level in (1..=root.level).rev() {
        let page = MapPage::read(file, at, level)?;
        at = page.entry(place(chunk, level, file.page_size())).ok_or_else(missing)?;
    }
    MapPage::read(file, at, 0)
}

/// The first chunk from `from` on that has free pages, as far as the index pages tell.
///
/// # Errors
/// As [`MapPage::read`].
pub(crate) fn next_with_free(file: &PageFile, root: MapRoot, from: usize) -> Result<Option<usize>> {
    search(file, root.entry(), root.level, 0, from)
}

fn search(file: &PageFile, at: Entry, level: u8, first: usize, from: usize) -> Result<Option<usize>> {
    if level == 0 {
        return Ok((first >= from).then_some(first));
    }
    let page = MapPage::read(file, at, level)?;
    let lower = level.saturating_sub(1);
    let below = leaves_below(lower, file.page_size());
    for index in 0..fanout(file.page_size()) {
        let start = first.saturating_add(index.saturating_mul(below));
        let Some(entry) = page.entry(index) else { continue };
        if start.saturating_add(below) <= from || entry.free == 0 {
            continue;
        }
        if let Some(found) = search(file, entry, lower, start, from)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// What is stamped on a new page of a map.
pub(crate) struct Stamp {
    pub(crate) page: PageNo,
    pub(crate) level: u8,
    pub(crate) birth: u64,
    pub(crate) identity: [u8; 16],
}

/// A new leaf; `free` has a bit for each page of the chunk.
pub(crate) fn encode_leaf(page_size: usize, stamp: &Stamp, free: &[u64]) -> (Box<[u8]>, Entry) {
    let count: u32 = free.iter().map(|word| word.count_ones()).fold(0, u32::saturating_add);
    let bytes: Vec<u8> = free.iter().flat_map(|word| word.to_le_bytes()).collect();
    encode(page_size, stamp, &bytes, count)
}

/// A new index page.
pub(crate) fn encode_index(page_size: usize, stamp: &Stamp, below: &[Option<Entry>]) -> (Box<[u8]>, Entry) {
    let free = below.iter().flatten().map(|entry| entry.free).fold(0, u32::saturating_add);
    let none = Entry { page: PageNo(0), checksum: 0, free: 0 };
    let bytes: Vec<u8> = below
        .iter()
        .flat_map(|entry| {
            let entry = entry.unwrap_or(none);
            let entry = EntryBytes {
                page: entry.page.0.into(),
                checksum: entry.checksum.into(),
                free: entry.free.into(),
            };
            let bytes: [u8; 16] = zerocopy::transmute!(entry);
            bytes
        })
        .collect();
    encode(page_size, stamp, &bytes, free)
}

fn encode(page_size: usize, stamp: &Stamp, body: &[u8], free: u32) -> (Box<[u8]>, Entry) {
    let mut page = vec![0; page_size].into_boxed_slice();
    for (to, from) in page.iter_mut().skip(page_size / 2).zip(body) {
        *to = *from;
    }
    let header = Header {
        checksum: 0.into(),
        kind: KIND_MAP,
        level: stamp.level,
        zero: [0; 6],
        magic: MAGIC,
        page: stamp.page.0.into(),
        birth: stamp.birth.into(),
        identity: stamp.identity,
        spare: [0; 40],
    };
    if let Ok((place, _)) = Header::mut_from_prefix(&mut page) {
        *place = header;
    }
    let checksum = crc32c::crc32c(page.get(4..).unwrap_or_default());
    if let Ok((place, _)) = Header::mut_from_prefix(&mut page) {
        place.checksum = checksum.into();
    }
    (page, Entry { page: stamp.page, checksum, free })
}

/// How many chunks so many pages are.
pub(crate) fn chunks_of(pages: u64, page_size: usize) -> usize {
    narrow(pages.div_ceil(wide(chunk_pages(page_size)).max(1)))
}
