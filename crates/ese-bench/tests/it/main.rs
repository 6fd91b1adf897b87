//! A benchmark is a test with small numbers: every row on every engine, and liars are caught.

mod liar;
mod smoke;
