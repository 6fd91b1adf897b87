//! Micro-benchmarks of the tree under the engine: get, interleaved gets, seek, scans, build, appends and merges, on the
//! store in memory.
//!
//! `cargo bench -p ese-bench --bench tree`; the example `tree_cost` of `ese-mem` measures the same in time of the
//! processor, for a machine that is not idle.
#![expect(clippy::unwrap_used, reason = "a failed call ends the benchmark")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ese_base::{Position, TreeNo};
use ese_core::{Backend, Base, Change, Store};
use ese_mem::MemoryBackend;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::SliceRandom};
use std::{hint::black_box, ops::Bound, sync::Arc};

const TREE: TreeNo = TreeNo(1);
const ROWS: usize = 1_000_000;
const VALUE: [u8; 150] = [7; 150];

type Key = [u8; 24];

/// So many random keys, ascending.
fn keys(rng: &mut SmallRng, count: usize) -> Vec<Key> {
    let mut keys: Vec<Key> = (0..count).map(|_| rng.random()).collect();
    keys.sort_unstable();
    keys
}

/// Merges a row for each key and returns the base.
fn merge(store: &Arc<dyn Store>, keys: &[Key]) -> Arc<dyn Base> {
    let mut merge = Arc::clone(store).begin_merge().unwrap();
    for key in keys {
        merge.apply(TREE, key, Change::Put(&VALUE)).unwrap();
    }
    merge.finish(Position(1)).unwrap()
}

fn reads(criterion: &mut Criterion) {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut keys = keys(&mut rng, ROWS);
    let store = MemoryBackend::default().create("main").unwrap();
    let base = merge(&store, &keys);
    keys.shuffle(&mut rng);
    let mut asked = keys.iter().cycle();
    let mut next = || asked.next().unwrap();

    criterion.bench_function("get", |bencher| {
        bencher.iter(|| black_box(base.get(TREE, next()).unwrap().unwrap()[0]))
    });
    let mut group = criterion.benchmark_group("get_many");
    group.throughput(Throughput::Elements(8));
    group.bench_function("8", |bencher| {
        bencher.iter(|| {
            let asked: [&[u8]; 8] = std::array::from_fn(|_| &next()[..]);
            base.get_many(TREE, &asked, &mut |_, value| {
                black_box(value.unwrap()[0]);
            })
            .unwrap();
        });
    });
    group.finish();
    criterion.bench_function("seek + 10 rows", |bencher| {
        bencher.iter(|| {
            let mut rows = base.scan(TREE, (Bound::Included(next()), Bound::Unbounded)).unwrap();
            for _ in 0..10 {
                black_box(rows.next().unwrap().map(|(key, value)| (key[0], value[0])));
            }
        });
    });
    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    group.bench_function("all rows", |bencher| {
        bencher.iter(|| {
            let mut rows = base.scan(TREE, (Bound::Unbounded, Bound::Unbounded)).unwrap();
            while let Some((key, value)) = rows.next().unwrap() {
                black_box((key[0], value[0]));
            }
        });
    });
    group.bench_function("all rows, from the back", |bencher| {
        bencher.iter(|| {
            let mut rows = base.scan(TREE, (Bound::Unbounded, Bound::Unbounded)).unwrap();
            while let Some((key, value)) = rows.next_back().unwrap() {
                black_box((key[0], value[0]));
            }
        });
    });
    group.finish();
}

fn writes(criterion: &mut Criterion) {
    let mut rng = SmallRng::seed_from_u64(2);
    let rows = keys(&mut rng, ROWS);
    let mut group = criterion.benchmark_group("build");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    group.bench_function("sorted rows", |bencher| {
        let empty = || MemoryBackend::default().create("main").unwrap();
        bencher.iter_batched(empty, |store| merge(&store, &rows), BatchSize::PerIteration);
    });
    group.finish();
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(10_000)).sample_size(10);
    group.bench_function("10000 numbered rows", |bencher| {
        let store = MemoryBackend::default().create("main").unwrap();
        let mut numbers = (0_u128..).map(|number| {
            let mut key = Key::default();
            key[8..].copy_from_slice(&number.to_be_bytes());
            key
        });
        let mut batch = || numbers.by_ref().take(10_000).collect::<Vec<Key>>();
        bencher.iter_batched(&mut batch, |batch| merge(&store, &batch), BatchSize::PerIteration);
    });
    group.finish();
    let mut group = criterion.benchmark_group("merge into 1M rows");
    for batch in [1_000, 10_000, 100_000] {
        let store = MemoryBackend::default().create("main").unwrap();
        merge(&store, &rows);
        group.throughput(Throughput::Elements(batch as u64)).sample_size(10);
        group.bench_function(format!("{batch} random rows"), |bencher| {
            // New keys each time: the tree grows a little from batch to batch.
            bencher.iter_batched(
                || keys(&mut rng, batch),
                |batch| merge(&store, &batch),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(tree, reads, writes);
criterion_main!(tree);
