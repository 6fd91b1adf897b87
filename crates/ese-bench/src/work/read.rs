//! Point reads, short ranges, scans, and transactions that read nothing.

use super::{Measure, Setting, Store, nanoseconds_each, per_second, same};
use crate::{
    data::{Data, Expected, Key, Sum},
    engine::{Engine, Read, Session},
    timing::{timed, timed_threads},
};
use anyhow::{Result, ensure};

/// How point reads are dealt to transactions and threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gets {
    /// One thread, one transaction.
    One,
    /// So many threads, one transaction each.
    Threads(usize),
    /// One thread, a transaction for each get.
    TransactionEach,
    /// One thread, one transaction, so many keys a call.
    Many(usize),
}

/// The keys to read, laid out in reading order, and what they must add up to.
struct Probes {
    keys: Vec<Key>,
    wanted: Sum,
}

impl Probes {
    fn of(data: &Data, expected: &Expected, picked: &[usize]) -> Self {
        let mut probes = Probes { keys: Vec::with_capacity(picked.len()), wanted: Sum::default() };
        for &row in picked {
            probes.keys.push(*data.key(row));
            if expected.version(row) > 0 {
                probes.wanted.add(data.value(row, expected.version(row)));
            }
        }
        probes
    }
}

/// Random gets.
///
/// # Errors
/// A wrong sum; the engine's own.
pub fn gets<E: Engine>(setting: Setting<'_>, store: &mut Store<E>, how: Gets) -> Result<Measure> {
    let count = setting.sizes.gets;
    let picked = setting.data.picked(setting.salt(3), count);
    let probes = Probes::of(setting.data, &store.expected, &picked);
    let (took, sum) = match how {
        Gets::Threads(threads) => get_threads(store, &probes, threads)?,
        Gets::One => {
            let mut session = store.engine.session()?;
            timed(|| session.read(|read| get_all(read, &probes.keys)))?
        }
        Gets::TransactionEach => {
            let mut session = store.engine.session()?;
            timed(|| get_each(&mut session, &probes.keys))?
        }
        Gets::Many(keys) => {
            let mut session = store.engine.session()?;
            timed(|| session.read(|read| get_many(read, &probes.keys, keys)))?
        }
    };
    same::<E>("random gets", sum, probes.wanted)?;
    Ok(Measure { value: per_second(count, took), sum, ..Measure::default() })
}

fn get_all(read: &impl Read, keys: &[Key]) -> Result<Sum> {
    let mut sum = Sum::default();
    for key in keys {
        read.get(key, |value| sum.add(value))?;
    }
    Ok(sum)
}

fn get_each(session: &mut impl Session, keys: &[Key]) -> Result<Sum> {
    let mut sum = Sum::default();
    for key in keys {
        session.read(|read| read.get(key, |value| sum.add(value)))?;
    }
    Ok(sum)
}

fn get_many(read: &impl Read, keys: &[Key], a_call: usize) -> Result<Sum> {
    let mut sum = Sum::default();
    for group in keys.chunks(a_call) {
        read.get_many(group, |value| sum.add(value))?;
    }
    Ok(sum)
}

fn get_threads<E: Engine>(
    store: &Store<E>,
    probes: &Probes,
    threads: usize,
) -> Result<(std::time::Duration, Sum)> {
    let share = probes.keys.len().div_ceil(threads).max(1);
    let mut jobs = Vec::new();
    for keys in probes.keys.chunks(share) {
        let mut session = store.engine.session()?;
        jobs.push(move || session.read(|read| get_all(read, keys)));
    }
    let (took, sums) = timed_threads(jobs)?;
    Ok((took, sums.into_iter().fold(Sum::default(), Sum::plus)))
}

/// Searches for a random row's key, then ten rows from there, in one transaction.
///
/// # Errors
/// A wrong sum; the engine's own.
pub fn seek<E: Engine>(setting: Setting<'_>, store: &mut Store<E>) -> Result<Measure> {
    const ROWS: usize = 10;
    let data = setting.data;
    let mut order: Vec<usize> =
        (0..data.keys_total()).filter(|&row| store.expected.version(row) > 0).collect();
    order.sort_unstable_by_key(|&row| data.key(row));
    let mut place = vec![0; data.keys_total()];
    order.iter().enumerate().for_each(|(at, &row)| place[row] = at);
    let mut picked = data.picked(setting.salt(4), setting.sizes.seeks);
    picked.retain(|&row| store.expected.version(row) > 0);
    let mut wanted = Sum::default();
    for &row in &picked {
        for &next in order.iter().skip(place[row]).take(ROWS) {
            wanted.add(data.value(next, store.expected.version(next)));
        }
    }
    let keys: Vec<Key> = picked.iter().map(|&row| *data.key(row)).collect();
    let mut session = store.engine.session()?;
    let (took, sum) = timed(|| {
        session.read(|read| {
            let mut sum = Sum::default();
            for key in &keys {
                read.from(key, ROWS, |_, value| sum.add(value))?;
            }
            Ok(sum)
        })
    })?;
    same::<E>("short ranges", sum, wanted)?;
    Ok(Measure { value: per_second(keys.len(), took), sum, ..Measure::default() })
}

/// Every row in order in one transaction.
///
/// # Errors
/// A wrong sum; the engine's own.
pub fn scan<E: Engine>(setting: Setting<'_>, store: &mut Store<E>) -> Result<Measure> {
    let mut sum = Sum::default();
    let mut session = store.engine.session()?;
    let (took, ()) = timed(|| session.read(|read| read.all(|_, value| sum.add(value))))?;
    let wanted = store.expected.scan(setting.data);
    same::<E>("a scan", sum, wanted)?;
    let rows = usize::try_from(sum.rows)?;
    Ok(Measure { value: per_second(rows, took), sum, ..Measure::default() })
}

/// Read transactions that read nothing.
///
/// # Errors
/// The engine's own.
pub fn empty<E: Engine>(setting: Setting<'_>, store: &mut Store<E>) -> Result<Measure> {
    let count = setting.sizes.empty_reads;
    let mut session = store.engine.session()?;
    let (took, ()) = timed(|| (0..count).try_for_each(|_| session.empty_read()))?;
    Ok(Measure { value: nanoseconds_each(count, took), ..Measure::default() })
}

/// Transactions with seven nested savepoints, all rolled back; `None` for engines that have none.
///
/// # Errors
/// The engine's own; rows that changed.
pub fn savepoints<E: Engine>(setting: Setting<'_>, store: &mut Store<E>) -> Result<Option<Measure>> {
    const LEVELS: usize = 7;
    let count = setting.sizes.savepoints;
    let mut session = store.engine.session()?;
    if !session.savepoints(LEVELS)? {
        return Ok(None);
    }
    let (took, all) = timed(|| {
        let mut all = true;
        for _ in 0..count {
            all &= session.savepoints(LEVELS)?;
        }
        Ok(all)
    })?;
    ensure!(all, "{}: savepoints were there once and then not", E::NAME);
    let sum = store.verify(setting.data)?;
    Ok(Some(Measure { value: nanoseconds_each(count, took), sum, ..Measure::default() }))
}
