//! The durable store: a database is one file of copy-on-write pages, behind two meta pages that take turns.
//!
//! What is absent: this crate knows no transactions and no log. It keeps states: the engine merges what is committed into
//! the next one, and now and then has one made durable, named by the position up to which the log is not needed for it.
//!
//! - A page that a durable meta page, a checkpoint under way or a state that somebody holds leads to is never written.
//! - A checkpoint syncs every page it leads to before it writes its meta page, into the slot that does not hold the newest.
//! - Each reference to a page has the page's checksum, which is compared when the page is first touched.
//! - After a failed sync, or a write that failed otherwise than by a full disk, nothing is written; reads go on.
//!
//! ```
//! # #[cfg(unix)] fn main() -> ese_base::Result<()> {
//! use ese_base::{Position, TreeNo};
//! use ese_core::{Change, Store};
//! use ese_io::NativeDisk;
//! use ese_pager::{Pager, PagerOptions};
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = &folder.path().join("data.ese");
//! let (disk, options) = (NativeDisk::new(), PagerOptions::default());
//! let pager = Pager::create(&disk, path, &options)?;
//! pager.adopt(None)?;
//! let mut merge = pager.clone().begin_merge()?;
//! merge.apply(TreeNo(1), b"key", Change::Put(b"value"))?;
//! let base = merge.finish(Position(2))?;
//! while !pager.checkpoint_step(&base, None)? {}
//! drop((base, pager));
//!
//! let pager = Pager::open(&disk, path, &options, &|_| false)?;
//! assert_eq!(pager.newest().get(TreeNo(1), b"key")?.as_deref(), Some(&b"value"[..]));
//! # Ok(()) }
//! # #[cfg(not(unix))] fn main() {}
//! ```
//!
//! Reading order: [`options`], `open` (creating and opening), `pager` (the store), `base` and `merge` (a state and the
//! next one), `sink` (how pages get into the file), `writer` (checkpoints), `slots` and `meta` (the two meta pages),
//! `forest_tree` and `space_map` (what else is on disk), `space` with `chunk` (which pages may be handed out), `pins` (who
//! needs what), `medium` with `map` and `cache` (how pages are read), `file`, `check`.

mod base;
mod cache;
mod check;
mod chunk;
mod file;
mod forest_tree;
mod map;
mod medium;
mod merge;
mod meta;
mod open;
pub mod options;
mod pager;
mod pins;
mod sink;
mod slots;
mod space;
mod space_map;
mod writer;

pub use options::{Access, PagerOptions, Reading};
pub use pager::Pager;
