//! The seams: traits that let parts be replaced without the others noticing.
//!
//! | seam | trait | implemented by |
//! |---|---|---|
//! | a whole engine | [`engine::Engine`], [`session::Session`], [`transaction::Transaction`] | the local engine of this crate |
//! | recent versions | [`version_store::VersionStore`] for sessions, [`merges::Merges`] for the applier | the overlay of this crate |
//! | persistence | [`backend::Backend`], [`store::Store`], [`log::Log`] | `ese-mem`; later the pager and the log |
//!
//! The traits are dyn-safe where the seam is coarse (a get, a merge, a flush); the version store is generic, because it
//! is on every hot path.

pub mod backend;
pub mod engine;
pub mod log;
pub mod merges;
pub mod scan;
pub mod session;
pub mod store;
pub mod transaction;
pub mod version_store;
