//! A write of the engine, and what a guard sees to around it.
//!
//! A guard's transaction may have ended without the guard: the commit of a savepoint failed and took everything with it,
//! or a statement did. At level 0 the engine would make each write that follows a transaction of its own.
//!
//! Invariant: a write through a guard happens at the guard's level or not at all.

use crate::{Snapshot, retry::Attempt};
use ese_base::{Error, ErrorKind, Result};
use ese_core::Session as CoreSession;

/// The session at `level`, for a guard of that level: what a leaked guard left open above it is rolled back.
#[inline]
pub(crate) fn at_level(on: &mut Snapshot, level: u32) -> Result<&mut Snapshot> {
    on.back_to(level)?;
    if on.level() == level { Ok(on) } else { Err(ended()) }
}

/// Runs one write, for a handle of the instance of that number, on a session that is at the right level.
#[inline]
pub(crate) fn run<R>(
    on: &mut Snapshot,
    handle_of: u64,
    attempt: Attempt,
    write: impl FnOnce(&mut dyn CoreSession) -> Result<R>,
) -> Result<R> {
    write(on.writer(handle_of)?).map_err(|error| failed(on, attempt, error))
}

/// A statement that failed: if the engine has ended levels with it, they are ended for their guards as well.
#[cold]
fn failed(on: &mut Snapshot, attempt: Attempt, error: Error) -> Error {
    let open = on.core_mut().level();
    // Nothing is rolled back, because nothing is open above: the engine says so, and the snapshot takes its word.
    let _ = on.back_to(open);
    attempt.note(error)
}

#[cold]
fn ended() -> Error {
    Error::new(ErrorKind::NotInTransaction, "the transaction of this guard has ended without it")
}
