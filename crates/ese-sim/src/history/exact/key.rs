//! What happened to one key.

use super::Commit;
use crate::history::record::{Refusal, Stamp, Touch};
use ese_base::CommitTs;

/// A transaction touched the key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touched {
    pub(super) txn: usize,
    pub(super) touch: Touch,
    /// The moment before it did.
    pub(super) from: u64,
    /// The moment after it was taken back, or after the transaction had ended.
    pub(super) until: u64,
    /// When it was committed, if it was.
    pub(super) commit: Option<Commit>,
}

/// Everything that happened to a key.
#[derive(Debug, Default)]
pub(super) struct Key {
    rows: Vec<(CommitTs, Option<Stamp>)>,
    sums: Vec<(CommitTs, i64)>,
    touched: Vec<Touched>,
    unsure: bool,
}

impl Key {
    /// Somebody touched it.
    pub(super) fn touched(&mut self, touched: Touched) {
        self.touched.push(touched);
    }

    /// A commit left a row, or none.
    pub(super) fn row(&mut self, ts: CommitTs, row: Option<Stamp>) {
        self.rows.push((ts, row));
    }

    /// A commit added to it.
    pub(super) fn sum(&mut self, ts: CommitTs, by: i64) {
        self.sums.push((ts, by));
    }

    /// Somebody left something under it, and nobody knows when.
    pub(super) fn is_unsure(&mut self) {
        self.unsure = true;
    }

    /// Into the order of the commits, once all are entered.
    pub(super) fn sort(&mut self) {
        self.rows.sort_unstable();
        self.sums.sort_unstable();
        let mut sum = 0;
        for (_, by) in &mut self.sums {
            sum += *by;
            *by = sum;
        }
        self.touched.sort_by_key(|touched| touched.commit.map(|(_, ts)| ts));
    }

    /// The row that a snapshot shows; `None`: that is not known.
    pub(super) fn row_at(&self, snapshot: CommitTs) -> Option<Option<Stamp>> {
        let older = self.rows.partition_point(|(ts, _)| *ts <= snapshot);
        (!self.unsure).then(|| self.rows[..older].last().and_then(|(_, row)| *row))
    }

    /// The counter that a snapshot shows; `None`: that is not known.
    pub(super) fn sum_at(&self, snapshot: CommitTs) -> Option<i64> {
        let older = self.sums.partition_point(|(ts, _)| *ts <= snapshot);
        (!self.unsure).then(|| self.sums[..older].last().map_or(0, |(_, sum)| *sum))
    }

    /// Two transactions of which the later one should have met a conflict.
    pub(super) fn missed_conflict(&self) -> Option<(usize, usize)> {
        let mut newest = [None::<(CommitTs, usize)>; Touch::ALL.len()];
        let committed = self.touched.iter().filter_map(|touched| Some((touched, touched.commit?)));
        let committed: Vec<_> = committed.collect();
        for one in committed.chunk_by(|(left, _), (right, _)| left.txn == right.txn) {
            for (touched, (snapshot, _)) in one {
                let others =
                    Touch::ALL.iter().zip(&newest).filter(|(other, _)| !touched.touch.goes_with(**other));
                let unseen = others.filter_map(|(_, newest)| *newest).find(|(ts, _)| ts > snapshot);
                if let Some((_, other)) = unseen {
                    return Some((other, touched.txn));
                }
            }
            for (touched, (_, ts)) in one {
                newest[touched.touch as usize] = Some((*ts, touched.txn));
            }
        }
        None
    }

    /// Whether there was somebody whom a statement of a transaction may have been refused for.
    pub(super) fn explains(&self, txn: usize, refusal: &Refusal, snapshot: CommitTs) -> bool {
        self.touched.iter().any(|other| {
            let is_unseen = other.commit.is_some_and(|(_, ts)| ts > snapshot);
            other.txn != txn
                && !refusal.touch.goes_with(other.touch)
                && other.from < refusal.to
                && (other.until > refusal.from || is_unseen)
        })
    }
}
