//! Random statements, compared with the reference.

use ese_sim::{
    backends,
    random::{Plan, Trees, compare},
    scenario::Factory,
};
use std::ops::Range;

fn run(seeds: Range<u64>, statements: usize, trees: Trees, start: Factory<'_>) {
    for seed in seeds {
        if let Err(difference) = compare(&Plan::new(seed, statements, trees), start) {
            panic!("{difference}");
        }
    }
}

#[test]
fn rows_on_the_memory_backend() {
    run(0..1500, 60, Trees::Stay, &backends::memory);
    run(1500..1700, 600, Trees::Stay, &backends::memory);
}

#[test]
fn trees_that_come_and_go_on_the_memory_backend() {
    run(0..1000, 60, Trees::ComeAndGo, &backends::memory);
    run(1000..1100, 600, Trees::ComeAndGo, &backends::memory);
}

#[test]
fn rows_on_the_durable_backend() {
    run(0..400, 60, Trees::Stay, &backends::durable);
    run(1500..1550, 600, Trees::Stay, &backends::durable);
}

#[test]
fn trees_that_come_and_go_on_the_durable_backend() {
    run(0..300, 60, Trees::ComeAndGo, &backends::durable);
    run(1000..1030, 600, Trees::ComeAndGo, &backends::durable);
}
