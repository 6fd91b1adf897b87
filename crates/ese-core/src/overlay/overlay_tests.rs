//! Tests of the overlay in one thread: its parts, and the whole against a simple account of the truth.

mod differential;
mod oracle;
