//! An error that has to be given out again: an [`Error`] is given away once.

use super::{Error, ErrorKind};

/// What is kept of an error by something that failed and goes on failing: a scan that could not read a page must not
/// look as if it had come to its end.
///
/// ```
/// use ese_base::{Error, ErrorKind, error::Failure};
/// let failure = Failure::of(&Error::new(ErrorKind::PageChecksum, "page 7"));
/// assert_eq!(failure.again().kind(), ErrorKind::PageChecksum);
/// assert!(failure.again().to_string().contains("page 7"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    kind: ErrorKind,
    what: Box<str>,
}

impl Failure {
    /// Keeps kind and text of an error.
    #[cold]
    #[must_use]
    pub fn of(error: &Error) -> Failure {
        Failure { kind: error.kind(), what: error.to_string().into_boxed_str() }
    }

    /// An error of the same kind that tells the first one.
    #[cold]
    #[must_use]
    pub fn again(&self) -> Error {
        Error::new(self.kind, format!("it has failed before ({})", self.what))
    }
}
