//! The in-memory store against an ordered map, through the engine's traits.
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod accounting;
mod backend;
mod midway;
mod model;
mod scans;
mod threads;
mod values;
