//! Loads, removals, and the store that a later row finds half merged.

use super::{Measure, Setting, Store, per_second, same};
use crate::{
    data::{Data, Expected, Sum},
    engine::{Background, Engine, Read as _, Session as _, Write},
    memory,
    timing::timed,
};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;

/// All rows in insertion order (random in key order) in one transaction, then all background work; both are timed.
///
/// # Errors
/// A wrong sum afterwards; the engine's own.
pub fn load<E: Engine>(setting: Setting<'_>) -> Result<(Store<E>, Measure)> {
    fill(setting, Background::Free, Order::Random)
}

/// All rows in key order in one transaction, by the engine's fastest way, then all background work; both are timed.
///
/// # Errors
/// A wrong sum afterwards; the engine's own.
pub fn append<E: Engine>(setting: Setting<'_>) -> Result<Measure> {
    let (_, measure) = fill::<E>(setting, Background::Free, Order::Ascending)?;
    Ok(measure)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Insertion order, which is random in key order.
    Random,
    /// Key order, each row appended.
    Ascending,
}

fn fill<E: Engine>(
    setting: Setting<'_>,
    background: Background,
    order: Order,
) -> Result<(Store<E>, Measure)> {
    let data = setting.data;
    let rows: Vec<usize> = match order {
        Order::Random => (0..setting.sizes.rows).collect(),
        Order::Ascending => data.sorted(),
    };
    let mut store = Store::<E>::open(setting, background)?;
    let mut session = store.engine.session()?;
    memory::supply();
    memory::reset_peak();
    let before = memory::resident();
    let (took, ()) = timed(|| {
        session.write(|write| put_all(write, data, &rows, order))?;
        store.engine.settle()
    })?;
    let after = memory::resident();
    store.expected = Expected::loaded(data);
    let sum = store.verify(data)?;
    let mut notes = BTreeMap::new();
    if let (Some(before), Some(after)) = (before, after) {
        let mib = |bytes: u64| bytes.saturating_sub(before.now_bytes) as f64 / f64::from(1 << 20);
        notes.insert("rss_grown_mib", mib(after.now_bytes));
        notes.insert("rss_peak_mib", mib(after.peak_bytes));
    }
    Ok((store, Measure { value: per_second(rows.len(), took), sum, notes }))
}

fn put_all(write: &mut impl Write, data: &Data, rows: &[usize], order: Order) -> Result<()> {
    match order {
        Order::Random => rows.iter().try_for_each(|&row| write.put(data.key(row), data.value(row, 1))),
        Order::Ascending => rows.iter().try_for_each(|&row| write.append(data.key(row), data.value(row, 1))),
    }
}

/// Half of the loaded rows, picked at random, in one transaction, then all background work; both are timed.
///
/// # Errors
/// A row that was not there; a wrong sum afterwards; the engine's own.
pub fn remove<E: Engine>(setting: Setting<'_>, store: &mut Store<E>) -> Result<Measure> {
    let data = setting.data;
    let order = data.shuffled(setting.salt(1));
    let gone: Vec<usize> = order
        .into_iter()
        .filter(|&row| store.expected.version(row) > 0)
        .take(setting.sizes.rows / 2)
        .collect();
    let mut session = store.engine.session()?;
    let (took, missing) = timed(|| {
        let missing = session.write(|write| {
            let mut missing = 0_usize;
            for &row in &gone {
                missing += usize::from(!write.remove(data.key(row))?);
            }
            Ok(missing)
        })?;
        store.engine.settle()?;
        Ok(missing)
    })?;
    ensure!(missing == 0, "{}: {missing} rows to remove were not there", E::NAME);
    gone.iter().for_each(|&row| store.expected.remove(row));
    let sum = store.verify(data)?;
    Ok(Measure { value: per_second(gone.len(), took), sum, ..Measure::default() })
}

/// A full scan of a store whose load is merged and where a tenth of the rows was overwritten since, nothing of it
/// merged. Only the scan is timed.
///
/// # Errors
/// A wrong sum; background work that ran although it was held; the engine's own.
pub fn scan_overlay<E: Engine>(setting: Setting<'_>) -> Result<Measure> {
    let data = setting.data;
    let (mut store, _) = fill::<E>(setting, Background::Held, Order::Random)?;
    let newer: Vec<usize> =
        data.shuffled(setting.salt(2)).into_iter().take(setting.sizes.rows / 10).collect();
    newer.iter().for_each(|&row| {
        store.expected.write(row);
    });
    let mut session = store.engine.session()?;
    session.write(|write| newer.iter().try_for_each(|&row| write.put(data.key(row), data.value(row, 2))))?;
    let held = |when: &str| -> Result<()> {
        let backlog = store.engine.backlog().unwrap_or(u64::MAX);
        ensure!(
            backlog >= newer.len() as u64,
            "{}: only {backlog} of {} rows wait {when} the scan",
            E::NAME,
            newer.len()
        );
        Ok(())
    };
    held("before")?;
    let mut sum = Sum::default();
    let (took, ()) = timed(|| session.read(|read| read.all(|_, value| sum.add(value))))?;
    held("after")?;
    same::<E>("a scan over unmerged rows", sum, store.expected.scan(data))?;
    Ok(Measure { value: per_second(setting.sizes.rows, took), sum, ..Measure::default() })
}
