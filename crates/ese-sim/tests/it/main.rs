//! Everything that needs more than one module of `ese-sim`.

mod model;
mod scenario;
