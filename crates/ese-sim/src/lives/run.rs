//! A run of a plan: lives of an engine on one disk, each ended by a stop, by faults or by the end of the plan, and what
//! every start finds compared with what was promised.

use super::{
    deed::{Deed, Power, Rot, Stop},
    life::{Life, is_refusal},
    plan::{DATABASES, Plan},
    rig::{Plain, Rig},
    state::{Standing, look},
    truth::Truth,
};
use crate::{disk::SimDisk, seed::Dice};
use ese::Instance;
use ese_base::{Error, clock::ManualClock};
use ese_core::{Engine, LocalEngine, Step};
use ese_io::Disk;
use std::{path::Path, sync::Arc, time::Duration};

/// Where the instance is.
pub(super) const FOLDER: &str = "/db";
/// Where the last of the databases is.
const FAR: &str = "/far";
/// Bytes that the disk has.
const CAPACITY: u64 = 1 << 30;

/// How a part of a run ended early.
#[derive(Debug)]
pub(super) enum Over {
    /// A promise was broken.
    Broken(String),
    /// The engine answered so; whether it may is not judged yet.
    Error(Error),
    /// The same, and what was done is not known until the next start.
    Fatal(Error),
    /// The life is over: the disk stopped, or the engine has had enough of its faults.
    Ended,
}

/// What a part of a run returns.
pub(super) type Done<T = ()> = Result<T, Over>;

/// What happened in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Starts that went well.
    pub starts: u64,
    /// Starts at which there was something to do again.
    pub recoveries: u64,
    /// Stops of the disk.
    pub stops: u64,
    /// Calls that met a fault.
    pub faults: u64,
    /// Changes of the disk.
    pub changes: u64,
    /// Equal for equal runs.
    pub trace: u64,
}

impl Counts {
    /// Adds what happened in another run.
    pub fn add(&mut self, other: &Counts) {
        self.starts += other.starts;
        self.recoveries += other.recoveries;
        self.stops += other.stops;
        self.faults += other.faults;
        self.changes += other.changes;
        self.trace = self.trace.rotate_left(5) ^ other.trace;
    }
}

/// What is wrong, and at which deed it was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wrong {
    pub(super) deeds: usize,
    pub(super) what: String,
}

/// Runs a plan.
pub(super) fn run(plan: &Plan, rig: &dyn Rig) -> Result<Counts, Wrong> {
    let (mut run, life) = deeds(plan, rig)?;
    run.end(life).map_err(|what| Wrong { deeds: plan.deeds.len(), what })?;
    run.counts.changes = run.disk.changes();
    run.counts.trace ^= run.disk.shape();
    Ok(run.counts)
}

/// The deeds of a plan; at the end an engine may be alive.
fn deeds<'p>(plan: &'p Plan, rig: &'p dyn Rig) -> Result<(Run<'p>, Option<Life>), Wrong> {
    rig.begin();
    let disk = SimDisk::new(plan.disk_seed, plan.profile);
    let far = disk.create_directory(FAR.as_ref()).and_then(|()| disk.sync_directory("/".as_ref()));
    far.expect("an empty disk takes a directory");
    let mut run = Run {
        plan,
        rig,
        disk,
        truth: Truth::new(),
        dice: Dice::new(plan.disk_seed ^ 0x5eed),
        stop: None,
        fault: None,
        was_closed: false,
        counts: Counts::default(),
    };
    let mut life = None;
    for (number, deed) in plan.deeds.iter().enumerate() {
        let done = run.deed(&mut life, deed);
        run.settle(&mut life, done).map_err(|what| Wrong { deeds: number + 1, what })?;
    }
    Ok((run, life))
}

/// The deeds of a plan and the end of the power: the disk as it is left, and what may be on it.
pub(super) fn stopped(plan: &Plan, after: u64) -> Result<(SimDisk, Truth), Wrong> {
    let (mut run, life) = deeds(plan, &Plain)?;
    run.disk.crash_after(after);
    drop(life);
    run.after_the_end().map_err(|what| Wrong { deeds: plan.deeds.len(), what })?;
    Ok((run.disk, run.truth))
}

struct Run<'p> {
    plan: &'p Plan,
    rig: &'p dyn Rig,
    disk: SimDisk,
    truth: Truth,
    dice: Dice,
    /// The disk is to stop.
    stop: Option<Stop>,
    /// Calls may fail; how the life ends when they do.
    fault: Option<Power>,
    /// The last life ended with a close.
    was_closed: bool,
    counts: Counts,
}

impl Run<'_> {
    fn deed(&mut self, life: &mut Option<Life>, deed: &Deed) -> Done {
        match deed {
            Deed::Stop(stop) => {
                self.disk.crash_after(stop.after);
                self.stop = Some(stop.clone());
                return Ok(());
            }
            Deed::Fault(fault, power) => {
                self.disk.inject(fault.clone());
                self.fault = Some(*power);
                return Ok(());
            }
            Deed::Fill(bytes) => {
                let used = CAPACITY - self.disk.free_space("/".as_ref()).unwrap_or(CAPACITY);
                self.disk.set_capacity(used + bytes);
                self.fault = Some(Power::Cut);
                return Ok(());
            }
            _ => {}
        }
        let alive = match life.take() {
            Some(alive) => alive,
            None => self.begin()?,
        };
        let alive = life.insert(alive);
        match deed {
            Deed::Session(who, act) => alive.act(&mut self.truth, *who, act),
            Deed::Database(number, fate) => alive.database(&mut self.truth, *number, *fate),
            Deed::Merge => alive.engine.merge().map_err(Over::Error),
            Deed::Checkpoint => {
                alive.engine.checkpoint().map_err(Over::Error)?;
                self.truth.promise();
                Ok(())
            }
            Deed::Step(count) => {
                for _ in 0..*count {
                    if alive.engine.step().map_err(Over::Error)? == Step::Flushed {
                        self.truth.promise();
                    }
                }
                Ok(())
            }
            Deed::Advance(millis) => {
                alive.clock.advance(Duration::from_millis(*millis));
                Ok(())
            }
            Deed::WaitDurable => {
                let Some((commit, number)) = alive.last_commit else { return Ok(()) };
                alive.engine.wait_durable(commit).map_err(Over::Error)?;
                self.truth.promise_up_to(number);
                Ok(())
            }
            Deed::Check => check(&*alive.engine),
            Deed::Reopen => {
                self.close(life.take().ok_or(Over::Ended)?)?;
                *life = Some(self.begin()?);
                Ok(())
            }
            Deed::Stop(_) | Deed::Fault(..) | Deed::Fill(_) => Ok(()),
        }
    }

    /// Judges how a deed ended, and does what follows when the life is over. An error is a promise that was broken.
    fn settle(&mut self, life: &mut Option<Life>, done: Done) -> Result<(), String> {
        self.note(match &done {
            Ok(()) => 0,
            Err(Over::Error(error) | Over::Fatal(error)) => error.jet_err().unsigned_abs().into(),
            Err(_) => 1,
        });
        let is_over = match done {
            Err(Over::Broken(what)) => return Err(what),
            _ if self.disk.is_off() => true,
            Ok(()) => false,
            Err(Over::Ended) => true,
            Err(Over::Error(error)) if is_refusal(&error, self.fault.is_some()) => false,
            Err(Over::Error(_) | Over::Fatal(_)) if self.fault.is_some() => true,
            Err(Over::Error(error) | Over::Fatal(error)) => return Err(format!("the engine says {error}")),
        };
        if is_over {
            drop(life.take());
            self.after_the_end()?;
        }
        Ok(())
    }

    fn note(&mut self, number: u64) {
        self.counts.trace = (self.counts.trace ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    }

    fn end_process(&mut self, power: Power) {
        self.counts.stops += u64::from(self.disk.is_off());
        match power {
            Power::Kill => self.disk.kill(),
            Power::Cut => self.disk.reboot(),
        }
    }

    /// The process is gone; starts that do not come to their end follow.
    fn after_the_end(&mut self) -> Result<(), String> {
        self.was_closed = false;
        self.counts.faults = self.disk.faults_met();
        self.disk.heal();
        self.disk.set_capacity(CAPACITY);
        let fault = self.fault.take();
        let stop = self.stop.take();
        let power = stop.as_ref().map(|stop| stop.power).or(fault).unwrap_or(Power::Cut);
        self.end_process(power);
        let Some(stop) = stop else { return Ok(()) };
        if stop.rot == Some(Rot::NewestMeta) {
            self.spoil_newest_metas();
        }
        for (after, power) in stop.again {
            self.disk.crash_after(after);
            let started = self.start();
            let done = match started {
                Ok((engine, _)) => self.compare(&engine),
                Err(error) => Err(Over::Error(error)),
            };
            match done {
                _ if self.disk.is_off() && !matches!(done, Err(Over::Broken(_))) => {}
                Ok(()) | Err(Over::Ended) => {}
                Err(Over::Broken(what)) => return Err(format!("in a start after a stop: {what}")),
                Err(Over::Error(error) | Over::Fatal(error)) => {
                    return Err(format!("a start after a stop says {error}"));
                }
            }
            self.end_process(power);
        }
        Ok(())
    }

    fn start(&self) -> ese_base::Result<(Arc<dyn Engine>, Arc<ManualClock>)> {
        start(self.plan, &self.disk, self.rig)
    }

    /// What an engine that was just started holds is one of the states that may be, and stays.
    fn compare(&mut self, engine: &Arc<dyn Engine>) -> Done {
        self.counts.starts += 1;
        let redone = engine.stats().recovered.transactions;
        self.counts.recoveries += u64::from(redone > 0);
        if self.was_closed && redone > 0 {
            return Err(Over::Broken(format!("after a close {redone} transactions were done again")));
        }
        let found = look(&**engine).map_err(Over::Error)?;
        self.truth.found(&found).map_err(Over::Broken)
    }

    fn begin(&mut self) -> Done<Life> {
        // A start that fails for its own reasons fails; one at a faulty disk is tried again without the faults.
        let (engine, clock) = self.start().map_err(Over::Error)?;
        self.compare(&engine)?;
        self.was_closed = false;
        if self.dice.percent(50) {
            check(&*engine)?;
        }
        Ok(Life::new(engine, clock, self.plan, self.dice.next()))
    }

    /// Ends sessions, closes.
    fn close(&mut self, mut life: Life) -> Done {
        life.end_sessions();
        check(&*life.engine)?;
        match life.engine.close() {
            Ok(()) => {
                self.truth.promise();
                self.was_closed = true;
                Ok(())
            }
            // What a close could not do is found by the next start.
            Err(error) => Err(Over::Fatal(error)),
        }
    }

    /// The end of a run: perhaps one more stop, then a start, a close, and a start that has nothing to do.
    fn end(&mut self, mut life: Option<Life>) -> Result<(), String> {
        if life.is_some() && self.dice.percent(70) {
            let power = if self.dice.percent(30) { Power::Kill } else { Power::Cut };
            let stop = Stop { after: 0, power, rot: None, again: Vec::new() };
            self.disk.crash_after(self.dice.below(3));
            self.stop.get_or_insert(stop);
        }
        if self.stop.is_some() || self.fault.is_some() {
            drop(life.take());
            self.after_the_end()?;
        }
        for round in 0..3 {
            let done = (|| {
                let alive = match life.take() {
                    Some(alive) => alive,
                    None => self.begin()?,
                };
                let mut alive = alive;
                if round == 1 {
                    self.loose_ends(&mut alive)?;
                }
                self.close(alive)
            })();
            self.settle(&mut life, done)?;
        }
        Ok(())
    }

    /// Databases that are not attached can be, and hold what they held.
    fn loose_ends(&mut self, life: &mut Life) -> Done {
        use super::deed::Fate;
        for number in 1..DATABASES.len() {
            if matches!(self.truth.newest().databases.get(&number), Some((Standing::Attached, _))) {
                continue;
            }
            life.database(&mut self.truth, number, Fate::Attach)?;
        }
        let found = look(&*life.engine).map_err(Over::Error)?;
        self.truth.found(&found).map_err(Over::Broken)
    }

    /// Where both meta pages of a database are sound, the newer one is spoilt.
    fn spoil_newest_metas(&self) {
        let files = ["data.ese", "second.ese", "third.ese"].map(|name| Path::new(FOLDER).join(name));
        for path in files.iter().map(std::path::PathBuf::as_path).chain([Path::new(DATABASES[3])]) {
            let Some(bytes) = self.disk.durable(path) else { continue };
            let slot = |at: usize| bytes.get(at..at + 512).and_then(sequence_of);
            let page = self.plan.settings.page_bytes;
            let (Some(first), Some(second)) = (slot(0), slot(page)) else { continue };
            let newest = if second > first { page } else { 0 };
            let spoilt = newest as u64 + self.dice.below(512);
            let old = bytes[usize::try_from(spoilt).expect("it is an index")];
            let new = old ^ (1 << self.dice.below(8));
            self.disk.overwrite(path, spoilt, &[new]).expect("the file is there");
        }
    }
}

/// Starts an engine as the plan has it.
pub(super) fn start(
    plan: &Plan,
    disk: &SimDisk,
    rig: &dyn Rig,
) -> ese_base::Result<(Arc<dyn Engine>, Arc<ManualClock>)> {
    let settings = &plan.settings;
    let builder = Instance::builder()
        .page_size(settings.page_bytes)
        .reading(settings.reading)
        .segment_bytes(settings.segment_bytes)
        .log_max_bytes(settings.log_bytes);
    let backend = builder.durable_backend(rig.disk(disk), FOLDER)?;
    let backend = rig.backend(backend, disk);
    let clock = Arc::new(ManualClock::default());
    let engine = LocalEngine::start(settings.options.clone(), backend, Arc::clone(&clock) as _)?;
    Ok((engine, clock))
}

/// The sequence of a sound meta page: see docs/format/database-file.md.
fn sequence_of(page: &[u8]) -> Option<u64> {
    let word = |at: usize| u32::from_le_bytes(page[at..at + 4].try_into().expect("four bytes"));
    let sequence = u64::from(word(72)) | u64::from(word(76)) << 32;
    (crc32c(&page[4..]) == word(0)).then_some(sequence)
}

/// Crc32c, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn check(engine: &dyn Engine) -> Done {
    match engine.check() {
        Ok(faults) if faults.is_empty() => Ok(()),
        Ok(faults) => Err(Over::Broken(format!("check: {}", faults.join("; ")))),
        Err(error) => Err(Over::Error(error)),
    }
}

/// How many changes a run makes without any stop: as many places to stop at.
pub(super) fn changes(plan: &Plan, rig: &dyn Rig) -> Result<u64, Wrong> {
    run(plan, rig).map(|counts| counts.changes)
}
