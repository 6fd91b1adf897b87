//! Kills the program itself, to show what is left: no destructor runs, nothing is written any more.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts rows down, and kills the process when there are none left.
#[derive(Debug, Default)]
pub struct Kill {
    left: Option<AtomicUsize>,
}

impl Kill {
    /// Kills in the middle of the row that comes after so many; never with `None`.
    #[must_use]
    pub fn after(rows: Option<usize>) -> Kill {
        Kill { left: rows.map(AtomicUsize::new) }
    }

    /// A row is about to be written; its transaction is open, and perhaps those of other writers.
    pub fn row(&self) {
        let Some(left) = &self.left else { return };
        if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
            die();
        }
    }
}

/// Ends the process as `kill -9` does.
fn die() {
    #[cfg(unix)]
    {
        use rustix::process::{Signal, getpid, kill_process};
        // It cannot be refused; and if it were, the next line ends the process.
        let _ = kill_process(getpid(), Signal::KILL);
    }
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_left_kill_nobody() {
        let kill = Kill::after(Some(3));
        (0..3).for_each(|_| kill.row());
        assert_eq!(kill.left.unwrap().into_inner(), 0);
        let never = Kill::after(None);
        (0..10).for_each(|_| never.row());
    }
}
