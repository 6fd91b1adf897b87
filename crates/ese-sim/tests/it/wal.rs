//! The durable log on a disk that forgets, tears and fails.
//!
//! [`Program`] is what an engine does with a log: opens it, replays, begins an epoch, commits, settles, recycles, closes.
//! It keeps beside the disk what was acknowledged, and compares at each opening: what was acknowledged is there, what
//! survived is a prefix of what was appended, nothing was invented, and no position is given twice.
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod bugs;
mod crash;
mod faults;
mod rot;

use ese_base::{ErrorKind, Position, Result};
use ese_core::Log;
use ese_io::Disk;
use ese_sim::{disk::SimDisk, seed::Dice};
use ese_wal::{Access, Wal, WalOptions};
use std::{path::Path, sync::Arc};

/// Where the log is.
const FOLDER: &str = "/log";

/// Segments of a few blocks.
fn options(block_bytes: u32) -> WalOptions {
    let mut options = WalOptions::default();
    options.block_bytes = block_bytes;
    options.segment_min_bytes = if block_bytes == 512 { 4096 } else { 5 * 4096 };
    options.segment_max_bytes = options.segment_min_bytes;
    options.buffer_bytes = 8192;
    options.log_max_bytes = 1 << 20;
    options
}

/// The frame of a position in one life: nobody else writes the same.
fn frame(life: u64, at: Position, length: u64) -> Vec<u8> {
    let mut frame = [life.to_le_bytes(), at.0.to_le_bytes(), length.to_le_bytes()].concat();
    frame.extend((0..length).map(|place| u8::try_from((at.0 * 31 + life * 7 + place) % 253).unwrap()));
    frame
}

/// Something the program wants of its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    /// A commit that waits for its sync.
    Sync(u64),
    /// One that does not.
    Lazy(u64),
    /// A claim without a frame.
    Bare,
    /// The state so far goes to the databases' meta pages, one of the two; what neither needs is recycled.
    Checkpoint,
    /// A step of making space ready.
    Prepare,
    /// A close in good order, and the next opening.
    Reopen,
    /// The next opening without a close: the process was killed.
    Die,
}

/// What outlives a crash beside the disk.
#[derive(Clone, Debug)]
struct Program {
    /// Every frame that may be in the log, in order.
    appended: Vec<(Position, Vec<u8>)>,
    /// How many of them were acknowledged.
    acknowledged: usize,
    /// The next position to be claimed.
    next: Position,
    /// From where on each of two meta pages needs the log; they are durable at once.
    slots: [Position; 2],
    slot: usize,
    /// An epoch has begun, so there is a log.
    begun: bool,
    life: u64,
    block_bytes: u32,
    /// The disk may lie: what was acknowledged may be lost, and nothing else.
    trusts_nothing: bool,
}

/// How a part of the program ended.
#[derive(Debug)]
enum End {
    /// All was done.
    Done,
    /// The power went.
    Crash,
    /// The log said that something failed.
    Failed(String),
    /// A promise was broken.
    Broken(String),
}

impl Program {
    fn new() -> Program {
        Program {
            appended: Vec::new(),
            acknowledged: 0,
            next: Position::FIRST,
            slots: [Position::FIRST; 2],
            slot: 0,
            begun: false,
            life: 0,
            block_bytes: 512,
            trusts_nothing: false,
        }
    }

    /// Opens the log, compares, and does everything; `wrap` may put something between.
    fn run<L: Log>(
        &mut self,
        disk: &SimDisk,
        files: &Arc<dyn Disk>,
        ops: &[Op],
        wrap: &dyn Fn(Wal) -> L,
    ) -> End {
        let mut log = match self.open(disk, files, wrap) {
            Ok(log) => log,
            Err(end) => return end,
        };
        for op in ops {
            let done = match op {
                Op::Reopen => match log.close(self.next) {
                    Ok(()) => {
                        self.acknowledged = self.appended.len();
                        let next = self.next;
                        drop(log);
                        log = match self.open(disk, files, wrap) {
                            Ok(log) => log,
                            Err(end) => return end,
                        };
                        if self.next != next {
                            return End::Broken(format!(
                                "after a close at {next} it goes on at {}",
                                self.next
                            ));
                        }
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                Op::Die => {
                    drop(log);
                    log = match self.open(disk, files, wrap) {
                        Ok(log) => log,
                        Err(end) => return end,
                    };
                    Ok(())
                }
                _ => self.act(&log, *op),
            };
            if let Err(error) = done {
                return self.ended(disk, "doing", &error);
            }
        }
        End::Done
    }

    /// An error when the power is gone is the crash.
    fn ended(&self, disk: &SimDisk, what: &str, error: &ese_base::Error) -> End {
        if disk.is_off() { End::Crash } else { End::Failed(format!("{what} in life {}: {error}", self.life)) }
    }

    fn open<L: Log>(
        &mut self,
        disk: &SimDisk,
        files: &Arc<dyn Disk>,
        wrap: &dyn Fn(Wal) -> L,
    ) -> Result<L, End> {
        self.life += 1;
        let opened = Wal::exists(files, Path::new(FOLDER)).and_then(|exists| {
            if exists {
                Wal::open(Arc::clone(files), Path::new(FOLDER), options(self.block_bytes), Access::ReadWrite)
            } else {
                Wal::create(Arc::clone(files), Path::new(FOLDER), options(self.block_bytes))
            }
            .map(|wal| (exists, wal))
        });
        let (exists, wal) = opened.map_err(|error| self.ended(disk, "opening", &error))?;
        if self.begun && !exists {
            return Err(End::Broken("the log has vanished".into()));
        }
        let log = wrap(wal);
        let from = self.slots[usize::try_from(self.life % 2).unwrap()];
        let mut found = Vec::new();
        let replayed = log.replay(from, &mut |at, frame| {
            found.push((at, frame.to_vec()));
            Ok(())
        });
        replayed.map_err(|error| self.ended(disk, "replaying", &error))?;
        self.compare(from, &found).map_err(End::Broken)?;
        let point = log.begin_epoch().map_err(|error| self.ended(disk, "beginning", &error))?;
        if point.at < self.next {
            return Err(End::Broken(format!("{} is given again, {} is next", point.at, self.next)));
        }
        // What was served is there from now on, and what was not is gone for ever.
        self.appended.retain(|(at, _)| *at < from);
        self.appended.extend(found);
        self.acknowledged = self.appended.len();
        (self.next, self.begun) = (point.at, true);
        Ok(log)
    }

    /// What a replay gave, against what was appended.
    fn compare(&self, from: Position, found: &[(Position, Vec<u8>)]) -> Result<(), String> {
        let before = self.appended.iter().filter(|(at, _)| *at < from).count();
        let (expected, promised) = (&self.appended[before..], self.acknowledged.saturating_sub(before));
        if found.len() > expected.len() || found != &expected[..found.len()] {
            let (of, at) = (found.len(), found.iter().zip(expected).position(|(a, b)| a != b));
            return Err(format!("of {of} frames the one at {at:?} is not what was appended"));
        }
        if found.len() < promised && !self.trusts_nothing {
            return Err(format!("{} of {promised} acknowledged frames from {from} on", found.len()));
        }
        Ok(())
    }

    fn append(&mut self, log: &dyn Log, length: u64) -> Result<Position> {
        let (at, frame) = (self.next, frame(self.life, self.next, length));
        log.room(frame.len() as u64)?;
        self.appended.push((at, frame.clone()));
        self.next = at.next();
        log.append(at, frame.into_boxed_slice());
        Ok(at)
    }

    fn act(&mut self, log: &dyn Log, op: Op) -> Result<()> {
        match op {
            Op::Sync(length) => {
                let at = self.append(log, length)?;
                log.flush(at)?;
                self.acknowledged = self.appended.len();
            }
            Op::Lazy(length) => drop(self.append(log, length)?),
            Op::Bare => self.next = self.next.next(),
            Op::Checkpoint => {
                let point = log.settle(self.next)?;
                self.acknowledged = self.appended.len();
                self.slots[self.slot % 2] = point.at;
                self.slot += 1;
                log.recycle(self.slots[0].min(self.slots[1]))?;
            }
            Op::Prepare => match log.prepare() {
                Err(error) if error.kind() == ErrorKind::DiskFull => {}
                done => drop(done?),
            },
            Op::Reopen | Op::Die => {}
        }
        Ok(())
    }
}

/// A random program.
fn script(dice: &Dice, len: usize) -> Vec<Op> {
    let mut ops = Vec::new();
    while ops.len() < len {
        let length = dice.pick(&[0, 3, 200, 400, 480, 900, 1500, 2900, 3500, 6000]);
        ops.push(match dice.below(20) {
            0..=7 => Op::Sync(length),
            8..=11 => Op::Lazy(length),
            12 => Op::Bare,
            13..=15 => Op::Checkpoint,
            16 | 17 => Op::Prepare,
            18 => Op::Reopen,
            _ => Op::Die,
        });
    }
    ops
}

/// One program that does everything, on one page.
const EVERYTHING: &[Op] = &[
    Op::Sync(3),
    Op::Lazy(400),
    Op::Sync(900),
    Op::Prepare,
    Op::Sync(3500),
    Op::Checkpoint,
    Op::Sync(6000),
    Op::Bare,
    Op::Checkpoint,
    Op::Lazy(200),
    Op::Die,
    Op::Sync(1500),
    Op::Prepare,
    Op::Checkpoint,
    Op::Sync(2900),
    Op::Lazy(3),
    Op::Reopen,
    Op::Sync(480),
    Op::Checkpoint,
    Op::Sync(2900),
    Op::Lazy(900),
];
