//! Lives of a durable engine on a simulated disk: what several sessions do, drawn from a seed; the disk stopped at any
//! change, or failing, or spoilt; and what every start finds compared with what was promised.
//!
//! All runs on one thread, so one seed is one run, and the order of commits is that of the log. A start must find, of the
//! states that the databases went through, one that is not older than the last that was promised (a synchronous commit, a
//! checkpoint, an awaited commit, a close, a flush), whole: uncommitted work is absent, lazy commits are missing from the
//! end. `check` finds nothing, databases that are not attached can be and hold what they held, and after a close nothing is
//! done again.
//!
//! A run that fails is made smaller, deed by deed, and printed with its seed.
//!
//! Absent: real threads (`workload`) and weak reads; what conflicts is judged by `random` and the model, here the engine's
//! word is taken for it.
//!
//! Reading order: `deed` (what can be done), `plan` (what is done), `state`, `truth` (what must be there), `life` (one
//! engine doing it), `run` (its lives), `rig` (what may stand between engine and disk), `rot`
//! (changed bytes), `campaign` (many seeds).

mod campaign;
mod deed;
mod life;
mod plan;
mod rig;
mod rot;
mod run;
mod state;
mod truth;

pub use campaign::{Effort, Failure, run_kind, run_seed};
pub use deed::{Act, Deed, Fate, Place, Power, Rot, Stop};
pub use plan::{Kind, Plan, Settings};
pub use rig::{Plain, Rig};
pub use run::Counts;
