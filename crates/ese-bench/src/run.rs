//! Rounds and turns: for every row all engines one after another, the order of turns moving on with row and round.

use crate::{
    adapter,
    data::{Data, Sum},
    lane::{DurableLane, EngineLane, Lane},
    raw::RawLane,
    row::Row,
    work::{Measure, Setting, Sizes},
};
use anyhow::{Result, bail, ensure};
use std::{collections::BTreeMap, path::PathBuf};

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Rows of a load.
    pub rows: usize,
    /// How often everything is repeated.
    pub rounds: u64,
    /// What the data and all choices come from.
    pub seed: u64,
    /// What is measured.
    pub only: Vec<Row>,
    /// Names of the engines, ese among them or not.
    pub engines: Vec<String>,
    /// Where stores with files go.
    pub directory: PathBuf,
    /// Where stores go whose durability is measured: on a disk.
    pub disk: PathBuf,
    /// The bench's own program, for the row that kills it; without it that row has no figures.
    pub program: Option<PathBuf>,
}

/// All figures of one row of one engine.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// One a round; empty where the engine has no such thing.
    pub samples: Vec<f64>,
    /// More figures by name, one a round.
    pub notes: BTreeMap<&'static str, Vec<f64>>,
}

/// The outcome of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What was run.
    pub plan: Plan,
    /// Name and settings of every engine, in the order of the plan.
    pub engines: Vec<(&'static str, &'static str)>,
    /// By row and engine.
    pub figures: BTreeMap<(Row, &'static str), Figures>,
}

/// The engines of an ordinary run.
pub const ENGINES_DEFAULT: &[&str] = &["ese", "lmdb", "redb", "sqlite", "btreemap"];

/// The engines of a run about durability; `raw` is what the disk allows.
pub const ENGINES_DURABLE: &[&str] =
    &["ese-durable", "fjall", "lmdb-durable", "redb-durable", "sqlite-durable", "raw"];

/// The engine of that name.
///
/// # Errors
/// An unknown name, with the known ones.
pub fn lane(name: &str) -> Result<Box<dyn Lane>> {
    Ok(match name {
        "ese" => Box::new(EngineLane::<adapter::ese::Ese>::default()),
        "lmdb" => Box::new(EngineLane::<adapter::lmdb::Lmdb>::default()),
        "redb" => Box::new(EngineLane::<adapter::redb::Redb<adapter::redb::Memory>>::default()),
        "redb-file" => Box::new(EngineLane::<adapter::redb::Redb<adapter::redb::File>>::default()),
        "sqlite" => Box::new(EngineLane::<adapter::sqlite::Sqlite>::default()),
        "btreemap" => Box::new(EngineLane::<adapter::btreemap::Locked>::default()),
        "ese-durable" => Box::new(DurableLane::<adapter::ese_durable::EseDurable>::default()),
        "fjall" => Box::new(DurableLane::<adapter::fjall::Fjall>::default()),
        "lmdb-durable" => Box::new(DurableLane::<adapter::lmdb_durable::LmdbDurable>::default()),
        "redb-durable" => Box::new(DurableLane::<adapter::redb_durable::RedbDurable>::default()),
        "sqlite-durable" => Box::new(DurableLane::<adapter::sqlite_durable::SqliteDurable>::default()),
        #[cfg(feature = "canopydb")]
        "canopydb" => Box::new(DurableLane::<adapter::canopydb::Canopydb>::default()),
        "raw" => Box::new(RawLane),
        _ => bail!(
            "there is no engine {name:?}; there are: {}, redb-file, {}",
            ENGINES_DEFAULT.join(", "),
            ENGINES_DURABLE.join(", ")
        ),
    })
}

/// Runs a plan; `progress` is told what comes next.
///
/// # Errors
/// Unknown engines; a result that differs from what it must be or from another engine's; an engine's own.
pub fn run(plan: Plan, progress: impl FnMut(&str)) -> Result<Outcome> {
    let lanes = plan.engines.iter().map(|name| lane(name)).collect::<Result<Vec<_>>>()?;
    run_lanes(plan, lanes, progress)
}

/// Runs a plan with the given lanes in place of its engines.
///
/// # Errors
/// As [`run`].
pub fn run_lanes(
    plan: Plan,
    mut lanes: Vec<Box<dyn Lane>>,
    mut progress: impl FnMut(&str),
) -> Result<Outcome> {
    ensure!(plan.rows >= 20, "a benchmark needs at least 20 rows");
    ensure!(!lanes.is_empty() && plan.rounds > 0, "nothing to run: no engine or no round");
    let sizes = Sizes::of(plan.rows);
    let data = Data::new(plan.seed, plan.rows, sizes.spare());
    let engines = lanes.iter().map(|lane| (lane.name(), lane.settings())).collect();
    let mut figures: BTreeMap<(Row, &'static str), Figures> = BTreeMap::new();
    let mut turn = 0;
    for round in 0..plan.rounds {
        let setting = Setting {
            data: &data,
            sizes,
            round,
            directory: &plan.directory,
            disk: &plan.disk,
            program: plan.program.as_deref(),
        };
        for &row in Row::ALL.iter().filter(|row| plan.only.contains(row)) {
            progress(&format!("round {} of {}: {}", round + 1, plan.rounds, row.title()));
            let mut first: Option<(&'static str, Measure)> = None;
            let count = lanes.len();
            for index in 0..count {
                let lane = &mut lanes[(turn + index) % count];
                let Some(measure) = lane.measure(row, setting)? else {
                    figures.entry((row, lane.name())).or_default();
                    continue;
                };
                if let Some((other, agreed)) = &first
                    && measure.sum != Sum::default()
                {
                    ensure!(
                        agreed.sum == measure.sum,
                        "row {:?}: {} read {:?}, {other} read {:?}",
                        row.name(),
                        lane.name(),
                        measure.sum,
                        agreed.sum
                    );
                }
                note(figures.entry((row, lane.name())).or_default(), &measure);
                // What reads nothing has nothing to agree on.
                if measure.sum != Sum::default() {
                    first.get_or_insert((lane.name(), measure));
                }
            }
            turn += 1;
        }
        lanes.iter_mut().for_each(|lane| lane.forget());
        turn += usize::try_from(round)?;
    }
    Ok(Outcome { plan, engines, figures })
}

fn note(figures: &mut Figures, measure: &Measure) {
    figures.samples.push(measure.value);
    for (&name, &value) in &measure.notes {
        figures.notes.entry(name).or_default().push(value);
    }
}
