//! When a transaction that met a conflict is run again, and what is waited for before.
//!
//! Two kinds of re-runs. If the other transaction was already committing, its end is near: it is waited for, holding
//! nothing, and the re-run is free. If not, the re-run counts and comes after a random pause that grows with every
//! one. Both kinds have a bound.

use crate::{
    Snapshot,
    pause::{jitter, pause},
};
use std::time::Duration;

/// How many tries a transaction has.
pub(crate) const TRIES: u32 = 10;
/// How many re-runs behind another's commit are free; each of them means that somebody else got on.
const FREE_MAX: u32 = 1000;
/// How long the end of another's commit is waited for.
const COMMIT_WAIT: Duration = Duration::from_secs(1);
/// The first pause is at most this long …
const PAUSE_FIRST: Duration = Duration::from_micros(50);
/// … every later one at most twice as long as the one before, up to this.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// The tries of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    counted: u32,
    free: u32,
}

impl Retry {
    /// After a try that met a conflict and was rolled back: waits as long as is right and tells whether to try again.
    #[cold]
    pub(crate) fn again(&mut self, session: &mut Snapshot) -> bool {
        if self.free < FREE_MAX && session.core_mut().await_conflicting_commit(COMMIT_WAIT) {
            self.free += 1;
            return true;
        }
        self.counted += 1;
        if self.counted >= TRIES {
            return false;
        }
        pause(jitter(longest_pause(self.counted)));
        true
    }

    /// How often it was tried.
    pub(crate) fn attempts(&self) -> u32 {
        self.counted + self.free
    }
}

/// The longest pause after so many tries.
fn longest_pause(tries: u32) -> Duration {
    PAUSE_FIRST.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound() {
        assert_eq!(longest_pause(1), Duration::from_micros(50));
        assert_eq!(longest_pause(2), Duration::from_micros(100));
        assert_eq!(longest_pause(9), Duration::from_micros(12_800));
        assert_eq!(longest_pause(10), PAUSE_MAX);
        assert_eq!(longest_pause(u32::MAX), PAUSE_MAX);
    }
}
