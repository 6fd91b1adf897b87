//! What the index costs: a measurement, not a test. By hand, on a quiet machine:
//! `cargo test --release -p ese-core index_cost -- --ignored --nocapture`.

use super::*;
use ese_base::{
    clock::{Clock, SystemClock},
    sync::thread,
};
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::SliceRandom};
use std::{hint::black_box, sync::Arc, time::Duration};

const KEY_BYTES: usize = 24;
type Key = [u8; KEY_BYTES];

fn keys(count: usize, seed: u64) -> Vec<Key> {
    let mut random = SmallRng::seed_from_u64(seed);
    (0..count).map(|_| random.random()).collect()
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let clock = SystemClock::new();
    let from = clock.now();
    let result = work();
    (clock.now() - from, result)
}

/// The shortest of three times.
fn best<T>(mut work: impl FnMut() -> T) -> (Duration, T) {
    let first = timed(&mut work);
    (0..2).map(|_| timed(&mut work)).fold(first, |best, next| if next.0 < best.0 { next } else { best })
}

fn each(what: &str, (time, count): (Duration, usize)) {
    println!("  {what:<40} {:>7.1} ns each", time.as_nanos() as f64 / count as f64);
}

/// With chunks like those of a generation of 64 MiB.
fn wide_map() -> Map<{ SLOTS }> {
    Map { arena: Arena::new(64 << 10, 4 << 20), ..Map::new() }
}

fn fill(map: &Map<{ SLOTS }>, keys: &[Key]) {
    for key in keys {
        black_box(map.index.get_or_insert(&map.arena, key).entry());
    }
}

fn one_thread(count: usize) {
    println!("{count} entries, one thread:");
    let keys = keys(count, 1);
    let map = wide_map();
    let (time, ()) = timed(|| fill(&map, &keys));
    each("insert, random", (time, count));
    println!("  {:<40} {:>7.1} bytes each", "arena", map.arena.bytes() as f64 / count as f64);
    let mut probes = keys.clone();
    probes.shuffle(&mut SmallRng::seed_from_u64(2));
    let (time, found) = best(|| probes.iter().filter(|key| map.index.get(&key[..]).is_some()).count());
    assert_eq!(found, count);
    each("get, hit", (time, count));
    let misses = self::keys(count, 3);
    let (time, found) = best(|| misses.iter().filter(|key| map.index.get(&key[..]).is_some()).count());
    assert_eq!(found, 0);
    each("get, miss", (time, count));
    let (time, sum) = best(|| {
        let mut cursor = map.index.cursor();
        std::iter::from_fn(|| cursor.next()).map(|entry| 1 + value(entry)).sum::<u64>()
    });
    assert_eq!(sum, count as u64);
    each("walk forward, reading payloads", (time, count));
    let (time, walked) = best(|| {
        let mut cursor = map.index.cursor();
        std::iter::from_fn(|| cursor.prev()).map(|entry| entry.key().len() / KEY_BYTES).sum::<usize>()
    });
    assert_eq!(walked, count);
    each("walk backward, reading lengths", (time, count));
    let mut sorted = keys;
    sorted.sort_unstable();
    let map = wide_map();
    let (time, ()) = timed(|| fill(&map, &sorted));
    each("insert, ascending", (time, count));
    println!("  {:<40} {:>7.1} bytes each", "arena, ascending", map.arena.bytes() as f64 / count as f64);
}

/// Fills the maps at once, each from a thread of its own.
fn together(maps: [&Arc<Map<{ SLOTS }>>; 2], parts: &[Vec<Key>; 2]) -> Duration {
    timed(|| {
        let threads = maps.into_iter().zip(parts).map(|(map, keys)| {
            let (map, keys) = (Arc::clone(map), keys.clone());
            thread::Builder::new().spawn(move || fill(&map, &keys)).unwrap()
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    })
    .0
}

fn two_threads(count: usize) {
    println!("{count} entries, two threads, disjoint random keys:");
    let parts = [1, 2].map(|seed| keys(count / 2, seed));
    let (alone, ()) = best(|| {
        let map = wide_map();
        parts.iter().for_each(|keys| fill(&map, keys));
    });
    let shared =
        (0..3).map(|_| Arc::new(wide_map())).map(|map| together([&map, &map], &parts)).min().unwrap();
    each("insert", (shared, count));
    // What the machine gives: nothing is shared but its caches.
    let [one, two] = [Arc::new(wide_map()), Arc::new(wide_map())];
    let apart = together([&one, &two], &parts);
    for (what, time) in [("one map", shared), ("a map each", apart)] {
        let times = alone.as_secs_f64() / time.as_secs_f64();
        println!("  {what:<40} {times:>7.2} times one thread");
    }
}

#[test]
#[ignore = "a measurement: prints figures, passes always"]
fn index_cost() {
    for count in [250_000, 1_000_000] {
        one_thread(count);
        two_threads(count);
    }
}
