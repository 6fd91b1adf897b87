//! What the disk allows: bytes appended to a file that is there already, and `fdatasync`, with no engine at all.

use crate::{
    data::{KEY_BYTES, VALUE_BYTES},
    lane::Lane,
    row::Row,
    timing::{each, timed},
    work::{Measure, Setting},
};
use anyhow::Result;
use hdrhistogram::Histogram;
use std::{
    fs::File,
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
};

/// What a commit of one row appends: a page of the log.
const PAGE_BYTES: usize = 4096;

/// A file in `directory` that is as long as needed, of zeros that are on the disk.
fn prepared(directory: &Path, bytes: usize) -> Result<File> {
    let mut file = tempfile::tempfile_in(directory)?;
    let zeros = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(zeros.len());
        file.write_all(&zeros[..now])?;
        left -= now;
    }
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// Appends a page and syncs, so many times, and says how long each took.
///
/// # Errors
/// The file system's.
pub fn syncs(directory: &Path, count: usize) -> Result<Histogram<u64>> {
    let mut file = prepared(directory, count * PAGE_BYTES)?;
    let page = vec![0x5A; PAGE_BYTES];
    each(count, |_| {
        file.write_all(&page)?;
        Ok(file.sync_data()?)
    })
}

/// The limit as a lane: it has the rows that end in a sync of a log.
#[derive(Debug, Clone, Copy)]
pub struct RawLane;

impl RawLane {
    /// All rows, so many a write, each write synced.
    fn batches(setting: Setting<'_>, rows: usize) -> Result<Measure> {
        let total = setting.sizes.rows;
        let bytes = (rows.min(total) * (KEY_BYTES + VALUE_BYTES)).next_multiple_of(PAGE_BYTES);
        let count = total.div_ceil(rows);
        let mut file = prepared(setting.disk, count * bytes)?;
        let batch = vec![0x5A; bytes];
        let (took, ()) = timed(|| {
            (0..count).try_for_each(|_| {
                file.write_all(&batch)?;
                Ok(file.sync_data()?)
            })
        })?;
        Ok(Measure { value: total as f64 / took.as_secs_f64().max(1e-9), ..Measure::default() })
    }

    fn commits(setting: Setting<'_>) -> Result<Measure> {
        let latencies = syncs(setting.disk, setting.sizes.commits_durable)?;
        let quantile = |at: f64| latencies.value_at_quantile(at) as f64;
        let notes = [("p99_ns", quantile(0.99)), ("worst_ns", latencies.max() as f64)].into();
        Ok(Measure { value: quantile(0.5), notes, ..Measure::default() })
    }
}

impl Lane for RawLane {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn settings(&self) -> &'static str {
        "no engine: appends to a file of zeros, fdatasync"
    }

    fn measure(&mut self, row: Row, setting: Setting<'_>) -> Result<Option<Measure>> {
        Ok(match row {
            Row::CommitDurable => Some(Self::commits(setting)?),
            Row::BatchThousand => Some(Self::batches(setting, 1_000)?),
            Row::BatchTenThousand => Some(Self::batches(setting, 10_000)?),
            _ => None,
        })
    }

    fn forget(&mut self) {}
}
