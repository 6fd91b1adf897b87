//! A node: one page of keys with what belongs to them. Nodes are built once and never changed.
//!
//! Reading order: `layout` (the bytes), `view` (reading them), `search` (finding a key), `parse` (from unknown bytes
//! to a view), `build` (from rows to pages).

pub(crate) mod build;
pub(crate) mod layout;
pub(crate) mod parse;
pub(crate) mod search;
mod view;

pub use layout::{KIND_INNER, KIND_LEAF, KIND_RUN, MAGIC, RUN_HEADER_BYTES};
pub(crate) use view::{COPY_SLACK, LeafRow, RowParts};
pub use view::{Cell, NodeView};
