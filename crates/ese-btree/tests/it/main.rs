//! The tree over pages with checksums and shared bytes: the kind of pages a store without a map has.
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod extremes;
mod faults;
mod hostile;
mod pages;
mod sound;
mod stops;
