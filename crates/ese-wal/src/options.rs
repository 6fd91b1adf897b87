//! Settings of a log: plain data, checked once when a log is made or opened.

use crate::format::segment::LENGTH_MAX;
use ese_base::{Error, ErrorKind, Result};

/// Segments that no commit may use: recovery, checkpoints and the close can always write.
pub(crate) const SPARES_RESERVED: usize = 2;
/// Segments that the log may hold at the least, so that one transaction can fill several.
const SEGMENTS_MIN: u64 = 8;
/// The smallest segment has this many blocks: header, link and some batches.
const BLOCKS_MIN: u64 = 4;

/// What a log is made and opened with. An existing log keeps its block size.
///
/// ```
/// let mut options = ese_wal::WalOptions::default();
/// options.segment_max_bytes = 5 << 20; // ESE's default for its log files
/// options.validate()?;
/// # Ok::<(), ese_base::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct WalOptions {
    /// Batches begin at multiples of this, 4096 or 512: what was synced is never written again, so an interrupted write
    /// harms none of it. 512 saves space on disks whose sectors are that small. For new logs.
    pub block_bytes: u32,
    /// The length of the first segment.
    pub segment_min_bytes: u64,
    /// Segments grow fourfold up to this.
    pub segment_max_bytes: u64,
    /// How many bytes of frames wait for a write at most.
    pub buffer_bytes: usize,
    /// How long all segments together may get, spare ones included. Beyond it commits fail with `LogFull` until a
    /// checkpoint has let segments go; at least eight of the longest segments.
    pub log_max_bytes: u64,
}

impl Default for WalOptions {
    fn default() -> Self {
        WalOptions {
            block_bytes: 4096,
            segment_min_bytes: 1 << 20,
            segment_max_bytes: 64 << 20,
            buffer_bytes: 4 << 20,
            log_max_bytes: 2 << 30,
        }
    }
}

impl WalOptions {
    /// Checks every setting.
    ///
    /// # Errors
    /// `InvalidSettings`, with the setting and what it may be.
    pub fn validate(&self) -> Result<()> {
        let block = u64::from(self.block_bytes);
        if !matches!(self.block_bytes, 512 | 4096) {
            return invalid("block_bytes", u64::from(self.block_bytes), "512 or 4096");
        }
        for (name, bytes) in
            [("segment_min_bytes", self.segment_min_bytes), ("segment_max_bytes", self.segment_max_bytes)]
        {
            if !bytes.is_multiple_of(block) || bytes < BLOCKS_MIN * block || bytes > LENGTH_MAX {
                return invalid(name, bytes, "whole blocks, at least 4 of them and at most 1 GiB");
            }
        }
        if self.segment_min_bytes > self.segment_max_bytes {
            return invalid("segment_min_bytes", self.segment_min_bytes, "at most segment_max_bytes");
        }
        if !(4096..=1 << 30).contains(&self.buffer_bytes) {
            return invalid("buffer_bytes", crate::format::wide(self.buffer_bytes), "4 KiB to 1 GiB");
        }
        if self.log_max_bytes < SEGMENTS_MIN * self.segment_max_bytes {
            return invalid("log_max_bytes", self.log_max_bytes, "at least 8 times segment_max_bytes");
        }
        Ok(())
    }
}

fn invalid(name: &str, value: u64, allowed: &str) -> Result<()> {
    Err(Error::new(ErrorKind::InvalidSettings, format!("{name} is {value}, it may be {allowed}")))
}
