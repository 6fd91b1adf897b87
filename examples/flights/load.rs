//! Loads the tables: the small ones first, then the flights by several writers at once, each in batches.
//!
//! One batch is one transaction, and notes itself in [`progress`](super::progress): what is noted is not loaded again,
//! and the order inside a day is that of the file, however many runs it takes. A flight goes into `flights` and its three orderings; its carrier's counters are added
//! to; then, inside a savepoint, it is listed in the board and the timetable. When the timetable has the number on that
//! day already, rolling back the savepoint takes back the listing alone, with the counter that it had added to; the
//! flight itself stays, and `rejected` gets its key.
//!
//! Writers never meet on the counters, because adds commute. They do meet when two of them register the same plane in
//! `unknown_planes` at the same time: one of them is told at once and tries again. So planes are registered in a small
//! transaction of their own before the batch: what has to be done again is little, and is soon over for the others.

use super::{
    counters::{Counter, ZEROES},
    error::{Error, Result},
    kill::Kill,
    model::Flight,
    progress::{missing, note, noted},
    share::{batches, shares},
    source::{Row, Rows},
    tables::Tables,
    trees::{FlightKey, Trees},
};
use ese::{ErrorKind, Instance, Transaction, key::encode};
use std::{collections::BTreeSet, num::NonZeroUsize, ops::Range, panic, thread};

/// Rows of one transaction.
const BATCH_ROWS: usize = 500;
/// How often planes are registered anew after the engine's own retries are used up.
const ROUNDS_MAX: u32 = 100;

/// What a load leaves beside the rows.
#[derive(Debug, Clone, Copy)]
pub struct Loaded {
    /// The trees.
    pub trees: Trees,
    /// Rows of the files that were there before.
    pub found: usize,
    /// Rows of the files that were loaded.
    pub loaded: usize,
    /// Transactions that ran again after a conflict.
    pub retries: u64,
}

/// Loads what is not there yet; `progress` is told how many flights were committed, now or before, `kill` of each flight.
///
/// # Errors
/// The engine's; a flight that another load has left there, with file and line.
pub fn load(
    db: &Instance,
    tables: &Tables,
    writers: NonZeroUsize,
    progress: &(dyn Fn(usize) + Sync),
    kill: &Kill,
) -> Result<Loaded> {
    let trees = Trees::open(db)?;
    let flights_noted = db.read(|s| noted(s, trees.progress, Flight::TABLE))?;
    same_file(db, trees, tables, &flights_noted)?;
    let small = load_small(db, trees, tables)?;
    let shares: Vec<Vec<Range<usize>>> = shares(&tables.flights.rows, writers.get())
        .into_iter()
        .map(|share| missing(share, &flights_noted))
        .collect();
    let flights: usize = shares.iter().flatten().map(ExactSizeIterator::len).sum();
    progress(tables.flights.rows.len() - flights);
    let retries = thread::scope(|scope| {
        let writers: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(|| load_share(db, trees, tables, share, progress, kill)))
            .collect();
        let joined = writers
            .into_iter()
            .map(|writer| writer.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
        joined.sum::<Result<u64>>()
    })?;
    let loaded = small + flights;
    Ok(Loaded { trees, found: tables.rows() - loaded, loaded, retries })
}

/// That what is noted came from these flights: the first of each batch is there.
fn same_file(db: &Instance, trees: Trees, tables: &Tables, noted: &[Range<usize>]) -> Result<()> {
    let rows = &tables.flights.rows;
    db.try_read(|s| {
        for row in noted.iter().map(|batch| batch.start).filter(|row| *row < rows.len()) {
            if !trees.flights.contains_key(s, rows[row].key())? {
                return Err(tables.flights.wrong(row, "an earlier run has loaded other flights"));
            }
        }
        Ok(())
    })
}

/// The tables that others refer to, and a row of counters for each carrier; returns how many rows they were.
fn load_small(db: &Instance, trees: Trees, tables: &Tables) -> Result<usize> {
    let airlines = load_table(db, trees, &tables.airlines, |tx, airline| {
        trees.airlines.insert(tx, airline.carrier.as_str(), airline)?;
        trees.carrier_counters.insert(tx, airline.carrier.as_str(), &ZEROES)
    })?;
    let airports = load_table(db, trees, &tables.airports, |tx, airport| {
        trees.airports.insert(tx, airport.faa.as_str(), airport)
    })?;
    let planes = load_table(db, trees, &tables.planes, |tx, plane| {
        trees.planes.insert(tx, plane.tailnum.as_str(), plane)
    })?;
    let weather = load_table(db, trees, &tables.weather, |tx, hour| {
        trees.weather.insert(tx, (hour.origin.as_str(), hour.time_hour), hour)
    })?;
    Ok(airlines + airports + planes + weather)
}

/// What is missing of one of them; returns how many rows it was.
fn load_table<T: Row>(
    db: &Instance,
    trees: Trees,
    table: &Rows<T>,
    insert: impl Fn(&mut Transaction<'_>, &T) -> ese::Result<()>,
) -> Result<usize> {
    let noted = db.read(|s| noted(s, trees.progress, T::TABLE))?;
    let missing = missing(0..table.rows.len(), &noted);
    for batch in missing.iter().cloned().flat_map(|range| batches(range, BATCH_ROWS)) {
        db.write(|tx| {
            table.rows[batch.clone()].iter().try_for_each(|row| insert(tx, row))?;
            note(tx, trees.progress, T::TABLE, &batch)
        })?;
    }
    Ok(missing.iter().map(ExactSizeIterator::len).sum())
}

/// What is missing of one writer's share; returns how many transactions ran again.
fn load_share(
    db: &Instance,
    trees: Trees,
    tables: &Tables,
    share: Vec<Range<usize>>,
    progress: &(dyn Fn(usize) + Sync),
    kill: &Kill,
) -> Result<u64> {
    let mut retries = 0;
    for batch in share.into_iter().flat_map(|range| batches(range, BATCH_ROWS)) {
        retries += register_planes(db, trees, &tables.flights.rows[batch.clone()])?;
        let mut runs = 0;
        db.try_write(|tx| {
            runs += 1;
            for row in batch.clone() {
                kill.row();
                load_flight(tx, trees, tables, row)?;
            }
            note(tx, trees.progress, Flight::TABLE, &batch).map_err(Error::from)
        })?;
        retries += runs - 1;
        progress(batch.len());
    }
    Ok(retries)
}

/// Gives every plane of these flights that is not among the planes a counter, so that the batch only has to add;
/// returns how often it ran again.
fn register_planes(db: &Instance, trees: Trees, flights: &[Flight]) -> Result<u64> {
    // In the order of keys: of two writers that share planes one gets on.
    let named: BTreeSet<&str> = flights.iter().filter_map(|flight| flight.tailnum.as_deref()).collect();
    let mut runs = 0;
    let mut register = || {
        db.write(|tx| {
            runs += 1;
            for &tailnum in &named {
                if is_unknown(tx, trees, tailnum)? && !trees.unknown_planes.contains_key(tx, tailnum)? {
                    trees.unknown_planes.insert(tx, tailnum, &0)?;
                }
            }
            Ok(())
        })
    };
    let mut outcome = register();
    for _ in 1..ROUNDS_MAX {
        match outcome {
            Err(error) if error.is_retryable() => outcome = register(),
            _ => break,
        }
    }
    outcome?;
    Ok(runs - 1)
}

/// Whether a plane is not among the planes.
fn is_unknown(tx: &Transaction<'_>, trees: Trees, tailnum: &str) -> ese::Result<bool> {
    Ok(!trees.planes.contains_key(tx, tailnum)?)
}

fn load_flight(tx: &mut Transaction<'_>, trees: Trees, tables: &Tables, row: usize) -> Result<()> {
    let flight = &tables.flights.rows[row];
    trees.flights.insert(tx, flight.key(), flight).map_err(|error| {
        let stands_twice = error.kind() == ErrorKind::KeyDuplicate && !error.is_concurrent();
        if stands_twice {
            tables.flights.wrong(row, "the flight is there already, from another load")
        } else {
            error.into()
        }
    })?;
    let carrier = flight.carrier.as_str();
    trees.by_carrier_month.insert(tx, ((carrier, flight.month()), flight.key()), &())?;
    trees.by_destination.insert(tx, ((flight.dest.as_str(), flight.origin.as_str()), flight.key()), &())?;
    if let Some(tailnum) = &flight.tailnum {
        trees.by_tailnum.insert(tx, (tailnum.as_str(), flight.key()), &())?;
        if is_unknown(tx, trees, tailnum)? {
            trees.unknown_planes.add(tx, tailnum.as_str(), 1)?;
        }
    }
    count(tx, trees, carrier, Counter::Flights, 1)?;
    if flight.dep_time.is_none() {
        count(tx, trees, carrier, Counter::Cancelled, 1)?;
    }
    if let Some(minutes) = flight.dep_delay {
        count(tx, trees, carrier, Counter::DepartureDelay, minutes.into())?;
    }
    list(tx, trees, flight)
}

/// Adds to a carrier's counter: no conflict with any other add.
fn count(tx: &mut Transaction<'_>, trees: Trees, carrier: &str, counter: Counter, by: i64) -> Result<()> {
    let key = encode::<String, _>(carrier);
    Ok(trees.carrier_counters.tree().add(tx, key, counter.offset(), by)?)
}

/// Lists a flight in board and timetable, or notes it in `rejected` and leaves no trace in the two.
fn list(tx: &mut Transaction<'_>, trees: Trees, flight: &Flight) -> Result<()> {
    let mut listing = tx.savepoint()?;
    let (carrier, number) = (flight.carrier.as_str(), flight.flight);
    let place = (flight.origin.as_str(), flight.day, flight.sched_dep_time, carrier, number);
    trees.board.insert(&mut listing, place, &flight.dest)?;
    count(&mut listing, trees, carrier, Counter::Listed, 1)?;
    let key = encode::<FlightKey, _>(flight.key());
    match trees.timetable.insert(&mut listing, (flight.day, carrier, number), &key) {
        Ok(()) => {
            listing.commit()?;
        }
        Err(error) if error.kind() == ErrorKind::KeyDuplicate && !error.is_concurrent() => {
            listing.rollback()?;
            trees.rejected.insert(tx, flight.key(), &flight.day)?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
