//! Delays by carrier and month: a walk over the ordering, with a look at each flight.

use crate::flights::{figures::Delays, model::ArchivedFlight, trees::Trees};
use ese::{Result, Snapshot};

/// Delays of each carrier in each month it flew, in the order of both.
///
/// # Errors
/// The engine's.
pub(super) fn by_carrier_month(s: &Snapshot, trees: &Trees) -> Result<Vec<Delays>> {
    let mut table: Vec<Delays> = Vec::new();
    trees.by_carrier_month.range(s, ..)?.for_each_row(|((carrier, month), key), ()| {
        if table.last().is_none_or(|last| last.carrier != carrier || last.month != month) {
            table.push(Delays { carrier, month, ..Delays::default() });
        }
        let Some(entry) = table.last_mut() else { return Ok(()) };
        trees.flights.get_with(s, &key, |flight| add(entry, flight))?;
        Ok(())
    })?;
    Ok(table)
}

fn add(entry: &mut Delays, flight: &ArchivedFlight) {
    entry.flights += 1;
    entry.cancelled += u64::from(flight.dep_time.is_none());
    if let Some(minutes) = flight.dep_delay.as_ref() {
        entry.departed += 1;
        entry.departure_delay += i64::from(minutes.to_native());
    }
    if let Some(minutes) = flight.arr_delay.as_ref() {
        entry.arrived += 1;
        entry.arrival_delay += i64::from(minutes.to_native());
    }
}
