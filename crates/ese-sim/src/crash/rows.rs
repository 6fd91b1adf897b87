//! What a transaction of a child writes, and so what has to be there.
//!
//! Transaction `n` of thread `t` writes, in each of the two databases: the rows `n` and `n ^ 1` of the thread, or every
//! eighth time removes them; the thread's sum row; and it adds one to a counter that all threads add to. Numbers of rows
//! go round after [`WINDOW`]. So what a thread has written follows from how many transactions it has committed, and the
//! sum row says how many those are.
//!
//! ```text
//! rows   thread (1 byte), n % WINDOW (8)   -> thread (8), n (8), row (8), bytes that follow from them
//! sums   thread (1 byte)                   -> transactions (8), a sum over their numbers (8)
//! sums   "total"                           -> transactions of all threads (8)
//! ```

use super::line::{Counts, THREADS};
use crate::seed::Dice;
use ese::{Database, ErrorKind, Instance, Read, Result, Transaction, Tree};
use std::collections::BTreeMap;

/// How many rows a thread has at most; even, so that `n` and `n ^ 1` have places beside each other.
pub const WINDOW: u64 = 512;
const _: () = assert!(WINDOW.is_multiple_of(2) && THREADS < 256);

/// The second database.
const SECOND: &str = "second";
/// The key of the counter; longer than those of the threads.
const TOTAL: &[u8] = b"total";

/// The trees of both databases.
#[derive(Clone, Copy, Debug)]
pub struct World {
    places: [Place; 2],
}

/// The trees of a database.
#[derive(Clone, Copy, Debug)]
struct Place {
    rows: Tree,
    sums: Tree,
}

impl World {
    /// The trees, made where they are missing: the process before may have been killed while it made them.
    ///
    /// # Errors
    /// The engine's.
    pub fn open(db: &Instance) -> Result<World> {
        let place = |database: Database| -> Result<Place> {
            Ok(Place { rows: database.tree(db, "rows")?, sums: database.tree(db, "sums")? })
        };
        let world = World { places: [place(db.main_database())?, place(second(db)?)?] };
        db.write(|tx| {
            for place in world.places {
                if !place.sums.contains_key(tx, TOTAL)? {
                    place.sums.insert(tx, TOTAL, 0_i64.to_le_bytes())?;
                }
            }
            Ok(())
        })?;
        Ok(world)
    }

    /// How many transactions each thread has committed, by the main database.
    ///
    /// # Errors
    /// The engine's.
    pub fn counts<S: Read + ?Sized>(&self, s: &S) -> Result<Counts> {
        let mut counts = Counts::default();
        for (thread, count) in counts.iter_mut().enumerate() {
            *count = sum_row(s, self.places[0], thread)?.0;
        }
        Ok(counts)
    }

    /// The next transaction of a thread; returns its number.
    ///
    /// # Errors
    /// The engine's.
    pub fn write(&self, tx: &mut Transaction<'_>, thread: usize) -> Result<u64> {
        let (n, sum) = sum_row(tx, self.places[0], thread)?;
        for place in self.places {
            for row in [n, n ^ 1] {
                let key = key(thread, row);
                if removes(n) {
                    place.rows.delete(tx, key)?;
                } else {
                    place.rows.put(tx, key, value(thread, n, row))?;
                }
            }
            let next = [n + 1, sum.wrapping_add(mix(thread, n))].map(u64::to_le_bytes).concat();
            place.sums.put(tx, [byte(thread)], next)?;
            place.sums.add(tx, TOTAL, 0, 1_i64)?;
        }
        Ok(n)
    }

    /// Compares everything that is there with what follows from the sum rows, and returns how many transactions each
    /// thread has committed.
    ///
    /// # Errors
    /// A sentence about the first difference, or what the engine reports.
    pub fn verify(&self, db: &Instance) -> Result<Counts, String> {
        let compared = db.read(|s| {
            let counts = self.counts(s)?;
            for (name, place) in ["the main database", "the second database"].into_iter().zip(self.places) {
                if let Err(what) = place.compare(s, &counts)? {
                    return Ok(Err(format!("{name}: {what}")));
                }
            }
            Ok(Ok(counts))
        });
        compared.map_err(|error| error.to_string())?
    }
}

impl Place {
    fn compare<S: Read + ?Sized>(&self, s: &S, counts: &Counts) -> Result<Result<(), String>> {
        let mut expected = BTreeMap::new();
        for (thread, &count) in counts.iter().enumerate() {
            let found = sum_row(s, *self, thread)?;
            let sum = (0..count).fold(0_u64, |sum, n| sum.wrapping_add(mix(thread, n)));
            if found != (count, sum) {
                return Ok(Err(format!("thread {thread}: the sum row is {found:?}, not {:?}", (count, sum))));
            }
            expect(&mut expected, thread, count);
        }
        let total = self.sums.get(s, TOTAL)?.map_or(0, |value| number(&value, 0));
        if total != counts.iter().sum::<u64>() {
            return Ok(Err(format!("{total} transactions were counted, but threads have {counts:?}")));
        }
        let mut wrong = Ok(());
        self.rows.range(s, ..)?.for_each_row(|key, value| {
            let agrees = expected.remove(key).is_some_and(|expected| expected == *value);
            if !agrees && wrong.is_ok() {
                wrong = Err(format!("row {key:?} is {:?}…, with {counts:?}", &value[..value.len().min(24)]));
            }
            Ok(())
        })?;
        if let (Ok(()), Some(key)) = (&wrong, expected.keys().next()) {
            wrong = Err(format!("row {key:?} is missing, with {counts:?}"));
        }
        Ok(wrong)
    }
}

/// The second database, wherever in its making an earlier process was killed.
fn second(db: &Instance) -> Result<Database> {
    if let Some(database) = db.database(SECOND) {
        return Ok(database);
    }
    match db.create_database(SECOND) {
        Err(error) if error.kind() == ErrorKind::DatabaseDuplicate => db.attach_database(SECOND),
        made => made,
    }
}

/// The transactions of a thread in a database, and their sum.
fn sum_row<S: Read + ?Sized>(s: &S, place: Place, thread: usize) -> Result<(u64, u64)> {
    Ok(place.sums.get(s, [byte(thread)])?.map_or((0, 0), |value| (number(&value, 0), number(&value, 8))))
}

/// What a thread's first `count` transactions leave.
fn expect(rows: &mut BTreeMap<Vec<u8>, Vec<u8>>, thread: usize, count: u64) {
    for n in count.saturating_sub(WINDOW + 2)..count {
        for row in [n, n ^ 1] {
            if removes(n) {
                rows.remove(&key(thread, row));
            } else {
                rows.insert(key(thread, row), value(thread, n, row));
            }
        }
    }
}

/// Whether a transaction removes its rows.
fn removes(n: u64) -> bool {
    n % 8 == 5
}

fn key(thread: usize, row: u64) -> Vec<u8> {
    [&[byte(thread)][..], &(row % WINDOW).to_be_bytes()].concat()
}

/// Mostly short, sometimes as long as a page, rarely longer than any.
fn value(thread: usize, n: u64, row: u64) -> Vec<u8> {
    let dice = Dice::new(mix(thread, n) ^ row);
    let filler = match dice.below(100) {
        0 => dice.below(40_000),
        1..10 => dice.below(4_000),
        _ => dice.below(200),
    };
    let mut value = [thread as u64, n, row].map(u64::to_le_bytes).concat();
    let end = value.len() + usize::try_from(filler).unwrap_or(0);
    while value.len() < end {
        value.extend(dice.next().to_le_bytes());
    }
    value
}

/// A number that follows from a transaction's.
fn mix(thread: usize, n: u64) -> u64 {
    Dice::new((thread as u64) << 56 | n).next()
}

fn byte(thread: usize) -> u8 {
    u8::try_from(thread).unwrap_or(u8::MAX)
}

/// The number at a place in a value; 0 where there is none.
fn number(value: &[u8], at: usize) -> u64 {
    value.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(db: &Instance, world: &World, thread: usize) {
        db.write(|tx| world.write(tx, thread)).unwrap();
    }

    #[test]
    fn what_is_written_is_what_is_expected() {
        let db = Instance::in_memory().unwrap();
        let world = World::open(&db).unwrap();
        assert_eq!(world.verify(&db), Ok(Counts::default()));
        for round in 0..WINDOW + 20 {
            commit(&db, &world, 0);
            if round % 3 == 0 {
                commit(&db, &world, 2);
            }
            if round % 50 < 10 || round > WINDOW {
                world.verify(&db).unwrap();
            }
        }
        assert_eq!(world.verify(&db), Ok([WINDOW + 20, 0, (WINDOW + 20).div_ceil(3), 0]));
    }

    #[test]
    fn half_a_transaction_is_noticed() {
        let found = |spoil: &dyn Fn(&mut Transaction<'_>, Place) -> Result<()>| {
            let db = Instance::in_memory().unwrap();
            let world = World::open(&db).unwrap();
            (0..12).for_each(|_| commit(&db, &world, 1));
            db.write(|tx| spoil(tx, world.places[1])).unwrap();
            world.verify(&db).unwrap_err()
        };
        let row = |tx: &mut Transaction<'_>, place: Place| place.rows.delete(tx, key(1, 10)).map(drop);
        assert!(found(&row).contains("the second database: row") && found(&row).contains("missing"));
        let kept = |tx: &mut Transaction<'_>, place: Place| place.rows.put(tx, key(1, 4), value(1, 3, 4));
        assert!(found(&kept).contains("the second database: row"));
        let old = |tx: &mut Transaction<'_>, place: Place| place.rows.put(tx, key(1, 10), value(1, 10, 10));
        assert!(found(&old).contains("the second database: row"));
        let sum = |tx: &mut Transaction<'_>, place: Place| place.sums.put(tx, [1], [0; 16]);
        assert!(found(&sum).contains("sum row"));
        let total = |tx: &mut Transaction<'_>, place: Place| place.sums.add(tx, TOTAL, 0, -1_i64);
        assert!(found(&total).contains("were counted"));
    }
}
