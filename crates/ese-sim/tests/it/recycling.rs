//! Memory goes from generation to generation while threads read what lies in it.
//!
//! Every value is its own key and counter over and over: memory that was given away too early shows as a value of another
//! row, or of two halves. A read transaction sees each row as it first saw it, over all merges.

use ese_base::{TreeId, clock::SystemClock};
use ese_core::{Durability, Engine, Mode, Options, Put, Session, SessionOptions};
use ese_sim::backends;
use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

const WRITERS: u64 = 2;
const READERS: usize = 2;
const ROUNDS: u64 = 30;
/// Rows that each writer has.
const ROWS: u64 = 16;
const VALUE_BYTES: usize = 32 << 10;
/// Puts of a writer between two merges: more than the small chunks that come before whole ones hold (4 MiB).
const PUTS: u64 = (10 << 20) / VALUE_BYTES as u64;

fn value(row: u64, counter: u64) -> Vec<u8> {
    [row.to_le_bytes(), counter.to_le_bytes()].concat().repeat(VALUE_BYTES / 16)
}

/// The counter of a value, all of which must be of one writing of that row.
fn counter(row: u64, value: &[u8]) -> u64 {
    let first: [u8; 16] = value[..16].try_into().expect("sixteen bytes");
    assert_eq!(first[..8], row.to_le_bytes(), "a value of another row");
    assert_eq!(value.len(), VALUE_BYTES);
    assert!(value.chunks_exact(16).all(|part| part == first), "row {row}: a value of two halves");
    u64::from_le_bytes(first[8..].try_into().expect("eight bytes"))
}

fn session(engine: &Arc<dyn Engine>) -> Box<dyn Session> {
    let options = SessionOptions { durability: Durability::Lazy, ..SessionOptions::default() };
    engine.session(options).expect("there is room for a session")
}

/// Rows from `from` on, written in turn; merges between.
fn write(engine: &Arc<dyn Engine>, tree: TreeId, from: u64) {
    let mut session = session(engine);
    for put in 0..ROUNDS * PUTS {
        let row = from + put % ROWS;
        let counter = put / ROWS + 1;
        session
            .put(tree, &row.to_be_bytes(), &value(row, counter), Put::Upsert)
            .expect("nobody else writes it");
        if put % PUTS == PUTS - 1 {
            engine.merge().expect("there is room");
        }
    }
}

/// The counters of all rows, by a scan and by gets.
fn read(session: &dyn Session, tree: TreeId) -> Vec<u64> {
    let mut counters = Vec::new();
    let mut scan = session.scan(tree, (Bound::Unbounded, Bound::Unbounded)).expect("the tree stands");
    while let Some((key, value)) = scan.next().expect("it is in memory") {
        let row = u64::from_be_bytes(key.try_into().expect("eight bytes"));
        counters.push(counter(row, &value));
    }
    for (row, seen) in (0..).zip(&counters) {
        let value = session.get(tree, &u64::to_be_bytes(row)).expect("it is in memory").expect("it stays");
        assert_eq!(counter(row, &value), *seen);
    }
    counters
}

/// Transactions that stay open over a few merges, until the writers are done.
fn read_until(engine: &Arc<dyn Engine>, tree: TreeId, done: &AtomicBool) -> u64 {
    let mut session = session(engine);
    let (mut newest, mut crossed) = (Vec::new(), 0);
    while !done.load(Ordering::Acquire) {
        session.begin(Mode::ReadOnly).expect("the engine is open");
        let first = read(&*session, tree);
        assert_eq!(first.len() as u64, WRITERS * ROWS);
        assert!(first.iter().zip(&newest).all(|(now, before)| now >= before), "{first:?} after {newest:?}");
        let merges = engine.stats().merges;
        while engine.stats().merges < merges + 2 && !done.load(Ordering::Acquire) {
            assert_eq!(read(&*session, tree), first, "a snapshot stays");
        }
        assert_eq!(read(&*session, tree), first, "a snapshot stays");
        crossed += engine.stats().merges - merges;
        session.rollback_to(0).expect("it is open");
        newest = first;
    }
    crossed
}

#[test]
fn chunks_go_from_generation_to_generation_beside_readers() {
    // The smallest generations that have chunks to exchange.
    let options = Options { generation_bytes: 64 << 20, ..Options::default() };
    let engine = backends::memory(options, Arc::new(SystemClock::new())).expect("an engine starts");
    let mut first = session(&engine);
    let tree = first.create_tree(engine.main_database(), "t").expect("the name is free");
    for row in 0..WRITERS * ROWS {
        first.put(tree, &row.to_be_bytes(), &value(row, 0), Put::Insert).expect("it is new");
    }
    let done = AtomicBool::new(false);
    let crossed: u64 = std::thread::scope(|scope| {
        let (engine, done) = (&engine, &done);
        let readers: Vec<_> =
            (0..READERS).map(|_| scope.spawn(move || read_until(engine, tree, done))).collect();
        let writers: Vec<_> =
            (0..WRITERS).map(|number| scope.spawn(move || write(engine, tree, number * ROWS))).collect();
        let written = writers.into_iter().map(|writer| writer.join()).collect::<Vec<_>>();
        done.store(true, Ordering::Release);
        assert!(written.iter().all(Result::is_ok), "a writer panicked");
        readers.into_iter().map(|reader| reader.join().expect("a reader panicked")).sum()
    });
    let stats = engine.stats();
    assert!(stats.recycled_chunks >= ROUNDS / 2, "{stats:?}");
    assert!(crossed > 0, "no snapshot was read over a merge");
    first.begin(Mode::ReadOnly).expect("the engine is open");
    assert!(read(&*first, tree).iter().all(|last| *last >= ROUNDS * PUTS / ROWS), "the last of all");
    first.rollback_to(0).expect("it is open");
    drop(first);
    assert_eq!(engine.check().expect("a check goes through"), Vec::<String>::new());
    engine.merge().expect("there is room");
    assert_eq!(engine.check().expect("a check goes through"), Vec::<String>::new());
    engine.close().expect("nothing is open");
}
