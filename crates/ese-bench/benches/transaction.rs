//! Micro-benchmarks of what a transaction is made of: begin and end, get, put and commit, savepoint, counter.
#![expect(clippy::unwrap_used, reason = "a failed call ends the benchmark")]

use criterion::{Criterion, criterion_group, criterion_main};
use ese::{Durability, Instance, Session, Tree};
use std::hint::black_box;

const ROWS: u64 = 100_000;

/// An instance with a tree of numbered rows, all merged.
fn loaded() -> (Instance, Tree) {
    let db = Instance::builder().durability(Durability::Lazy).in_memory().unwrap();
    let tree = db.tree("rows").unwrap();
    db.write(|tx| (0..ROWS).try_for_each(|row| tree.put(tx, key(row), [7; 100]))).unwrap();
    db.merge().unwrap();
    (db, tree)
}

/// The key of a row; neighbours in number are far apart in order.
fn key(row: u64) -> [u8; 8] {
    (row % ROWS).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()
}

/// Calls `work` with a number that counts up.
fn numbered(criterion: &mut Criterion, name: &str, mut work: impl FnMut(u64)) {
    let mut count = 0;
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            count += 1;
            work(count);
        });
    });
}

fn begin_and_end(criterion: &mut Criterion) {
    let (db, _) = loaded();
    let mut session = db.session().unwrap();
    numbered(criterion, "begin + end, read-only guard", |_| {
        drop(black_box(session.begin_read_only().unwrap()))
    });
    numbered(criterion, "begin + end, read-write guard", |_| drop(black_box(session.begin().unwrap())));
    numbered(criterion, "begin + end, closure", |_| {
        db.read(|s| Ok(s.session_id())).unwrap();
    });
}

fn get(criterion: &mut Criterion) {
    let (db, tree) = loaded();
    let mut session = db.session().unwrap();
    {
        let tx = session.begin_read_only().unwrap();
        numbered(criterion, "get", |row| drop(black_box(tree.get(&tx, key(row)).unwrap())));
    }
    numbered(criterion, "begin + get + end", |row| {
        let tx = session.begin_read_only().unwrap();
        black_box(tree.get(&tx, key(row)).unwrap());
    });
}

fn put_and_commit(criterion: &mut Criterion) {
    let (db, tree) = loaded();
    let mut session = db.session().unwrap();
    numbered(criterion, "begin + put + commit", |row| put_one(&mut session, tree, row));
    numbered(criterion, "begin + put + roll back", |row| {
        let mut tx = session.begin().unwrap();
        tree.put(&mut tx, key(row), [8; 100]).unwrap();
    });
}

fn put_one(session: &mut Session, tree: Tree, row: u64) {
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, key(row), [8; 100]).unwrap();
    tx.commit().unwrap();
}

fn savepoint(criterion: &mut Criterion) {
    let (db, tree) = loaded();
    let mut session = db.session().unwrap();
    {
        let mut tx = session.begin().unwrap();
        tree.put(&mut tx, key(1), [8; 100]).unwrap();
        numbered(criterion, "savepoint + roll back", |_| tx.savepoint().unwrap().rollback().unwrap());
        numbered(criterion, "savepoint + put + roll back", |row| {
            let mut savepoint = tx.savepoint().unwrap();
            tree.put(&mut savepoint, key(row), [9; 100]).unwrap();
            savepoint.rollback().unwrap();
        });
    }
}

fn add(criterion: &mut Criterion) {
    let (db, tree) = loaded();
    let mut session = db.session().unwrap();
    numbered(criterion, "begin + add + commit, one counter", |_| {
        let mut tx = session.begin().unwrap();
        tree.add(&mut tx, key(1), 0, 1_i64).unwrap();
        tx.commit().unwrap();
    });
    numbered(criterion, "begin + add + commit, many counters", |row| {
        let mut tx = session.begin().unwrap();
        tree.add(&mut tx, key(row), 8, 1_i64).unwrap();
        tx.commit().unwrap();
    });
    numbered(criterion, "begin + 500 adds to one counter + commit", |_| {
        let mut tx = session.begin().unwrap();
        (0..500).try_for_each(|_| tree.add(&mut tx, key(2), 0, 1_i64)).unwrap();
        tx.commit().unwrap();
    });
}

criterion_group!(transaction, begin_and_end, get, put_and_commit, savepoint, add);
criterion_main!(transaction);
