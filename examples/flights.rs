//! The example `flights`: a year of flights in ordered trees, loaded by several writers at once, and asked questions.
//!
//! Reading order: [`command`] (arguments in, tables out), [`source`] and [`tables`] (files to rows of [`model`], hours
//! and days in [`moment`]), [`trees`] (what is kept in which order), [`share`] and [`load`] (who writes what, in which
//! transactions), [`progress`] (what an earlier run has loaded), [`kill`] (the end of a run), [`counters`] (escrow), [`query`] (the questions), [`figures`] (the answers), [`report`] (tables for
//! people), [`error`].
//!
//! `data/nycflights13` holds the input, and `figures.json` there what a script found without the engine; a test
//! compares every figure.

pub mod command;
pub mod counters;
pub mod error;
pub mod figures;
pub mod kill;
pub mod load;
pub mod model;
pub mod moment;
pub mod progress;
pub mod query;
pub mod report;
pub mod share;
pub mod source;
pub mod tables;
pub mod trees;
