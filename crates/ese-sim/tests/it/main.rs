//! Everything that needs more than one module of `ese-sim`.
//!
//! Under `cfg(shuttle)` only what runs inside its scheduler is built.

#[cfg(not(shuttle))]
mod crash;
#[cfg(not(shuttle))]
mod disk;
#[cfg(not(shuttle))]
mod history;
#[cfg(not(shuttle))]
mod lives;
mod logged;
#[cfg(not(shuttle))]
mod model;
#[cfg(not(shuttle))]
mod orders;
#[cfg(not(shuttle))]
mod pager;
#[cfg(not(shuttle))]
mod races;
#[cfg(not(shuttle))]
mod random;
#[cfg(not(shuttle))]
mod recycling;
#[cfg(not(shuttle))]
mod scenario;
#[cfg(shuttle)]
mod shuttle;
#[cfg(not(shuttle))]
mod threads;
#[cfg(not(shuttle))]
mod wal;
