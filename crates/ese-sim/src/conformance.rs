//! One suite that every backend must pass: scenarios, random statements against the reference, and real threads whose
//! history is checked.
//!
//! ```
//! use ese_core::{Backend, LocalEngine};
//! use std::sync::Arc;
//!
//! fn passes(backend: fn() -> ese_base::Result<Arc<dyn Backend>>) {
//!     ese_sim::conformance::run(&|options, clock| LocalEngine::start(options, backend()?, clock));
//! }
//! ```

use crate::{
    history::{self, Outcome},
    random::{Plan, Trees, compare},
    rows,
    scenario::{self, Factory},
    workload::{self, Size},
};
use ese_base::clock::SystemClock;
use ese_core::{Background, Options};
use std::sync::Arc;

/// Runs the whole suite on engines that `start` starts.
///
/// # Panics
/// At the first thing that is not as it must be, with what shows it again.
pub fn run(start: Factory<'_>) {
    let ran = scenario::run_all(&scenario::folder(), start);
    assert!(ran.cases > 200, "only {} scenarios ran", ran.cases);
    random(start, 200);
    for seed in 0..3 {
        threads(start, seed, Size { threads: 4, txns: 400, keys: 24, padding: 100 });
    }
}

/// Random statements against the reference.
///
/// # Panics
/// When an answer differs.
pub fn random(start: Factory<'_>, runs: u64) {
    for seed in 0..runs {
        for (trees, statements) in [(Trees::Stay, 80), (Trees::ComeAndGo, 80)] {
            if let Err(difference) = compare(&Plan::new(seed, statements, trees), start) {
                panic!("{difference}");
            }
        }
    }
}

/// Real threads on an engine with its own background threads and generations so small that it seals and merges all
/// the time; afterwards the history is checked.
///
/// # Panics
/// When the history is not one of snapshot isolation, or the engine is found broken.
pub fn threads(start: Factory<'_>, seed: u64, size: Size) {
    let options = Options {
        background: Background::Threads,
        generation_bytes: 16 << 10,
        merge_rows: 50,
        version_store_bytes: 8 << 20,
        ..Options::default()
    };
    let engine = start(options, Arc::new(SystemClock::new())).expect("an engine starts");
    let history = workload::run(&engine, size, seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    if let Err(fault) = history::check(&history) {
        panic!("seed {seed}: {fault}");
    }
    let committed = history.txns.iter().filter(|txn| txn.outcome == Outcome::Committed).count();
    // How many meet conflicts is the machine's affair; a history of nearly none would say nothing.
    assert!(
        10 * committed > size.threads * size.txns,
        "seed {seed}: only {committed} transactions committed"
    );
    let before = rows::all(&*engine).expect("rows can be read");
    engine.merge().expect("an idle engine merges");
    assert_eq!(
        before,
        rows::all(&*engine).expect("rows can be read"),
        "seed {seed}: the merge changed the rows"
    );
    assert_eq!(engine.check().expect("a check goes through"), Vec::<String>::new(), "seed {seed}");
    engine.close().expect("an idle engine is closed");
}
