//! The one error of the workspace: what a program branches on ([`ErrorKind`]) apart from what a person reads.
//!
//! Invariant: an [`Error`] never prints keys or values; [`Error::key`] hands the key to who asks for it.

use std::{error::Error as StdError, fmt};

mod failure;
mod table;
pub use failure::Failure;
pub use table::ErrorKind;

/// A result with ese's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: a kind, ESE's code for it, a sentence with the context, and what caused it. Eight bytes.
///
/// ```
/// use ese_base::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::WriteConflict, "the row is locked by session 12 (\"import\")").on_tree("orders");
/// assert_eq!(error.kind(), ErrorKind::WriteConflict);
/// assert_eq!(error.jet_err(), -1102);
/// assert_eq!(
///     error.to_string(),
///     "write conflict on tree \"orders\": the row is locked by session 12 (\"import\") [JET_errWriteConflict -1102]"
/// );
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    tree: Option<Box<str>>,
    what: Box<str>,
    key: Option<Box<[u8]>>,
    concurrent: bool,
    attempts: u32,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `what` says what happened, to what, and where, without the words of the kind itself.
    #[cold]
    #[must_use]
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            kind,
            tree: None,
            what: what.into().into_boxed_str(),
            key: None,
            concurrent: false,
            attempts: 0,
            source: None,
        }))
    }

    /// Names the tree it happened in.
    #[cold]
    #[must_use]
    pub fn on_tree(mut self, name: impl Into<String>) -> Self {
        self.0.tree = Some(name.into().into_boxed_str());
        self
    }

    /// Keeps the key it happened at for [`Error::key`]; it is not printed.
    #[cold]
    #[must_use]
    pub fn at_key(mut self, key: &[u8]) -> Self {
        self.0.key = Some(Box::from(key));
        self
    }

    /// Says that another transaction is the reason, so that a new try with a new snapshot may succeed.
    #[cold]
    #[must_use]
    pub fn concurrent(mut self) -> Self {
        self.0.concurrent = true;
        self
    }

    /// Notes how many tries a closure had before this error was final.
    #[cold]
    #[must_use]
    pub fn after_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Keeps the error that caused it.
    #[cold]
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What a program branches on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// ESE's number for it (`JET_ERR`), negative.
    #[must_use]
    pub fn jet_err(&self) -> i32 {
        self.0.kind.jet_err()
    }

    /// The key it happened at, where there is one.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.0.key.as_deref()
    }

    /// The name of the tree it happened in, where it is known.
    #[must_use]
    pub fn tree(&self) -> Option<&str> {
        self.0.tree.as_deref()
    }

    /// Whether another transaction is the reason. For [`ErrorKind::KeyDuplicate`] it tells "somebody inserts, deletes
    /// or holds the key at the same time" (true) from "the row exists for me" (false); ESE cannot tell these apart.
    #[must_use]
    pub fn is_concurrent(&self) -> bool {
        self.0.concurrent
    }

    /// How many tries a closure had; 0 where nothing was tried again.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the same work may succeed in a new transaction, with nothing else changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.concurrent || matches!(self.0.kind, ErrorKind::WriteConflict | ErrorKind::VersionStoreFull)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.sentence())?;
        if let Some(tree) = &self.0.tree {
            write!(f, " on tree {tree:?}")?;
        }
        if !self.0.what.is_empty() {
            write!(f, ": {}", self.0.what)?;
        }
        if self.0.attempts > 0 {
            write!(f, " (after {} attempts)", self.0.attempts)?;
        }
        write!(f, " [{} {}]", self.0.kind.jet_name(), self.0.kind.jet_err())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error::new(kind, "")
    }
}

// One word, so that `Result<()>` travels in a register.
const _: () = assert!(size_of::<Error>() == size_of::<usize>());

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn display_names_everything_but_the_key() {
        let error = Error::new(ErrorKind::KeyDuplicate, "the row exists").on_tree("stock").at_key(b"secret");
        assert_eq!(
            error.to_string(),
            "key duplicate on tree \"stock\": the row exists [JET_errKeyDuplicate -1605]"
        );
        assert!(!format!("{error:?}").contains("secret"));
        assert_eq!(error.key(), Some(&b"secret"[..]));
    }

    #[test]
    fn names_are_unique_and_codes_negative() {
        let mut names = HashSet::new();
        for kind in ErrorKind::ALL {
            assert!(names.insert(format!("{kind:?}")), "{kind:?} stands twice");
            assert!(kind.jet_err() < 0, "{kind:?}");
            assert!(!kind.sentence().is_empty() && !kind.advice().is_empty(), "{kind:?}");
        }
    }

    #[test]
    fn retryable_is_about_others() {
        assert!(Error::from(ErrorKind::WriteConflict).is_retryable());
        assert!(!Error::from(ErrorKind::KeyDuplicate).is_retryable());
        assert!(Error::from(ErrorKind::KeyDuplicate).concurrent().is_retryable());
    }
}
