//! Commits of many threads, and one sync for several of them.

use crate::support::{create, frame_of, read, small};
use ese_base::{
    Position,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
        thread,
    },
};
use ese_core::Log;
use std::sync::Arc;

/// Claims and appends under one lock, as the engine does, and waits for durability.
#[test]
fn threads_share_syncs_and_everything_acknowledged_is_there() {
    const THREADS: u64 = 16;
    const COMMITS: u64 = 60;
    let folder = tempfile::tempdir().unwrap();
    let mut options = small();
    options.segment_max_bytes = 64 << 10;
    options.log_max_bytes = 8 << 20;
    let log = create(folder.path(), options);
    let (wal, next) = (Arc::new(log.wal), Arc::new(Mutex::new(log.next)));
    let syncs_before = wal.stats().syncs;
    let lazies = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..THREADS)
        .map(|number| {
            let (wal, next, lazies) = (Arc::clone(&wal), Arc::clone(&next), Arc::clone(&lazies));
            let work = move || {
                for round in 0..COMMITS {
                    let length = usize::try_from((number * 37 + round * 11) % 600).unwrap();
                    wal.room(8 + length as u64).unwrap();
                    let at = {
                        let mut next = next.lock();
                        let at = *next;
                        wal.append(at, frame_of(at, length));
                        *next = at.next();
                        at
                    };
                    if round % 7 == 3 {
                        lazies.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert!(wal.flush(at).unwrap() > at);
                        assert!(wal.durable() > at);
                    }
                }
            };
            thread::Builder::new().spawn(work).unwrap()
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let end = *next.lock();
    wal.flush(Position(end.0 - 1)).unwrap();
    let syncs = wal.stats().syncs - syncs_before;
    let acknowledged = THREADS * COMMITS - lazies.load(Ordering::Relaxed);
    assert!(syncs < acknowledged, "{acknowledged} commits with {syncs} syncs");
    drop(wal);
    let found = read(folder.path(), options, Position::FIRST).unwrap();
    assert_eq!(found.len() as u64, THREADS * COMMITS);
    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
    for (at, frame) in found {
        assert_eq!(frame[..], frame_of(at, frame.len() - 8)[..]);
    }
}

/// A buffer for two frames, and many who want room in it.
#[test]
fn room_in_a_full_buffer_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = small();
    options.buffer_bytes = 4096;
    let log = create(folder.path(), options);
    let (wal, next) = (Arc::new(log.wal), Arc::new(Mutex::new(log.next)));
    let workers: Vec<_> = (0..8_u64)
        .map(|number| {
            let (wal, next) = (Arc::clone(&wal), Arc::clone(&next));
            let work = move || {
                for round in 0..20 {
                    wal.room(1900).unwrap();
                    if (number + round) % 5 == 0 {
                        wal.give_back(1900);
                        continue;
                    }
                    let mut next = next.lock();
                    wal.append(*next, frame_of(*next, 1892));
                    *next = next.next();
                }
            };
            thread::Builder::new().spawn(work).unwrap()
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let end = *next.lock();
    wal.flush(Position(end.0 - 1)).unwrap();
    drop(wal);
    assert_eq!(read(folder.path(), options, Position::FIRST).unwrap().len(), 8 * 20 - 8 * 4);
}
