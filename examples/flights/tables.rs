//! How the lines of each file become rows, and all of them together.

use super::{
    error::Result,
    model::{Airline, Airport, Flight, Plane, Weather},
    moment::{Day, Hour},
    source::{Fields, Row, Rows, read},
};
use std::{collections::HashSet, path::Path};

/// All five tables in memory.
#[derive(Debug)]
pub struct Tables {
    /// airlines.csv
    pub airlines: Rows<Airline>,
    /// airports.csv
    pub airports: Rows<Airport>,
    /// planes.csv
    pub planes: Rows<Plane>,
    /// weather.csv
    pub weather: Rows<Weather>,
    /// flights.csv
    pub flights: Rows<Flight>,
}

impl Tables {
    /// Reads all tables; of the flights at most `flights_max`.
    ///
    /// # Errors
    /// As [`read`]; a flight of an airline that is not among the airlines.
    pub fn read(directory: &Path, flights_max: Option<usize>) -> Result<Tables> {
        let tables = Tables {
            airlines: read(directory, None)?,
            airports: read(directory, None)?,
            planes: read(directory, None)?,
            weather: read(directory, None)?,
            flights: read(directory, flights_max)?,
        };
        let known: HashSet<&str> =
            tables.airlines.rows.iter().map(|airline| airline.carrier.as_str()).collect();
        match tables.flights.rows.iter().position(|flight| !known.contains(flight.carrier.as_str())) {
            None => Ok(tables),
            Some(row) => {
                let carrier = &tables.flights.rows[row].carrier;
                Err(tables.flights.wrong(row, format!("no airline has the carrier code {carrier:?}")))
            }
        }
    }

    /// The rows of all of them.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.airlines.rows.len()
            + self.airports.rows.len()
            + self.planes.rows.len()
            + self.weather.rows.len()
            + self.flights.rows.len()
    }
}

fn hour(fields: &Fields<'_>) -> Result<u32, String> {
    let text: String = fields.get("time_hour")?;
    let hour = Hour::parse(&text).ok_or_else(|| format!("time_hour is {text:?}, which is no hour of UTC"))?;
    Ok(hour.0)
}

fn day(fields: &Fields<'_>) -> Result<u32, String> {
    let (year, month, day) = (fields.get("year")?, fields.get("month")?, fields.get("day")?);
    Day::new(year, month, day).map(|day| day.0).ok_or_else(|| format!("{year}-{month}-{day} is no date"))
}

impl Row for Flight {
    const TABLE: &'static str = "flights";
    const COLUMNS: &'static [&'static str] = &[
        "year",
        "month",
        "day",
        "dep_time",
        "sched_dep_time",
        "dep_delay",
        "arr_time",
        "sched_arr_time",
        "arr_delay",
        "carrier",
        "flight",
        "tailnum",
        "origin",
        "dest",
        "air_time",
        "distance",
        "hour",
        "minute",
        "time_hour",
    ];
    type Key = (u32, String, u16, String);

    fn read(fields: &Fields<'_>) -> Result<Self, String> {
        let flight = Flight {
            day: day(fields)?,
            dep_time: fields.maybe("dep_time")?,
            sched_dep_time: fields.get("sched_dep_time")?,
            dep_delay: fields.maybe("dep_delay")?,
            arr_time: fields.maybe("arr_time")?,
            sched_arr_time: fields.get("sched_arr_time")?,
            arr_delay: fields.maybe("arr_delay")?,
            carrier: fields.get("carrier")?,
            flight: fields.get("flight")?,
            tailnum: fields.maybe("tailnum")?,
            origin: fields.get("origin")?,
            dest: fields.get("dest")?,
            air_time: fields.maybe("air_time")?,
            distance: fields.get("distance")?,
            time_hour: hour(fields)?,
        };
        // The planned departure stands in the file twice; keeping it once loses nothing as long as both agree.
        let (hour, minute): (u16, u16) = (fields.get("hour")?, fields.get("minute")?);
        if u32::from(hour) * 100 + u32::from(minute) != u32::from(flight.sched_dep_time) {
            return Err(format!(
                "sched_dep_time is {}, but hour and minute are {hour}:{minute}",
                flight.sched_dep_time
            ));
        }
        Ok(flight)
    }

    fn key(&self) -> Self::Key {
        (self.time_hour, self.carrier.clone(), self.flight, self.origin.clone())
    }
}

impl Row for Weather {
    const TABLE: &'static str = "weather";
    const COLUMNS: &'static [&'static str] = &[
        "origin",
        "year",
        "month",
        "day",
        "hour",
        "temp",
        "dewp",
        "humid",
        "wind_dir",
        "wind_speed",
        "wind_gust",
        "precip",
        "pressure",
        "visib",
        "time_hour",
    ];
    type Key = (String, u32);

    fn read(fields: &Fields<'_>) -> Result<Self, String> {
        Ok(Weather {
            origin: fields.get("origin")?,
            time_hour: hour(fields)?,
            temp: fields.maybe("temp")?,
            dewp: fields.maybe("dewp")?,
            humid: fields.maybe("humid")?,
            wind_dir: fields.maybe("wind_dir")?,
            wind_speed: fields.maybe("wind_speed")?,
            wind_gust: fields.maybe("wind_gust")?,
            precip: fields.maybe("precip")?,
            pressure: fields.maybe("pressure")?,
            visib: fields.maybe("visib")?,
        })
    }

    fn key(&self) -> Self::Key {
        (self.origin.clone(), self.time_hour)
    }
}

impl Row for Plane {
    const TABLE: &'static str = "planes";
    const COLUMNS: &'static [&'static str] =
        &["tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "speed", "engine"];
    type Key = String;

    fn read(fields: &Fields<'_>) -> Result<Self, String> {
        Ok(Plane {
            tailnum: fields.get("tailnum")?,
            year: fields.maybe("year")?,
            kind: fields.get("type")?,
            manufacturer: fields.get("manufacturer")?,
            model: fields.get("model")?,
            engines: fields.get("engines")?,
            seats: fields.get("seats")?,
            speed: fields.maybe("speed")?,
            engine: fields.get("engine")?,
        })
    }

    fn key(&self) -> Self::Key {
        self.tailnum.clone()
    }
}

impl Row for Airport {
    const TABLE: &'static str = "airports";
    const COLUMNS: &'static [&'static str] = &["faa", "name", "lat", "lon", "alt", "tz", "dst", "tzone"];
    type Key = String;

    fn read(fields: &Fields<'_>) -> Result<Self, String> {
        Ok(Airport {
            faa: fields.get("faa")?,
            name: fields.get("name")?,
            lat: fields.get("lat")?,
            lon: fields.get("lon")?,
            alt: fields.get("alt")?,
            tz: fields.get("tz")?,
            dst: fields.get("dst")?,
            tzone: fields.maybe("tzone")?,
        })
    }

    fn key(&self) -> Self::Key {
        self.faa.clone()
    }
}

impl Row for Airline {
    const TABLE: &'static str = "airlines";
    const COLUMNS: &'static [&'static str] = &["carrier", "name"];
    type Key = String;

    fn read(fields: &Fields<'_>) -> Result<Self, String> {
        Ok(Airline { carrier: fields.get("carrier")?, name: fields.get("name")? })
    }

    fn key(&self) -> Self::Key {
        self.carrier.clone()
    }
}
