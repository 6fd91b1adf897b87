//! Medians, ratios, the table and the JSON file.
//!
//! A ratio says how many times as good ese is as the peer, whatever the unit; below one, the row is lost and says so.

use crate::{
    row::{Floor, Row, Unit},
    run::{Figures, Outcome},
};
use anyhow::Result;
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Whether it is one of ours; all ratios are about the first such engine.
#[must_use]
pub fn is_ours(engine: &str) -> bool {
    matches!(engine, "ese" | "ese-durable")
}

/// What the disk allows: no peer, but the limit of them all.
const RAW: &str = "raw";

/// The middle value; of an even number the mean of the two in the middle. `None` of nothing.
#[must_use]
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// How a floor stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Reached, with the figure.
    Met(f64),
    /// Not reached, with the figure.
    Missed(f64),
}

impl Outcome {
    /// The median of a row for an engine.
    #[must_use]
    pub fn median(&self, row: Row, engine: &str) -> Option<f64> {
        self.figures(row, engine).and_then(|figures| median(&figures.samples))
    }

    /// How many times as good ese is as `peer`.
    #[must_use]
    pub fn ratio(&self, row: Row, peer: &str) -> Option<f64> {
        Some(row.unit().ratio(self.median(row, self.ours()?)?, self.median(row, peer)?))
    }

    /// How the row's floor stands; `None` without a floor or without the figures.
    #[must_use]
    pub fn verdict(&self, row: Row) -> Option<Verdict> {
        let (figure, met) = match row.floor()? {
            Floor::Times { peer, least } => {
                let ratio = self.ratio(row, peer)?;
                (ratio, ratio >= least)
            }
            Floor::Best { least } => {
                let ratios =
                    self.peers().filter(|peer| *peer != RAW).filter_map(|peer| self.ratio(row, peer));
                let ratio = ratios.min_by(f64::total_cmp)?;
                (ratio, ratio >= least)
            }
            Floor::Nanoseconds(most) => {
                let nanoseconds = self.median(row, self.ours()?)?;
                (nanoseconds, nanoseconds <= most)
            }
        };
        Some(if met { Verdict::Met(figure) } else { Verdict::Missed(figure) })
    }

    /// The peers that are better than ese at a row.
    #[must_use]
    pub fn lost_to(&self, row: Row) -> Vec<&'static str> {
        let is_better = |peer: &&str| *peer != RAW && self.ratio(row, peer).is_some_and(|ratio| ratio < 1.0);
        self.peers().filter(is_better).collect()
    }

    pub(crate) fn figures(&self, row: Row, engine: &str) -> Option<&Figures> {
        self.figures.iter().find(|((at, name), _)| *at == row && *name == engine).map(|(_, figures)| figures)
    }

    fn peers(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.engines.iter().map(|(name, _)| *name).filter(|name| Some(*name) != self.ours())
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        Row::ALL.into_iter().filter(|row| self.plan.only.contains(row))
    }

    /// The whole report as text: what ran, the table, memory and latencies.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} rows of {} + {} bytes, {} round(s), seed {}; median (least–most); ×: how many times as good ese is\n",
            self.plan.rows,
            crate::data::KEY_BYTES,
            crate::data::VALUE_BYTES,
            self.plan.rounds,
            self.plan.seed
        );
        for (name, settings) in &self.engines {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name}: {settings}");
        }
        let _ = writeln!(text, "{}", self.table());
        let notes = self.notes();
        if !notes.is_empty() {
            let _ = writeln!(text, "{notes}");
        }
        text
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        let mut head = vec!["row".to_owned(), "unit".to_owned()];
        head.extend(self.engines.iter().map(|(name, _)| (*name).to_owned()));
        if self.has_ours() {
            head.extend(self.peers().map(|peer| format!("× {peer}")));
            head.extend(["floor".to_owned(), "lost to".to_owned()]);
        }
        table.set_header(head);
        for row in self.rows() {
            let mut cells = vec![Cell::new(row.title()), Cell::new(row.unit().word())];
            for (name, _) in &self.engines {
                cells.push(right(
                    self.figures(row, name).map_or("–".into(), |figures| spread(figures, row.unit())),
                ));
            }
            if self.has_ours() {
                for peer in self.peers() {
                    cells
                        .push(right(self.ratio(row, peer).map_or("–".into(), |ratio| format!("{ratio:.2}"))));
                }
                cells.push(Cell::new(self.floor_words(row)));
                cells.push(Cell::new(self.lost_to(row).join(", ")));
            }
            table.add_row(cells);
        }
        table
    }

    /// The engine that ratios are about.
    fn ours(&self) -> Option<&'static str> {
        self.engines.iter().map(|(name, _)| *name).find(|name| is_ours(name))
    }

    fn has_ours(&self) -> bool {
        self.ours().is_some()
    }

    fn floor_words(&self, row: Row) -> String {
        let asked = match row.floor() {
            None => return String::new(),
            // Nothing is asked beside a peer that did not run.
            Some(Floor::Times { peer, .. }) if self.peers().all(|name| name != peer) => return String::new(),
            Some(Floor::Times { peer, least }) => format!("≥ {least}× {peer}"),
            Some(Floor::Best { least }) => format!("≥ {least}× the best peer"),
            Some(Floor::Nanoseconds(most)) => format!("≤ {most} ns"),
        };
        match self.verdict(row) {
            None => format!("{asked}: –"),
            Some(Verdict::Met(_)) => format!("{asked}: met"),
            Some(Verdict::Missed(_)) => format!("{asked}: MISSED"),
        }
    }

    /// Medians of the additional figures. Memory is that of the first round: later ones reuse what the earlier freed.
    fn notes(&self) -> String {
        let mut lines = String::new();
        for row in self.rows() {
            for (name, _) in &self.engines {
                let Some(figures) = self.figures(row, name) else { continue };
                if figures.notes.is_empty() {
                    continue;
                }
                let words: Vec<String> = figures
                    .notes
                    .iter()
                    .filter_map(|(note, samples)| {
                        let value =
                            if note.starts_with("rss_") { samples.first().copied() } else { median(samples) };
                        Some(format!("{note} {:.0}", value?))
                    })
                    .collect();
                let _ = writeln!(lines, "  {} | {name}: {}", row.name(), words.join(", "));
            }
        }
        lines
    }

    /// Everything as JSON: each sample, the medians, the ratios, the floors.
    ///
    /// # Errors
    /// None that data of ours can cause; what `serde_json` reports.
    pub fn json(&self) -> Result<String> {
        let rows: Vec<Value> = self
            .rows()
            .map(|row| {
                let engines: serde_json::Map<String, Value> = self
                    .engines
                    .iter()
                    .filter_map(|(name, _)| Some((*name, self.figures(row, name)?)))
                    .map(|(name, figures)| {
                        let value = json!({
                            "median": median(&figures.samples),
                            "samples": figures.samples,
                            "notes": figures.notes,
                            "ratio": (Some(name) != self.ours()).then(|| self.ratio(row, name)).flatten(),
                        });
                        (name.to_owned(), value)
                    })
                    .collect();
                let floor_met = self.verdict(row).map(|verdict| matches!(verdict, Verdict::Met(_)));
                json!({
                    "row": row.name(), "title": row.title(), "unit": row.unit().word(), "engines": engines,
                    "floor": self.floor_words(row), "floor_met": floor_met, "lost_to": self.lost_to(row),
                })
            })
            .collect();
        let engines: serde_json::Map<String, Value> =
            self.engines.iter().map(|(name, settings)| ((*name).to_owned(), json!(settings))).collect();
        let report = json!({
            "rows": self.plan.rows, "rounds": self.plan.rounds, "seed": self.plan.seed,
            "processors": std::thread::available_parallelism().map_or(0, usize::from),
            "engines": engines, "results": rows,
        });
        Ok(serde_json::to_string_pretty(&report)?)
    }
}

pub(crate) fn right(words: String) -> Cell {
    Cell::new(words).set_alignment(CellAlignment::Right)
}

/// The median, and the range where there is more than one sample.
fn spread(figures: &Figures, unit: Unit) -> String {
    let Some(middle) = median(&figures.samples) else { return "–".into() };
    let least = figures.samples.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match figures.samples.len() {
        1 => short(middle, unit),
        _ => format!("{}\n({}–{})", short(middle, unit), short(least, unit), short(most, unit)),
    }
}

/// Three figures that matter.
pub(crate) fn short(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond(_) if value >= 1e6 => format!("{:.2}M", value / 1e6),
        Unit::PerSecond(_) if value >= 1e3 => format!("{:.0}k", value / 1e3),
        Unit::Nanoseconds(_) | Unit::Bytes(_) if value < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[1.0, 9.0, 3.0, 5.0]), Some(4.0));
    }

    #[test]
    fn short_figures() {
        assert_eq!(short(1_234_567.0, Unit::PerSecond("x")), "1.23M");
        assert_eq!(short(45_678.0, Unit::PerSecond("x")), "46k");
        assert_eq!(short(41.26, Unit::Nanoseconds("ns")), "41.3");
    }
}
