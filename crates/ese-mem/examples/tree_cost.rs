//! What a row costs in the store itself, without the engine above: for work on speed.
//!
//! `cargo run --release -p ese-mem --example tree_cost -- [rows] [work …]`, works: floor, map, get, many, scan, back, seek,
//! append, merge. 24-byte random keys, 150-byte values; the median of five
//! runs, in time of the processor.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use ese_base::{
    Position, Result, TreeNo,
    clock::{Clock, SystemClock},
};
use ese_core::{Backend, Base, Change, Store};
use ese_mem::MemoryBackend;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::SliceRandom};
use std::time::Duration;
use std::{collections::BTreeMap, hint::black_box, ops::Bound, sync::Arc};

const TREE: TreeNo = TreeNo(1);
const GETS: usize = 1_000_000;

type Key = [u8; 24];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rows = arguments.next().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    let works: Vec<String> = arguments.collect();
    let wanted = |work: &str| works.is_empty() || works.iter().any(|wanted| wanted == work);
    let mut rng = SmallRng::seed_from_u64(1);
    let mut keys: Vec<Key> = (0..rows).map(|_| rng.random()).collect();
    keys.sort_unstable();
    let value: [u8; 150] = rng.random();

    let store = MemoryBackend::default().create("main")?;
    report("build", rows, 1, || merge(&store, keys.iter(), &value))?;
    let base = store.newest();
    let stats = store.stats();
    let used = (stats.pages - stats.free_pages) * stats.page_size_bytes;
    println!("{:>8} {:.1} % over raw", "pages", 100.0 * used as f64 / (rows * 174) as f64 - 100.0);
    let mut asked: Vec<Key> = keys.clone();
    asked.shuffle(&mut rng);
    asked.truncate(GETS);
    if wanted("floor") {
        let chain = chain(&mut rng, rows * 174);
        report("floor", asked.len(), 5, || floor(&chain, asked.len()))?;
    }
    if wanted("map") {
        let map: BTreeMap<Key, Box<[u8]>> = asked.iter().map(|key| (*key, Box::from(value))).collect();
        report("map get", asked.len(), 5, || map_get(&map, &asked))?;
    }
    if wanted("get") {
        report("get", asked.len(), 5, || get(&*base, &asked))?;
    }
    if wanted("many") {
        report("many", asked.len(), 5, || many(&*base, &asked))?;
    }
    if wanted("scan") {
        report("scan", rows, 5, || scan(&*base))?;
    }
    if wanted("back") {
        report("back", rows, 5, || scan_back(&*base))?;
    }
    if wanted("seek") {
        report("seek+10", asked.len() / 4, 5, || seek(&*base, &asked[..asked.len() / 4]))?;
    }
    drop(base);
    if wanted("append") {
        let other = MemoryBackend::default().create("other")?;
        let numbers: Vec<[u8; 8]> = (0..rows as u64).map(u64::to_be_bytes).collect();
        let mut chunks = numbers.chunks(rows / 5);
        report("append", rows / 5, 5, || merge(&other, chunks.next().into_iter().flatten(), &value))?;
    }
    if wanted("merge") {
        for batch in [1_000, 10_000, 100_000] {
            let mut batches = (0..7).map(|_| {
                let mut batch: Vec<Key> = (0..batch).map(|_| rng.random()).collect();
                batch.sort_unstable();
                batch
            });
            let mut batches: Vec<_> = batches.by_ref().collect();
            let name = format!("merge {}k", batch / 1_000);
            report(&name, batch, 7, || merge(&store, batches.pop().unwrap_or_default().iter(), &value))?;
        }
    }
    Ok(())
}

fn report(name: &str, rows: usize, runs: usize, mut work: impl FnMut() -> Result<()>) -> Result<()> {
    let clock = SystemClock::new();
    let mut times = Vec::new();
    for _ in 0..runs {
        let begin = now(&clock);
        work()?;
        times.push((now(&clock) - begin).as_nanos() as f64 / rows as f64);
    }
    times.sort_unstable_by(f64::total_cmp);
    println!("{name:>10} {:8.1} ns a row (best {:.1})", times[times.len() / 2], times[0]);
    Ok(())
}

/// The time this thread has run, where the system tells it: on a busy machine the clock would count others' work.
#[expect(clippy::disallowed_methods, reason = "a program for the terminal, not the engine")]
fn now(clock: &SystemClock) -> Duration {
    let run = std::fs::read("/proc/thread-self/schedstat").ok().and_then(|text| {
        let text = String::from_utf8(text).ok()?;
        text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    });
    run.unwrap_or_else(|| clock.now())
}

fn merge<'k, K: AsRef<[u8]> + 'k>(
    store: &Arc<dyn Store>,
    keys: impl Iterator<Item = &'k K>,
    value: &[u8],
) -> Result<()> {
    let mut merge = Arc::clone(store).begin_merge()?;
    for key in keys {
        merge.apply(TREE, key.as_ref(), Change::Put(value))?;
    }
    merge.finish(Position(1))?;
    Ok(())
}

/// As many cache lines as the rows take, each naming the next one at random: what a read that misses costs here.
fn chain(rng: &mut SmallRng, bytes: usize) -> Vec<[usize; 8]> {
    let mut order: Vec<usize> = (0..bytes / 64).collect();
    order.shuffle(rng);
    let mut lines = vec![[0; 8]; order.len()];
    for (index, line) in order.iter().enumerate() {
        lines[*line][0] = order[(index + 1) % order.len()];
    }
    lines
}

fn floor(chain: &[[usize; 8]], steps: usize) -> Result<()> {
    let mut at = 0;
    for _ in 0..steps {
        at = chain[at][0];
    }
    black_box(at);
    Ok(())
}

fn map_get(map: &BTreeMap<Key, Box<[u8]>>, keys: &[Key]) -> Result<()> {
    let sum: usize = keys.iter().map(|key| map.get(key).map_or(0, |value| usize::from(value[0]))).sum();
    black_box(sum);
    Ok(())
}

fn get(base: &dyn Base, keys: &[Key]) -> Result<()> {
    let mut sum = 0;
    for key in keys {
        sum += base.get(TREE, key)?.map_or(0, |value| usize::from(value[0]));
    }
    black_box(sum);
    Ok(())
}

fn many(base: &dyn Base, keys: &[Key]) -> Result<()> {
    let mut sum = 0;
    for keys in keys.chunks(8) {
        let mut group: [&[u8]; 8] = [&[]; 8];
        for (slot, key) in group.iter_mut().zip(keys) {
            *slot = key;
        }
        base.get_many(TREE, &group[..keys.len()], &mut |_, value| {
            sum += value.map_or(0, |value| usize::from(value[0]));
        })?;
    }
    black_box(sum);
    Ok(())
}

fn scan(base: &dyn Base) -> Result<()> {
    let mut rows = base.scan(TREE, (Bound::Unbounded, Bound::Unbounded))?;
    let mut sum = 0;
    while let Some((key, value)) = rows.next()? {
        sum += usize::from(key[0]) + usize::from(value[0]);
    }
    black_box(sum);
    Ok(())
}

fn scan_back(base: &dyn Base) -> Result<()> {
    let mut rows = base.scan(TREE, (Bound::Unbounded, Bound::Unbounded))?;
    let mut sum = 0;
    while let Some((key, value)) = rows.next_back()? {
        sum += usize::from(key[0]) + usize::from(value[0]);
    }
    black_box(sum);
    Ok(())
}

fn seek(base: &dyn Base, keys: &[Key]) -> Result<()> {
    let mut sum = 0;
    for key in keys {
        let mut rows = base.scan(TREE, (Bound::Included(key), Bound::Unbounded))?;
        for _ in 0..10 {
            if let Some((key, value)) = rows.next()? {
                sum += usize::from(key[0]) + usize::from(value[0]);
            }
        }
    }
    black_box(sum);
    Ok(())
}
