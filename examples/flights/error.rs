//! What can go wrong in the example: the input, with file and line, or the engine.

use std::path::PathBuf;

/// A result with this example's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing or cannot be read or unpacked.
    #[error("{}: {what}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A line is not a row of its table.
    #[error("{}, line {line}: {what}", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, the header being line 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The engine's own check found faults.
    #[error("the engine's check found: {}", .0.join("; "))]
    Check(Vec<String>),
    /// The report could not be written.
    #[error("cannot write the report: {0}")]
    Output(#[from] std::io::Error),
    /// The engine reported an error.
    #[error(transparent)]
    Engine(#[from] ese::Error),
}

impl Error {
    /// Whether the user's input is to blame; the program then ends with code 2.
    #[must_use]
    pub fn is_input(&self) -> bool {
        matches!(self, Error::File { .. } | Error::Line { .. })
    }
}
