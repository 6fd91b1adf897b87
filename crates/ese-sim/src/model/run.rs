//! A run: three lives on one disk under a random schedule that follows from the seed.

use super::{
    PATIENCE, Run, Stop,
    disk::Disk,
    engine::Engine,
    oracle::Oracle,
    rules::Off,
    threads::{Length, applier, checkpointer, reader, writer},
    violation,
};
use crate::seed::Dice;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// What a run found wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The seed that shows it again.
    pub seed: u64,
    /// What was seen.
    pub what: String,
}

impl Violation {
    /// The kind of violation, without the values.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.what.split(": got").next().unwrap_or(&self.what)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.what)
    }
}

/// How often things happened, to see that a run meets what it is meant to test.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Steps of all threads.
    pub steps: u64,
    /// Statements that wrote.
    pub writes: u64,
    /// Statements that were refused.
    pub conflicts: u64,
    /// Statements that found the version store full.
    pub version_store_full: u64,
    /// Statements that found the disk full.
    pub disk_full: u64,
    /// Commits that claimed a position.
    pub commits: u64,
    /// Merges that published a view.
    pub merges: u64,
    /// Generations that left a view.
    pub generations_left: usize,
    /// Checkpoints that came to their end.
    pub checkpoints: u64,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.steps += other.steps;
        self.writes += other.writes;
        self.conflicts += other.conflicts;
        self.version_store_full += other.version_store_full;
        self.disk_full += other.disk_full;
        self.commits += other.commits;
        self.merges += other.merges;
        self.generations_left += other.generations_left;
        self.checkpoints += other.checkpoints;
    }
}

/// Runs the schedule of `seed` with some rules off; the first violation ends it.
///
/// ```
/// use ese_sim::model::{Off, run};
/// assert_eq!(run(1, &Off::none()), None);
/// ```
#[must_use]
pub fn run(seed: u64, off: &Off) -> Option<Violation> {
    run_counted(seed, off, &mut Counts::default())
}

/// As [`run`], and adds to `counts`.
#[must_use]
pub fn run_counted(seed: u64, off: &Off, counts: &mut Counts) -> Option<Violation> {
    let dice = Rc::new(Dice::new(seed));
    let (disk, oracle) = (Rc::new(RefCell::new(Disk::new())), Rc::new(Oracle::new()));
    let mut lives = || {
        for _ in 0..3 {
            one_life(&disk, &oracle, &dice, off, counts)?;
        }
        Engine::recover(&disk, &oracle, &dice, off).map(|_| ())
    };
    match lives() {
        Err(Stop::Violation(what)) => Some(Violation { seed, what }),
        Ok(()) | Err(Stop::PowerCut) => None,
    }
}

type Thread = Pin<Box<dyn Future<Output = Run<()>>>>;

/// Threads that never end: the applier and the checkpointer.
const ENDLESS: usize = 2;

fn one_life(
    disk: &Rc<RefCell<Disk>>,
    oracle: &Rc<Oracle>,
    dice: &Rc<Dice>,
    off: &Off,
    counts: &mut Counts,
) -> Run<()> {
    let engine = Rc::new(Engine::recover(disk, oracle, dice, off)?);
    let mut steps = 0;
    let ended = schedule(&engine, threads(&engine), &mut steps);
    counts.add(&engine.counts.borrow());
    counts.steps += steps;
    match ended {
        Ok(()) | Err(Stop::PowerCut) => disk.borrow_mut().crash(dice, oracle, off),
        violation => violation,
    }
}

/// The threads of a life, each with a name of its own.
fn threads(engine: &Rc<Engine>) -> Vec<(usize, Thread)> {
    let (dice, slot) = (&engine.dice, |place: usize| Rc::clone(&engine.slots[place]));
    let slow = dice.percent(30);
    let first = dice.pick(&[0, 0, 1]);
    let mut threads: Vec<Thread> = Vec::new();
    for place in 0..4 {
        let length = if slow || place == 0 { Length::Long } else { Length::Short };
        let count = dice.pick(&[3, 8]);
        if place >= first {
            threads.push(Box::pin(writer(Rc::clone(engine), slot(place), length, count)));
        }
    }
    for place in 4..6 {
        threads.push(Box::pin(reader(Rc::clone(engine), slot(place), 12)));
    }
    threads.push(Box::pin(applier(Rc::clone(engine))));
    threads.push(Box::pin(checkpointer(Rc::clone(engine))));
    threads.into_iter().enumerate().collect()
}

/// Lets threads run, in bursts, some stalled for a while, until all that can end have, or the power goes.
fn schedule(engine: &Engine, mut threads: Vec<(usize, Thread)>, steps: &mut u64) -> Run<()> {
    let dice = &engine.dice;
    let cut = if dice.percent(50) { u64::MAX } else { dice.between(50, 3999) };
    let mut stalled = BTreeMap::new();
    let mut context = Context::from_waker(Waker::noop());
    while threads.len() > ENDLESS && *steps < cut {
        let place = dice.index(threads.len());
        let name = threads[place].0;
        if dice.percent(2) {
            stalled.insert(name, *steps + dice.below(600));
        }
        for _ in 0..dice.pick(&[1, 1, 2, 5, 5]) {
            *steps += 1;
            if stalled.get(&name).is_some_and(|until| until > steps) {
                break;
            }
            if let Poll::Ready(ended) = threads[place].1.as_mut().poll(&mut context) {
                ended?;
                drop(threads.remove(place));
                break;
            }
        }
        if *steps > PATIENCE {
            return violation("stuck: no end");
        }
    }
    Ok(())
}
