//! The bytes of a meta page: where a durable state of the database begins. The one place that knows them.
//!
//! Two slots, at page 0 and page 1, hold such a page; which of them counts is [`slots`](crate::slots)' affair. The page
//! size stands in the page, so the second slot of a file whose first one is damaged is looked for at every size.
//!
//! ```text
//! all numbers little-endian                            112 [16]  identity of the log
//!   0  u32  crc32c of bytes 4 to 512                   128  u32  epoch of the log
//!   4  u8   4 meta page                                132  u32  number of the attachment
//!   5  u8   slot, 0 or 1                               136  u32  1 closed in order, 2 has a log position
//!   6  [6]  0                                          140  u32  0
//!  12  [4]  "ESE1"                                     144  u64  root of the forest: page, 0 none
//!  16  u64  slot                                       152  u32    its checksum
//!  24  u64  number of the checkpoint                   156  u8     levels of its tree
//!  32 [16]  identity of the file                       157  [3]  0
//!  48  u32  format version                             160  u64  trees in the forest
//!  52  u32  bytes of a page                            168  u64  root of the space map: page, 0 none
//!  56  u64  features that a reader must know           176  u32    its checksum
//!  64  u64  features that it need not know             180  u8     levels below it
//!  72  u64  sequence                                   181  [3]  0
//!  80  u64  pages of the file                          184  u64  free pages
//!  88  u64  next tree number                           192 [32]  created by, text, 0 behind
//!  96  u64  state the forest was merged in             224 [40]  spare (encryption)
//! 104  u64  L: position in the log                     264 [248] 0
//! ```
//!
//! What lies behind byte 512 means nothing. Bytes 0 to 64 keep their meaning in every format to come.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::{file::narrow, options::is_page_size, space_map::MapRoot};
use ese_base::{AttachmentNo, Error, ErrorKind, Position, Result};
use ese_btree::{ChildRef, PageNo, Root, node::MAGIC};
use ese_core::LogPoint;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, LE, U32, U64, Unaligned};

/// The format that this version writes, and the newest it reads.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// The kind of a meta page.
pub(crate) const KIND_META: u8 = 4;
/// Features of the first kind that this version knows: none.
const FEATURES_KNOWN: u64 = 0;
/// Bytes that the checksum covers, its own place apart.
pub(crate) const META_BYTES: usize = size_of::<MetaBytes>();
/// Pages before the first that a tree may have.
pub(crate) const META_PAGES: u64 = 2;

const CLEAN: u32 = 1;
const HAS_LOG: u32 = 2;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct MetaBytes {
    checksum: U32<LE>,
    kind: u8,
    slot: u8,
    zero_a: [u8; 6],
    magic: [u8; 4],
    page: U64<LE>,
    number: U64<LE>,
    identity: [u8; 16],
    version: U32<LE>,
    page_size: U32<LE>,
    features_needed: U64<LE>,
    features: U64<LE>,
    sequence: U64<LE>,
    pages: U64<LE>,
    next_tree: U64<LE>,
    merged: U64<LE>,
    l: U64<LE>,
    log: [u8; 16],
    epoch: U32<LE>,
    attachment: U32<LE>,
    flags: U32<LE>,
    zero_b: [u8; 4],
    forest_page: U64<LE>,
    forest_checksum: U32<LE>,
    forest_height: u8,
    zero_c: [u8; 3],
    trees: U64<LE>,
    map_page: U64<LE>,
    map_checksum: U32<LE>,
    map_level: u8,
    zero_d: [u8; 3],
    free_pages: U64<LE>,
    created_by: [u8; 32],
    spare: [u8; 40],
    zero_e: [u8; 248],
}

const _: () = assert!(META_BYTES == 512);

/// A durable state of the database, as a meta page tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Meta {
    pub(crate) identity: [u8; 16],
    pub(crate) page_size: usize,
    pub(crate) sequence: u64,
    /// The number of the checkpoint, above that of the state it made durable.
    pub(crate) number: u64,
    /// The number of that state.
    pub(crate) merged: u64,
    pub(crate) pages: u64,
    pub(crate) free_pages: u64,
    pub(crate) next_tree: u64,
    pub(crate) point: Option<(AttachmentNo, LogPoint)>,
    pub(crate) clean: bool,
    pub(crate) forest: Option<Root>,
    pub(crate) trees: u64,
    pub(crate) map: Option<MapRoot>,
    pub(crate) created_by: [u8; 32],
}

/// What a slot's bytes turned out to be.
pub(crate) enum Found {
    /// A meta page of this format.
    Meta(Box<Meta>),
    /// No meta page, or a damaged one.
    Bad {
        /// What says that it was one.
        is_ours: bool,
    },
}

impl Meta {
    /// The bytes of the page in that slot.
    pub(crate) fn encode(&self, slot: usize) -> [u8; META_BYTES] {
        let slot = u8::from(slot != 0);
        let (attachment, point) =
            self.point.unwrap_or((AttachmentNo(0), LogPoint { log: 0, epoch: 0, at: Position(0) }));
        let clean = if self.clean { CLEAN } else { 0 };
        let has_log = if self.point.is_some() { HAS_LOG } else { 0 };
        let forest = self.forest.map(|root| (root.node, root.height()));
        let (forest_at, forest_height) = forest.unwrap_or((ChildRef { page: PageNo(0), checksum: 0 }, 0));
        let map = self.map.unwrap_or(MapRoot { page: PageNo(0), checksum: 0, level: 0 });
        let mut bytes = MetaBytes {
            checksum: 0.into(),
            kind: KIND_META,
            slot,
            zero_a: [0; 6],
            magic: MAGIC,
            page: u64::from(slot).into(),
            number: self.number.into(),
            identity: self.identity,
            version: FORMAT_VERSION.into(),
            page_size: u32::try_from(self.page_size).unwrap_or(0).into(),
            features_needed: 0.into(),
            features: 0.into(),
            sequence: self.sequence.into(),
            pages: self.pages.into(),
            next_tree: self.next_tree.into(),
            merged: self.merged.into(),
            l: point.at.0.into(),
            log: point.log.to_le_bytes(),
            epoch: point.epoch.into(),
            attachment: attachment.0.into(),
            flags: (clean | has_log).into(),
            zero_b: [0; 4],
            forest_page: forest_at.page.0.into(),
            forest_checksum: forest_at.checksum.into(),
            forest_height,
            zero_c: [0; 3],
            trees: self.trees.into(),
            map_page: map.page.0.into(),
            map_checksum: map.checksum.into(),
            map_level: map.level,
            zero_d: [0; 3],
            free_pages: self.free_pages.into(),
            created_by: self.created_by,
            spare: [0; 40],
            zero_e: [0; 248],
        };
        let checksum = crc32c::crc32c(bytes.as_bytes().get(4..).unwrap_or_default());
        bytes.checksum = checksum.into();
        zerocopy::transmute!(bytes)
    }

    /// Reads what a slot holds.
    ///
    /// # Errors
    /// `InvalidDatabaseVersion` for a sound page of a newer format; `DatabaseCorrupted` for one that contradicts itself.
    pub(crate) fn decode(bytes: &[u8], slot: usize) -> Result<Found> {
        let Ok((page, _)) = MetaBytes::ref_from_prefix(bytes) else {
            return Ok(Found::Bad { is_ours: false });
        };
        let is_ours = page.magic == MAGIC && page.kind == KIND_META;
        let sealed = bytes.get(4..META_BYTES).unwrap_or_default();
        if !is_ours || crc32c::crc32c(sealed) != page.checksum.get() {
            return Ok(Found::Bad { is_ours });
        }
        if page.version.get() > FORMAT_VERSION {
            let what = format!("it has format {}, known is {FORMAT_VERSION}", page.version);
            return Err(Error::new(ErrorKind::InvalidDatabaseVersion, what));
        }
        let unknown = page.features_needed.get() & !FEATURES_KNOWN;
        if unknown != 0 {
            let what = format!("it needs features {unknown:#x}, which are not known");
            return Err(Error::new(ErrorKind::InvalidDatabaseVersion, what));
        }
        let meta = page
            .meta(slot)
            .map_err(|what| Error::new(ErrorKind::DatabaseCorrupted, format!("meta page {slot}: {what}")))?;
        Ok(Found::Meta(Box::new(meta)))
    }
}

impl MetaBytes {
    /// What the page says, if that can be.
    fn meta(&self, slot: usize) -> Result<Meta, &'static str> {
        let page_size = narrow(self.page_size.get().into());
        if usize::from(self.slot) != slot || narrow(self.page.get()) != slot {
            return Err("it belongs into the other slot");
        }
        if self.version.get() == 0 || !is_page_size(page_size) {
            return Err("its version or its page size is none");
        }
        let pages = self.pages.get();
        if !(META_PAGES..=crate::map::PAGES_MAX).contains(&pages) {
            return Err("it has more pages than a file may have, or fewer");
        }
        let inside = |page: u64| (META_PAGES..pages).contains(&page);
        let forest = match self.forest_page.get() {
            0 => None,
            page if !inside(page) => return Err("its forest lies outside of the file"),
            page => {
                let node = ChildRef { page: PageNo(page), checksum: self.forest_checksum.get() };
                Some(Root::new(node, self.forest_height).ok_or("its forest has no height")?)
            }
        };
        let map = match self.map_page.get() {
            0 if pages > META_PAGES => return Err("it has no space map"),
            0 => None,
            page if !inside(page) || self.map_level > MapRoot::LEVEL_MAX => {
                return Err("its space map lies outside of the file");
            }
            page => {
                Some(MapRoot { page: PageNo(page), checksum: self.map_checksum.get(), level: self.map_level })
            }
        };
        if self.merged.get() > self.number.get() || self.free_pages.get() > pages || self.next_tree.get() == 0
        {
            return Err("its numbers contradict each other");
        }
        let flags = self.flags.get();
        let point = LogPoint {
            log: u128::from_le_bytes(self.log),
            epoch: self.epoch.get(),
            at: Position(self.l.get()),
        };
        Ok(Meta {
            identity: self.identity,
            page_size,
            sequence: self.sequence.get(),
            number: self.number.get(),
            merged: self.merged.get(),
            pages,
            free_pages: self.free_pages.get(),
            next_tree: self.next_tree.get(),
            point: (flags & HAS_LOG != 0).then_some((AttachmentNo(self.attachment.get()), point)),
            clean: flags & CLEAN != 0,
            forest,
            trees: self.trees.get(),
            map,
            created_by: self.created_by,
        })
    }
}
