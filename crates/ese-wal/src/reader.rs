//! Reading: which segments make the log, and what is in them.
//!
//! Reading order: [`chain`] (segments and epochs that count), [`window`] (bytes through a buffer), [`walk`] (one part
//! after the other), [`tail`] (where it ends: torn, or damaged), [`replay`] (frames for the engine).

pub(crate) mod chain;
pub(crate) mod replay;
pub(crate) mod tail;
pub(crate) mod walk;
pub(crate) mod window;

#[cfg(test)]
#[cfg(unix)]
mod hostile_tests;
