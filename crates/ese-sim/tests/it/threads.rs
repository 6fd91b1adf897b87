//! Real threads, and the history of what they saw.

use ese_base::clock::SystemClock;
use ese_core::Options;
use ese_sim::{
    backends,
    conformance::threads,
    history::{self, Anomaly, Event},
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
fn threads_on_the_durable_backend() {
    threads(&backends::durable, 0, Size { threads: 4, txns: 400, keys: 3, padding: 0 });
    threads(&backends::durable, 1, Size { threads: 4, txns: 800, keys: 200, padding: 400 });
}

#[test]
fn the_reference_passes_too() {
    threads(&backends::reference, 1, Size { threads: 4, txns: 300, keys: 8, padding: 10 });
}

/// The anomalies that thirty runs on an engine with a fault show to each of the two checks.
fn anomalies(fault: Fault) -> (Vec<Anomaly>, Vec<Anomaly>) {
    let (mut inferred, mut exact) = (Vec::new(), Vec::new());
    // Whether threads interleave so that the fault shows is the machine's affair: hence so many.
    for seed in 0..30 {
        let engine = ReferenceEngine::start_with(Options::default(), Some(fault)).expect("it starts");
        let history = workload::run(&engine, Size { threads: 4, txns: 300, keys: 4, padding: 0 }, seed)
            .expect("it runs to its end");
        inferred.extend(history::inferred(&history).err().map(|fault| fault.anomaly));
        exact.extend(history::exact(&history).err().map(|fault| fault.anomaly));
    }
    (inferred, exact)
}

#[test]
fn an_engine_with_a_fault_is_found_out() {
    let (inferred, exact) = anomalies(Fault::ReadsNewest);
    assert!(inferred.contains(&Anomaly::NonRepeatableRead) && exact.contains(&Anomaly::WrongVersion));
    let (inferred, exact) = anomalies(Fault::MissesConflicts);
    assert!(inferred.contains(&Anomaly::LostUpdate) && exact.contains(&Anomaly::MissedConflict));
    let (_, exact) = anomalies(Fault::MakesUpConflicts);
    assert!(exact.contains(&Anomaly::FalseConflict));
    let (inferred, exact) = anomalies(Fault::LosesDeletes);
    assert!(inferred.contains(&Anomaly::OwnWriteLost) && exact.contains(&Anomaly::WrongVersion));
}

/// What a run of the workload holds, so that the checks have something to judge.
#[test]
fn everything_happens_in_a_run() {
    let engine = backends::memory(Options::default(), Arc::new(SystemClock::new())).unwrap();
    let size = Size { threads: 4, txns: 1000, keys: 6, padding: 0 };
    let history = workload::run(&engine, size, 7).unwrap();
    let events: Vec<_> = history.txns.iter().flat_map(|txn| &txn.events).collect();
    let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count();
    let counts = [
        count(|event| matches!(event, Event::Delete(..))),
        count(|event| matches!(event, Event::Write(_, written) if written.replaced.is_none())),
        count(|event| matches!(event, Event::Read(_, None))),
        count(|event| matches!(event, Event::Sum(..))),
        count(|event| matches!(event, Event::Lock(..))),
        count(|event| matches!(event, Event::Refused(_))),
        count(|event| matches!(event, Event::DropLevel(_))),
    ];
    assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
}

#[test]
fn sessions_do_meet() {
    // Else all of this would test nothing.
    let engine = backends::memory(Options::default(), Arc::new(SystemClock::new())).unwrap();
    workload::run(&engine, Size { threads: 4, txns: 2000, keys: 3, padding: 0 }, 1).unwrap();
    let stats = engine.stats();
    assert!(stats.conflicts > 0 && stats.commits > 1000 && stats.rollbacks > 100, "{stats:?}");
}
