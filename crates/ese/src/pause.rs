//! Waits between two tries of a transaction: nobody wakes them, they end by time.

use ese_base::sync::{Condvar, Mutex};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// Parks the thread for about `limit`.
pub(crate) fn pause(limit: Duration) {
    let nobody = Mutex::new(());
    let mut guard = nobody.lock();
    Condvar::new().wait_for(&mut guard, limit);
}

/// A random part of `most`: "full jitter", so that those who met once do not meet again in step.
pub(crate) fn jitter(most: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let most_nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random % most_nanos.saturating_add(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_bound() {
        for most in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(50), Duration::MAX] {
            for _ in 0..50 {
                assert!(jitter(most) <= most);
            }
        }
    }
}
