//! From bytes nobody vouches for to a node: everything is checked that later accesses rely on.
//!
//! Total on all bytes: an error names the page and the fault; nothing panics and nothing is read outside the page.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::{
    layout::{
        CHILD_BYTES, HEAD_BYTES, HEADER_BYTES, Header, KIND_INNER, KIND_LEAF, KIND_RUN, MAGIC, OVERFLOW,
        RUN_HEADER_BYTES, RunHeader, SLOT_BYTES, TRAILER_BYTES, beyond_head, decode_run_ref, padded,
    },
    view::NodeView,
};
use crate::{
    limits::{HEIGHT_MAX, tree_key_max_bytes, value_inline_max_bytes},
    pages::{ChildRef, PageNo, RunRef},
};
use ese_base::{
    Error, ErrorKind, Result,
    limits::{PAGE_SIZE_MAX_BYTES, PAGE_SIZE_MIN_BYTES, VALUE_MAX_BYTES},
};
use std::ops::Deref;
use zerocopy::FromBytes;

/// Whether a checksum is to be compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verify {
    /// It must be right.
    Checksum,
    /// The pages carry none.
    Structure,
}

impl<B: Deref<Target = [u8]>> NodeView<B> {
    /// Checks that `bytes` are the node of that level that `at` names, and everything later accesses rely on.
    ///
    /// # Errors
    /// `PageChecksum` when the checksum is wrong; when it is not that of `at` but right in itself, `WrongPage` for a page
    /// of another number and `LostWrite` for an older state of this one; `DatabaseCorrupted` for any other fault.
    pub fn parse(bytes: B, at: ChildRef, level: u8, verify: Verify) -> Result<Self> {
        match fault(&bytes, at, level, verify) {
            None => Ok(NodeView::trusted(bytes)),
            Some((kind, what)) => Err(Error::new(kind, format!("page {}: {what}", at.page))),
        }
    }
}

/// Checks the run that `at` names, of which `bytes` are all pages, and returns its value.
///
/// # Errors
/// As [`NodeView::parse`].
pub fn parse_run(bytes: &[u8], at: RunRef, verify: Verify) -> Result<&[u8]> {
    let corrupted =
        |what: &str| Error::new(ErrorKind::DatabaseCorrupted, format!("run at page {}: {what}", at.page));
    let (header, rest) =
        RunHeader::ref_from_prefix(bytes).map_err(|_| corrupted("it is shorter than its header"))?;
    let len = usize::try_from(at.len).unwrap_or(usize::MAX);
    let Some(value) = rest.get(..len).filter(|_| len <= VALUE_MAX_BYTES) else {
        return Err(corrupted("its value is longer than its pages"));
    };
    if verify == Verify::Checksum {
        let sealed = bytes.get(4..RUN_HEADER_BYTES.saturating_add(len)).unwrap_or_default();
        if crc32c::crc32c(sealed) != at.checksum || header.checksum.get() != at.checksum {
            let found = Found {
                computed: crc32c::crc32c(sealed),
                stored: header.checksum.get(),
                expected: at.checksum,
                page: header.page.get(),
                birth: header.birth.get(),
            };
            let fault = found.fault(at.page, &header.identity);
            let (kind, what) = fault.unwrap_or((ErrorKind::PageChecksum, String::new()));
            return Err(Error::new(kind, format!("run at page {}: {what}", at.page)));
        }
    }
    if header.kind != KIND_RUN || header.magic != MAGIC {
        return Err(corrupted("it is no run"));
    }
    if header.page.get() != at.page.0 || header.birth.get() != at.birth || header.len.get() != at.len {
        return Err(corrupted("it is another run"));
    }
    Ok(value)
}

/// Checks, before the value of the run that `at` names is read, that `header`, the first [`RUN_HEADER_BYTES`], is the
/// run's.
///
/// # Errors
/// `PageChecksum`.
pub fn check_run_header(header: &[u8], at: RunRef) -> Result<()> {
    let found = RunHeader::ref_from_prefix(header).ok().map(|(header, _)| header);
    let fits = found.is_some_and(|found| {
        found.checksum.get() == at.checksum
            && found.kind == KIND_RUN
            && found.magic == MAGIC
            && found.page.get() == at.page.0
            && found.birth.get() == at.birth
            && found.len.get() == at.len
    });
    if fits && at.len <= VALUE_MAX {
        return Ok(());
    }
    let (page, birth) = found.map_or((0, 0), |found| (found.page.get(), found.birth.get()));
    let what = format!("run at page {}: it says page {page}, birth {birth}", at.page);
    Err(Error::new(ErrorKind::PageChecksum, what))
}

/// Checks the value of a run that was read apart from its header, which [`check_run_header`] accepted.
///
/// # Errors
/// `PageChecksum`.
pub fn check_run_value(header: &[u8], value: &[u8], at: RunRef) -> Result<()> {
    let computed = checksum_of(header.get(4..RUN_HEADER_BYTES).unwrap_or_default(), value);
    if computed == at.checksum {
        return Ok(());
    }
    let what = format!("run at page {}: checksum {computed:08x}, expected {:08x}", at.page, at.checksum);
    Err(Error::new(ErrorKind::PageChecksum, what))
}

/// How many pages a run takes whose value has `len` bytes.
#[must_use]
pub fn run_pages(len: u32, page_size: usize) -> u64 {
    let header = u64::try_from(RUN_HEADER_BYTES).unwrap_or(u64::MAX);
    let page_size = u64::try_from(page_size).unwrap_or(u64::MAX).max(1);
    u64::from(len).saturating_add(header).div_ceil(page_size)
}

type Fault = Option<(ErrorKind, String)>;

/// What a page says of itself whose checksum is not the one its parent has.
struct Found {
    computed: u32,
    stored: u32,
    expected: u32,
    page: u64,
    birth: u64,
}

impl Found {
    /// A page that is sound in itself is another one, or an older state of this one; else it is damaged.
    fn fault(&self, at: PageNo, identity: &[u8]) -> Fault {
        let kind = match self {
            Found { computed, stored, .. } if computed != stored => ErrorKind::PageChecksum,
            Found { page, .. } if *page != at.0 => ErrorKind::WrongPage,
            _ => ErrorKind::LostWrite,
        };
        let identity: String = identity.iter().map(|byte| format!("{byte:02x}")).collect();
        let what = format!(
            "checksum {:08x}, stored {:08x}, expected {:08x}; it says page {}, birth {}, file {identity}",
            self.computed, self.stored, self.expected, self.page, self.birth
        );
        Some((kind, what))
    }
}

fn corrupted(what: impl Into<String>) -> Fault {
    Some((ErrorKind::DatabaseCorrupted, what.into()))
}

fn fault(bytes: &[u8], at: ChildRef, level: u8, verify: Verify) -> Fault {
    let size = bytes.len();
    if !size.is_power_of_two() || !(PAGE_SIZE_MIN_BYTES..=PAGE_SIZE_MAX_BYTES).contains(&size) {
        return corrupted(format!("{size} bytes are no page"));
    }
    let Ok((header, _)) = Header::ref_from_prefix(bytes) else { return corrupted("shorter than its header") };
    if verify == Verify::Checksum {
        let computed = crc32c::crc32c(bytes.get(4..).unwrap_or_default());
        if computed != at.checksum || header.checksum.get() != at.checksum {
            let found = Found {
                computed,
                stored: header.checksum.get(),
                expected: at.checksum,
                page: header.page.get(),
                birth: header.birth.get(),
            };
            let identity = bytes.len().checked_sub(TRAILER_BYTES).and_then(|at| bytes.get(at..));
            return found.fault(at.page, identity.and_then(|trailer| trailer.get(..16)).unwrap_or_default());
        }
    }
    if header.magic != MAGIC || !matches!(header.kind, KIND_LEAF | KIND_INNER) {
        return corrupted("it is no node");
    }
    if header.page.get() != at.page.0 {
        return corrupted(format!("it was written as page {}", PageNo(header.page.get())));
    }
    if header.level != level || (header.kind == KIND_LEAF) != (level == 0) || level >= HEIGHT_MAX {
        return corrupted(format!("it has level {}, expected {level}", header.level));
    }
    if header.kind == KIND_LEAF && header.count.get() == 0 {
        return corrupted("it is an empty leaf");
    }
    let Some(parts) = Parts::of(bytes, header) else { return corrupted("its parts do not fit the page") };
    parts.fault()
}

/// The parts of a node, cut out of the page.
struct Parts<'a> {
    page_size: usize,
    prefix: &'a [u8],
    heads: &'a [[u8; HEAD_BYTES]],
    children: Option<&'a [[u8; CHILD_BYTES]]>,
    slots: &'a [[u8; SLOT_BYTES]],
    /// Where the cells begin in the page.
    cells_at: usize,
    /// From there on.
    cells: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8], header: &Header) -> Option<Self> {
        let count = usize::from(header.count.get());
        let prefix_len = usize::from(header.prefix_len.get());
        let end = usize::from(header.end.get());
        if end > bytes.len().checked_sub(TRAILER_BYTES)? {
            return None;
        }
        let rest = bytes.get(HEADER_BYTES..end)?;
        let (prefix, rest) = rest.split_at_checked(padded(prefix_len))?;
        let (heads, rest) = rest.split_at_checked(count.checked_mul(HEAD_BYTES)?)?;
        let (children, rest) = if header.kind == KIND_INNER {
            let (children, rest) = rest.split_at_checked(count.checked_add(1)?.checked_mul(CHILD_BYTES)?)?;
            (Some(children.as_chunks().0), rest)
        } else {
            (None, rest)
        };
        let (slots, cells) = rest.split_at_checked(count.checked_mul(SLOT_BYTES)?)?;
        Some(Parts {
            page_size: bytes.len(),
            prefix: prefix.get(..prefix_len)?,
            heads: heads.as_chunks().0,
            children,
            slots: slots.as_chunks().0,
            cells_at: end.checked_sub(cells.len())?,
            cells,
        })
    }

    fn fault(&self) -> Fault {
        let mut before: Option<(u64, usize, &[u8])> = None;
        let mut rest = self.cells;
        for (index, (head, slot)) in self.heads.iter().zip(self.slots).enumerate() {
            let head = u64::from_le_bytes(*head);
            let [o0, o1, l0, l1] = *slot;
            let offset = usize::from(u16::from_le_bytes([o0, o1]));
            let flags = u16::from_le_bytes([l0, l1]);
            let len = usize::from(flags & !OVERFLOW);
            let next = match self.slots.get(index.saturating_add(1)) {
                Some([o0, o1, ..]) => usize::from(u16::from_le_bytes([*o0, *o1])),
                None => self.cells_at.saturating_add(self.cells.len()),
            };
            let here = self.cells_at.saturating_add(self.cells.len().saturating_sub(rest.len()));
            let Some((cell, behind)) = next
                .checked_sub(offset)
                .filter(|_| offset == here)
                .and_then(|size| rest.split_at_checked(size))
            else {
                return corrupted(format!("cell {index} does not lie behind the one before"));
            };
            rest = behind;
            let Some((beyond, value)) = cell.split_at_checked(beyond_head(len)) else {
                return corrupted(format!("key {index} is longer than its cell"));
            };
            if let Some(fault) =
                self.key_fault(index, head, len).or_else(|| self.cell_fault(index, flags, value))
            {
                return Some(fault);
            }
            if before.is_some_and(|before| !ascends(before, (head, len, beyond))) {
                return corrupted(format!("key {index} is not above the one before"));
            }
            before = Some((head, len, beyond));
        }
        if !rest.is_empty() {
            return corrupted("there are bytes behind the last cell");
        }
        None
    }

    fn key_fault(&self, index: usize, head: u64, len: usize) -> Fault {
        if self.prefix.len().saturating_add(len) > tree_key_max_bytes(self.page_size) {
            return corrupted(format!("key {index} is too long"));
        }
        let padding = u64::MAX.checked_shr(u32::try_from(len).unwrap_or(u32::MAX).saturating_mul(8));
        if head & padding.unwrap_or(0) != 0 {
            return corrupted(format!("the head of key {index} is longer than the key"));
        }
        None
    }

    fn cell_fault(&self, index: usize, flags: u16, value: &[u8]) -> Fault {
        match (flags & OVERFLOW != 0, self.children) {
            (true, Some(_)) => corrupted(format!("separator {index} has a value")),
            (false, Some(_)) if !value.is_empty() => corrupted(format!("separator {index} has a value")),
            (true, None) => match decode_run_ref(value) {
                Some(run) if run.page <= PageNo::MAX && run.len <= VALUE_MAX => None,
                _ => corrupted(format!("row {index} has no sound reference to its value")),
            },
            // Such a row might not fit a page of its own once its key is cut another way.
            (false, None) if value.len() > value_inline_max_bytes(self.page_size) => {
                corrupted(format!("the value of row {index} is too long for a leaf"))
            }
            (false, _) => None,
        }
    }
}

const VALUE_MAX: u32 = u32::MAX >> 1;
const _: () = assert!(VALUE_MAX as usize == VALUE_MAX_BYTES);

/// Whether the first key, (head, length of the suffix, what lies beyond the head), is below the second.
fn ascends(low: (u64, usize, &[u8]), high: (u64, usize, &[u8])) -> bool {
    if low.0 != high.0 {
        return low.0 < high.0;
    }
    if low.1 < HEAD_BYTES || high.1 < HEAD_BYTES { low.1 < high.1 } else { low.2 < high.2 }
}

/// A checksum of a page's or run's bytes from 4 on, in two parts.
pub(crate) fn checksum_of(first: &[u8], second: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(first), second)
}
