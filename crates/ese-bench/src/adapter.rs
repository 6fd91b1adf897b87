//! The engines that are compared, one adapter each.

pub mod btreemap;
pub mod ese;
pub mod lmdb;
pub mod redb;
pub mod sqlite;
