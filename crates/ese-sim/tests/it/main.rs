//! Everything that needs more than one module of `ese-sim`.

mod history;
mod model;
mod random;
mod scenario;
mod threads;
