//! One engine's way through a round: it keeps the store that the rows share and forgets it at the end.

use crate::{
    engine::{Durable, Engine},
    row::Row,
    work::{
        Measure, Setting, Store,
        commit::commit,
        durable::{batches, commit_durable, commit_lazy, commit_threads, file_size, open_clean},
        load::{append, load, remove, scan_overlay},
        mixed::mixed,
        read::{Gets, empty, gets, savepoints, scan, seek},
        recover::{Fill, recover},
    },
};
use anyhow::{Context, Result, bail};

/// An engine in the competition, whatever its type.
pub trait Lane {
    /// The adapter's name.
    fn name(&self) -> &'static str;

    /// Version and settings.
    fn settings(&self) -> &'static str;

    /// Measures one row; `None` where the engine has no such thing.
    ///
    /// # Errors
    /// A wrong result; the engine's own.
    fn measure(&mut self, row: Row, setting: Setting<'_>) -> Result<Option<Measure>>;

    /// Drops the store of the round.
    fn forget(&mut self);

    /// Fills a store and waits to be killed; see [`recover`](crate::work::recover).
    ///
    /// # Errors
    /// For an engine without stores in folders; the engine's own.
    fn fill(&self, _: &Fill) -> Result<()> {
        bail!("{} has no store that outlives it", self.name())
    }
}

/// An engine in the competition.
#[derive(Debug)]
pub struct EngineLane<E> {
    store: Option<Store<E>>,
}

impl<E> Default for EngineLane<E> {
    fn default() -> Self {
        EngineLane { store: None }
    }
}

impl<E: Engine> EngineLane<E> {
    /// The store of the round, loaded if no row has done that.
    fn store(&mut self, setting: Setting<'_>) -> Result<&mut Store<E>> {
        let store = match self.store.take() {
            Some(store) => store,
            None => load::<E>(setting)?.0,
        };
        Ok(self.store.insert(store))
    }

    fn measure_row(&mut self, row: Row, setting: Setting<'_>) -> Result<Option<Measure>> {
        let measure = match row {
            Row::Load => {
                self.store = None;
                let (store, measure) = load::<E>(setting)?;
                self.store = Some(store);
                measure
            }
            Row::Append => append::<E>(setting)?,
            Row::ScanOverlay => scan_overlay::<E>(setting)?,
            Row::Get => gets(setting, self.store(setting)?, Gets::One)?,
            Row::Get2 => gets(setting, self.store(setting)?, Gets::Threads(2))?,
            Row::GetTransaction => gets(setting, self.store(setting)?, Gets::TransactionEach)?,
            Row::GetMany => gets(setting, self.store(setting)?, Gets::Many(8))?,
            Row::Seek => seek(setting, self.store(setting)?)?,
            Row::Scan => scan(setting, self.store(setting)?)?,
            Row::EmptyRead => empty(setting, self.store(setting)?)?,
            Row::Savepoints => return savepoints(setting, self.store(setting)?),
            Row::Commit => commit(setting, self.store(setting)?)?,
            Row::Mixed95 => mixed(setting, self.store(setting)?, 5)?,
            Row::Mixed50 => mixed(setting, self.store(setting)?, 50)?,
            Row::Remove => remove(setting, self.store(setting)?)?,
            Row::CommitLazy
            | Row::CommitDurable
            | Row::CommitThreads
            | Row::BatchThousand
            | Row::BatchTenThousand
            | Row::Open
            | Row::Recover
            | Row::Size => return Ok(None),
        };
        Ok(Some(measure))
    }
}

impl<E: Engine> Lane for EngineLane<E> {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn settings(&self) -> &'static str {
        E::SETTINGS
    }

    fn measure(&mut self, row: Row, setting: Setting<'_>) -> Result<Option<Measure>> {
        self.measure_row(row, setting).with_context(|| format!("row {:?} of {}", row.name(), E::NAME))
    }

    fn forget(&mut self) {
        self.store = None;
    }
}

/// An engine with stores in folders: all rows, on a disk.
#[derive(Debug)]
pub struct DurableLane<E>(EngineLane<E>);

impl<E> Default for DurableLane<E> {
    fn default() -> Self {
        DurableLane(EngineLane::default())
    }
}

impl<E: Durable> DurableLane<E> {
    fn measure_row(&mut self, row: Row, setting: Setting<'_>) -> Result<Option<Measure>> {
        let lane = &mut self.0;
        let measure = match row {
            Row::CommitLazy => commit_lazy(setting, lane.store(setting)?)?,
            Row::CommitDurable => commit_durable(setting, lane.store(setting)?)?,
            Row::CommitThreads => commit_threads(setting, lane.store(setting)?)?,
            Row::BatchThousand => batches::<E>(setting, 1_000)?,
            Row::BatchTenThousand => batches::<E>(setting, 10_000)?,
            Row::Open => open_clean::<E>(setting)?,
            Row::Recover => return recover::<E>(setting),
            Row::Size => file_size::<E>(setting)?,
            other => return lane.measure_row(other, setting),
        };
        Ok(Some(measure))
    }
}

impl<E: Durable> Lane for DurableLane<E> {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn settings(&self) -> &'static str {
        E::SETTINGS
    }

    fn measure(&mut self, row: Row, setting: Setting<'_>) -> Result<Option<Measure>> {
        let setting = Setting { directory: setting.disk, ..setting };
        self.measure_row(row, setting).with_context(|| format!("row {:?} of {}", row.name(), E::NAME))
    }

    fn forget(&mut self) {
        self.0.forget();
    }

    fn fill(&self, fill: &Fill) -> Result<()> {
        fill.run::<E>()
    }
}
