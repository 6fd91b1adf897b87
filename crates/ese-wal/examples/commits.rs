//! Measures the log beside bare writes: `cargo run --release -p ese-wal --example commits -- [folder] [threads]`.
//!
//! All in one run on one disk: 4 KiB written and synced behind each other in a file of zeros; commits of one thread;
//! commits of several threads (16), and how many share a sync; appends that wait for nothing; a replay.
#![allow(clippy::print_stdout, reason = "it is a program")]
#![allow(clippy::unwrap_used, reason = "it ends at the first failure")]

use ese_base::{
    Position,
    clock::{Clock, SystemClock},
    sync::{Mutex, thread},
};
use ese_core::Log;
use ese_io::{Disk, DiskFile, NativeDisk, OpenMode};
use ese_wal::{Access, Wal, WalOptions};
use std::{path::Path, sync::Arc, time::Duration};

const FRAME_BYTES: usize = 120;
const ROUNDS: u64 = 10;
const SYNCS: u64 = 200;
/// So many fit the buffer.
const SHORT: u64 = 20_000;
const LAZIES: u64 = 2_000_000;

fn main() {
    let clock = SystemClock::new();
    let given = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let threads: u64 = std::env::args().nth(2).map_or(16, |threads| threads.parse().unwrap());
    let folder = tempfile::Builder::new().prefix("ese-wal-").tempdir_in(given).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(NativeDisk::new());
    let log = folder.path().join("log");
    let (wal, mut next) = create(&disk, &log);
    let bare = Bare::new(&disk, folder.path());
    // In turn, because what a sync takes changes from minute to minute.
    let (mut of_bare, mut of_one) = (Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        of_bare += bare.syncs(round, &clock);
        of_one += commits(&wal, next, 1, SYNCS, &clock).0;
        next = Position(next.0 + SYNCS);
    }
    let (raw, one) = (rate(ROUNDS * SYNCS, of_bare), rate(ROUNDS * SYNCS, of_one));
    println!("bare 4 KiB write and sync      {raw:>12.0} /s");
    println!("1 thread, commits              {one:>12.0} /s   {:.2} of bare", one / raw);
    let (took, per_sync) = commits(&wal, next, threads, 5 * SYNCS, &clock);
    let many = rate(threads * 5 * SYNCS, took);
    println!("{threads:>2} threads, commits            {many:>12.0} /s   {per_sync:.1} a sync");
    let next = Position(next.0 + threads * 5 * SYNCS);
    let short = rate(SHORT, lazies(&wal, next, SHORT, &clock).0);
    println!("1 thread, lazy, to the buffer  {short:>12.0} /s   {:.0} ns each", 1e9 / short);
    let lazy = rate(LAZIES, lazies(&wal, Position(next.0 + SHORT), LAZIES, &clock).1);
    println!("1 thread, lazy, to the disk    {lazy:>12.0} /s");
    drop(wal);

    let (frames, bytes, took) = replay(&disk, &log, &clock);
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    println!(
        "replay                         {:>12.0} /s   {:.0} MiB/s",
        rate(frames, took),
        mebibytes / took.as_secs_f64()
    );
}

fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn frame() -> Box<[u8]> {
    vec![7; FRAME_BYTES].into_boxed_slice()
}

/// The limit: nothing but the writes and the syncs.
struct Bare(Arc<dyn DiskFile>);

impl Bare {
    fn new(disk: &Arc<dyn Disk>, folder: &Path) -> Bare {
        let file = disk.open(&folder.join("bare"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&vec![0; 4096 * usize::try_from(ROUNDS * SYNCS).unwrap()], 0).unwrap();
        file.sync_data().unwrap();
        Bare(file)
    }

    fn syncs(&self, round: u64, clock: &SystemClock) -> Duration {
        let begun = clock.now();
        for at in round * SYNCS..(round + 1) * SYNCS {
            self.0.write_all_at(&[1; 4096], 4096 * at).unwrap();
            self.0.sync_data().unwrap();
        }
        clock.now() - begun
    }
}

fn create(disk: &Arc<dyn Disk>, folder: &Path) -> (Arc<Wal>, Position) {
    let mut options = WalOptions::default();
    options.segment_min_bytes = options.segment_max_bytes;
    let wal = Wal::create(Arc::clone(disk), folder, options).unwrap();
    wal.replay(Position::FIRST, &mut |_, _| Ok(())).unwrap();
    let next = wal.begin_epoch().unwrap().at;
    while wal.prepare().unwrap() {}
    (Arc::new(wal), next)
}

/// How long it took, and commits a sync.
fn commits(wal: &Arc<Wal>, next: Position, threads: u64, each: u64, clock: &SystemClock) -> (Duration, f64) {
    let next = Arc::new(Mutex::new(next));
    let (syncs, begun) = (wal.stats().syncs, clock.now());
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let (wal, next) = (Arc::clone(wal), Arc::clone(&next));
            let work = move || {
                for _ in 0..each {
                    wal.room(FRAME_BYTES as u64).unwrap();
                    let frame = frame();
                    let at = {
                        let mut next = next.lock();
                        let at = *next;
                        wal.append(at, frame);
                        *next = at.next();
                        at
                    };
                    wal.flush(at).unwrap();
                }
            };
            thread::Builder::new().spawn(work).unwrap()
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let took = clock.now() - begun;
    (took, (threads * each) as f64 / (wal.stats().syncs - syncs) as f64)
}

/// How long it took to append, and until all of it was durable.
fn lazies(wal: &Arc<Wal>, first: Position, count: u64, clock: &SystemClock) -> (Duration, Duration) {
    let frames: Vec<_> = (0..count).map(|_| frame()).collect();
    let begun = clock.now();
    for (at, frame) in (first.0..).zip(frames) {
        wal.room(FRAME_BYTES as u64).unwrap();
        wal.append(Position(at), frame);
    }
    let appended = clock.now() - begun;
    wal.flush(Position(first.0 + count - 1)).unwrap();
    (appended, clock.now() - begun)
}

fn replay(disk: &Arc<dyn Disk>, folder: &Path, clock: &SystemClock) -> (u64, u64, Duration) {
    let begun = clock.now();
    let wal = Wal::open(Arc::clone(disk), folder, WalOptions::default(), Access::Read).unwrap();
    let (mut frames, mut bytes) = (0, 0);
    wal.replay(Position::FIRST, &mut |_, frame| {
        (frames, bytes) = (frames + 1, bytes + frame.len() as u64);
        Ok(())
    })
    .unwrap();
    (frames, bytes, clock.now() - begun)
}
