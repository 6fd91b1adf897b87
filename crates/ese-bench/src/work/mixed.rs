//! Reads and overwrites by two threads, a transaction an operation.
//!
//! Threads overwrite rows of their own only (even and odd), so that the final state is known; they read all rows.

use super::{Measure, Setting, Store, per_second};
use crate::{
    data::{Data, Key, Version},
    engine::{Engine, Read as _, Session, Write as _},
    timing::timed_threads,
};
use anyhow::{Result, ensure};
use rand::Rng as _;

const THREADS: usize = 2;

struct Operation {
    key: Key,
    row: usize,
    /// The version to write; 0: read.
    version: Version,
}

/// `writes_percent` of the operations overwrite a row, the others read one.
///
/// # Errors
/// A read that missed a row; a wrong sum afterwards; the engine's own.
pub fn mixed<E: Engine>(setting: Setting<'_>, store: &mut Store<E>, writes_percent: u32) -> Result<Measure> {
    let data = setting.data;
    let present: Vec<usize> = (0..data.rows()).filter(|&row| store.expected.version(row) > 0).collect();
    ensure!(present.len() >= THREADS, "too few rows for a mixture");
    let mut jobs = Vec::new();
    for thread in 0..THREADS {
        let operations = plan(setting, store, &present, thread, writes_percent);
        let mut session = store.engine.session()?;
        jobs.push(move || perform(&mut session, data, &operations));
    }
    let (took, missed) = timed_threads(jobs)?;
    let missed: usize = missed.into_iter().sum();
    ensure!(missed == 0, "{}: {missed} reads missed a row that was never absent", E::NAME);
    store.engine.settle()?;
    let sum = store.verify(data)?;
    let count = setting.sizes.mixed / THREADS * THREADS;
    Ok(Measure { value: per_second(count, took), sum, ..Measure::default() })
}

fn plan<E: Engine>(
    setting: Setting<'_>,
    store: &mut Store<E>,
    present: &[usize],
    thread: usize,
    writes_percent: u32,
) -> Vec<Operation> {
    let mut random = setting.data.random(setting.salt(10 + u64::from(writes_percent)) + thread as u64);
    let mut operations = Vec::with_capacity(setting.sizes.mixed / THREADS);
    for _ in 0..setting.sizes.mixed / THREADS {
        let place = random.random_range(0..present.len() / THREADS * THREADS);
        let (row, version) = if random.random_range(0..100) < writes_percent {
            let own = present[place - place % THREADS + thread];
            (own, store.expected.write(own))
        } else {
            (present[place], 0)
        };
        operations.push(Operation { key: *setting.data.key(row), row, version });
    }
    operations
}

/// Performs the operations and returns how many reads found nothing.
fn perform(session: &mut impl Session, data: &Data, operations: &[Operation]) -> Result<usize> {
    let mut missed = 0;
    let mut read_bytes = 0_usize;
    for operation in operations {
        if operation.version == 0 {
            let found =
                session.read(|read| read.get(&operation.key, |value| read_bytes += usize::from(value[0])))?;
            missed += usize::from(!found);
        } else {
            let value = data.value(operation.row, operation.version);
            session.write(|write| write.put(&operation.key, value))?;
        }
    }
    // The sum has no fixed value while another thread writes; it only keeps the reads from being optimised away.
    std::hint::black_box(read_bytes);
    Ok(missed)
}
