//! Real processes killed at random moments, and whether what they had acknowledged is there: the harness behind
//! `cargo xtask crash`.
//!
//! A *child* opens a folder, lets several threads commit numbered transactions over two databases, and says on its
//! standard output what it has done, each commit after it returned. The parent kills it: while it opens the folder (and
//! recovers), after so many acknowledgements, while it closes, or not at all. Perhaps other children follow, to be
//! killed in the recovery of the recovery. Then the parent opens the folder itself and looks. The folder stays for the
//! whole run; the settings are drawn anew for every opening.
//!
//! Invariants that are looked at:
//! - a commit that was acknowledged as durable is there, and so is all that an earlier opening had found;
//! - of the others what is there comes before what is not, in the order of their positions;
//! - a thread's transactions have no holes, and at most one is there that was not acknowledged;
//! - a transaction is there as a whole or not at all, in both databases (see [`rows`]);
//! - `check` finds no fault.
//!
//! A kill is no power cut: what was written is kept by the operating system. The simulated [`disk`](crate::disk) is for
//! the rest. Reading order: [`draw`] (settings), [`rows`] (what a transaction writes), [`line`](mod@line) (what a child says),
//! [`child`], [`parent`] (kills it), [`promises`] (what must be there).

pub mod child;
pub mod draw;
pub mod line;
pub mod parent;
pub mod promises;
pub mod rows;

pub use child::Job;

use crate::seed::Dice;
use draw::{Draw, Folder};
use parent::{Plan, run_child};
use promises::Promises;
use rows::World;
use std::{fmt, path::Path, process::Command, time::Duration};

/// What a run is to do.
#[derive(Debug)]
pub struct Crash<'a> {
    /// The folder of the instance; it must not exist.
    pub folder: &'a Path,
    /// What everything random follows from, but for the moments that the operating system chooses.
    pub seed: u64,
    /// How many rounds: each ends with a look at everything.
    pub rounds: u64,
    /// No round begins later than this.
    pub at_most: Option<Duration>,
}

/// What a run did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Rounds.
    pub rounds: u64,
    /// Children that were killed.
    pub kills: u64,
    /// Of them, before they had opened the folder.
    pub kills_in_opening: u64,
    /// Of them, while they closed it.
    pub kills_in_closing: u64,
    /// Commits that were acknowledged.
    pub acknowledged: u64,
    /// Of them, as durable.
    pub durable: u64,
    /// Commits that were acknowledged as lazy, and that a kill took.
    pub taken: u64,
    /// Transactions that looks at the folder had to do again; what children recovered is not counted.
    pub recovered: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rounds, {} kills ({} in opening, {} in closing), {} commits acknowledged, {} of them durable, {} lazy \
             ones taken, {} transactions recovered",
            self.rounds,
            self.kills,
            self.kills_in_opening,
            self.kills_in_closing,
            self.acknowledged,
            self.durable,
            self.taken,
            self.recovered
        )
    }
}

impl Crash<'_> {
    /// Runs it. `program` makes the command that becomes a child: one that calls [`Job::given`] and runs it.
    ///
    /// # Errors
    /// A sentence about the first promise that was not kept, with the seed, the round and its settings. The folder stays
    /// as it was found then.
    pub fn run(&self, program: &dyn Fn() -> Command) -> Result<Report, String> {
        let clock = ese_base::clock::SystemClock::new();
        let now = || ese_base::clock::Clock::now(&clock);
        let mut report = Report::default();
        let mut promises = Promises::default();
        let mut folder = Folder::New;
        while report.rounds < self.rounds && self.at_most.is_none_or(|most| now() < most) {
            let dice = Dice::new(self.seed ^ (report.rounds << 20));
            let draw = Draw::new(dice.next(), Folder::Old);
            let told = self
                .children(&dice, &mut folder, &mut promises, program, &mut report)
                .and_then(|()| look(self.folder, &draw, &mut promises, &mut report));
            told.map_err(|what| {
                format!("seed {}, round {}: {what}\nlooked at with {draw:?}", self.seed, report.rounds)
            })?;
            report.rounds += 1;
        }
        Ok(report)
    }

    /// The children of a round, one after the other.
    fn children(
        &self,
        dice: &Dice,
        folder: &mut Folder,
        promises: &mut Promises,
        program: &dyn Fn() -> Command,
        report: &mut Report,
    ) -> Result<(), String> {
        let count = dice.pick(&[1, 1, 2, 3]);
        for child in 0..count {
            let plan = if child == 0 { Plan::any(dice) } else { Plan::soon(dice) };
            let job = Job { folder: self.folder.to_owned(), seed: dice.next(), is: *folder };
            *folder = Folder::Old;
            let told = |what| format!("child {child} with {:?}, to be killed {plan:?}: {what}", job.draw());
            let life = run_child(&mut job.command(program()), &plan).map_err(told)?;
            report.kills += u64::from(life.was_killed);
            report.kills_in_opening += u64::from(life.was_killed && !life.has_opened());
            report.kills_in_closing += u64::from(life.was_killed && life.has_begun_to_close());
            let heard = promises.hear(&life.lines).map_err(told)?;
            report.acknowledged += heard.acknowledged;
            report.durable += heard.durable;
            report.taken += heard.taken;
        }
        Ok(())
    }
}

/// Opens the folder, compares everything in it with what was promised, and closes it.
fn look(folder: &Path, draw: &Draw, promises: &mut Promises, report: &mut Report) -> Result<(), String> {
    let told = |error: ese::Error| format!("the parent: {error}");
    let db = draw.builder().open(folder).map_err(told)?;
    report.recovered += db.stats().recovered.transactions;
    let world = World::open(&db).map_err(told)?;
    let counts = world.verify(&db)?;
    report.taken += promises.keep(&counts)?;
    let faults = db.check().map_err(told)?;
    if !faults.is_empty() {
        return Err(format!("check: {}", faults.join("; ")));
    }
    db.close().map_err(told)
}
