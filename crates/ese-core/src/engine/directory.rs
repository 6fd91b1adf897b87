//! The directory of a database: tree 0, rows like any other.
//!
//! | key | value | written by |
//! |---|---|---|
//! | `n` name | tree number, 8 bytes little-endian | create, drop, rename |
//! | `r` number, 8 bytes big-endian | name | create, drop, rename |
//! | `t` number, 8 bytes big-endian | empty: the tree stands | create, drop |
//! | `d` number, 8 bytes big-endian | empty: dropped, its pages are being given back | drop; removed by merges |
//!
//! | `a` name of a database | attachment number, 4 bytes little-endian; 1: attached, 0: about to be | attach, detach |
//! | `A` | the number that the next attachment gets, 4 bytes little-endian | attach |
//!
//! The last two exist in the main database and under a log only: they tell recovery which files the log speaks of.
//! Renames do not touch `t` rows, so that writers in a tree conflict with its drop and not with its rename.
//!
//! A word per database saves looking: it counts changes in its high part and, in its low 16 bits, the transactions that
//! changed the directory and have not ended. A session that finds a tree remembers the word, if nobody is changing the
//! directory and its snapshot has seen the last change there was. While the word stays, the tree stands for every later
//! snapshot of that session.

use ese_base::{
    AttachmentNo, CommitTs, Error, ErrorKind, Result, TreeNo,
    limits::{DATABASE_NAME_MAX_BYTES, NAME_MAX_BYTES},
    sync::atomic::{AtomicU64, Ordering},
};

const IN_FLIGHT: u64 = 0xffff;
const CHANGE: u64 = IN_FLIGHT + 1;

/// Says whether the directory may have changed; see the head of the module.
#[derive(Debug, Default)]
pub(super) struct DirectoryWord {
    word: AtomicU64,
    /// What was visible when the last change had ended: older snapshots have not seen it.
    changed_at: AtomicU64,
}

/// A word at which nobody was changing the directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Quiet(u64);

impl DirectoryWord {
    /// A transaction is about to write its first directory row.
    pub(super) fn begin_change(&self) {
        self.word.fetch_add(CHANGE + 1, Ordering::SeqCst);
    }

    /// That transaction has ended: it is visible, at or below `last_visible`, or aborted.
    pub(super) fn end_change(&self, last_visible: CommitTs) {
        // Before the word: who finds it quiet finds the timestamp of what made it so.
        self.changed_at.fetch_max(last_visible.0, Ordering::SeqCst);
        self.word.fetch_add(CHANGE - 1, Ordering::SeqCst);
    }

    /// The word, if nobody is changing the directory.
    #[inline]
    pub(super) fn quiet(&self) -> Option<Quiet> {
        let word = self.word.load(Ordering::SeqCst);
        (word & IN_FLIGHT == 0).then_some(Quiet(word))
    }

    /// The word, if nobody is changing the directory and `snapshot` has seen every change.
    pub(super) fn quiet_for(&self, snapshot: CommitTs) -> Option<Quiet> {
        let quiet = self.quiet()?;
        (self.changed_at.load(Ordering::SeqCst) <= snapshot.0).then_some(quiet)
    }
}

fn numbered(tag: u8, tree: TreeNo) -> [u8; 9] {
    let mut key = [tag; 9];
    key[1..].copy_from_slice(&tree.0.to_be_bytes());
    key
}

/// The row that says under which number a name stands.
pub(super) fn name_key(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 1);
    key.push(b'n');
    key.extend_from_slice(name.as_bytes());
    key
}

/// The row that says which name a tree has.
pub(super) fn reverse_key(tree: TreeNo) -> [u8; 9] {
    numbered(b'r', tree)
}

/// The row that says that a tree stands.
pub(super) fn standing_key(tree: TreeNo) -> [u8; 9] {
    numbered(b't', tree)
}

/// The row that says that a tree was dropped.
pub(super) fn dropped_key(tree: TreeNo) -> [u8; 9] {
    numbered(b'd', tree)
}

/// The row that says under which number a database is attached.
pub(super) fn attached_key(database: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(database.len() + 1);
    key.push(b'a');
    key.extend_from_slice(database.as_bytes());
    key
}

/// The row that says which number the next attachment gets.
pub(super) const NEXT_ATTACHMENT: &[u8] = b"A";

/// The database of an `a` row; `None` for another row.
pub(super) fn attached_database(key: &[u8]) -> Option<Result<&str>> {
    let name = key.strip_prefix(b"a")?;
    let bad =
        |error| Error::new(ErrorKind::DatabaseCorrupted, "the name of an attached database").caused_by(error);
    let name = std::str::from_utf8(name).map_err(|error| {
        Error::new(ErrorKind::DatabaseCorrupted, "the name of an attached database").caused_by(error)
    });
    Some(name.and_then(|name| check_database_name(name).map(|()| name).map_err(bad)))
}

/// What an `a` row says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Listed {
    pub(super) number: AttachmentNo,
    /// It is attached. If not, it was about to be, and nothing was ever committed in it under that number.
    pub(super) is_attached: bool,
}

impl Listed {
    pub(super) fn encode(self) -> [u8; 5] {
        let [a, b, c, d] = self.number.0.to_le_bytes();
        [a, b, c, d, u8::from(self.is_attached)]
    }

    pub(super) fn decode(value: &[u8]) -> Result<Listed> {
        match value.split_at_checked(4) {
            Some((number, [state @ (0 | 1)])) => {
                Ok(Listed { number: next_attachment(number)?, is_attached: *state == 1 })
            }
            _ => Err(Error::new(ErrorKind::DatabaseCorrupted, "a row of the list of attached databases")),
        }
    }
}

/// The attachment number in an `A` row.
pub(super) fn next_attachment(value: &[u8]) -> Result<AttachmentNo> {
    let number = value.try_into().map_err(|_| {
        Error::new(ErrorKind::DatabaseCorrupted, format!("an attachment number of {} bytes", value.len()))
    })?;
    Ok(AttachmentNo(u32::from_le_bytes(number)))
}

/// All attached databases.
pub(super) const ATTACHED: std::ops::Range<&[u8]> = (b"a" as &[u8])..(b"b" as &[u8]);
/// All names.
pub(super) const NAMES: std::ops::Range<&[u8]> = (b"n" as &[u8])..(b"o" as &[u8]);
/// All dropped trees.
pub(super) const DROPPED: std::ops::Range<&[u8]> = (b"d" as &[u8])..(b"e" as &[u8]);

/// Whether a row says that a tree was dropped.
pub(super) fn is_dropped_key(key: &[u8]) -> bool {
    key.first() == Some(&b'd')
}

/// The tree of a `t`, `r` or `d` row.
pub(super) fn numbered_tree(key: &[u8]) -> Option<TreeNo> {
    let number: &[u8; 8] = key.get(1..)?.try_into().ok()?;
    Some(TreeNo(u64::from_be_bytes(*number)))
}

/// The tree an `n` row leads to.
pub(super) fn tree_of(value: &[u8]) -> Result<TreeNo> {
    let number: [u8; 8] = value.try_into().map_err(|_| {
        Error::new(
            ErrorKind::DatabaseCorrupted,
            format!("a directory row has {} bytes instead of 8", value.len()),
        )
    })?;
    Ok(TreeNo(u64::from_le_bytes(number)))
}

/// Checks a name of a tree.
pub(super) fn check_name(name: &str) -> Result<()> {
    check_name_within(name, NAME_MAX_BYTES)
}

/// Checks a name of a database.
pub(super) fn check_database_name(name: &str) -> Result<()> {
    check_name_within(name, DATABASE_NAME_MAX_BYTES)
}

fn check_name_within(name: &str, most: usize) -> Result<()> {
    if name.is_empty() || name.len() > most {
        return Err(Error::new(
            ErrorKind::InvalidName,
            format!("it has {} bytes, 1 to {most} are allowed", name.len()),
        ));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::new(ErrorKind::InvalidName, "it has a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quiet_only_between_changes() {
        let word = DirectoryWord::default();
        let before = word.quiet().unwrap();
        word.begin_change();
        word.begin_change();
        assert_eq!(word.quiet(), None);
        word.end_change(CommitTs(4));
        assert_eq!(word.quiet(), None);
        word.end_change(CommitTs(7));
        assert_ne!(word.quiet().unwrap(), before, "a change that ended is remembered");
        assert_eq!(word.quiet_for(CommitTs(6)), None, "this snapshot has not seen the last change");
        assert_eq!(word.quiet_for(CommitTs(7)), word.quiet());
    }

    #[test]
    fn names() {
        assert!(check_name("orders").is_ok());
        for bad in ["", "a\0b", "line\n", &"x".repeat(65)] {
            assert_eq!(check_name(bad).unwrap_err().kind(), ErrorKind::InvalidName, "{bad:?}");
        }
    }

    #[test]
    fn keys_round_trip() {
        assert_eq!(numbered_tree(&standing_key(TreeNo(77))), Some(TreeNo(77)));
        assert!(DROPPED.contains(&&dropped_key(TreeNo(u64::MAX))[..]));
        assert!(NAMES.contains(&&name_key("z")[..]));
        assert!(tree_of(b"short").is_err());
    }
}
