//! Random merges, drops, checkpoints and reopenings beside an ordered map, with states held all the while.

use crate::common::{Pair, Rows, draw, point, rows};
use ese_core::{Base, Store};
use ese_pager::{PagerOptions, Reading};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::sync::Arc;

fn run(seed: u64, options: PagerOptions, steps: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::create(&folder.path().join("data.ese"), options);
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut held: Vec<(Arc<dyn Base>, Rows)> = Vec::new();
    let mut running: Option<(Arc<dyn Base>, Rows, u64)> = None;
    for _ in 0..steps {
        match rng.random_range(0..100) {
            0..45 => {
                let count = if rng.random_bool(0.1) { 2_000 } else { rng.random_range(0..40) };
                pair.merge((0..count).map(|_| draw(&mut rng)).collect::<Vec<_>>()).unwrap();
            }
            45..50 => {
                let tree = rng.random_range(1..5);
                while !pair.drop_tree(tree, 20).unwrap() {}
            }
            50..85 => {
                let (base, rows, at) =
                    running.take().unwrap_or_else(|| (pair.pager.newest(), pair.rows.clone(), pair.next));
                if pair.pager.checkpoint_step(&base, Some(point(at))).unwrap() {
                    pair.durable = (rows, at);
                } else {
                    running = Some((base, rows, at));
                }
            }
            85..92 => {
                held.push((pair.pager.newest(), pair.rows.clone()));
                if held.len() > 6 {
                    held.remove(rng.random_range(0..6));
                }
            }
            92..94 => {
                held.clear();
                running = None;
                pair = if rng.random_bool(0.5) { pair.reopen() } else { pair.crash() }.unwrap();
            }
            94..97 => pair.verify(),
            _ => {
                for (base, expected) in &held {
                    assert!(rows(&**base).unwrap() == *expected, "an older state changed");
                }
            }
        }
        let needed = pair.pager.needed_from().unwrap();
        assert!(needed.0 <= pair.durable.1);
    }
    for (base, expected) in &held {
        assert!(rows(&**base).unwrap() == *expected, "an older state changed");
    }
    drop((held, running));
    pair.verify();
    pair.reopen().unwrap().verify();
}

#[test]
fn states_and_reopenings_are_those_of_the_model() {
    for seed in 0..6 {
        run(seed, PagerOptions::default(), 250);
    }
}

#[test]
fn the_same_by_copies_and_with_larger_pages() {
    let mut options = PagerOptions::default();
    options.reading = Reading::Copy;
    options.cache_pages = 16;
    run(100, options.clone(), 200);
    options.page_size_bytes = Some(16 << 10);
    run(101, options.clone(), 200);
    options.reading = Reading::Map;
    run(102, options, 200);
}
