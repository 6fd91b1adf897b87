//! What a child says, a line each, written at once so that a kill leaves whole lines.

use std::{fmt, str::FromStr};

/// How many threads there are in the rows; a child may use fewer.
pub const THREADS: usize = 4;
/// How many transactions each thread has committed.
pub type Counts = [u64; THREADS];

/// An acknowledgement: a commit has returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acknowledged {
    /// The thread.
    pub thread: usize,
    /// The number of its transaction.
    pub n: u64,
    /// The position of the commit, within one life of a child.
    pub position: u64,
    /// Whether it was durable then.
    pub is_durable: bool,
}

/// What a child says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// It is going to open the folder.
    Opening,
    /// It has opened it and found so much.
    Opened(Counts),
    /// A commit has returned.
    Acknowledged(Acknowledged),
    /// It is going to close the folder.
    Closing,
    /// It has closed it.
    Closed,
}

/// The first word of every line, so that what a test harness prints is not taken for one.
const MARK: &str = "@crash";

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Opening => write!(f, "{MARK} opening"),
            Line::Opened(counts) => {
                write!(f, "{MARK} opened")?;
                counts.iter().try_for_each(|count| write!(f, " {count}"))
            }
            Line::Acknowledged(Acknowledged { thread, n, position, is_durable }) => {
                let word = if *is_durable { "durable" } else { "lazy" };
                write!(f, "{MARK} {word} {thread} {n} {position}")
            }
            Line::Closing => write!(f, "{MARK} closing"),
            Line::Closed => write!(f, "{MARK} closed"),
        }
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Line, String> {
        let wrong = || format!("a child said {text:?}");
        let mut words = text.split(' ').skip_while(|word| *word != MARK).skip(1);
        let word = words.next().ok_or_else(wrong)?;
        let numbers: Vec<u64> =
            words.map(|word| word.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
        match (word, numbers[..].as_ref()) {
            ("opening", []) => Ok(Line::Opening),
            ("opened", counts) => Ok(Line::Opened(counts.try_into().map_err(|_| wrong())?)),
            ("durable" | "lazy", &[thread, n, position]) => {
                let thread =
                    usize::try_from(thread).ok().filter(|thread| *thread < THREADS).ok_or_else(wrong)?;
                let is_durable = word == "durable";
                Ok(Line::Acknowledged(Acknowledged { thread, n, position, is_durable }))
            }
            ("closing", []) => Ok(Line::Closing),
            ("closed", []) => Ok(Line::Closed),
            _ => Err(wrong()),
        }
    }
}

impl Line {
    /// The line in what a child's program printed, if it is one of ours.
    #[must_use]
    pub fn find(text: &str) -> Option<Result<Line, String>> {
        text.contains(MARK).then(|| text.parse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let acknowledged = Acknowledged { thread: 3, n: 12, position: 99, is_durable: true };
        for line in [
            Line::Opening,
            Line::Opened([1, 2, 3, u64::MAX]),
            Line::Acknowledged(acknowledged),
            Line::Acknowledged(Acknowledged { is_durable: false, ..acknowledged }),
            Line::Closing,
            Line::Closed,
        ] {
            assert_eq!(Line::find(&line.to_string()), Some(Ok(line)));
            // The harness of tests does not end its own line before.
            assert_eq!(Line::find(&format!("test a ... {line}")), Some(Ok(line)));
        }
        assert_eq!(Line::find("running 1 test"), None);
        for bad in ["@crash", "@crash opened 1", "@crash lazy 4 1 1", "@crash lazy 1 1", "@crash closing 1"] {
            assert!(Line::find(bad).unwrap().is_err(), "{bad}");
        }
    }
}
