//! A row: all its versions, in the order they were written, and what a snapshot makes of them.

use ese_core::Delta;

/// Who reads: a snapshot, and a transaction of which everything is seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Eyes {
    pub(super) snapshot: u64,
    /// `None`: outside a transaction.
    pub(super) txn: Option<u64>,
}

impl Eyes {
    /// Sees what is committed now.
    pub(super) const NEWEST: Eyes = Eyes { snapshot: u64::MAX, txn: None };
}

/// What a version does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    Put(Vec<u8>),
    Delete,
    Add { offset: u32, delta: Delta },
    ReadLock,
    WriteLock,
}

impl What {
    /// Does it conflict with what another did?
    fn clashes(&self, other: &What) -> bool {
        match (self, other) {
            (What::ReadLock, What::ReadLock) => false,
            // Adds go together when their counters cannot overlap in part: one width, and one place within it.
            (What::Add { offset: mine, delta: my }, What::Add { offset: theirs, delta: their }) => {
                let width = my.width();
                width != their.width() || place(*mine, width) != place(*theirs, width)
            }
            _ => true,
        }
    }

    pub(super) fn is_data(&self) -> bool {
        !matches!(self, What::ReadLock | What::WriteLock)
    }
}

fn place(offset: u32, width: usize) -> usize {
    usize::try_from(offset).expect("an offset fits an index") % width
}

/// One version.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// Its name.
    pub(super) number: u64,
    pub(super) txn: u64,
    /// `None`: not committed.
    pub(super) ts: Option<u64>,
    pub(super) what: What,
}

impl Version {
    fn is_seen(&self, eyes: Eyes) -> bool {
        Some(self.txn) == eyes.txn || self.ts.is_some_and(|ts| ts <= eyes.snapshot)
    }
}

/// Reads a counter in a value; `None` when it does not lie inside.
pub(super) fn counter(value: &[u8], offset: u32, delta: Delta) -> Option<i64> {
    let start = usize::try_from(offset).ok()?;
    let bytes = value.get(start..start.checked_add(delta.width())?)?;
    Some(match delta {
        Delta::I32(_) => i64::from(i32::from_le_bytes(bytes.try_into().ok()?)),
        Delta::I64(_) => i64::from_le_bytes(bytes.try_into().ok()?),
    })
}

/// Adds to a counter in a value, wrapping.
fn add(value: &mut [u8], offset: u32, delta: Delta) {
    let start = usize::try_from(offset).expect("an offset fits an index");
    let bytes = &mut value[start..start + delta.width()];
    match delta {
        Delta::I32(by) => {
            let old = i32::from_le_bytes((&*bytes).try_into().expect("four bytes"));
            bytes.copy_from_slice(&old.wrapping_add(by).to_le_bytes());
        }
        Delta::I64(by) => {
            let old = i64::from_le_bytes((&*bytes).try_into().expect("eight bytes"));
            bytes.copy_from_slice(&old.wrapping_add(by).to_le_bytes());
        }
    }
}

fn fold<'v>(versions: impl Iterator<Item = &'v Version>) -> Option<Vec<u8>> {
    let mut row = None;
    for version in versions {
        match &version.what {
            What::Put(value) => row = Some(value.clone()),
            What::Delete => row = None,
            What::Add { offset, delta } => {
                if let Some(value) = &mut row {
                    add(value, *offset, *delta);
                }
            }
            What::ReadLock | What::WriteLock => {}
        }
    }
    row
}

/// All versions of a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Row(pub(super) Vec<Version>);

impl Row {
    /// The value, as seen.
    pub(super) fn value(&self, eyes: Eyes) -> Option<Vec<u8>> {
        fold(self.0.iter().filter(|version| version.is_seen(eyes)))
    }

    /// The value with everything anybody did, committed or not.
    pub(super) fn raw_value(&self) -> Option<Vec<u8>> {
        fold(self.0.iter())
    }

    /// The first version of another that the snapshot does not show and that forbids `what`.
    pub(super) fn conflict(&self, eyes: Eyes, what: &What) -> Option<&Version> {
        self.0.iter().find(|version| !version.is_seen(eyes) && what.clashes(&version.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(txn: u64, ts: Option<u64>, what: What) -> Version {
        Version { number: 0, txn, ts, what }
    }

    #[test]
    fn a_row_folds_to_what_is_seen() {
        let by = |delta| What::Add { offset: 1, delta: Delta::I32(delta) };
        let row = Row(vec![
            version(1, Some(1), What::Put(vec![9, 0xff, 0xff, 0xff, 0xff, 8])),
            version(2, Some(3), by(1)),
            version(3, None, by(5)),
        ]);
        assert_eq!(row.value(Eyes { snapshot: 0, txn: None }), None);
        assert_eq!(row.value(Eyes { snapshot: 1, txn: None }), Some(vec![9, 0xff, 0xff, 0xff, 0xff, 8]));
        assert_eq!(row.value(Eyes { snapshot: 3, txn: None }), Some(vec![9, 0, 0, 0, 0, 8]));
        assert_eq!(row.value(Eyes { snapshot: 1, txn: Some(3) }), Some(vec![9, 4, 0, 0, 0, 8]));
        assert_eq!(row.raw_value(), Some(vec![9, 5, 0, 0, 0, 8]));
    }

    #[test]
    fn adds_go_together_by_width_and_place() {
        let add = |offset, delta| What::Add { offset, delta };
        assert!(!add(0, Delta::I32(1)).clashes(&add(8, Delta::I32(2))));
        assert!(add(0, Delta::I32(1)).clashes(&add(2, Delta::I32(2))));
        assert!(add(0, Delta::I32(1)).clashes(&add(0, Delta::I64(2))));
        assert!(!add(3, Delta::I64(1)).clashes(&add(11, Delta::I64(2))));
    }
}
