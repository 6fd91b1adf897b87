//! The bytes of the log: one module a struct, each the only place that knows its layout.
//!
//! `docs/format/log.md` says the same for who reads files without reading code; a golden file keeps both honest.
//!
//! - [`segment`]: the first block of a file, and the link in its second one.
//! - [`part`]: the header of a batch, or of a part of one.
//! - [`frame`]: the head of a frame inside a batch.

pub(crate) mod frame;
pub(crate) mod part;
pub(crate) mod segment;

#[cfg(test)]
#[cfg(unix)]
mod golden;

/// The version of the format that this library writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// `len` rounded up to whole blocks; `None` beyond what 64 bits hold.
pub(crate) fn whole_blocks(len: u64, block: u32) -> Option<u64> {
    len.checked_next_multiple_of(u64::from(block))
}

/// A length in memory as a number of a file. It fits on every machine there is.
pub(crate) fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
