//! The overlay: every version younger than the bases, uncommitted ones too.
//!
//! Writers put versions into the active [`generation::Generation`], whose arena and ordered indexes readers walk without
//! a lock. Sealed generations are merged into the bases by the applier and leave the view. A reader pins a
//! [`view::View`] by writing its number into its [`slot::Slot`].
//!
//! Reading order: `slot`, `gate`, `view`, `pin` (what pins); `arena`, `index`, `chain`, `generation` (where versions lie);
//! `visibility`, `walk`, `own` (what a reader sees); `latch`, `conflict`, `window`, `recency`, `insert` (what a writer asks
//! and does); `cut` and `plan` (merges: where one ends, what it takes, how its result is installed); `store` (all of it
//! behind [`VersionStore`]).
//!
//! Invariants (4–6 of the architecture; each is stated again where it is kept):
//! - A view is current at the moment its reader's snapshot is read; `last_visible` never goes back.
//! - In a view every committed version is in the base (position below L) or in a generation of the view, once; every
//!   committed version that conflict checks may need is in the current view's generations or in the window.
//! - For a key at most one uncommitted data version of one other transaction can exist.
//! - Lock order: gate → latch → arena.
//!
//! [`VersionStore`]: crate::seam::version_store::VersionStore

mod arena;
mod chain;
mod conflict;
mod cut;
#[cfg(test)]
pub(crate) mod fixtures;
mod gate;
mod generation;
mod index;
mod insert;
mod latch;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod overlay_tests;
mod own;
mod pin;
mod plan;
mod recency;
mod slot;
mod spare;
mod store;
mod tree;
mod view;
mod visibility;
mod walk;
mod window;

pub(crate) use store::Limits;
pub(crate) use store::Overlay;
pub(crate) use view::{Database, Databases};
pub use visibility::{Data, Deltas, Found};
pub(crate) use visibility::{encode_delta, is_delta};
