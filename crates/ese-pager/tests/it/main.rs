//! Tests of the store on the operating system's disk.
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod common;
mod damage;
mod files;
mod golden;
mod model;
mod threads;
