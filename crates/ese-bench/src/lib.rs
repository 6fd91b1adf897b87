//! Benchmarks of ese beside its peers: the same rows, the same order of work, verified results, ratios.
//!
//! Reading order: [`data`] (keys, values, what every sum must be), [`engine`] (what an adapter provides), `adapter`
//! (the engines), [`row`] (what is measured), [`work`] (how), [`lane`] (one engine's stores through a round),
//! [`run`](mod@run) (rounds and turns), [`report`] (medians, ratios, table, JSON), [`artefact`] (the figures as a file to compare
//! with), [`compare`](mod@compare) (two of them), [`timing`] (the only place that reads a clock), [`raw`] (what
//! the disk allows).
//!
//! What keeps the figures honest: engines take turns row by row, so that a drift of the machine hits all of them; the
//! order of turns changes every round; every read is summed and compared with a sum computed without any engine.

pub mod adapter;
pub mod artefact;
pub mod compare;
pub mod data;
pub mod engine;
pub mod lane;
pub mod memory;
pub mod raw;
pub mod report;
pub mod row;
pub mod run;
pub mod timing;
pub mod work;
