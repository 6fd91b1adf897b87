//! When a transaction that met a conflict is run again, and what is waited for before.
//!
//! Two kinds of re-runs. If the other transaction was already committing, its end is near (if it has not come yet):
//! it is waited for, holding nothing, and the re-run is free. If not, the re-run counts and comes after a random pause whose bound grows from one
//! to the next. Both kinds have a bound, and so have both waits.

use crate::{
    Snapshot,
    pause::{jitter, pause},
};
use ese_base::Error;
use std::time::Duration;

/// The longest pauses before the re-runs that count, so there is one try more than pauses. Each is two to two and a half
/// times the one before.
const PAUSES: [Duration; 9] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(200),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
];
/// How many re-runs behind another's commit are free. Each of them means that somebody else got on, so this many in a
/// row are a sign of something else than bad luck; from then on they count.
const FREE_MAX: u32 = 1000;
/// How long the end of another's commit is waited for; where it does not come, the re-run counts.
const COMMIT_WAIT: Duration = Duration::from_secs(1);

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
        let longest = PAUSES.get(self.counted as usize);
        self.counted += 1;
        let Some(longest) = longest else { return false };
        pause(jitter(*longest));
        true
    }

    /// How often it was tried, free re-runs included.
    pub(crate) fn attempts(&self) -> u32 {
        self.counted + self.free
    }

    /// The try that is under way.
    pub(crate) fn attempt(&self) -> Attempt {
        Attempt(self.attempts() + 1)
    }
}

/// The number of a try, 1 for the first; 0 where nothing is tried again.
///
/// It goes into the errors of conflicts at the statement: a closure's own error may be made of one of them, in a way
/// that nobody here can look into.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attempt(u32);

impl Attempt {
    /// Notes the number in the error of a conflict, from the second try on.
    #[cold]
    pub(crate) fn note(self, error: Error) -> Error {
        if self.0 > 1 && error.is_concurrent() { error.after_attempts(self.0) } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_pauses_lie_between_ten_tries_and_grow_to_the_last() {
        assert_eq!(PAUSES.len() + 1, 10, "tries");
        assert_eq!((PAUSES[0], PAUSES[8]), (Duration::from_micros(50), Duration::from_millis(20)));
        assert!(PAUSES.windows(2).all(|pair| 2 * pair[0] <= pair[1] && 2 * pair[1] <= 5 * pair[0]));
    }
}
