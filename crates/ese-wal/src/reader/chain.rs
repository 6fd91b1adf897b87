//! Which segments make the log: runs of segments, one run an epoch, each ended by the next one's first header.
//!
//! Invariants:
//! - Every segment's header was durable before the file got its name: one that does not verify is damage.
//! - An epoch is valid when its first segment holds the batch that says so; before that the one before it rules.
//! - A run has no gaps. What lies below a gap was needed no more, or is missed: replay tells, it knows from where on the
//!   log is needed.

use super::window::Window;
use crate::{
    folder::Folder,
    format::{
        part::{BatchKind, Part},
        segment::Takeover,
    },
    segment::Segment,
};
use ese_base::{Error, ErrorKind, Position, Result};
use ese_io::OpenMode;

/// Segments of one epoch, without gaps, ascending.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) segments: Vec<Segment>,
    /// Where the next run takes over; `None` in the last one.
    pub(crate) end: Option<Takeover>,
}

/// Where a replay can begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Start {
    pub(crate) run: usize,
    pub(crate) segment: usize,
    pub(crate) at: Position,
}

/// All segments of a log.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) identity: u128,
    /// Those that count, oldest first; never empty.
    pub(crate) runs: Vec<Run>,
    /// Those of an epoch that was begun and is not valid, ascending.
    pub(crate) unfinished: Vec<Segment>,
    /// Those that nothing leads to.
    pub(crate) strays: Vec<Segment>,
    /// For each segment that holds a batch at its beginning: run, place in the run, and the position from which on the
    /// log can be read there.
    pub(crate) starts: Vec<Start>,
    pub(crate) number_max: u64,
    pub(crate) epoch_max: u32,
}

impl Chain {
    /// Opens every segment in the folder.
    pub(crate) fn open(folder: &Folder, numbers: &[u64], mode: OpenMode) -> Result<Chain> {
        let mut segments = Vec::new();
        for number in numbers {
            let file = folder.disk.open(&folder.segment_path(*number), mode)?;
            segments.push(Segment::open(file, *number)?);
        }
        let Some(newest) = segments.last() else {
            let what = format!("{} holds no segment of a log", folder.path.display());
            return Err(Error::new(ErrorKind::LogGap, what));
        };
        let (identity, number_max) = (newest.header.identity, newest.header.number);
        let epoch_max = newest.header.epoch;
        check_family(&segments)?;
        let mut window = Window::default();
        let mut unfinished = Vec::new();
        let last = loop {
            let Some(epoch) = segments.last().map(|segment| segment.header.epoch) else {
                let what = format!("{}: no epoch of the log is complete", folder.path.display());
                return Err(Error::new(ErrorKind::LogCorrupted, what));
            };
            let run = split_run(&mut segments, epoch, u64::MAX);
            if is_valid(&run, &mut window)? {
                break run;
            }
            unfinished.splice(0..0, run);
        };
        let (runs, strays) = connect(segments, last);
        let starts = starts(&runs, &mut window)?;
        Ok(Chain { identity, runs, unfinished, strays, starts, number_max, epoch_max })
    }

    /// The position from which on it can be read; above all positions when there is nothing to read.
    pub(crate) fn first(&self) -> Position {
        self.starts.first().map_or(Position::UNCLAIMED, |start| start.at)
    }

    /// The run that goes on.
    pub(crate) fn last_run(&self) -> &Run {
        self.runs.last().expect("a chain has a run")
    }

    /// The number of its newest valid epoch.
    pub(crate) fn epoch(&self) -> u32 {
        self.last_run().segments.first().map_or(0, |segment| segment.header.epoch)
    }
}

/// Where a replay can begin, oldest first. A segment may begin with the rest of a batch: then behind that.
fn starts(runs: &[Run], window: &mut Window) -> Result<Vec<Start>> {
    let mut starts = Vec::new();
    for (run, of_run) in runs.iter().enumerate() {
        for (segment, found) in of_run.segments.iter().enumerate() {
            if let Some(part) = window.part(found, found.header.data_start())? {
                starts.push(Start { run, segment, at: if part.begins { part.from } else { part.next } });
            }
        }
    }
    Ok(starts)
}

/// All of one log, and epochs that rise with the numbers.
fn check_family(segments: &[Segment]) -> Result<()> {
    for pair in segments.windows(2) {
        let [before, after] = pair else { continue };
        if before.header.identity != after.header.identity {
            let what = format!(
                "{} and {} are segments of two logs",
                before.path().display(),
                after.path().display()
            );
            return Err(Error::new(ErrorKind::LogForeign, what));
        }
        if before.header.epoch > after.header.epoch {
            return Err(after.damaged(0, "its epoch is below that of the segment before"));
        }
    }
    Ok(())
}

/// Takes the newest segments of `epoch` up to the number `top` without a gap; ascending.
fn split_run(segments: &mut Vec<Segment>, epoch: u32, top: u64) -> Vec<Segment> {
    let end = segments.partition_point(|s| s.header.number <= top && s.header.epoch <= epoch);
    let mut start = end;
    while let Some(segment) = start.checked_sub(1).and_then(|before| segments.get(before)) {
        let follows = match segments.get(start).filter(|_| start < end) {
            None => true,
            Some(next) => segment.header.number.checked_add(1) == Some(next.header.number),
        };
        // The first segment of an epoch ends the run, whatever is before.
        let is_open =
            segments.get(start).filter(|_| start < end).is_none_or(|next| next.header.begins.is_none());
        if segment.header.epoch != epoch || !follows || !is_open {
            break;
        }
        start -= 1;
    }
    segments.drain(start..end).collect()
}

/// Whether the run belongs to an epoch that became valid.
fn is_valid(run: &[Segment], window: &mut Window) -> Result<bool> {
    let Some(first) = run.first() else { return Ok(false) };
    // Segments go only while their epoch is valid: one whose first is gone was.
    let Some(takeover) = first.header.begins else { return Ok(true) };
    let (mut sequence, mut previous) = (takeover.sequence, takeover.crc);
    for segment in run {
        let mut offset = segment.header.data_start();
        while let Some(part) = next_part(window, segment, offset, sequence, previous)? {
            if part.kind == BatchKind::Epoch {
                return Ok(true);
            }
            (sequence, previous) = (part.sequence, part.crc);
            offset += part.extent(segment.header.block).unwrap_or(u64::MAX);
        }
    }
    // Not there: never written, or damaged. A later batch of the epoch would know.
    let report = super::tail::scan(run, 0, first.header.data_start(), window)?;
    if report.durable > sequence {
        let what = "a batch of the beginning of its epoch does not verify";
        return Err(first.damaged(first.header.data_start(), what));
    }
    Ok(false)
}

fn next_part(
    window: &mut Window,
    segment: &Segment,
    offset: u64,
    sequence: u64,
    previous: u32,
) -> Result<Option<Part>> {
    let Some(part) = window.part(segment, offset)? else { return Ok(None) };
    let follows = part.sequence.checked_sub(1) == Some(sequence) && part.previous == previous;
    Ok((follows && window.verifies(segment, offset, &part)?).then_some(part))
}

/// The runs that lead to `last`, it included, and what is left over.
fn connect(mut segments: Vec<Segment>, last: Vec<Segment>) -> (Vec<Run>, Vec<Segment>) {
    let begins = |run: &[Segment]| run.first().and_then(|first| first.header.begins);
    let mut takeover = begins(&last);
    let mut runs = vec![Run { segments: last, end: None }];
    while let Some(end) = takeover.filter(|end| end.sequence > 0) {
        let holds_end = |s: &Segment| s.header.number == end.segment && s.header.epoch == end.epoch;
        if !segments.iter().any(holds_end) {
            break;
        }
        let run = split_run(&mut segments, end.epoch, end.segment);
        takeover = begins(&run);
        runs.insert(0, Run { segments: run, end: Some(end) });
    }
    (runs, segments)
}
