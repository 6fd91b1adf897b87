//! Commits of one new row each, with their latencies.

use super::{Measure, Setting, Store};
use crate::{
    engine::{Engine, Session as _, Write as _},
    timing::{each, timed},
};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;

/// Inserts rows that are not there yet, a transaction each; the figure is the median latency.
///
/// # Errors
/// A wrong sum afterwards; the engine's own.
pub fn commit<E: Engine>(setting: Setting<'_>, store: &mut Store<E>) -> Result<Measure> {
    let data = setting.data;
    let count = setting.sizes.commits;
    let first = data.rows();
    ensure!(first + count <= data.keys_total(), "the data has too few spare keys");
    let mut session = store.engine.session()?;
    let (took, latencies) = timed(|| {
        each(count, |index| {
            let row = first + index;
            session.write(|write| write.put(data.key(row), data.value(row, 1)))
        })
    })?;
    for row in first..first + count {
        store.expected.write(row);
    }
    store.engine.settle()?;
    let sum = store.verify(data)?;
    let quantile = |at: f64| latencies.value_at_quantile(at) as f64;
    let notes = BTreeMap::from([
        ("p99_ns", quantile(0.99)),
        ("worst_ns", latencies.max() as f64),
        ("commits_per_second", super::per_second(count, took)),
    ]);
    Ok(Measure { value: quantile(0.5), sum, notes })
}
