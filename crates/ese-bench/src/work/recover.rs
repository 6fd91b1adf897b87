//! Opening what a killed process has left: a child of the bench commits rows lazily, says so, and is killed.
//!
//! What must be there afterwards is a front of what was committed, in its order; how much is a note. The figure is the
//! time of the opening and one get.

use super::{Measure, Setting, Store, durable::get_one, same};
use crate::{
    data::{Data, Expected, Sum},
    engine::{
        Background, Durability, Durable, DurableSession as _, Opening, Read as _, Session as _, Write as _,
    },
    timing::timed,
};
use anyhow::{Context, Result, bail, ensure};
use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write as _, stdin, stdout},
    path::PathBuf,
    process::{Command, Stdio},
};

/// Rows of a lazy commit.
const ROWS_A_COMMIT: usize = 100;
/// What a child says when everything is committed.
const FILLED: &str = "filled";
/// The variables that hand a child its job.
const ENGINE: &str = "ESE_BENCH_FILL";
const DIRECTORY: &str = "ESE_BENCH_DIRECTORY";
const SEED: &str = "ESE_BENCH_SEED";
const ROWS: &str = "ESE_BENCH_ROWS";

/// What a child is to do: fill a store, and wait for its end.
#[derive(Debug, Clone)]
pub struct Fill {
    /// The engine's name.
    pub engine: String,
    directory: PathBuf,
    seed: u64,
    rows: usize,
}

impl Fill {
    /// The job of this process, if it is a child.
    #[must_use]
    pub fn given() -> Option<Fill> {
        let number = |name| env::var(name).ok()?.parse().ok();
        Some(Fill {
            engine: env::var(ENGINE).ok()?,
            directory: env::var_os(DIRECTORY)?.into(),
            seed: number(SEED)?,
            rows: usize::try_from(number(ROWS)?).ok()?,
        })
    }

    /// Does it: it ends by a kill, or when nobody listens any more.
    ///
    /// # Errors
    /// The engine's own.
    pub fn run<E: Durable>(&self) -> Result<()> {
        let data = Data::new(self.seed, self.rows, 0);
        let engine = E::open(Opening { directory: &self.directory, background: Background::Free })?;
        let mut session = engine.session()?;
        session.set_durability(Durability::Lazy)?;
        let rows: Vec<usize> = (0..self.rows).collect();
        for batch in rows.chunks(ROWS_A_COMMIT) {
            session.write(|write| {
                batch.iter().try_for_each(|&row| write.put(data.key(row), data.value(row, 1)))
            })?;
        }
        writeln!(stdout(), "{FILLED}")?;
        // It stays open until the kill: there is nothing to read but the end.
        stdin().lock().read_line(&mut String::new())?;
        Ok(())
    }
}

/// See the head of the module; `None` without a program to kill.
///
/// # Errors
/// A row that is not one of a front; the engine's own.
pub fn recover<E: Durable>(setting: Setting<'_>) -> Result<Option<Measure>> {
    let Some(program) = setting.program else { return Ok(None) };
    let directory = tempfile::Builder::new().prefix("ese-bench-").tempdir_in(setting.directory)?;
    let data = Data::new(setting.data.seed(), setting.sizes.killed, 0);
    let mut child = Command::new(program)
        .env(ENGINE, E::NAME)
        .env(DIRECTORY, directory.path())
        .env(SEED, data.seed().to_string())
        .env(ROWS, data.rows().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    BufReader::new(child.stdout.take().context("a child has no output")?).read_line(&mut said)?;
    child.kill()?;
    child.wait()?;
    if said.trim() != FILLED {
        bail!("{}: the process to be killed failed", E::NAME);
    }
    let inner = Setting { data: &data, ..setting };
    let (took, (engine, first)) = timed(|| {
        let engine = E::reopen(directory.path())?;
        let first = get_one(&engine, inner, 0)?;
        Ok((engine, first))
    })?;
    let mut sum = Sum::default();
    engine.session()?.read(|read| read.all(|_, value| sum.add(value)))?;
    let kept = usize::try_from(sum.rows)?;
    ensure!(kept <= data.rows() && (kept > 0) == first, "{}: {kept} rows are there", E::NAME);
    let mut expected = Expected::empty(&data);
    (0..kept).for_each(|row| {
        expected.write(row);
    });
    same::<E>("what a kill left", sum, expected.scan(&data))?;
    drop(Store { engine, expected, _directory: directory });
    let notes =
        BTreeMap::from([("rows_kept", kept as f64), ("rows_per_second", super::per_second(kept, took))]);
    // Engines keep more or less of it: there is no common sum.
    Ok(Some(Measure { value: took.as_secs_f64() * 1e9, sum: Sum::default(), notes }))
}
