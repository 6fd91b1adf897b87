//! The join: departures with the weather at their airport in their hour.

use crate::flights::{
    figures::{Bucket, WeatherDelays},
    model::ArchivedWeather,
    trees::Trees,
};
use ese::{Result, Snapshot};

/// Where the ranges of wind speed begin, miles an hour.
const WIND: &[f64] = &[0.0, 5.0, 10.0, 15.0, 20.0, 30.0];
/// Where the ranges of precipitation begin, inches.
const PRECIPITATION: &[f64] = &[0.0, 0.01, 0.05, 0.2];
/// Where the ranges of visibility begin, miles.
const VISIBILITY: &[f64] = &[0.0, 1.0, 3.0, 6.0, 10.0];

/// Departure delays by wind, precipitation and visibility.
///
/// # Errors
/// The engine's.
pub(super) fn departures(s: &Snapshot, trees: &Trees) -> Result<WeatherDelays> {
    let mut without = 0;
    let mut wind = Buckets::new(WIND);
    let mut precipitation = Buckets::new(PRECIPITATION);
    let mut visibility = Buckets::new(VISIBILITY);
    trees.flights.range(s, ..)?.for_each_row(|(hour, _, _, origin), flight| {
        let Some(delay) = flight.dep_delay.as_ref().map(|minutes| i64::from(minutes.to_native())) else {
            return Ok(());
        };
        let add = |weather: &ArchivedWeather| {
            wind.add(weather.wind_speed.as_ref().map(|speed| speed.to_native()), delay);
            precipitation.add(weather.precip.as_ref().map(|inches| inches.to_native()), delay);
            visibility.add(weather.visib.as_ref().map(|miles| miles.to_native()), delay);
        };
        let found = trees.weather.get_with(s, (&origin, hour), add)?;
        without += u64::from(found.is_none());
        Ok(())
    })?;
    Ok(WeatherDelays {
        departed_without_weather: without,
        wind: wind.found(),
        precipitation: precipitation.found(),
        visibility: visibility.found(),
    })
}

/// Departures by ranges of one quantity; the last bucket is for what was not measured.
struct Buckets(Vec<Bucket>);

impl Buckets {
    fn new(bounds: &[f64]) -> Buckets {
        let places = bounds.iter().copied().map(Some).chain([None]);
        Buckets(places.map(|from| Bucket { from, flights: 0, delay: 0 }).collect())
    }

    fn add(&mut self, value: Option<f64>, delay: i64) {
        let holds = |bucket: &Bucket| match (bucket.from, value) {
            (Some(from), Some(value)) => from <= value,
            (None, None) => true,
            _ => false,
        };
        // Not a number below zero: no quantity of these is.
        if let Some(bucket) = self.0.iter_mut().rev().find(|bucket| holds(bucket)) {
            bucket.flights += 1;
            bucket.delay += delay;
        }
    }

    /// The buckets that hold anything.
    fn found(self) -> Vec<Bucket> {
        self.0.into_iter().filter(|bucket| bucket.flights > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_last_range_that_begins_below() {
        let mut buckets = Buckets::new(&[0.0, 5.0]);
        for (value, delay) in [(Some(0.0), 1), (Some(4.9), 2), (Some(5.0), 4), (Some(1048.0), 8), (None, 16)]
        {
            buckets.add(value, delay);
        }
        let found: Vec<_> =
            buckets.found().iter().map(|bucket| (bucket.from, bucket.flights, bucket.delay)).collect();
        assert_eq!(found, [(Some(0.0), 2, 3), (Some(5.0), 2, 12), (None, 1, 16)]);
    }
}
