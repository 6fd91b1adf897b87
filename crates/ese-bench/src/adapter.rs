//! The engines that are compared, one adapter each; those named `durable`, and fjall, keep stores in folders.
//!
//! canopydb is there with the feature of that name. Absent: RocksDB, whose crate wants libclang and a C++ build of many
//! minutes.

pub mod btreemap;
#[cfg(feature = "canopydb")]
pub mod canopydb;
pub mod ese;
pub mod ese_durable;
pub mod fjall;
pub mod lmdb;
pub mod lmdb_durable;
pub mod redb;
pub mod redb_durable;
pub mod sqlite;
pub mod sqlite_durable;
