//! Recent versions; see the trait.
/// Placeholder until the overlay lands.
pub trait VersionStore {}
