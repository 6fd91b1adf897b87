//! Lives of the durable engine on a simulated disk, for as many seeds as one likes: `cargo xtask sim --seeds 1000`.
#![expect(clippy::print_stdout, reason = "a program that prints what it found")]

use clap::Parser;
use ese_base::{
    clock::{Clock, SystemClock},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use ese_sim::lives::{Counts, Effort, Failure, Plain, run_seed};
use indicatif::{ProgressBar, ProgressStyle};
use std::{process::ExitCode, time::Duration};

/// Lives of the durable engine on a simulated disk.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Begin no seed after so many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// Threads that run seeds.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Places at which a small plan is stopped at most, and bytes that are changed in a plan of rot.
    #[arg(long, default_value_t = 400)]
    stops: u64,
}

/// What the threads share.
struct Shared {
    arguments: Arguments,
    clock: SystemClock,
    next: AtomicU64,
    counts: Mutex<Counts>,
    failures: Mutex<Vec<Failure>>,
    bar: ProgressBar,
}

impl Shared {
    /// Runs seeds until none is left, the time is over or one has failed.
    fn work(&self) {
        let limit = self.arguments.minutes.map(|minutes| Duration::from_secs(60 * minutes));
        let effort = Effort { stops: self.arguments.stops, ..Effort::default() };
        loop {
            let is_over = limit.is_some_and(|limit| self.clock.now() >= limit);
            if is_over || !self.failures.lock().is_empty() {
                return;
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.arguments.seeds {
                return;
            }
            match run_seed(self.arguments.from + number, effort, &Plain) {
                Ok(counts) => self.counts.lock().add(&counts),
                Err(failure) => self.failures.lock().push(*failure),
            }
            self.bar.inc(1);
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let bar = ProgressBar::new(arguments.seeds);
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:40} {pos}/{len} seeds, {per_sec}")
    {
        bar.set_style(style);
    }
    let threads = arguments.threads.max(1);
    let shared = Shared {
        arguments,
        clock: SystemClock::new(),
        next: AtomicU64::new(0),
        counts: Mutex::default(),
        failures: Mutex::default(),
        bar,
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| shared.work());
        }
    });
    shared.bar.finish_and_clear();
    let (counts, seconds) = (*shared.counts.lock(), shared.clock.now().as_secs_f64());
    println!(
        "{} seeds from {} in {seconds:.0} s: {} starts, {} with something to do again, {} stops, {} faults",
        shared.next.load(Ordering::Relaxed).min(shared.arguments.seeds),
        shared.arguments.from,
        counts.starts,
        counts.recoveries,
        counts.stops,
        counts.faults
    );
    let failures = shared.failures.lock();
    for failure in &*failures {
        println!("\n{failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
