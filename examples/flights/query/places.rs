//! Routes and destinations: one ordering, asked twice.

use super::TOP;
use crate::flights::{
    figures::{LateDestination, Route},
    trees::Trees,
};
use ese::{Result, Snapshot};
use std::cmp::Reverse;

/// A destination counts when so many flights arrived there.
const ARRIVALS_MIN: u64 = 365;

/// The routes with the most flights; of equal ones the first in the alphabet.
///
/// # Errors
/// The engine's.
pub(super) fn busiest_routes(s: &Snapshot, trees: &Trees) -> Result<Vec<Route>> {
    let mut routes: Vec<Route> = Vec::new();
    trees.by_destination.range(s, ..)?.for_each_row(|((destination, origin), _), ()| {
        match routes.last_mut() {
            Some(last) if last.destination == destination && last.origin == origin => last.flights += 1,
            _ => routes.push(Route { origin, destination, flights: 1 }),
        }
        Ok(())
    })?;
    routes.sort_by(|a, b| {
        Reverse(a.flights)
            .cmp(&Reverse(b.flights))
            .then_with(|| (&a.origin, &a.destination).cmp(&(&b.origin, &b.destination)))
    });
    routes.truncate(TOP);
    Ok(routes)
}

/// The destinations with the highest mean arrival delay; of equal ones the first in the alphabet.
///
/// # Errors
/// The engine's.
pub(super) fn late_destinations(s: &Snapshot, trees: &Trees) -> Result<Vec<LateDestination>> {
    let mut places: Vec<LateDestination> = Vec::new();
    trees.by_destination.range(s, ..)?.for_each_row(|((destination, _), key), ()| {
        if places.last().is_none_or(|last| last.destination != destination) {
            places.push(LateDestination { destination, arrived: 0, arrival_delay: 0 });
        }
        let Some(place) = places.last_mut() else { return Ok(()) };
        trees.flights.get_with(s, &key, |flight| {
            if let Some(minutes) = flight.arr_delay.as_ref() {
                place.arrived += 1;
                place.arrival_delay += i64::from(minutes.to_native());
            }
        })?;
        Ok(())
    })?;
    places.retain(|place| place.arrived >= ARRIVALS_MIN);
    // Means are compared as fractions, crosswise multiplied, so that nothing is rounded.
    let crosswise =
        |a: &LateDestination, b: &LateDestination| i128::from(a.arrival_delay) * i128::from(b.arrived);
    places.sort_by(|a, b| {
        crosswise(b, a).cmp(&crosswise(a, b)).then_with(|| a.destination.cmp(&b.destination))
    });
    places.truncate(TOP);
    Ok(places)
}
