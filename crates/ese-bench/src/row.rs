//! What is measured: the rows of the table, their units, and the least that is asked of ese.

/// A row of the table, in the order of work: all but the last two run on one store.
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
    /// Half the rows removed in one transaction, background work finished.
    Remove,
    /// All rows in key order in one transaction, background work finished.
    Append,
    /// Every row in order while a tenth has new values that no background work has touched.
    ScanOverlay,
}

/// How a figure reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// So many a second; more is better.
    PerSecond(&'static str),
    /// Nanoseconds; less is better.
    Nanoseconds(&'static str),
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
    /// At most so many nanoseconds.
    Nanoseconds(f64),
}

impl Row {
    /// All rows in the order of work.
    pub const ALL: [Row; 15] = [
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
        Row::Remove,
        Row::Append,
        Row::ScanOverlay,
    ];

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
        }
    }

    /// How its figure reads.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Row::Load | Row::Append | Row::Scan | Row::ScanOverlay | Row::Remove => Unit::PerSecond("rows/s"),
            Row::Get | Row::Get2 | Row::GetTransaction | Row::GetMany => Unit::PerSecond("gets/s"),
            Row::Seek => Unit::PerSecond("ranges/s"),
            Row::Mixed95 | Row::Mixed50 => Unit::PerSecond("ops/s"),
            Row::EmptyRead | Row::Savepoints | Row::Commit => Unit::Nanoseconds("ns"),
        }
    }

    /// The least that is asked, where anything is.
    #[must_use]
    pub const fn floor(self) -> Option<Floor> {
        match self {
            Row::Get => Some(Floor::Times { peer: "lmdb", least: 2.5 }),
            Row::Load | Row::Scan => Some(Floor::Times { peer: "lmdb", least: 2.0 }),
            Row::EmptyRead => Some(Floor::Nanoseconds(100.0)),
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
            Unit::PerSecond(word) | Unit::Nanoseconds(word) => word,
        }
    }

    /// How many times as good `ours` is as `theirs`.
    #[must_use]
    pub fn ratio(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Unit::PerSecond(_) => ours / theirs,
            Unit::Nanoseconds(_) => theirs / ours,
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
