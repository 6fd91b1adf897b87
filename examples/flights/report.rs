//! Figures as tables for people.

use super::figures::{Bucket, Figures};
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that was found out, as text.
#[must_use]
pub fn text(figures: &Figures, airlines: &BTreeMap<String, String>) -> String {
    let parts = [
        ("Rows of each tree", rows(figures)),
        ("Carriers: escrow counters, added to by all writers at once", carriers(figures, airlines)),
        ("Mean departure delay in minutes by carrier and month", delays(figures)),
        ("Mean departure delay by the weather at the time", weather(figures)),
        ("The busiest routes", routes(figures)),
        ("The latest destinations with 365 arrivals or more", late(figures)),
        ("One plane's year", plane(figures)),
    ];
    let mut text = String::new();
    for (title, table) in parts {
        text.push_str(&format!("{title}\n{table}\n\n"));
    }
    text.push_str(&rejected(figures));
    text
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(head.iter().map(Cell::new));
    table
}

fn right(value: impl ToString) -> Cell {
    Cell::new(value.to_string()).set_alignment(CellAlignment::Right)
}

/// An integer with a comma after every three digits.
#[must_use]
pub fn grouped(value: impl Into<i128>) -> String {
    let value = value.into();
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A mean with one decimal, `–` of nothing.
fn mean(sum: i64, count: u64) -> String {
    if count == 0 { "–".into() } else { format!("{:.1}", sum as f64 / count as f64) }
}

fn rows(figures: &Figures) -> Table {
    let mut table = table(&["tree", "rows"]);
    for (name, rows) in &figures.rows {
        table.add_row([Cell::new(name), right(grouped(*rows))]);
    }
    table
}

fn carriers(figures: &Figures, airlines: &BTreeMap<String, String>) -> Table {
    let mut table = table(&["carrier", "name", "flights", "cancelled", "minutes late", "in the timetable"]);
    for (carrier, counters) in &figures.carriers {
        let name = airlines.get(carrier).map_or("", String::as_str);
        let numbers = [counters.flights, counters.cancelled, counters.departure_delay, counters.listed];
        let mut cells = vec![Cell::new(carrier), Cell::new(name)];
        cells.extend(numbers.map(|number| right(grouped(number))));
        table.add_row(cells);
    }
    table
}

fn delays(figures: &Figures) -> Table {
    let months: BTreeSet<u8> = figures.delays.iter().map(|delays| delays.month).collect();
    let mut head = vec!["carrier".to_owned()];
    head.extend(months.iter().map(u8::to_string));
    let mut table = table(&head.iter().map(String::as_str).collect::<Vec<_>>());
    let mut by_carrier: BTreeMap<&str, BTreeMap<u8, String>> = BTreeMap::new();
    for delays in &figures.delays {
        let cell = mean(delays.departure_delay, delays.departed);
        by_carrier.entry(&delays.carrier).or_default().insert(delays.month, cell);
    }
    for (carrier, cells) in by_carrier {
        let mut row = vec![Cell::new(carrier)];
        row.extend(months.iter().map(|month| right(cells.get(month).map_or("", String::as_str))));
        table.add_row(row);
    }
    table
}

fn weather(figures: &Figures) -> Table {
    let mut table = table(&["", "from", "departures", "mean minutes late"]);
    let kinds = [
        ("wind, mph", &figures.weather.wind),
        ("precipitation, in", &figures.weather.precipitation),
        ("visibility, miles", &figures.weather.visibility),
    ];
    for (kind, buckets) in kinds {
        for Bucket { from, flights, delay } in buckets {
            let from = from.map_or_else(|| "not measured".to_owned(), |from| from.to_string());
            table.add_row([
                Cell::new(kind),
                right(from),
                right(grouped(*flights)),
                right(mean(*delay, *flights)),
            ]);
        }
    }
    let without = figures.weather.departed_without_weather;
    table.add_row([Cell::new("no weather"), Cell::new(""), right(grouped(without)), Cell::new("")]);
    table
}

fn routes(figures: &Figures) -> Table {
    let mut table = table(&["from", "to", "flights"]);
    for route in &figures.busiest_routes {
        table.add_row([
            Cell::new(&route.origin),
            Cell::new(&route.destination),
            right(grouped(route.flights)),
        ]);
    }
    table
}

fn late(figures: &Figures) -> Table {
    let mut table = table(&["to", "arrivals", "mean minutes late"]);
    for late in &figures.late_destinations {
        let mean = mean(late.arrival_delay, late.arrived);
        table.add_row([Cell::new(&late.destination), right(grouped(late.arrived)), right(mean)]);
    }
    table
}

fn plane(figures: &Figures) -> Table {
    let plane = &figures.plane;
    let none = || "–".to_owned();
    let mut table = table(&["plane", &plane.tailnum]);
    let lines = [
        ("model", plane.model.clone().unwrap_or_else(|| "not among the planes".to_owned())),
        ("flights", grouped(plane.flights)),
        ("cancelled", grouped(plane.cancelled)),
        ("destinations", grouped(plane.destinations)),
        ("miles", grouped(plane.miles)),
        ("minutes in the air", grouped(plane.minutes_in_air)),
        ("first", plane.first.clone().unwrap_or_else(none)),
        ("last", plane.last.clone().unwrap_or_else(none)),
    ];
    for (name, value) in lines {
        table.add_row([Cell::new(name), right(value)]);
    }
    table
}

fn rejected(figures: &Figures) -> String {
    let mut text = format!(
        "{} flights name no plane, {} name one that is not among the planes.\n\
         {} flights are not in the timetable, because the same number had left on that day before:\n",
        grouped(figures.flights_without_tailnum),
        grouped(figures.flights_of_unknown_planes),
        figures.rejected.len()
    );
    for flight in &figures.rejected {
        let number = format!("{} {}", flight.carrier, flight.flight);
        text.push_str(&format!("  {number:8} {} from {}\n", flight.time_hour, flight.origin));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        for (value, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567"), (336_776, "336,776")]
        {
            assert_eq!(grouped(value), text);
        }
    }

    #[test]
    fn means() {
        assert_eq!(mean(-7, 2), "-3.5");
        assert_eq!(mean(5, 0), "–");
    }
}
