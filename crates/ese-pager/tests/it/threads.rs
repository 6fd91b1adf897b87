//! Readers on other threads while states are merged and made durable, and pages are used again.

use crate::common::{Pair, Rows, draw, point, rows};
use ese_base::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
    thread::Builder,
};
use ese_core::{Base, Store};
use ese_pager::{PagerOptions, Reading};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{ops::Bound, sync::Arc};

type Held = (Arc<dyn Base>, Rows);

/// Reads states as they come, in every way, until the writer is done; how many.
fn read(newest: &Mutex<Held>, over: &AtomicBool, seed: u64) -> u32 {
    let mut rng = SmallRng::seed_from_u64(seed);
    for rounds in 1.. {
        let last = over.load(Ordering::Acquire);
        let (base, expected) = newest.lock().clone();
        let some: Vec<_> = expected.iter().skip(rng.random_range(0..=expected.len())).take(40).collect();
        let values: Vec<_> =
            some.iter().map(|((tree, key), _)| base.get(ese_base::TreeNo(*tree), key).unwrap()).collect();
        assert!(rows(&*base).unwrap() == expected, "a state changed");
        let mut scan = base.scan(ese_base::TreeNo(1), (Bound::Unbounded, Bound::Unbounded)).unwrap();
        let backward = std::iter::from_fn(|| scan.next_back().unwrap().map(|(key, _)| key.to_vec()));
        let forward = expected.range((1, vec![])..(2, vec![])).rev().map(|((_, key), _)| key.clone());
        assert!(backward.eq(forward));
        // Values borrow the pages for as long as the base is held.
        for (value, (_, expected)) in values.iter().zip(&some) {
            assert_eq!(value.as_deref(), Some(&expected[..]));
        }
        if last {
            return rounds;
        }
    }
    0
}

fn readers_and_a_writer(reading: Reading) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = PagerOptions::default();
    options.reading = reading;
    options.cache_pages = 64;
    let mut pair = Pair::create(&folder.path().join("data.ese"), options);
    let newest = Arc::new(Mutex::new((pair.pager.newest(), Rows::new())));
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|seed| {
            let (newest, over) = (Arc::clone(&newest), Arc::clone(&over));
            Builder::new().spawn(move || read(&newest, &over, seed)).unwrap()
        })
        .collect();
    let mut rng = SmallRng::seed_from_u64(3);
    for _ in 0..60 {
        pair.merge((0..150).map(|_| draw(&mut rng)).collect::<Vec<_>>()).unwrap();
        *newest.lock() = (pair.pager.newest(), pair.rows.clone());
        let base = pair.pager.newest();
        for _ in 0..rng.random_range(0..5) {
            if pair.pager.checkpoint_step(&base, Some(point(pair.next))).unwrap() {
                break;
            }
        }
        let stats = pair.pager.stats();
        assert!(stats.free_pages + stats.pinned_pages < stats.pages);
    }
    over.store(true, Ordering::Release);
    for reader in readers {
        assert!(reader.join().unwrap() > 0);
    }
    drop(newest);
    pair.checkpoint().unwrap();
    pair.verify();
}

#[test]
fn states_stay_as_they_are_in_place() {
    readers_and_a_writer(Reading::Map);
}

#[test]
fn states_stay_as_they_are_by_copies() {
    readers_and_a_writer(Reading::Copy);
}
