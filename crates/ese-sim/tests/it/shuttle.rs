//! The whole engine under random schedules of shuttle: sessions on threads, background work on another.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p ese-sim --release shuttle`; without the flag there is nothing here.

mod syncs;

use ese_base::{
    clock::ManualClock,
    limits::PAGE_SIZE_DEFAULT_BYTES,
    sync::{Mutex, RwLock, thread},
};
use ese_core::{Background, Engine, LocalEngine, Options};
use ese_mem::MemoryBackend;
use ese_sim::{
    history,
    workload::{self, Size},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// How many schedules each test runs, unless `ESE_SHUTTLE_BUDGET` says so.
const SCHEDULES: usize = 3000;
/// At how many places a thread is left behind in half of them.
const PREEMPTIONS: usize = 3;

fn engine() -> Arc<dyn Engine> {
    let options = Options {
        sessions_max: 8,
        background: Background::Manual,
        generation_bytes: 16 << 10,
        merge_rows: 1,
        ..Options::default()
    };
    let backend = MemoryBackend::new(PAGE_SIZE_DEFAULT_BYTES).expect("the default is a page size");
    LocalEngine::start(options, Arc::new(backend), Arc::new(ManualClock::default()))
        .expect("an engine starts")
}

/// Sessions at work beside a thread that merges for as long as they are; how many merges there were.
fn sessions_beside_merges(size: Size, seed: u64) -> u64 {
    let engine = engine();
    let done = Arc::new(AtomicBool::new(false));
    let background = {
        let (engine, done) = (Arc::clone(&engine), Arc::clone(&done));
        let work = move || {
            while !done.load(Ordering::SeqCst) {
                engine.request_merge();
                engine.step().expect("a step goes through");
                thread::yield_now();
            }
        };
        thread::Builder::new().spawn(work).expect("a thread can be started")
    };
    let history = workload::run(&engine, size, seed).expect("the workload goes through");
    done.store(true, Ordering::SeqCst);
    background.join().expect("the background thread ends");
    let merges = engine.stats().merges;
    if let Err(fault) = history::check(&history) {
        panic!("seed {seed}: {fault}");
    }
    engine.merge().expect("an idle engine merges");
    assert_eq!(engine.check().expect("a check goes through"), Vec::<String>::new(), "seed {seed}");
    engine.close().expect("nothing is open");
    merges
}

/// How many schedules each test runs, half of them of each kind.
fn schedules() -> usize {
    let budget = std::env::var("ESE_SHUTTLE_BUDGET").ok().map(|budget| budget.parse());
    budget.map_or(SCHEDULES, |budget| budget.expect("ESE_SHUTTLE_BUDGET is a number"))
}

/// Runs that many schedules, half of them of each kind.
fn both_ways<R: Fn() + Send + Sync + 'static>(schedules: usize, run: impl Fn() -> R) {
    shuttle::check_random(run(), schedules.div_ceil(2));
    shuttle::check_pct(run(), schedules / 2, PREEMPTIONS);
}

/// Each schedule has a workload of its own; shuttle prints the schedule of a failure.
///
/// Half of the schedules let a random thread go on at each step. In the other half one thread runs for as long as it can
/// and is left behind at a few places only (PCT): what another does in full between two steps of it.
fn under_shuttle(size: Size) {
    let (seeds, merges) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let run = || {
        let (seeds, sum) = (Arc::clone(&seeds), Arc::clone(&merges));
        move || {
            let merges = sessions_beside_merges(size, seeds.fetch_add(1, Ordering::SeqCst));
            sum.fetch_add(merges, Ordering::SeqCst);
        }
    };
    let schedules = schedules();
    both_ways(schedules, run);
    assert!(merges.load(Ordering::SeqCst) > schedules as u64 / 2, "merges did not run beside sessions");
}

#[test]
fn shuttle_two_sessions_and_merges() {
    under_shuttle(Size { threads: 2, txns: 4, keys: 2, padding: 0 });
}

#[test]
fn shuttle_three_sessions_and_merges() {
    under_shuttle(Size { threads: 3, txns: 3, keys: 2, padding: 3000 });
}

/// As everywhere else, a lock is not lost with a thread that panicked while it held it.
#[test]
fn shuttle_locks_outlive_panics() {
    let run = || {
        let (mutex, lock) = (Mutex::new(1), RwLock::new(1));
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let (_mutex, _lock) = (mutex.lock(), lock.write());
            std::panic::resume_unwind(Box::new("a panic under two locks"));
        }));
        assert!(panic.is_err());
        assert_eq!(mutex.try_lock().as_deref(), Some(&1));
        assert_eq!((*mutex.lock(), *lock.read()), (1, 1));
        assert_eq!(*lock.write(), 1);
        let held = mutex.lock();
        assert!(mutex.try_lock().is_none());
        drop(held);
    };
    shuttle::check_random(run, 10);
}
