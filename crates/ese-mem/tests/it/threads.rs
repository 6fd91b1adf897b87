//! Readers on other threads while merges go on and pages are handed out again.

use crate::model::{Pair, Rows, TREE, assert_rows};
use ese_base::{
    Value,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        thread::Builder,
    },
};
use ese_core::Base;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{collections::BTreeMap, sync::Arc};

#[test]
fn readers_see_their_base_while_merges_go_on() {
    let mut pair = Pair::new(4096);
    let newest: Arc<Mutex<(Arc<dyn Base>, Rows)>> = Arc::new(Mutex::new((pair.store.newest(), Rows::new())));
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3_u64)
        .map(|seed| {
            let (newest, over) = (Arc::clone(&newest), Arc::clone(&over));
            let read = move || {
                let mut rng = SmallRng::seed_from_u64(seed);
                let mut rounds = 0;
                // One round more after the end, so that each reads at least once.
                loop {
                    let last = over.load(Ordering::Acquire);
                    let (base, rows) = newest.lock().clone();
                    let at = rng.random_range(0..=rows.len());
                    let some: Vec<(&Vec<u8>, &Vec<u8>)> = rows.iter().skip(at).take(50).collect();
                    let values: Vec<Option<Value<'_>>> =
                        some.iter().map(|(key, _)| base.get(TREE, key).unwrap()).collect();
                    // Values borrow the pages for as long as the base is held.
                    assert_rows(&*base, &rows);
                    for (value, (_, expected)) in values.iter().zip(&some) {
                        assert_eq!(value.as_deref(), Some(&expected[..]));
                    }
                    rounds += 1;
                    if last {
                        return rounds;
                    }
                }
            };
            Builder::new().spawn(read).unwrap()
        })
        .collect();
    let mut rng = SmallRng::seed_from_u64(9);
    for _ in 0..150 {
        let changes: BTreeMap<_, _> = (0..100)
            .map(|_| {
                let key = rng.random_range(0..1_500_u16).to_be_bytes().to_vec();
                let len = if rng.random_bool(0.02) { 6_000 } else { 100 };
                (key, rng.random_bool(0.7).then(|| vec![rng.random(); len]))
            })
            .collect();
        let base = pair.merge(&changes);
        *newest.lock() = (base, pair.rows.clone());
    }
    over.store(true, Ordering::Release);
    for reader in readers {
        assert!(reader.join().unwrap() > 0);
    }
    drop(newest);
    assert_eq!(pair.store.stats().pinned_pages, 0);
}
