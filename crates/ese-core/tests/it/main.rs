//! The engine on the smallest store there is: a map that is copied at every merge.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attaching;
mod basics;
mod between;
mod broken_scan;
mod log;
mod long_reader;
mod map_backend;
mod panics;
mod recovery;
mod shelf;
