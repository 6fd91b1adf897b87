//! A model of the engine's rules under random schedules: small enough to be read, and run by the hundred thousand.
//!
//! Threads are `async` functions; every `Pause` is a place where another may run, and a scheduler that follows from
//! the seed picks who does. It runs short, long and slow writers, owners that die between claim and publication,
//! readers, the applier, a checkpointer, a database whose disk fills up, and power cuts at any step: three lives on one
//! disk, the newest meta page rotten at times. An oracle compares each read with the history of commits, each
//! answer of the conflict check with the truth (both ways), each base with the log below its L, and each recovery with
//! the prefix that survived, acknowledged commits included. Views used after they were freed, waits of more than two
//! merges and generations that stay for nobody are seen as well.
//!
//! Absent: weak memory (steps are sequentially consistent), pages, log batches, scans, dropped trees, attachments, hash
//! collisions, poison. Versions, window and budget are tiny, so that every rule is met often.
//!
//! Reading order: `rules`, `state`, `oracle`, `disk`, `engine`, `threads`, `run`.

mod disk;
mod engine;
mod oracle;
mod rules;
mod run;
mod state;
mod threads;

pub use rules::{Off, Rule, UnknownRule};
pub use run::{Counts, Violation, run, run_counted};

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// How many databases the model's instance has.
const DATABASES: usize = 2;
/// Rows of each database; the last is a counter.
const ROWS: usize = 4;
/// The row that is added to most of the time.
const COUNTER: usize = ROWS - 1;
/// Generations of a view.
const GENERATIONS: usize = 4;
/// Versions at which the active generation is sealed in the middle of a merge.
const SEAL_SIZE: usize = 5;
/// Versions that a view may hold before writers wait.
const BUDGET: usize = 45;
/// Entries that the conflict window may hold before its floor rises.
const WINDOW: usize = 9;
/// Steps after which a life counts as stuck.
const PATIENCE: u64 = 30_000;

/// What ends a thread early.
#[derive(Debug)]
enum Stop {
    /// A rule is broken.
    Violation(String),
    /// The power went.
    PowerCut,
}

/// What a step of the model returns.
type Run<T> = Result<T, Stop>;

/// A violation as a value to return.
fn violation<T>(what: impl Into<String>) -> Run<T> {
    Err(Stop::Violation(what.into()))
}

/// A place where another thread may run: pending once, then ready.
struct Pause(bool);

/// Lets another thread run.
fn pause() -> Pause {
    Pause(false)
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}
