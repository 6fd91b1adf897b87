//! How each row is measured: sizes, one store with what it must hold, and the measure itself.
//!
//! Every function returns what it read as a [`Sum`] and has compared it with a sum computed without the engine; a
//! difference is an error, not a figure.

use crate::{
    data::{Data, Expected, Sum},
    engine::{Background, Engine, Opening, Read as _, Session as _},
};
use anyhow::{Context, Result, ensure};
use std::{collections::BTreeMap, path::Path, time::Duration};

pub mod commit;
pub mod durable;
pub mod load;
pub mod mixed;
pub mod read;
pub mod recover;

/// One figure of one engine in one round.
#[derive(Debug, Clone, Default)]
pub struct Measure {
    /// In the unit of the row.
    pub value: f64,
    /// What was read; equal for all engines.
    pub sum: Sum,
    /// More figures by name (percentiles, memory).
    pub notes: BTreeMap<&'static str, f64>,
}

/// How often each thing is done, from the number of rows.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Rows of a load.
    pub rows: usize,
    /// Point reads.
    pub gets: usize,
    /// Searches with ten rows.
    pub seeks: usize,
    /// Empty read transactions.
    pub empty_reads: usize,
    /// Savepoint rounds.
    pub savepoints: usize,
    /// Commits of one row.
    pub commits: usize,
    /// Lazy commits of one row.
    pub commits_lazy: usize,
    /// Durable commits of one row by one thread.
    pub commits_durable: usize,
    /// Durable commits of one row, all threads together.
    pub commits_threads: usize,
    /// Rows that are committed lazily before a kill.
    pub killed: usize,
    /// Operations of a mixture, all threads together.
    pub mixed: usize,
}

impl Sizes {
    /// The sizes for `rows` rows.
    #[must_use]
    pub fn of(rows: usize) -> Self {
        Sizes {
            rows,
            gets: rows,
            seeks: rows.div_ceil(2),
            empty_reads: rows,
            savepoints: rows.div_ceil(20).min(50_000),
            commits: rows.div_ceil(20).min(50_000),
            commits_lazy: rows.div_ceil(20).min(50_000),
            commits_durable: rows.div_ceil(20).min(2_000),
            commits_threads: rows.div_ceil(20).clamp(durable::THREADS, 16_000),
            killed: rows.div_ceil(2),
            mixed: (rows / 5).clamp(2, 200_000),
        }
    }

    /// Rows that are inserted after the load.
    #[must_use]
    pub fn spare(&self) -> usize {
        self.commits + self.commits_lazy + self.commits_durable + self.commits_threads
    }
}

/// What every measurement of a round shares.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The rows.
    pub data: &'a Data,
    /// How much of everything.
    pub sizes: Sizes,
    /// Counts from 0; picks differ from round to round and are the same for all engines.
    pub round: u64,
    /// Where stores with files go.
    pub directory: &'a Path,
    /// Where stores go whose durability is measured: on a disk.
    pub disk: &'a Path,
    /// The bench's own program, to be killed; without it nothing is.
    pub program: Option<&'a Path>,
}

impl Setting<'_> {
    /// A salt for random choices that no other work in any round has.
    #[must_use]
    pub fn salt(&self, work: u64) -> u64 {
        self.round * 1000 + work
    }
}

/// A store, the directory it may use, and what it must hold.
#[derive(Debug)]
pub struct Store<E> {
    // Fields drop in this order: the engine before its directory.
    /// The engine.
    pub engine: E,
    /// What it must hold.
    pub expected: Expected,
    _directory: tempfile::TempDir,
}

impl<E: Engine> Store<E> {
    /// An empty store.
    ///
    /// # Errors
    /// The engine's own.
    pub fn open(setting: Setting<'_>, background: Background) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("ese-bench-").tempdir_in(setting.directory)?;
        let engine = E::open(Opening { directory: directory.path(), background })
            .with_context(|| format!("opening {}", E::NAME))?;
        Ok(Store { engine, expected: Expected::empty(setting.data), _directory: directory })
    }

    /// Scans everything, outside any measured time: keys must ascend, rows and sum be as expected.
    ///
    /// # Errors
    /// The difference; the engine's own.
    pub fn verify(&self, data: &Data) -> Result<Sum> {
        let mut sum = Sum::default();
        let mut last = Vec::new();
        let mut ordered = true;
        self.engine.session()?.read(|read| {
            read.all(|key, value| {
                ordered &= last.as_slice() < key;
                last.clear();
                last.extend_from_slice(key);
                sum.add(value);
            })
        })?;
        ensure!(ordered, "{}: the keys of a scan do not ascend", E::NAME);
        same::<E>("a full scan", sum, self.expected.scan(data))?;
        Ok(sum)
    }
}

/// Compares what was read with what had to be.
fn same<E: Engine>(what: &str, found: Sum, wanted: Sum) -> Result<()> {
    ensure!(found == wanted, "{}: {what} read {found:?}, but must read {wanted:?}", E::NAME);
    Ok(())
}

/// `count` things in `took`, as things a second.
fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

/// The nanoseconds of each of `count` things that took `took` together.
fn nanoseconds_each(count: usize, took: Duration) -> f64 {
    took.as_secs_f64() * 1e9 / count.max(1) as f64
}
