//! What a transaction is to everybody else: its state, and who owns it.

mod kind;
mod state;

pub use kind::Kind;
pub use state::{Outcome, Owner, TxnState};
