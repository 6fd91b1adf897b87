//! Everything the example finds out, as plain data that can be printed, saved and compared.
//!
//! The same shape as `data/nycflights13/figures.json`, which a script computes without the engine. Integers only: sums
//! and counts; a mean is derived when it is printed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Rows of every tree by its name.
    pub rows: BTreeMap<String, u64>,
    /// Flights that name no plane.
    pub flights_without_tailnum: u64,
    /// Flights that name a plane which is not among the planes.
    pub flights_of_unknown_planes: u64,
    /// The flights whose number had left on the same day before, in the order of their keys.
    pub rejected: Vec<Rejected>,
    /// The escrow counters by carrier.
    pub carriers: BTreeMap<String, Counters>,
    /// Delays by carrier and month.
    pub delays: Vec<Delays>,
    /// The history of one plane.
    pub plane: PlaneHistory,
    /// Departure delays by the weather.
    pub weather: WeatherDelays,
    /// The routes with the most flights.
    pub busiest_routes: Vec<Route>,
    /// The destinations with the highest mean arrival delay.
    pub late_destinations: Vec<LateDestination>,
}

/// A flight that the timetable rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejected {
    /// The hour of the planned departure in UTC.
    pub time_hour: String,
    /// The carrier.
    pub carrier: String,
    /// The number of the flight.
    pub flight: u16,
    /// The airport.
    pub origin: String,
}

/// The escrow counters of a carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Flights.
    pub flights: i64,
    /// Flights that did not leave.
    pub cancelled: i64,
    /// Minutes of departure delay, early ones subtracted.
    pub departure_delay: i64,
    /// Flights in the timetable.
    pub listed: i64,
}

/// The delays of a carrier in a month.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delays {
    /// The carrier.
    pub carrier: String,
    /// The month, 1 to 12.
    pub month: u8,
    /// Flights.
    pub flights: u64,
    /// Flights that did not leave.
    pub cancelled: u64,
    /// Flights with a departure delay.
    pub departed: u64,
    /// Its sum in minutes.
    pub departure_delay: i64,
    /// Flights with an arrival delay.
    pub arrived: u64,
    /// Its sum in minutes.
    pub arrival_delay: i64,
}

/// What one plane did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaneHistory {
    /// Its tail number.
    pub tailnum: String,
    /// Its model, if it is among the planes.
    pub model: Option<String>,
    /// Flights.
    pub flights: u64,
    /// Flights that did not leave.
    pub cancelled: u64,
    /// Miles of the flights that left.
    pub miles: u64,
    /// Minutes in the air.
    pub minutes_in_air: u64,
    /// The hour of the first.
    pub first: Option<String>,
    /// The hour of the last.
    pub last: Option<String>,
    /// How many different destinations.
    pub destinations: u64,
}

/// Departure delays by the weather in the hour of the planned departure.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeatherDelays {
    /// Departures for whose hour there is no weather.
    pub departed_without_weather: u64,
    /// By wind speed in miles an hour.
    pub wind: Vec<Bucket>,
    /// By precipitation in inches.
    pub precipitation: Vec<Bucket>,
    /// By visibility in miles.
    pub visibility: Vec<Bucket>,
}

/// Departures in a range of weather.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Where the range begins (it ends where the next does); `None`: not measured.
    pub from: Option<f64>,
    /// Departures.
    pub flights: u64,
    /// Minutes of departure delay.
    pub delay: i64,
}

/// A route and how often it was flown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// From here.
    pub origin: String,
    /// To there.
    pub destination: String,
    /// Flights.
    pub flights: u64,
}

/// A destination and how late its flights were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LateDestination {
    /// The airport.
    pub destination: String,
    /// Flights with an arrival delay.
    pub arrived: u64,
    /// Its sum in minutes.
    pub arrival_delay: i64,
}
