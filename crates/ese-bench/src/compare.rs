//! Two runs beside each other: each row and engine, old, new, and how many times as good the new one is.
//!
//! Peers are compared as well: they have not changed, and what their ratios are away from one is the machine.

use crate::{
    artefact::{Artefact, Measured},
    report::{is_ours, right, short},
    row::{Row, Unit},
};
use comfy_table::{Cell, Table, presets::UTF8_FULL_CONDENSED};
use std::fmt::Write as _;

/// A row of an engine in both runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The row.
    pub row: Row,
    /// The engine.
    pub engine: String,
    /// The median of the old run.
    pub old: f64,
    /// The median of the new run.
    pub new: f64,
}

impl Compared {
    /// How many times as good the new run is, whatever the unit.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.row.unit().ratio(self.new, self.old)
    }
}

/// What can be compared, in the order of rows, ese first; and what only one of the two has, or has in another unit.
#[must_use]
pub fn compare(old: &Artefact, new: &Artefact) -> (Vec<Compared>, Vec<String>) {
    let (mut both, mut single) = (Vec::new(), Vec::new());
    for before in &old.results {
        match new.measured(&before.row, &before.engine).and_then(|after| pair(before, after)) {
            Some(compared) => both.push(compared),
            None => single.push(format!("{} of {}", before.row, before.engine)),
        }
    }
    let is_new = |after: &&Measured| old.measured(&after.row, &after.engine).is_none();
    single
        .extend(new.results.iter().filter(is_new).map(|after| format!("{} of {}", after.row, after.engine)));
    both.sort_by_key(|compared| (compared.row, !is_ours(&compared.engine)));
    (both, single)
}

fn pair(before: &Measured, after: &Measured) -> Option<Compared> {
    let row = Row::named(&before.row)?;
    let word = row.unit().word();
    let (old, new) = (before.median()?, after.median()?);
    let engine = before.engine.clone();
    (before.unit == word && after.unit == word).then_some(Compared { row, engine, old, new })
}

/// The comparison as text.
#[must_use]
pub fn text(old: &Artefact, new: &Artefact) -> String {
    let (both, single) = compare(old, new);
    let mut text = String::new();
    let settings = |run: &Artefact| format!("{} rows, {} round(s), seed {}", run.rows, run.rounds, run.seed);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "old: {}\nnew: {}", settings(old), settings(new));
    if (old.rows, old.seed) != (new.rows, new.seed) {
        let _ = writeln!(text, "The runs had different data: their figures say little about each other.");
    }
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table.set_header(["row", "engine", "unit", "old", "new", "× old"]);
    for compared in &both {
        let unit: Unit = compared.row.unit();
        table.add_row([
            Cell::new(compared.row.title()),
            Cell::new(&compared.engine),
            Cell::new(unit.word()),
            right(short(compared.old, unit)),
            right(short(compared.new, unit)),
            right(format!("{:.2}", compared.ratio())),
        ]);
    }
    let _ = writeln!(text, "{table}");
    if !single.is_empty() {
        let _ = writeln!(text, "only in one of them: {}", single.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rows: u64, results: &[(Row, &str, f64)]) -> Artefact {
        let measured = |(row, engine, figure): &(Row, &str, f64)| Measured {
            row: row.name().into(),
            unit: row.unit().word().into(),
            engine: (*engine).into(),
            samples: vec![*figure],
        };
        Artefact { rows, rounds: 1, seed: 7, results: results.iter().map(measured).collect() }
    }

    #[test]
    fn a_ratio_above_one_is_a_gain_whatever_the_unit() {
        let old = run(10, &[(Row::EmptyRead, "ese", 50.0), (Row::Get, "lmdb", 4.0), (Row::Get, "ese", 10.0)]);
        let new =
            run(10, &[(Row::Get, "ese", 20.0), (Row::EmptyRead, "ese", 100.0), (Row::Get, "lmdb", 4.0)]);
        let (both, single) = compare(&old, &new);
        let ratios: Vec<_> = both.iter().map(|c| (c.row, c.engine.as_str(), c.ratio())).collect();
        assert_eq!(ratios, [(Row::Get, "ese", 2.0), (Row::Get, "lmdb", 1.0), (Row::EmptyRead, "ese", 0.5)]);
        assert!(single.is_empty());
        let text = text(&old, &new);
        assert!(text.contains("2.00") && text.contains("0.50") && !text.contains("different"), "{text}");
    }

    #[test]
    fn what_cannot_be_compared_is_named() {
        let mut old = run(10, &[(Row::Get, "ese", 1.0), (Row::Scan, "ese", 1.0), (Row::Seek, "ese", 1.0)]);
        old.results[1].unit = "other/s".into();
        old.results[2].samples.clear();
        let new = run(20, &[(Row::Scan, "ese", 1.0), (Row::Seek, "ese", 1.0), (Row::Load, "ese", 1.0)]);
        let (both, single) = compare(&old, &new);
        assert!(both.is_empty());
        assert_eq!(single, ["get of ese", "scan of ese", "seek of ese", "load of ese"]);
        let text = text(&old, &new);
        assert!(
            text.contains("different data") && text.contains("only in one of them: get of ese"),
            "{text}"
        );
    }
}
