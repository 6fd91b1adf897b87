//! Random statements of many sessions, given to an engine and to the reference alike, every answer compared.
//!
//! A run follows from its seed: a plan (sessions, keys, values, how much is merged) and a list of statements that mean
//! something in every state, so that any of them can be left out. When an answer differs, statements are left out for as
//! long as it still does, and the rest is shown as a scenario.
//!
//! Reading order: `statement` (what can be done), `plan` (what is done), `side` (one engine doing it), `compare`.

mod compare;
mod plan;
mod side;
mod statement;

pub use compare::{Difference, compare};
pub use plan::{Plan, Trees};
pub use statement::Statement;
