//! What children have promised, and whether it was kept.

use super::line::{Acknowledged, Counts, Line};

/// What has to be there at the next opening.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Promises {
    /// What the last opening found.
    found: Counts,
    /// What was acknowledged since, in the order it was heard.
    acknowledged: Vec<Acknowledged>,
}

/// What was learnt from a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heard {
    /// Commits that it acknowledged.
    pub acknowledged: u64,
    /// Of them, as durable.
    pub durable: u64,
    /// Lazy commits of the life before that it did not find.
    pub taken: u64,
}

impl Promises {
    /// Hears what a child has said in its life, and judges what it has found.
    ///
    /// # Errors
    /// A sentence about a promise that was not kept.
    pub fn hear(&mut self, lines: &[Line]) -> Result<Heard, String> {
        let mut heard = Heard::default();
        for line in lines {
            match line {
                Line::Opened(counts) => heard.taken += self.keep(counts)?,
                Line::Acknowledged(commit) => {
                    heard.acknowledged += 1;
                    heard.durable += u64::from(commit.is_durable);
                    let Acknowledged { thread, n, .. } = *commit;
                    let next = self.next(thread);
                    if n != next {
                        return Err(format!("thread {thread} committed {n}, but {next} was to come"));
                    }
                    self.acknowledged.push(*commit);
                }
                Line::Opening | Line::Closing => {}
                Line::Closed => {
                    self.acknowledged.iter_mut().for_each(|commit| commit.is_durable = true);
                }
            }
        }
        Ok(heard)
    }

    /// Judges what an opening has found, which is what the next one has to find; returns how many commits are gone, lazy
    /// ones all of them.
    ///
    /// # Errors
    /// A sentence about a promise that was not kept.
    pub fn keep(&mut self, counts: &Counts) -> Result<u64, String> {
        let is_there = |commit: &Acknowledged| commit.n < counts[commit.thread];
        if let Some(lost) = self.acknowledged.iter().find(|commit| commit.is_durable && !is_there(commit)) {
            return Err(format!("lost: {lost:?}; found {counts:?}"));
        }
        for (thread, (&count, &before)) in counts.iter().zip(&self.found).enumerate() {
            if count < before {
                return Err(format!("thread {thread} had {before} transactions, and now has {count}"));
            }
            // One commit may have been done and not said.
            let next = self.next(thread);
            if count > next + 1 {
                return Err(format!(
                    "thread {thread} has {count} transactions, but has begun only {}",
                    next + 1
                ));
            }
        }
        let last =
            self.acknowledged.iter().filter(|commit| is_there(commit)).max_by_key(|commit| commit.position);
        let mut gone = self.acknowledged.iter().filter(|commit| !is_there(commit));
        if let Some(last) = last
            && let Some(hole) = gone.clone().find(|commit| commit.position < last.position)
        {
            return Err(format!("{last:?} is there, but {hole:?} before it is not; found {counts:?}"));
        }
        let taken = gone.by_ref().count() as u64;
        self.found = *counts;
        self.acknowledged.clear();
        Ok(taken)
    }

    /// The number of a thread's next transaction, by what was said.
    fn next(&self, thread: usize) -> u64 {
        let last = self.acknowledged.iter().rev().find(|commit| commit.thread == thread);
        last.map_or(self.found[thread], |commit| commit.n + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(thread: usize, n: u64, position: u64, is_durable: bool) -> Line {
        Line::Acknowledged(Acknowledged { thread, n, position, is_durable })
    }

    /// Two threads, lazy and durable commits in turn.
    fn life() -> Vec<Line> {
        vec![
            Line::Opening,
            Line::Opened([0; 4]),
            commit(0, 0, 1, false),
            commit(1, 0, 2, true),
            commit(0, 1, 4, false),
            commit(1, 1, 3, false),
        ]
    }

    fn judge(counts: Counts) -> Result<u64, String> {
        let mut promises = Promises::default();
        promises.hear(&life()).unwrap();
        promises.keep(&counts)
    }

    #[test]
    fn a_state_that_was_is_accepted() {
        assert_eq!(judge([1, 1, 0, 0]), Ok(2));
        assert_eq!(judge([1, 2, 0, 0]), Ok(1));
        assert_eq!(judge([2, 2, 0, 0]), Ok(0));
        assert_eq!(judge([3, 3, 1, 0]), Ok(0), "done and not said");
    }

    #[test]
    fn other_states_are_not() {
        assert!(judge([1, 0, 0, 0]).unwrap_err().starts_with("lost"));
        assert!(judge([0, 2, 0, 0]).unwrap_err().contains("before it is not"));
        assert!(judge([2, 1, 0, 0]).unwrap_err().contains("before it is not"));
        assert!(judge([4, 2, 0, 0]).unwrap_err().contains("has begun only 3"));
    }

    #[test]
    fn what_was_found_or_closed_stays() {
        let mut promises = Promises::default();
        promises.hear(&life()).unwrap();
        let heard = promises.hear(&[Line::Opening, Line::Opened([1, 2, 0, 0])]).unwrap();
        assert_eq!(heard, Heard { acknowledged: 0, durable: 0, taken: 1 });
        assert!(promises.clone().keep(&[0, 2, 0, 0]).unwrap_err().contains("now has 0"));
        promises.hear(&[commit(0, 1, 9, false), Line::Closing, Line::Closed]).unwrap();
        assert!(promises.keep(&[1, 2, 0, 0]).unwrap_err().starts_with("lost"));
        let hole = promises.hear(&[commit(3, 1, 10, false)]);
        assert!(hole.unwrap_err().contains("but 0 was to come"));
    }
}
