//! Seeds, one after the other: what a seed runs, and the smallest plan that still shows what is wrong.

use super::{
    deed::{Deed, Power, Stop},
    plan::{Kind, Plan, stop},
    rig::Rig,
    rot::rot,
    run::{Counts, Wrong, changes, run},
};
use crate::{disk::Profile, seed::Dice};
use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Disks that each smaller plan is tried on.
const DISKS: u64 = 3;

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The number of the deed at which it was seen, before anything was left out.
    pub deed: usize,
    /// What is wrong.
    pub what: String,
    /// The smallest plan that was found.
    pub plan: Plan,
    /// What is wrong with that one.
    pub shrunk: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { settings, profile, disk_seed, .. } = &self.plan;
        writeln!(f, "seed {}, deed {}: {}", self.seed, self.deed, self.what)?;
        writeln!(f, "the smallest plan found, on the disk of seed {disk_seed} ({profile:?})")?;
        writeln!(f, "{settings:?}, {} sessions, {} keys", self.plan.sessions, self.plan.keys)?;
        for deed in &self.plan.deeds {
            writeln!(f, "  {deed}")?;
        }
        write!(f, "{}", self.shrunk)
    }
}

/// What runs of a seed are to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effort {
    /// Places at which a small plan is stopped at most; evenly spread where there are more.
    pub stops: u64,
    /// Runs that making a plan smaller may take.
    pub tries: u32,
    /// What power cuts leave, whatever the seed says.
    pub profile: Option<Profile>,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { stops: 400, tries: 400, profile: None }
    }
}

/// Runs everything that a seed stands for.
///
/// # Errors
/// The first promise that was broken.
pub fn run_seed(seed: u64, effort: Effort, rig: &dyn Rig) -> Result<Counts, Box<Failure>> {
    let kind = match seed % 10 {
        0..4 => Kind::Small,
        4..7 => Kind::Long,
        7 => Kind::Faults,
        8 => Kind::RottenMeta,
        _ => Kind::Rot,
    };
    run_kind(seed, kind, effort, rig)
}

/// Runs a seed as a kind of plan.
///
/// # Errors
/// The first promise that was broken.
pub fn run_kind(seed: u64, kind: Kind, effort: Effort, rig: &dyn Rig) -> Result<Counts, Box<Failure>> {
    let mut plan = Plan::new(seed, kind);
    plan.profile = effort.profile.unwrap_or(plan.profile);
    let failure = |plan: &Plan, wrong: &Wrong| failure(plan, wrong, rig, effort.tries);
    let mut counts = Counts::default();
    if kind == Kind::Rot {
        return guarded(|| rot(&plan, effort.stops)).map_err(|wrong| failure(&plan, &wrong));
    }
    if kind != Kind::Small {
        return attempt(&plan, rig).map_err(|wrong| failure(&plan, &wrong));
    }
    let whole = guarded(|| changes(&plan, rig)).map_err(|wrong| failure(&plan, &wrong))?;
    let dice = Dice::new(seed ^ 0x0057_0b50);
    let stride = whole.div_ceil(effort.stops).max(1);
    for after in (dice.below(stride)..whole).step_by(usize::try_from(stride).unwrap_or(1)) {
        let stopped = stopped(&plan, Stop { after, ..stop(&dice, kind) }, after);
        counts.add(&attempt(&stopped, rig).map_err(|wrong| failure(&stopped, &wrong))?);
    }
    Ok(counts)
}

/// The plan, stopped.
fn stopped(plan: &Plan, stop: Stop, disk: u64) -> Plan {
    let mut stopped = Plan { disk_seed: plan.disk_seed.wrapping_add(disk), ..plan.clone() };
    stopped.deeds.insert(0, Deed::Stop(stop));
    stopped
}

/// Runs once; a panic is wrong, too.
fn attempt(plan: &Plan, rig: &dyn Rig) -> Result<Counts, Wrong> {
    guarded(|| run(plan, rig))
}

fn guarded<T>(work: impl FnOnce() -> Result<T, Wrong>) -> Result<T, Wrong> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Wrong { deeds: usize::MAX, what: format!("a panic: {}", words(&*panic)) })
    })
}

fn words(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(words), _) => words,
        (_, Some(words)) => words,
        _ => "of an unknown kind",
    }
}

fn failure(plan: &Plan, wrong: &Wrong, rig: &dyn Rig, tries: u32) -> Box<Failure> {
    let mut small = plan.clone();
    small.deeds.truncate(wrong.deeds);
    // Rot at a place means nothing for a smaller plan.
    let tries = if plan.kind == Kind::Rot { 0 } else { tries };
    let mut shrunk = Shrunk { plan: plan.clone(), what: wrong.what.clone(), tries };
    shrunk.accept(&small, rig);
    shrunk.leave_out(rig);
    shrunk.simplify(rig);
    let Shrunk { plan, what, .. } = shrunk;
    Box::new(Failure { seed: plan.seed, deed: wrong.deeds, what: wrong.what.clone(), plan, shrunk: what })
}

/// The smallest plan so far.
struct Shrunk {
    plan: Plan,
    what: String,
    /// Runs that are left.
    tries: u32,
}

impl Shrunk {
    /// Takes a plan if it is wrong on any of a few disks.
    fn accept(&mut self, plan: &Plan, rig: &dyn Rig) -> bool {
        for disk in 0..DISKS {
            if self.tries == 0 {
                return false;
            }
            self.tries -= 1;
            let mut trial = Plan { disk_seed: plan.disk_seed.wrapping_add(disk), ..plan.clone() };
            if let Err(wrong) = attempt(&trial, rig) {
                trial.deeds.truncate(wrong.deeds);
                (self.plan, self.what) = (trial, wrong.what);
                return true;
            }
        }
        false
    }

    /// Leaves out ever smaller parts.
    fn leave_out(&mut self, rig: &dyn Rig) {
        let mut part = self.plan.deeds.len().div_ceil(2);
        while part > 0 && self.tries > 0 {
            let mut from = 0;
            while from < self.plan.deeds.len() {
                let mut less = self.plan.clone();
                let to = less.deeds.len().min(from + part);
                less.deeds.drain(from..to);
                if !self.accept(&less, rig) {
                    from += part;
                }
            }
            part = if part == 1 { 0 } else { part.div_ceil(2) };
        }
    }

    /// Makes stops simpler.
    fn simplify(&mut self, rig: &dyn Rig) {
        for place in 0..self.plan.deeds.len() {
            let Some(Deed::Stop(stop)) = self.plan.deeds.get(place).cloned() else { continue };
            let simpler = [
                Stop { again: Vec::new(), ..stop.clone() },
                Stop { power: Power::Cut, ..stop.clone() },
                Stop { rot: None, ..stop },
            ];
            for stop in simpler {
                let mut plan = self.plan.clone();
                if place < plan.deeds.len() {
                    plan.deeds[place] = Deed::Stop(stop);
                    self.accept(&plan, rig);
                }
            }
        }
    }
}
