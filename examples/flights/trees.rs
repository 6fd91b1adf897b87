//! The trees: five tables by their unique keys, orderings of the flights, the timetable, counters.
//!
//! ```text
//! airlines                   carrier                                        -> Airline
//! airports                   faa                                            -> Airport
//! planes                     tailnum                                        -> Plane
//! weather                    origin, time_hour                              -> Weather
//! flights                    time_hour, carrier, flight, origin             -> Flight
//! flights_by_tailnum         tailnum, then the key in flights               -> nothing
//! flights_by_carrier_month   carrier, month, then the key in flights        -> nothing
//! flights_by_destination     destination, origin, then the key in flights   -> nothing
//! timetable                  day, carrier, flight                           -> the key in flights
//! board                      origin, day, planned departure, carrier, flight -> destination
//! rejected                   the key in flights                             -> day
//! carrier_counters           carrier                                        -> four counters of 8 bytes
//! unknown_planes             tailnum                                        -> one counter of 8 bytes
//! progress                   see [`progress`](super::progress)
//! ```
//!
//! Invariants:
//! - An ordering has exactly one entry for each flight that has the field, written in the flight's own transaction.
//! - Every flight is in `timetable` and `board`, or in `rejected`; `listed` counts the former.
//! - Counters are 64-bit, little-endian; they are only ever added to, so that writers never conflict on them.

use super::{
    counters,
    model::{Airline, Airport, Flight, Plane, Weather},
    moment::Day,
    progress::Progress,
};
use ese::{Instance, Read, Result, TypedTree, typed::Rkyv};
use std::collections::BTreeMap;

/// The unique key of a flight: time_hour, carrier, flight, origin.
pub type FlightKey = (u32, String, u16, String);
/// The same, borrowed.
pub type FlightKeyRef<'a> = (u32, &'a str, u16, &'a str);

/// An ordering of the flights: what it is sorted by, then the key in `flights`.
pub type Ordering<K> = TypedTree<(K, FlightKey), ()>;

/// Handles of all trees: plain data, copied to every thread.
#[derive(Debug, Clone, Copy)]
pub struct Trees {
    /// By carrier.
    pub airlines: TypedTree<String, Rkyv<Airline>>,
    /// By code.
    pub airports: TypedTree<String, Rkyv<Airport>>,
    /// By tail number.
    pub planes: TypedTree<String, Rkyv<Plane>>,
    /// By airport and hour.
    pub weather: TypedTree<(String, u32), Rkyv<Weather>>,
    /// By [`FlightKey`].
    pub flights: TypedTree<FlightKey, Rkyv<Flight>>,
    /// By tail number.
    pub by_tailnum: Ordering<String>,
    /// By carrier and month.
    pub by_carrier_month: Ordering<(String, u8)>,
    /// By destination and origin.
    pub by_destination: Ordering<(String, String)>,
    /// What leaves on a day: (day, carrier, flight), unique; the value is the encoded [`FlightKey`].
    pub timetable: TypedTree<(u32, String, u16), Vec<u8>>,
    /// The board of an airport: (origin, day, planned departure, carrier, flight); the value is the destination.
    pub board: TypedTree<(String, u32, u16, String, u16), String>,
    /// Flights that the timetable did not take, and their day.
    pub rejected: TypedTree<FlightKey, u32>,
    /// By carrier; see [`counters`].
    pub carrier_counters: TypedTree<String, [u8; 32]>,
    /// Flights of planes that are not among the planes, by tail number.
    pub unknown_planes: TypedTree<String, i64>,
    /// What of the files is loaded.
    pub progress: Progress,
}

impl Trees {
    /// The trees, created where they do not exist.
    ///
    /// # Errors
    /// The engine's.
    pub fn open(db: &Instance) -> Result<Trees> {
        Ok(Trees {
            airlines: db.typed_tree("airlines")?,
            airports: db.typed_tree("airports")?,
            planes: db.typed_tree("planes")?,
            weather: db.typed_tree("weather")?,
            flights: db.typed_tree("flights")?,
            by_tailnum: db.typed_tree("flights_by_tailnum")?,
            by_carrier_month: db.typed_tree("flights_by_carrier_month")?,
            by_destination: db.typed_tree("flights_by_destination")?,
            timetable: db.typed_tree("timetable")?,
            board: db.typed_tree("board")?,
            rejected: db.typed_tree("rejected")?,
            carrier_counters: db.typed_tree("carrier_counters")?,
            unknown_planes: db.typed_tree("unknown_planes")?,
            progress: db.typed_tree("progress")?,
        })
    }

    /// The number of rows of each tree by its name, counted by walking it; of `progress` there are none, because they
    /// tell of the load and not of the flights.
    ///
    /// # Errors
    /// The engine's.
    pub fn rows<S: Read + ?Sized>(&self, s: &S) -> Result<BTreeMap<String, u64>> {
        let trees = [
            ("airlines", self.airlines.tree()),
            ("airports", self.airports.tree()),
            ("planes", self.planes.tree()),
            ("weather", self.weather.tree()),
            ("flights", self.flights.tree()),
            ("flights_by_tailnum", self.by_tailnum.tree()),
            ("flights_by_carrier_month", self.by_carrier_month.tree()),
            ("flights_by_destination", self.by_destination.tree()),
            ("timetable", self.timetable.tree()),
            ("board", self.board.tree()),
            ("rejected", self.rejected.tree()),
            ("carrier_counters", self.carrier_counters.tree()),
            ("unknown_planes", self.unknown_planes.tree()),
        ];
        let mut rows = BTreeMap::new();
        for (name, tree) in trees {
            let mut count = 0;
            tree.range(s, ..)?.for_each_row(|_, _| {
                count += 1;
                Ok(())
            })?;
            rows.insert(name.to_owned(), count);
        }
        Ok(rows)
    }
}

impl Flight {
    /// Its unique key.
    #[must_use]
    pub fn key(&self) -> FlightKeyRef<'_> {
        (self.time_hour, &self.carrier, self.flight, &self.origin)
    }

    /// The month it left in, 1 to 12.
    #[must_use]
    pub fn month(&self) -> u8 {
        Day(self.day).month()
    }
}

const _: () = assert!(counters::ZEROES.len() == 32, "carrier_counters holds four counters");
