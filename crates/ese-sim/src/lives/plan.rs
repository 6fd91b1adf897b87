//! What a run is: settings, deeds, and the disk; all of it drawn from a seed.

use super::deed::{Act, Deed, Fate, Place, Power, Rot, Stop};
use crate::{
    disk::{Fault, Operation, Profile, Sector, Survival, Torn, What},
    seed::Dice,
};
use ese::Reading;
use ese_core::{Background, Durability, Options, Put};

/// Names that trees have.
pub(super) const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// Names of databases; the last lies in a folder of its own.
pub(super) const DATABASES: [&str; 4] = ["main", "second", "third", "/far/fourth.ese"];

/// Everything a run needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// What it is to show.
    pub kind: Kind,
    /// The disk's seed.
    pub disk_seed: u64,
    /// What power cuts leave.
    pub profile: Profile,
    /// How the instance is set.
    pub settings: Settings,
    /// How many sessions there are.
    pub sessions: usize,
    /// How many keys.
    pub keys: usize,
    /// What is done.
    pub deeds: Vec<Deed>,
}

/// How the instance is set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Bytes of a page.
    pub page_bytes: usize,
    /// Bytes of a segment of the log.
    pub segment_bytes: u64,
    /// Bytes of all segments.
    pub log_bytes: u64,
    /// How pages are read.
    pub reading: Reading,
    /// The engine's own.
    pub options: Options,
}

/// What a run is to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A few deeds, to be stopped at every change.
    Small,
    /// Many deeds and several stops.
    Long,
    /// Calls that fail.
    Faults,
    /// Stops, after which the newest meta pages are rotten.
    RottenMeta,
    /// A few deeds and a stop, after which a byte of any file is changed; many bytes, each by itself.
    Rot,
}

/// How much of what a run does, in hundredths.
struct Mix {
    lazy: u64,
    work: u64,
    trees: u64,
    databases: u64,
    stops: u64,
    lengths: &'static [usize],
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn new(seed: u64, kind: Kind) -> Plan {
        let dice = Dice::new(seed ^ 0x11fe_5000);
        let settings = Settings::draw(&dice);
        let (count, stops) = match kind {
            Kind::Small => (dice.between(8, 28), 0),
            Kind::Long | Kind::RottenMeta => (dice.between(60, 250), dice.pick(&[1, 3, 6])),
            Kind::Faults => (dice.between(30, 120), 2),
            Kind::Rot => (dice.between(10, 60), 0),
        };
        let mix = Mix {
            lazy: dice.pick(&[0, 30, 60, 100]),
            work: dice.pick(&[5, 15, 30]),
            trees: dice.pick(&[2, 5, 15]),
            databases: dice.pick(&[0, 2, 6]),
            stops,
            lengths: dice.pick(&[&[16, 20, 40][..], &[16, 300, 1500], &[16, 100, 6000, 20_000]]),
        };
        let mut plan = Plan {
            seed,
            kind,
            disk_seed: dice.next(),
            profile: profile(&dice),
            settings,
            sessions: dice.pick(&[1, 2, 3, 4]),
            keys: dice.pick(&[3, 12, 200]),
            deeds: Vec::new(),
        };
        // Most runs need a tree.
        plan.deeds.push(Deed::Session(0, Act::Create(Place { database: 0, name: 0 })));
        for _ in 0..count {
            let deed = plan.deed(&dice, &mix, kind);
            plan.deeds.push(deed);
        }
        plan
    }

    fn deed(&self, dice: &Dice, mix: &Mix, kind: Kind) -> Deed {
        if dice.percent(mix.stops) {
            return if kind == Kind::Faults { fault(dice) } else { Deed::Stop(stop(dice, kind)) };
        }
        if dice.percent(mix.databases) {
            let database = dice.index(DATABASES.len() - 1) + 1;
            return Deed::Database(
                database,
                dice.pick(&[Fate::Create, Fate::Create, Fate::Attach, Fate::Detach]),
            );
        }
        if dice.percent(mix.work) {
            return match dice.below(16) {
                0..2 => Deed::Merge,
                2..5 => Deed::Checkpoint,
                5..11 => Deed::Step(dice.between(1, 8)),
                11..13 => Deed::Advance(dice.pick(&[50, 150, 1000, 40_000])),
                13 => Deed::WaitDurable,
                14 => Deed::Reopen,
                _ => Deed::Check,
            };
        }
        Deed::Session(dice.index(self.sessions), self.act(dice, mix))
    }

    fn act(&self, dice: &Dice, mix: &Mix) -> Act {
        let database = if dice.percent(70) { 0 } else { dice.index(DATABASES.len()) };
        let name = if dice.percent(70) { 0 } else { dice.index(NAMES.len()) };
        let (place, key) = (Place { database, name }, dice.index(self.keys));
        if dice.percent(mix.trees) {
            return match dice.below(10) {
                0..5 => Act::Create(place),
                5..7 => Act::Drop(place),
                _ => Act::Rename(place, dice.index(NAMES.len())),
            };
        }
        match dice.below(100) {
            0..18 => Act::Begin,
            18..36 => Act::Commit(self.durability(dice, mix)),
            36..40 => Act::Rollback(dice.between(1, 3).try_into().unwrap_or(1)),
            40..72 => {
                let how = dice.pick(&[Put::Upsert, Put::Upsert, Put::Upsert, Put::Insert, Put::Replace]);
                Act::Put(place, key, dice.pick(mix.lengths), how)
            }
            72..80 => Act::Delete(place, key),
            80..92 => {
                let by = i64::from(i32::try_from(dice.below(2000)).unwrap_or(0)) - 700;
                Act::Add(place, key, dice.pick(&[0, 8]), by)
            }
            92..97 => Act::Get(place, key),
            _ => Act::Scan(place),
        }
    }

    fn durability(&self, dice: &Dice, mix: &Mix) -> Durability {
        if dice.percent(mix.lazy) { Durability::Lazy } else { Durability::Sync }
    }
}

impl Settings {
    fn draw(dice: &Dice) -> Settings {
        let segment_bytes = dice.pick(&[16 << 10, 16 << 10, 32 << 10, 128 << 10]);
        let mut options = Options {
            background: Background::Manual,
            generation_bytes: dice.pick(&[16 << 10, 16 << 10, 64 << 10, 1 << 20]),
            version_store_bytes: dice.pick(&[1 << 20, 8 << 20]),
            checkpoint_depth_bytes: dice.pick(&[64 << 10, 64 << 10, 1 << 20]),
            sessions_max: 20,
            ..Options::default()
        };
        if dice.percent(60) {
            options.merge_rows = dice.between(1, 60);
        }
        Settings {
            page_bytes: dice.pick(&[4096, 4096, 4096, 8192, 32_768]),
            segment_bytes,
            log_bytes: segment_bytes * dice.pick(&[8, 16, 1000]),
            reading: dice.pick(&[Reading::Map, Reading::Copy]),
            options,
        }
    }
}

/// Mostly what is worst.
fn profile(dice: &Dice) -> Profile {
    let survival = match dice.below(8) {
        0 => Survival::Nothing,
        1 => Survival::Everything,
        2 => Survival::InOrder,
        _ => Survival::AnyOrder,
    };
    Profile::of(survival)
        .with_sector(dice.pick(&[Sector::Small, Sector::Small, Sector::Large]))
        .with_torn(dice.pick(&[Torn::OldOrNew, Torn::Anything]))
}

fn power(dice: &Dice) -> Power {
    if dice.percent(30) { Power::Kill } else { Power::Cut }
}

/// A stop after some changes, with up to three starts that do not come to their end.
pub(super) fn stop(dice: &Dice, kind: Kind) -> Stop {
    let again = (0..dice.pick(&[0, 0, 1, 2, 3])).map(|_| (dice.below(40), power(dice))).collect();
    let after = dice.below(dice.pick(&[4, 20, 80]));
    if kind == Kind::RottenMeta {
        // Rot and a meta page that was never synced would be two faults at once.
        return Stop { after, power: Power::Cut, rot: Some(Rot::NewestMeta), again };
    }
    Stop { after, power: power(dice), rot: None, again }
}

fn fault(dice: &Dice) -> Deed {
    if dice.percent(15) {
        return Deed::Fill(dice.below(200_000));
    }
    let (what, on): (What, &[Operation]) = match dice.below(6) {
        0 => (What::Fail, &Operation::ALL),
        1 => (What::Full, &[Operation::Write, Operation::Allocate, Operation::Create, Operation::Sync]),
        2 => (What::Short, &[Operation::Write]),
        3 => (What::Fail, &[Operation::Sync, Operation::SyncDirectory]),
        4 => (What::Revert, &[Operation::Sync]),
        _ => (What::Fail, &[Operation::Write, Operation::Allocate, Operation::Rename, Operation::Create]),
    };
    let mut fault = Fault::new(what).on(dice.pick(on)).after(dice.below(dice.pick(&[2, 10, 40])));
    if dice.percent(40) {
        fault = fault.forever();
    }
    if dice.percent(40) {
        fault = fault.under(dice.pick(&["/db/log", "/db/data.ese", "/db/second.ese"]));
    }
    Deed::Fault(fault, power(dice))
}
