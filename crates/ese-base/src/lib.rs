//! What every crate of the workspace shares: errors, numbers, limits, values, memory, the clock and the `sync` module.
//!
//! Nothing here knows what an engine, a tree or a file is.
//!
//! Reading order: [`error`] (and its table), [`id`], [`limits`], [`value`], [`clock`], [`memory`], [`sync`].

pub mod clock;
pub mod error;
pub mod id;
pub mod limits;
pub mod memory;
pub mod sync;
pub mod value;

pub use error::{Error, ErrorKind, Result};
pub use id::{AttachmentNo, CommitId, CommitTs, Position, SessionId, TreeId, TreeNo};
pub use value::{ShortBytes, Value};
