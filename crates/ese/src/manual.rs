//! The manual: how to work with ese, chapter by chapter. Every example in it is compiled and run.
//!
//! 1. [Sessions and threads](sessions)
//! 2. [Transactions and savepoints](transactions)
//! 3. [Conflicts and retries](conflicts)
//! 4. [Durability](durability)
//! 5. [Limits](limits)

pub mod conflicts;
pub mod durability;
pub mod limits;
pub mod sessions;
pub mod transactions;
