//! Values too long for a leaf: each in a run of pages of its own, read as one slice.

use crate::{
    node::{
        RUN_HEADER_BYTES,
        layout::{KIND_RUN, MAGIC, RunHeader},
        parse::{checksum_of, run_pages},
    },
    pages::{RunRef, Sink, Stretch},
};
use ese_base::{Error, ErrorKind, Result, limits::VALUE_MAX_BYTES};
use zerocopy::IntoBytes;

/// Writes `value` as a run.
///
/// # Errors
/// `ValueTooLarge` beyond 2 GiB − 1; what the sink reports.
pub(crate) fn write<S: Sink>(sink: &mut S, value: &[u8], page_size: usize) -> Result<RunRef> {
    let len =
        u32::try_from(value.len()).ok().filter(|_| value.len() <= VALUE_MAX_BYTES).ok_or_else(|| {
            Error::new(ErrorKind::ValueTooLarge, format!("{} bytes, at most {VALUE_MAX_BYTES}", value.len()))
        })?;
    let page = sink.allocate(run_pages(len, page_size))?;
    let birth = sink.birth();
    let mut header = RunHeader {
        checksum: 0.into(),
        kind: KIND_RUN,
        zero: [0; 3],
        magic: MAGIC,
        len: len.into(),
        page: page.0.into(),
        birth: birth.into(),
        identity: sink.identity(),
        spare: [0; 40],
        pad: [0; 8],
    };
    let checksum = if S::CHECKSUMS { checksum_of(&header.as_bytes()[4..RUN_HEADER_BYTES], value) } else { 0 };
    header.checksum = checksum.into();
    sink.write_run(page, header.as_bytes(), value)?;
    Ok(RunRef { page, checksum, len, birth })
}

/// The pages of a run.
pub(crate) fn stretch(run: RunRef, page_size: usize) -> Stretch {
    Stretch { page: run.page, pages: run_pages(run.len, page_size), birth: run.birth }
}
