//! The log on the operating system's disk.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "files are changed behind the log's back")]

mod basics;
mod damage;
mod failures;
mod group;
mod support;
