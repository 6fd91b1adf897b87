//! Real threads, and the history of what they saw.

use ese_base::clock::SystemClock;
use ese_core::Options;
use ese_sim::{
    backends,
    conformance::threads,
    history::{self, Anomaly},
    reference::{Fault, ReferenceEngine},
    workload::{self, Size},
};
use std::sync::Arc;

#[test]
fn few_rows_and_many_conflicts() {
    for seed in 0..6 {
        threads(&backends::memory, seed, Size { threads: 4, txns: 600, keys: 3, padding: 0 });
    }
}

#[test]
fn many_rows_and_many_merges() {
    for seed in 0..3 {
        threads(&backends::memory, seed, Size { threads: 4, txns: 1500, keys: 200, padding: 400 });
    }
}

#[test]
fn the_reference_passes_too() {
    threads(&backends::reference, 1, Size { threads: 4, txns: 300, keys: 8, padding: 10 });
}

/// The anomalies that ten runs on an engine with a fault show.
fn anomalies(fault: Fault) -> Vec<Anomaly> {
    let seen = (0..10).filter_map(|seed| {
        let engine = ReferenceEngine::start_with(Options::default(), Some(fault)).expect("it starts");
        let history = workload::run(&engine, Size { threads: 4, txns: 300, keys: 4, padding: 0 }, seed)
            .expect("it runs to its end");
        history::check(&history).err().map(|fault| fault.anomaly)
    });
    seen.collect()
}

#[test]
fn an_engine_with_a_fault_is_found_out() {
    assert!(anomalies(Fault::ReadsNewest).contains(&Anomaly::NonRepeatableRead));
    assert!(anomalies(Fault::MissesConflicts).contains(&Anomaly::LostUpdate));
}

#[test]
fn sessions_do_meet() {
    // Else all of this would test nothing.
    let engine = backends::memory(Options::default(), Arc::new(SystemClock::new())).unwrap();
    workload::run(&engine, Size { threads: 4, txns: 2000, keys: 3, padding: 0 }, 1).unwrap();
    let stats = engine.stats();
    assert!(stats.conflicts > 0 && stats.commits > 1000 && stats.rollbacks > 100, "{stats:?}");
}
