//! The operating system's disk, in folders that go away.
mod native;
