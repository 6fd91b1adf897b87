//! What only a store in a folder has: commits that are durable, batches of them, opening, and its size.

use super::{Measure, Setting, Store, load::load, per_second, same};
use crate::{
    data::{Expected, Sum},
    engine::{Background, Durability, Durable, DurableSession as _, Read as _, Session as _, Write as _},
    raw,
    timing::{each, timed, timed_threads},
};
use anyhow::{Result, ensure};
use std::{collections::BTreeMap, fs, ops::Range, path::Path};

/// Threads of [`commit_threads`].
pub const THREADS: usize = 16;

/// The spare rows of the three rows here that commit new rows one by one: lazy, durable, durable by threads.
fn spare(setting: Setting<'_>, place: usize) -> Range<usize> {
    let sizes = setting.sizes;
    let counts = [sizes.commits, sizes.commits_lazy, sizes.commits_durable, sizes.commits_threads];
    let start = setting.data.rows() + counts[..place].iter().sum::<usize>();
    start..start + counts[place]
}

/// New rows, a lazy transaction each; the figure is the median latency.
///
/// # Errors
/// A wrong sum afterwards; the engine's own.
pub fn commit_lazy<E: Durable>(setting: Setting<'_>, store: &mut Store<E>) -> Result<Measure> {
    commits(setting, store, spare(setting, 1), Durability::Lazy)
}

/// New rows, a durable transaction each; the figure is the median latency. Bare syncs are measured right before.
///
/// # Errors
/// A wrong sum afterwards; the engine's own.
pub fn commit_durable<E: Durable>(setting: Setting<'_>, store: &mut Store<E>) -> Result<Measure> {
    let rows = spare(setting, 2);
    let bare = raw::syncs(setting.directory, rows.len())?;
    let mut measure = commits(setting, store, rows, Durability::Sync)?;
    let quantile = |at: f64| bare.value_at_quantile(at) as f64;
    measure.notes.insert("bare_sync_p50_ns", quantile(0.5));
    measure.notes.insert("bare_sync_p99_ns", quantile(0.99));
    measure.notes.insert("percent_of_bare_sync", 100.0 * measure.value / quantile(0.5).max(1.0));
    Ok(measure)
}

fn commits<E: Durable>(
    setting: Setting<'_>,
    store: &mut Store<E>,
    rows: Range<usize>,
    durability: Durability,
) -> Result<Measure> {
    let data = setting.data;
    ensure!(rows.end <= data.keys_total(), "the data has too few spare keys");
    store.engine.settle()?;
    let mut session = store.engine.session()?;
    session.set_durability(durability)?;
    let before = written_bytes();
    let (took, latencies) = timed(|| {
        each(rows.len(), |index| {
            let row = rows.start + index;
            session.write(|write| write.put(data.key(row), data.value(row, 1)))
        })
    })?;
    let after = written_bytes();
    session.set_durability(Durability::Sync)?;
    let quantile = |at: f64| latencies.value_at_quantile(at) as f64;
    let mut notes = BTreeMap::from([
        ("p99_ns", quantile(0.99)),
        ("worst_ns", latencies.max() as f64),
        ("commits_per_second", per_second(rows.len(), took)),
    ]);
    note_bytes(&mut notes, "disk_bytes_a_row", before, after, rows.len());
    let value = quantile(0.5);
    rows.for_each(|row| {
        store.expected.write(row);
    });
    Ok(Measure { value, sum: store.verify(data)?, notes })
}

/// New rows by many threads, a durable transaction each.
///
/// # Errors
/// A wrong sum afterwards; the engine's own.
pub fn commit_threads<E: Durable>(setting: Setting<'_>, store: &mut Store<E>) -> Result<Measure> {
    let data = setting.data;
    let rows = spare(setting, 3);
    ensure!(rows.end <= data.keys_total(), "the data has too few spare keys");
    store.engine.settle()?;
    let mut jobs = Vec::new();
    for thread in 0..THREADS {
        let mut session = store.engine.session()?;
        let own = rows.clone().skip(thread).step_by(THREADS);
        jobs.push(move || {
            own.clone()
                .try_for_each(|row| session.write(|write| write.put(data.key(row), data.value(row, 1))))
        });
    }
    let before = store.engine.log_syncs();
    let (took, _) = timed_threads(jobs)?;
    let mut notes = BTreeMap::new();
    if let (Some(before), Some(after)) = (before, store.engine.log_syncs()) {
        notes.insert("commits_a_sync", rows.len() as f64 / after.saturating_sub(before).max(1) as f64);
    }
    let value = per_second(rows.len(), took);
    rows.for_each(|row| {
        store.expected.write(row);
    });
    Ok(Measure { value, sum: store.verify(data)?, notes })
}

/// All rows in insertion order into an empty store, so many a transaction, each durable. Background work keeps up as the
/// engine sees fit; what is left of it is a note.
///
/// # Errors
/// A wrong sum afterwards; the engine's own.
pub fn batches<E: Durable>(setting: Setting<'_>, rows: usize) -> Result<Measure> {
    let data = setting.data;
    let mut store = Store::<E>::open(setting, Background::Free)?;
    let mut session = store.engine.session()?;
    let all: Vec<usize> = (0..setting.sizes.rows).collect();
    let before = written_bytes();
    let (took, ()) = timed(|| {
        all.chunks(rows).try_for_each(|batch| {
            session
                .write(|write| batch.iter().try_for_each(|&row| write.put(data.key(row), data.value(row, 1))))
        })
    })?;
    let during = written_bytes();
    let (settled, ()) = timed(|| store.engine.settle())?;
    let after = written_bytes();
    store.expected = Expected::loaded(data);
    let sum = store.verify(data)?;
    let mut notes = BTreeMap::from([("rows_per_second_settled", per_second(all.len(), took + settled))]);
    note_bytes(&mut notes, "disk_bytes_a_row", before, during, all.len());
    note_bytes(&mut notes, "disk_bytes_a_row_settled", before, after, all.len());
    Ok(Measure { value: per_second(all.len(), took), sum, notes })
}

/// A load in one transaction and a clean close; then the opening with one get is timed.
///
/// # Errors
/// A wrong value; a wrong sum afterwards; the engine's own.
pub fn open_clean<E: Durable>(setting: Setting<'_>) -> Result<Measure> {
    let (Store { engine, expected, _directory }, _) = load::<E>(setting)?;
    engine.close()?;
    let (took, (engine, found)) = timed(|| {
        let engine = E::reopen(_directory.path())?;
        let found = get_one(&engine, setting, 0)?;
        Ok((engine, found))
    })?;
    ensure!(found, "{}: the first row is gone", E::NAME);
    let store = Store { engine, expected, _directory };
    let sum = store.verify(setting.data)?;
    Ok(Measure { value: took.as_secs_f64() * 1e9, sum, ..Measure::default() })
}

/// The bytes that a folder has for each row, after a load in one transaction and a clean close.
///
/// # Errors
/// A wrong sum afterwards; the engine's own.
pub fn file_size<E: Durable>(setting: Setting<'_>) -> Result<Measure> {
    let (Store { engine, expected, _directory }, _) = load::<E>(setting)?;
    engine.close()?;
    let (all, log) = folder_bytes(_directory.path())?;
    let store = Store { engine: E::reopen(_directory.path())?, expected, _directory };
    let sum = store.verify(setting.data)?;
    let a_row = |bytes: u64| bytes as f64 / setting.sizes.rows as f64;
    let notes = BTreeMap::from([("with_log_a_row", a_row(all))]);
    Ok(Measure { value: a_row(all - log), sum, notes })
}

/// Whether a row is there; its value has to be the first version's.
///
/// # Errors
/// A wrong value; the engine's own.
pub(super) fn get_one<E: Durable>(engine: &E, setting: Setting<'_>, row: usize) -> Result<bool> {
    let data = setting.data;
    let mut found = Sum::default();
    let mut session = engine.session()?;
    let is_there = session.read(|read| read.get(data.key(row), |value| found.add(value)))?;
    let mut wanted = Sum::default();
    if is_there {
        wanted.add(data.value(row, 1));
    }
    same::<E>("the first get", found, wanted)?;
    Ok(is_there)
}

/// The bytes that a folder takes on the disk, and those of folders `log` in it, which are kept for the next writes.
fn folder_bytes(folder: &Path) -> Result<(u64, u64)> {
    let (mut all, mut log) = (0, 0);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.is_dir() {
            let (inside, inside_log) = folder_bytes(&path)?;
            all += inside;
            log += if entry.file_name() == "log" { inside } else { inside_log };
        } else {
            all += size_on_disk(&entry.metadata()?);
        }
    }
    Ok((all, log))
}

/// What a file really takes: maps and logs may be sparse.
#[cfg(unix)]
fn size_on_disk(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(file) * 512
}

#[cfg(not(unix))]
fn size_on_disk(file: &fs::Metadata) -> u64 {
    file.len()
}

/// Bytes that this process has had written to disks, from the kernel's books; `None` where there are none.
fn written_bytes() -> Option<u64> {
    let books = fs::read_to_string("/proc/self/io").ok()?;
    books.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
}

fn note_bytes(
    notes: &mut BTreeMap<&'static str, f64>,
    name: &'static str,
    before: Option<u64>,
    after: Option<u64>,
    rows: usize,
) {
    if let (Some(before), Some(after)) = (before, after) {
        notes.insert(name, after.saturating_sub(before) as f64 / rows.max(1) as f64);
    }
}
