//! Sessions on real threads that read, write, delete, lock, nest, fail and begin again, and note what they saw.
//!
//! Every value names what it replaced (see [`crate::history`]), so the notes alone tell whether it was snapshot
//! isolation. Rows with odd numbers come and go; those with even numbers stay once they are there, because of rows that
//! come and go the data alone tells less. A counter beside the rows is added to by everybody; its last value must be the
//! sum of what was committed.
//!
//! Reading order: here (a run), `worker` (a transaction), `statement` (what is done in one).

mod statement;
mod worker;

use crate::history::{History, Recorder};
use ese_base::{Result, TreeId, sync::thread};
use ese_core::{Engine, Put, SessionOptions};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use worker::Worker;

/// The key of the counter; the rows' keys sort before it.
const COUNTER: &[u8] = b"~counter";

/// How much is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Threads, each with a session.
    pub threads: usize,
    /// Transactions of each.
    pub txns: usize,
    /// Rows.
    pub keys: u64,
    /// Bytes added to each value, so that generations fill up.
    pub padding: usize,
}

/// What a run shares.
struct Shared {
    engine: Arc<dyn Engine>,
    tree: TreeId,
    recorder: Recorder,
    added: AtomicI64,
    size: Size,
}

/// Runs a workload to its end and returns what was noted.
///
/// # Errors
/// What the engine reports beyond conflicts and a full version store.
///
/// # Panics
/// When a thread panics, when the counter is not the sum of what was committed, and when a row is not what it must be.
pub fn run(engine: &Arc<dyn Engine>, size: Size, seed: u64) -> Result<History> {
    let mut session = engine.session(SessionOptions::default())?;
    let tree = session.create_tree(engine.main_database(), "workload")?;
    session.put(tree, COUNTER, &0_i64.to_le_bytes(), Put::Insert)?;
    let (recorder, added) = (Recorder::default(), AtomicI64::new(0));
    let shared = Arc::new(Shared { engine: Arc::clone(engine), tree, recorder, added, size });
    let threads: Vec<_> = (0..size.threads)
        .map(|number| {
            let shared = Arc::clone(&shared);
            let dice = seed.wrapping_mul(1009).wrapping_add(u64::try_from(number).unwrap_or(0));
            thread::Builder::new()
                .name(format!("session {number}"))
                .spawn(move || Worker::new(&shared, number, dice)?.run())
                .expect("a thread can be started")
        })
        .collect();
    for thread in threads {
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    }
    let counter = session.get(tree, COUNTER)?.map(|value| value.to_vec());
    let added = shared.added.load(Ordering::Relaxed);
    assert_eq!(counter.as_deref(), Some(&added.to_le_bytes()[..]), "seed {seed}: the counter is not the sum");
    Ok(shared.recorder.history())
}
