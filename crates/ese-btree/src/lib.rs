//! A copy-on-write B+tree over pages: keys, values and pages, nothing else.
//!
//! What is absent: this crate knows no transactions, no versions, no files and no locks. Where pages lie, how they are
//! given out and when a freed one may be used again is behind two traits, [`Pages`] and [`Sink`].
//!
//! A page is written once and never changed while anybody can reach it. A merge takes ascending changes and writes new
//! leaves and their ancestors; the old root goes on to show the old state for as long as somebody holds it.
//!
//! Reading order: [`pages`] (what is asked of a store), [`limits`], [`node`] (one page), [`tree`] (one root),
//! [`forest`] (the numbered trees of a database), [`check`] and [`dump`].

pub mod check;
pub mod dump;
pub mod forest;
pub mod limits;
pub mod node;
pub mod pages;
pub mod prefetch;
pub mod tree;

pub use forest::{Entry, Forest, ForestMerge};
pub use node::{
    NodeView, RUN_HEADER_BYTES,
    parse::{Verify, check_run_header, check_run_value, parse_run, run_pages},
};
pub use pages::{ChildRef, PageBytes, PageNo, Pages, RunRef, Sink, Stretch};
pub use tree::{Change, Range, Root, Side, TreeMerge};
