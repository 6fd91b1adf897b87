//! Where the log ends: a torn end may be dropped, damage of what was durable may not.
//!
//! Every part says up to which sequence everything was on the disk when it was written. Behind the last good batch every
//! block is looked at: if a header verifies that knows a later sequence to be durable, commits that were promised cannot
//! be read, and that is an error. Otherwise nothing behind the end was promised: sectors that were not synced persist in
//! any order. What remains is rot of the very last batch, which looks like a torn write; a mark behind it (at
//! checkpoints and at a close in good order) ends that.

use super::window::Window;
use crate::{
    folder::Folder,
    format::{part::PART_HEADER_BYTES, segment::Link, wide},
    segment::Segment,
};
use ese_base::{Error, ErrorKind, Position, Result};

/// What headers say that stand behind the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Report {
    /// The highest sequence that one of them knows to be durable.
    pub(crate) durable: u64,
    /// The highest position that one of them answers for.
    pub(crate) next: Position,
}

/// Looks at every block from `offset` in segment `index` on.
pub(crate) fn scan(run: &[Segment], index: usize, offset: u64, window: &mut Window) -> Result<Report> {
    let mut report = Report::default();
    for (number, segment) in run.iter().enumerate().skip(index) {
        let mut at = if number == index { offset } else { segment.header.data_start() };
        while segment.header.length.saturating_sub(at) >= wide(PART_HEADER_BYTES) {
            if let Some(part) = window.part(segment, at)? {
                report.durable = report.durable.max(part.durable);
                report.next = report.next.max(part.next);
            }
            at += u64::from(segment.header.block);
        }
    }
    Ok(report)
}

/// Follows the links from segment `index` of the last run: what they lead to has to be there. Returns the last one.
pub(crate) fn follow_links(
    run: &[Segment],
    index: usize,
    unfinished: &[Segment],
    folder: &Folder,
) -> Result<usize> {
    let mut index = index;
    while let Some(segment) = run.get(index) {
        let follower = run.get(index + 1);
        match segment.link()? {
            Link::None => break,
            Link::To(number) if follower.is_some_and(|next| next.header.number == number) => index += 1,
            Link::To(number) if unfinished.iter().any(|other| other.header.number == number) => {
                let what =
                    format!("segment {number} follows it, but the beginning of its epoch does not verify");
                return Err(segment.damaged(u64::from(segment.header.block), &what));
            }
            Link::To(number) => {
                let what = format!(
                    "{} is missing: {} says that it follows",
                    folder.segment_path(number).display(),
                    segment.path().display()
                );
                return Err(Error::new(ErrorKind::LogGap, what));
            }
            // Torn: its target got its name before.
            Link::Damaged if follower.is_some() => index += 1,
            Link::Damaged => {
                return Err(segment.damaged(u64::from(segment.header.block), "the link to the next segment"));
            }
        }
    }
    Ok(index)
}
