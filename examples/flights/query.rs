//! The questions, all answered from one snapshot: `delays`, `plane`, `places` and `weather`, one file each.

use super::{
    figures::{Counters, Figures, Rejected},
    moment::Hour,
    trees::{FlightKey, Trees},
};
use ese::{Instance, Result, Snapshot};
use std::collections::BTreeMap;

mod delays;
mod places;
mod plane;
mod weather;

/// The plane whose year is told unless another one is asked for.
pub const PLANE_DEFAULT: &str = "N258JB";

/// How many rows a list of the first ones has.
const TOP: usize = 10;

/// Answers everything.
///
/// # Errors
/// The engine's.
pub fn figures(db: &Instance, trees: &Trees, tailnum: &str) -> Result<Figures> {
    db.read(|s| {
        let rows = trees.rows(s)?;
        let count = |tree: &str| rows.get(tree).copied().unwrap_or_default();
        Ok(Figures {
            flights_without_tailnum: count("flights").saturating_sub(count("flights_by_tailnum")),
            flights_of_unknown_planes: unknown(s, trees)?,
            rejected: rejected(s, trees)?,
            carriers: carriers(s, trees)?,
            delays: delays::by_carrier_month(s, trees)?,
            plane: plane::history(s, trees, tailnum)?,
            weather: weather::departures(s, trees)?,
            busiest_routes: places::busiest_routes(s, trees)?,
            late_destinations: places::late_destinations(s, trees)?,
            rows,
        })
    })
}

/// How often planes flew that are not among the planes.
fn unknown(s: &Snapshot, trees: &Trees) -> Result<u64> {
    let mut flights = 0;
    for row in trees.unknown_planes.range(s, ..)? {
        flights += row?.1.unsigned_abs();
    }
    Ok(flights)
}

fn rejected(s: &Snapshot, trees: &Trees) -> Result<Vec<Rejected>> {
    let named = |(hour, carrier, flight, origin): FlightKey| Rejected {
        time_hour: Hour(hour).to_string(),
        carrier,
        flight,
        origin,
    };
    trees.rejected.range(s, ..)?.map(|row| Ok(named(row?.0))).collect()
}

fn carriers(s: &Snapshot, trees: &Trees) -> Result<BTreeMap<String, Counters>> {
    let counters =
        |row: Result<(String, [u8; 32])>| row.map(|(carrier, value)| (carrier, Counters::of(&value)));
    trees.carrier_counters.range(s, ..)?.map(counters).collect()
}
