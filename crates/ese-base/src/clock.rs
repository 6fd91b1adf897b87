//! Time behind a seam, so that tests own it. Ages and intervals only: no order, visibility or durability hangs on it.

use crate::sync::Mutex;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// A clock that never goes back; its zero is arbitrary.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Time since the clock's zero.
    fn now(&self) -> Duration;
}

/// The machine's monotonic clock.
#[derive(Debug)]
pub struct SystemClock {
    zero: Instant,
}

impl SystemClock {
    /// A clock whose zero is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn new() -> Self {
        SystemClock { zero: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.zero.elapsed()
    }
}

/// A clock that a test moves by hand.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: Mutex<Duration>,
}

impl ManualClock {
    /// Moves the clock forward by `by`.
    pub fn advance(&self, by: Duration) {
        *self.now.lock() += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.now.lock()
    }
}
