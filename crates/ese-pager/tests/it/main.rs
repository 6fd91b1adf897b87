//! Tests of the store on the operating system's disk.

mod common;
mod model;
