//! Scenarios: what sessions do, as text, and what they must see; the same files run on every engine.
//!
//! A file holds cases, parted by blank lines. A case is statements, one a line, then `----`, then the lines that the
//! statements print; `#` begins a comment line. What succeeds prints nothing, a read prints what it read, an error is
//! printed behind the statement:
//!
//! ```text
//! # The second writer gets its conflict at once, and its transaction lives on.
//! rows t a=1
//! s1 begin
//! s1 put t a 2
//! s2 begin
//! s2 put t a 3
//! s2 get t a
//! ----
//! s2 put t a 3: WriteConflict -1102
//! a: 1
//! ```
//!
//! Each case has an engine of its own with a tree `t`, driven by hand (`Background::Manual`, a clock that stands), and
//! ends with a check of the engine, a merge, a comparison of all rows before and after it, scanned both ways, and a
//! close. Sessions `s1`, `s2`, … begin when they are first named. `needs merges` skips a case on an engine without
//! background work. The environment variable `ESE_REWRITE=1` writes what was printed into the files.
//!
//! Reading order: `case` (the text), `text` (keys and values), `stage` (what a case works with), `engine_word`,
//! `session_word`, `cursor_word` (what the words do).

mod case;
mod cursor_word;
mod engine_word;
mod session_word;
mod stage;
mod text;

pub(crate) use text::word;

use ese_base::{Result, clock::Clock};
use ese_core::{Engine, Options};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Starts an engine on whatever is under test.
pub type Factory<'f> = &'f (dyn Fn(Options, Arc<dyn Clock>) -> Result<Arc<dyn Engine>> + Sync);

/// The folder of the scenario files of this crate.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// How many cases ran, and how many were left out because the engine lacks what they need.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ran {
    /// Cases that ran.
    pub cases: usize,
    /// Cases that were skipped.
    pub skipped: usize,
}

/// Runs every scenario file below `folder`.
///
/// # Panics
/// When a case prints something else than it should (all such cases are shown), when a file cannot be read, and when
/// there is none.
pub fn run_all(folder: &Path, start: Factory<'_>) -> Ran {
    let (mut ran, mut wrong) = (Ran::default(), Vec::new());
    let files = files(folder);
    assert!(!files.is_empty(), "no scenario file below {}", folder.display());
    for file in files {
        run_file(&file, start, &mut ran, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} of {} cases went wrong\n\n{}", wrong.len(), ran.cases, wrong.join("\n\n"));
    ran
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("a folder that can be read lists its entries").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|end| end == "txt") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[expect(clippy::disallowed_methods, reason = "scenario files are the tester's files, not the product's")]
fn run_file(file: &Path, start: Factory<'_>, ran: &mut Ran, wrong: &mut Vec<String>) {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut cases = case::parse(&text).unwrap_or_else(|error| panic!("{name}:{error}"));
    let rewrite = std::env::var_os("ESE_REWRITE").is_some_and(|value| value == "1");
    for case in &mut cases {
        let Some(printed) = stage::perform(case, &name, start) else {
            ran.skipped += 1;
            continue;
        };
        ran.cases += 1;
        if rewrite {
            case.expected = printed;
        } else if printed != case.expected {
            wrong.push(case.difference(&name, &printed));
        }
    }
    if rewrite {
        fs::write(file, case::print(&cases)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
