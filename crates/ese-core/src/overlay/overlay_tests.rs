//! Tests of the overlay in one thread: its parts, and the whole against a simple account of the truth.

mod chains;
mod differential;
mod generations;
mod oracle;
mod rows;
mod views;
