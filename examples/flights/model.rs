//! The rows of the five tables, as they lie in the trees: typed values by rkyv, read in place.
//!
//! `NA` in the files is `None` here. Names of fields are those of the columns.

use ese::typed::rkyv::{Archive, Deserialize, Serialize};

/// One flight.
#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(crate = ese::typed::rkyv)]
pub struct Flight {
    /// The local date, see [`crate::flights::moment::Day`].
    pub day: u32,
    /// Local time of departure as hours · 100 + minutes; `None`: cancelled.
    pub dep_time: Option<u16>,
    /// The same as planned.
    pub sched_dep_time: u16,
    /// Minutes late; negative: early.
    pub dep_delay: Option<i16>,
    /// Local time of arrival.
    pub arr_time: Option<u16>,
    /// The same as planned.
    pub sched_arr_time: u16,
    /// Minutes late; negative: early.
    pub arr_delay: Option<i16>,
    /// Two letters or digits, see airlines.
    pub carrier: String,
    /// The number of the flight.
    pub flight: u16,
    /// The plane, see planes; not all are there.
    pub tailnum: Option<String>,
    /// The airport it left.
    pub origin: String,
    /// The airport it went to.
    pub dest: String,
    /// Minutes in the air.
    pub air_time: Option<u16>,
    /// Miles.
    pub distance: u16,
    /// The hour of the planned departure in UTC, see [`crate::flights::moment::Hour`].
    pub time_hour: u32,
}

/// The weather at an airport in one hour.
#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(crate = ese::typed::rkyv)]
pub struct Weather {
    /// The airport.
    pub origin: String,
    /// The hour in UTC.
    pub time_hour: u32,
    /// Temperature, °F.
    pub temp: Option<f64>,
    /// Dew point, °F.
    pub dewp: Option<f64>,
    /// Relative humidity, percent.
    pub humid: Option<f64>,
    /// Degrees the wind comes from.
    pub wind_dir: Option<u16>,
    /// Miles an hour.
    pub wind_speed: Option<f64>,
    /// Miles an hour.
    pub wind_gust: Option<f64>,
    /// Inches of rain or snow.
    pub precip: Option<f64>,
    /// Millibars.
    pub pressure: Option<f64>,
    /// Miles of visibility.
    pub visib: Option<f64>,
}

/// One plane.
#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(crate = ese::typed::rkyv)]
pub struct Plane {
    /// The tail number.
    pub tailnum: String,
    /// The year it was built.
    pub year: Option<u16>,
    /// Kind of plane.
    pub kind: String,
    /// Who built it.
    pub manufacturer: String,
    /// The model.
    pub model: String,
    /// How many engines.
    pub engines: u8,
    /// How many seats.
    pub seats: u16,
    /// Cruising speed, miles an hour.
    pub speed: Option<u16>,
    /// Kind of engine.
    pub engine: String,
}

/// One airport.
#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(crate = ese::typed::rkyv)]
pub struct Airport {
    /// Its code.
    pub faa: String,
    /// Its name.
    pub name: String,
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// Feet above the sea.
    pub alt: i32,
    /// Hours from UTC.
    pub tz: i8,
    /// Daylight saving: A, U or N.
    pub dst: String,
    /// The name of the time zone.
    pub tzone: Option<String>,
}

/// One airline.
#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(crate = ese::typed::rkyv)]
pub struct Airline {
    /// Its code.
    pub carrier: String,
    /// Its name.
    pub name: String,
}
