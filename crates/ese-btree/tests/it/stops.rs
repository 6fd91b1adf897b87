//! A range with stops gives the rows before each, and the row at it to who asks for that.

use crate::pages::{Disk, TREE};
use ese_btree::{Change, Side};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::ops::Bound;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn key(number: u32) -> Vec<u8> {
    // Prefixes of each other and long ones, too, so that leaves cut different prefixes.
    let mut key = (number / 2).to_be_bytes().to_vec();
    key.extend(std::iter::repeat_n(7, if number.is_multiple_of(11) { 60 } else { 0 }));
    key.extend(std::iter::repeat_n(1, (number % 2) as usize));
    key
}

fn filled(numbers: &[u32]) -> (Disk, Rows) {
    let mut rows: Rows = numbers.iter().map(|n| (key(*n), vec![b'v'; (n % 200) as usize])).collect();
    rows.sort();
    rows.dedup();
    let mut disk = Disk::default();
    disk.merge(rows.iter().map(|(key, value)| (key.clone(), Change::Put(value))));
    (disk, rows)
}

/// What is left of `rows` on the way to a key, of that side.
fn rest_before(rows: &mut Rows, side: Side, stop: Option<&[u8]>) -> Option<(Vec<u8>, Vec<u8>)> {
    let before = |key: &[u8]| {
        stop.is_none_or(|stop| match side {
            Side::Front => key < stop,
            Side::Back => key > stop,
        })
    };
    let next = match side {
        Side::Front => rows.first(),
        Side::Back => rows.last(),
    };
    let is_before = next.is_some_and(|row| before(&row.0));
    is_before.then(|| match side {
        Side::Front => rows.remove(0),
        Side::Back => rows.remove(rows.len() - 1),
    })
}

fn run(rng: &mut SmallRng, side: Side) {
    let numbers: Vec<u32> = (0..rng.random_range(0..600)).map(|_| rng.random_range(0..900)).collect();
    let (disk, rows) = filled(&numbers);
    let mut bound = |wide: bool| match rng.random_range(0..3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(key(if wide { 100 } else { 700 })),
        _ => Bound::Excluded(key(rng.random_range(0..900))),
    };
    let (low, high) = (bound(true), bound(false));
    let within = |key: &Vec<u8>| {
        (match &low {
            Bound::Unbounded => true,
            Bound::Included(low) => key >= low,
            Bound::Excluded(low) => key > low,
        }) && match &high {
            Bound::Unbounded => true,
            Bound::Included(high) => key <= high,
            Bound::Excluded(high) => key < high,
        }
    };
    let mut left: Rows = rows.into_iter().filter(|(key, _)| within(key)).collect();
    let mut range =
        disk.forest.range(&disk, TREE, low.as_ref().map(|key| &key[..]), high.as_ref().map(|key| &key[..]));
    let mut stop: Option<Vec<u8>> = None;
    let mut has_ended = false;
    for _ in 0..2_000 {
        match rng.random_range(0..10) {
            0 => {
                let at = key(rng.random_range(0..900));
                range.stop_at(&at);
                stop = Some(at);
            }
            1 => {
                let expected = stop.take().filter(|_| !has_ended).and_then(|stop| {
                    let at = match side {
                        Side::Front => left.first(),
                        Side::Back => left.last(),
                    };
                    let found = at.is_some_and(|row| row.0 == stop);
                    found.then(|| rest_before(&mut left, side, None).unwrap().1)
                });
                let value = range.take_stop(side).unwrap();
                assert_eq!(value.map(|value| value.to_vec()), expected);
            }
            _ => {
                let row = match side {
                    Side::Front => range.next().unwrap(),
                    Side::Back => range.next_back().unwrap(),
                };
                let row = row.map(|(key, value)| (key.to_vec(), value.to_vec()));
                let expected = rest_before(&mut left, side, stop.as_deref());
                if let Some((key, _)) = &expected {
                    assert_eq!(range.key(), key);
                }
                assert_eq!(row, expected);
                has_ended |= expected.is_none() && left.is_empty();
            }
        }
    }
}

#[test]
fn rows_come_up_to_each_stop() {
    let mut rng = SmallRng::seed_from_u64(17);
    for _ in 0..200 {
        run(&mut rng, Side::Front);
        run(&mut rng, Side::Back);
    }
}
