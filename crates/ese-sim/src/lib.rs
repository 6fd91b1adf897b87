//! Tests of ese that are programs of their own: a model of the engine's rules, text scenarios, a history checker, a
//! reference engine, the suite that every backend must pass, and a disk that forgets, tears and fails.
//!
//! Absent: nothing here is part of the product, and no product crate depends on it. A failed check panics with the seed
//! or the place of the scenario that shows it again.
//!
//! Reading order: [`seed`], [`model`] (the engine's rules under random schedules); [`reference`](mod@reference) (the rules in their
//! plainest form), [`scenario`], [`random`], [`history`], [`workload`] (ways to test an engine); [`conformance`] (all of
//! them, for a backend), [`backends`] (what there is to test); [`disk`] (what a durable one is tested on), [`lives`] (how),
//! [`crash`] (real processes, killed).

pub mod backends;
pub mod conformance;
pub mod crash;
pub mod disk;
pub mod history;
pub mod lives;
pub mod model;
pub mod random;
pub mod reference;
pub mod rows;
pub mod scenario;
pub mod seed;
pub mod workload;
