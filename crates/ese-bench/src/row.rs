//! What is measured: the rows of the table, their units, and the least that is asked of ese.
//!
//! Rows of a disk are measured on engines that keep stores in folders, the others on any.

/// A row of the table, in the order of work: up to [`Row::Remove`] they run on one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Row {
    /// All rows in random order in one transaction, background work finished.
    Load,
    /// Point reads in one transaction.
    Get,
    /// Point reads by two threads.
    Get2,
    /// Point reads, a transaction each.
    GetTransaction,
    /// Point reads, eight a call.
    GetMany,
    /// A search and the ten rows from there.
    Seek,
    /// Every row in order.
    Scan,
    /// A read transaction that reads nothing.
    EmptyRead,
    /// Seven nested savepoints, rolled back.
    Savepoints,
    /// Commits of one new row.
    Commit,
    /// 95 reads to 5 overwrites by two threads, a transaction each.
    Mixed95,
    /// 50 reads to 50 overwrites by two threads, a transaction each.
    Mixed50,
    /// Lazy commits of one new row.
    CommitLazy,
    /// Durable commits of one new row.
    CommitDurable,
    /// Durable commits of one new row by 16 threads.
    CommitThreads,
    /// Half the rows removed in one transaction, background work finished.
    Remove,
    /// All rows in key order in one transaction, background work finished.
    Append,
    /// Every row in order while a tenth has new values that no background work has touched.
    ScanOverlay,
    /// All rows in random order, 1,000 a durable transaction.
    BatchThousand,
    /// All rows in random order, 10,000 a durable transaction.
    BatchTenThousand,
    /// An opening after a clean close, and one get.
    Open,
    /// An opening after a kill with lazy commits, and one get.
    Recover,
    /// Bytes of a folder after a load in one transaction.
    Size,
}

/// How a figure reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// So many a second; more is better.
    PerSecond(&'static str),
    /// Nanoseconds; less is better.
    Nanoseconds(&'static str),
    /// Bytes; less is better.
    Bytes(&'static str),
}

/// The least that is asked of ese.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Floor {
    /// At least so many times as good as that peer.
    Times {
        /// The peer's adapter name.
        peer: &'static str,
        /// The least ratio.
        least: f64,
    },
    /// At least so many times as good as the best peer.
    Best {
        /// The least ratio.
        least: f64,
    },
    /// At most so many nanoseconds.
    Nanoseconds(f64),
}

impl Row {
    /// All rows in the order of work.
    pub const ALL: [Row; 23] = [
        Row::Load,
        Row::Get,
        Row::Get2,
        Row::GetTransaction,
        Row::GetMany,
        Row::Seek,
        Row::Scan,
        Row::EmptyRead,
        Row::Savepoints,
        Row::Commit,
        Row::Mixed95,
        Row::Mixed50,
        Row::CommitLazy,
        Row::CommitDurable,
        Row::CommitThreads,
        Row::Remove,
        Row::Append,
        Row::ScanOverlay,
        Row::BatchThousand,
        Row::BatchTenThousand,
        Row::Open,
        Row::Recover,
        Row::Size,
    ];

    /// Those of a run in memory.
    #[must_use]
    pub fn memory() -> Vec<Row> {
        Row::ALL.into_iter().filter(|row| !row.is_of_a_disk()).collect()
    }

    /// Those of a run about durability: what only a disk has, and what it may have changed.
    #[must_use]
    pub fn durable() -> Vec<Row> {
        let others =
            [Row::Load, Row::Get, Row::Get2, Row::GetMany, Row::Seek, Row::Scan, Row::Remove, Row::Append];
        Row::ALL.into_iter().filter(|row| row.is_of_a_disk() || others.contains(row)).collect()
    }

    /// Whether only a store in a folder has it.
    #[must_use]
    pub const fn is_of_a_disk(self) -> bool {
        matches!(
            self,
            Row::CommitLazy
                | Row::CommitDurable
                | Row::CommitThreads
                | Row::BatchThousand
                | Row::BatchTenThousand
                | Row::Open
                | Row::Recover
                | Row::Size
        )
    }

    /// The word for it on the command line and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Row::Load => "load",
            Row::Get => "get",
            Row::Get2 => "get2",
            Row::GetTransaction => "get-txn",
            Row::GetMany => "get-many",
            Row::Seek => "seek",
            Row::Scan => "scan",
            Row::EmptyRead => "empty-read",
            Row::Savepoints => "savepoints",
            Row::Commit => "commit",
            Row::Mixed95 => "mixed95",
            Row::Mixed50 => "mixed50",
            Row::Remove => "remove",
            Row::Append => "append",
            Row::ScanOverlay => "scan-overlay",
            Row::CommitLazy => "commit-lazy",
            Row::CommitDurable => "commit-durable",
            Row::CommitThreads => "commit-16",
            Row::BatchThousand => "batch-1k",
            Row::BatchTenThousand => "batch-10k",
            Row::Open => "open",
            Row::Recover => "recover",
            Row::Size => "size",
        }
    }

    /// What a reader of the table sees.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Row::Load => "random load, 1 txn, merge finished",
            Row::Get => "random get, 1 thread",
            Row::Get2 => "random get, 2 threads",
            Row::GetTransaction => "get, a txn each",
            Row::GetMany => "get_many of 8",
            Row::Seek => "seek + 10 rows",
            Row::Scan => "full scan",
            Row::EmptyRead => "begin + end, empty read txn",
            Row::Savepoints => "begin + 7 savepoints + roll back + commit",
            Row::Commit => "commit of 1 row, p50",
            Row::Mixed95 => "95/5, 2 threads, a txn an op",
            Row::Mixed50 => "50/50, 2 threads, a txn an op",
            Row::Remove => "remove half the rows, 1 txn, merge finished",
            Row::Append => "append load, 1 txn, merge finished",
            Row::ScanOverlay => "full scan, 10 % not yet merged",
            Row::CommitLazy => "lazy commit of 1 row, p50",
            Row::CommitDurable => "durable commit of 1 row, 1 thread, p50",
            Row::CommitThreads => "durable commits of 1 row, 16 threads",
            Row::BatchThousand => "batches of 1,000 random rows, durable",
            Row::BatchTenThousand => "batches of 10,000 random rows, durable",
            Row::Open => "open + 1 get after a clean close",
            Row::Recover => "open + 1 get after kill -9 with lazy rows",
            Row::Size => "folder after the load, without its log",
        }
    }

    /// How its figure reads.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Row::Load
            | Row::Append
            | Row::Scan
            | Row::ScanOverlay
            | Row::Remove
            | Row::BatchThousand
            | Row::BatchTenThousand => Unit::PerSecond("rows/s"),
            Row::CommitThreads => Unit::PerSecond("commits/s"),
            Row::Size => Unit::Bytes("bytes a row"),
            Row::Get | Row::Get2 | Row::GetTransaction | Row::GetMany => Unit::PerSecond("gets/s"),
            Row::Seek => Unit::PerSecond("ranges/s"),
            Row::Mixed95 | Row::Mixed50 => Unit::PerSecond("ops/s"),
            Row::EmptyRead
            | Row::Savepoints
            | Row::Commit
            | Row::CommitLazy
            | Row::CommitDurable
            | Row::Open
            | Row::Recover => Unit::Nanoseconds("ns"),
        }
    }

    /// The least that is asked, where anything is.
    #[must_use]
    pub const fn floor(self) -> Option<Floor> {
        match self {
            Row::Get => Some(Floor::Times { peer: "lmdb", least: 2.5 }),
            Row::Load | Row::Scan => Some(Floor::Times { peer: "lmdb", least: 2.0 }),
            Row::EmptyRead => Some(Floor::Nanoseconds(100.0)),
            Row::CommitLazy | Row::BatchThousand | Row::BatchTenThousand => Some(Floor::Best { least: 1.5 }),
            Row::CommitDurable => Some(Floor::Times { peer: "raw", least: 0.8 }),
            Row::CommitThreads => Some(Floor::Best { least: 2.0 }),
            Row::Open => Some(Floor::Nanoseconds(10e6)),
            _ => None,
        }
    }

    /// The row of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Row> {
        Row::ALL.into_iter().find(|row| row.name() == name)
    }
}

impl Unit {
    /// What stands behind a figure.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Unit::PerSecond(word) | Unit::Nanoseconds(word) | Unit::Bytes(word) => word,
        }
    }

    /// How many times as good `ours` is as `theirs`.
    #[must_use]
    pub fn ratio(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Unit::PerSecond(_) => ours / theirs,
            Unit::Nanoseconds(_) | Unit::Bytes(_) => theirs / ours,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again() {
        for row in Row::ALL {
            assert_eq!(Row::named(row.name()), Some(row));
        }
        assert_eq!(Row::named("no such row"), None);
    }

    #[test]
    fn a_ratio_above_one_means_better() {
        assert!(Unit::PerSecond("x").ratio(20.0, 10.0) > 1.0);
        assert!(Unit::Nanoseconds("ns").ratio(20.0, 10.0) < 1.0);
    }
}
