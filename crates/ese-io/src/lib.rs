//! Files, maps of files and locks on files: all that the durable backend asks of an operating system, behind two traits.
//!
//! [`Disk`] is what happens to names, [`DiskFile`] what happens to bytes. [`NativeDisk`] is the operating system's; the
//! simulator has one that forgets, tears and fails. Pager and log see nothing else: this is the only crate of the
//! product that names `std::fs`, file maps and file locks.
//!
//! Absent: no page, no frame, no cache, no policy. Nothing is synced that the caller did not ask for (not at a close
//! either), and nothing that failed is tried again, except where the operating system asks for it (an interrupted
//! read or write).
//!
//! What a caller may rely on:
//! - A [`DiskFile::sync_data`] that returned `Ok` made durable every earlier write to that file, and the length needed
//!   to read it. Until then any of it may be lost, kept, or kept in part, in any order, sector by sector.
//! - Names are durable after [`Disk::sync_directory`] of the directory they stand in, and not by any sync of a file.
//! - **A failed sync is final.** The operating system may have dropped the very bytes that it could not write and call
//!   the next sync a success, so trying again proves nothing. The caller stops trusting the file until it is opened
//!   again and read.
//!
//! Reading order: [`disk`], [`file`](mod@file), [`region`], [`failure`] (errors), [`native`] (the operating system's disk).

pub mod disk;
pub mod failure;
pub mod file;
#[cfg(unix)]
pub mod native;
pub mod region;

pub use disk::{Disk, Entry, EntryKind, Metadata, OpenMode};
pub use file::{DiskFile, FileId, LockMode};
#[cfg(unix)]
pub use native::NativeDisk;
pub use region::Region;
