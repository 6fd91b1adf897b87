//! The only place that reads a clock.
#![expect(
    clippy::disallowed_methods,
    reason = "measuring is what this crate is for; no product code reads time here"
)]

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;
use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

/// Runs `work` and says how long it took.
///
/// # Errors
/// What `work` returns.
pub fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let start = Instant::now();
    let answer = work()?;
    Ok((start.elapsed(), answer))
}

/// Runs every job on a thread of its own, all released at once, and says how long the slowest took since then.
///
/// # Errors
/// The first that a job returns.
pub fn timed_threads<T: Send, J: FnOnce() -> Result<T> + Send>(jobs: Vec<J>) -> Result<(Duration, Vec<T>)> {
    let barrier = Barrier::new(jobs.len());
    let outcomes = thread::scope(|scope| {
        let handles: Vec<_> = jobs
            .into_iter()
            .map(|job| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let start = Instant::now();
                    let answer = job()?;
                    Ok((start, Instant::now(), answer))
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().map_err(|_| anyhow!("a benchmark thread panicked"))?)
            .collect::<Result<Vec<_>>>()
    })?;
    let first = outcomes.iter().map(|outcome| outcome.0).min();
    let last = outcomes.iter().map(|outcome| outcome.1).max();
    let took = first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first);
    Ok((took, outcomes.into_iter().map(|outcome| outcome.2).collect()))
}

/// Runs `work` `count` times and says how long each took, in nanoseconds. Reading the clock is part of each figure.
///
/// # Errors
/// What `work` returns.
pub fn each(count: usize, mut work: impl FnMut(usize) -> Result<()>) -> Result<Histogram<u64>> {
    let mut histogram = Histogram::new(3)?;
    let mut before = Instant::now();
    for index in 0..count {
        work(index)?;
        let after = Instant::now();
        histogram.record(u64::try_from((after - before).as_nanos())?.max(1))?;
        before = after;
    }
    Ok(histogram)
}
