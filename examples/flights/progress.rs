//! How far each file is loaded: one row a batch, written in the batch's own transaction.
//!
//! So a batch is in the trees if and only if it is noted here, whenever the program ends. What a later run has to load
//! is what no note covers; it depends neither on the number of writers of the runs before nor on where they ended.
//!
//! ```text
//! progress   file, first row -> how many rows from there
//! ```

use ese::{Read, Result, Transaction, TypedTree};
use std::ops::Range;

/// The tree of notes.
pub type Progress = TypedTree<(String, u64), u64>;

/// Notes a batch of a file, in the batch's transaction.
///
/// # Errors
/// The engine's; `KeyDuplicate` when it is noted already.
pub fn note(tx: &mut Transaction<'_>, progress: Progress, file: &str, batch: &Range<usize>) -> Result<()> {
    progress.insert(tx, (file, batch.start as u64), &(batch.len() as u64))
}

/// The batches of a file that are noted, in their order.
///
/// # Errors
/// The engine's.
pub fn noted<S: Read + ?Sized>(s: &S, progress: Progress, file: &str) -> Result<Vec<Range<usize>>> {
    let mut batches = Vec::new();
    for row in progress.prefix(s, (file,))? {
        let ((_, first), rows) = row?;
        batches.push(place(first)..place(first.saturating_add(rows)));
    }
    Ok(batches)
}

/// A place in a file; one that this machine cannot count to lies behind the end of every file here.
fn place(row: u64) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

/// What of `share` is in none of `noted`, which are in order and do not overlap.
#[must_use]
pub fn missing(share: Range<usize>, noted: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut missing = Vec::new();
    let mut start = share.start;
    for batch in noted.iter().filter(|batch| batch.end > share.start && batch.start < share.end) {
        if batch.start > start {
            missing.push(start..batch.start);
        }
        start = batch.end;
    }
    if start < share.end {
        missing.push(start..share.end);
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_noted_are_the_share() {
        let spots = [0..0, 0..3, 2..3, 2..5, 3..7, 6..9, 8..9, 9..12];
        for first in &spots {
            for second in spots.iter().filter(|second| second.start >= first.end) {
                let noted = [first.clone(), second.clone()];
                for share in [0..9, 2..4, 3..8, 4..4] {
                    let covered = |row: &usize| noted.iter().any(|batch| batch.contains(row));
                    let expected: Vec<usize> = share.clone().filter(|row| !covered(row)).collect();
                    let found = missing(share.clone(), &noted);
                    assert!(found.iter().all(|range| !range.is_empty()), "{noted:?} {share:?}");
                    assert_eq!(
                        found.into_iter().flatten().collect::<Vec<_>>(),
                        expected,
                        "{noted:?} {share:?}"
                    );
                }
            }
        }
        assert_eq!(missing(3..8, &[]).into_iter().flatten().count(), 5);
    }
}
