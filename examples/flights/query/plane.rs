//! One plane's year: a prefix of the ordering by tail number.

use crate::flights::{figures::PlaneHistory, moment::Hour, trees::Trees};
use ese::{Result, Snapshot};
use std::collections::BTreeSet;

/// What a plane did; no flights when there is no such plane.
///
/// # Errors
/// The engine's.
pub(super) fn history(s: &Snapshot, trees: &Trees, tailnum: &str) -> Result<PlaneHistory> {
    let mut history = PlaneHistory { tailnum: tailnum.to_owned(), ..PlaneHistory::default() };
    history.model = trees.planes.get_with(s, tailnum, |plane| plane.model.as_str().to_owned())?;
    let mut destinations = BTreeSet::new();
    for row in trees.by_tailnum.prefix(s, (tailnum,))? {
        let ((_, key), ()) = row?;
        let hour = Hour(key.0).to_string();
        history.first.get_or_insert_with(|| hour.clone());
        history.last = Some(hour);
        trees.flights.get_with(s, &key, |flight| {
            history.flights += 1;
            match flight.dep_time.is_some() {
                true => history.miles += u64::from(flight.distance.to_native()),
                false => history.cancelled += 1,
            }
            history.minutes_in_air +=
                flight.air_time.as_ref().map_or(0, |minutes| u64::from(minutes.to_native()));
            destinations.insert(flight.dest.as_str().to_owned());
        })?;
    }
    history.destinations = destinations.len() as u64;
    Ok(history)
}
