//! Decision notes: `docs/decisions/0001-a-title.md`, numbered without gaps, at most 40 lines.

use super::{Finding, tree::File};

const FOLDER: &str = "docs/decisions/";
const LINES_MAX: usize = 40;

/// What a note has to say, as headings.
const PARTS: &[&str] = &["## Context", "## Choice", "## Rejected", "## Figures", "## Non-goals"];

/// Tells notes that are too long, misnumbered or incomplete. The files come in the order of their names.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut next = 1;
    for File { path, text } in files {
        let Some(name) = path.strip_prefix(FOLDER) else { continue };
        let mut tell = |line, what: String| findings.push(Finding::new(path, line, "note", what));
        match number(name) {
            Some(number) if number == next => next += 1,
            Some(number) => {
                tell(1, format!("the note should have number {next:04}"));
                next = number + 1;
            }
            None => tell(1, "the name should be like `0001-a-title.md`".into()),
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            tell(lines, format!("{lines} lines, at most {LINES_MAX}"));
        }
        for part in PARTS.iter().filter(|part| !text.lines().any(|line| line == **part)) {
            tell(1, format!("the part `{part}` is missing"));
        }
    }
    findings
}

/// The number of a note's name.
fn number(name: &str) -> Option<u32> {
    let (digits, title) = name.strip_suffix(".md")?.split_once('-')?;
    let is_title =
        title.chars().all(|sign| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-');
    if digits.len() == 4 && !title.is_empty() && is_title { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &str, lines: usize) -> File {
        let text = format!("{}\n{}", PARTS.join("\n"), "a\n".repeat(lines - PARTS.len()));
        File { path: format!("{FOLDER}{name}"), text }
    }

    #[test]
    fn notes_are_numbered_short_and_whole() {
        assert_eq!(check(&[note("0001-a.md", LINES_MAX), note("0002-b-c.md", 10)]), []);
        assert_eq!(check(&[note("0001-a.md", LINES_MAX + 1)]).len(), 1);
        assert_eq!(check(&[note("0001-a.md", 9), note("0003-b.md", 9)]).len(), 1, "a gap");
        assert_eq!(check(&[note("0001-a.md", 9), note("0001-b.md", 9)]).len(), 1, "twice");
        assert_eq!(check(&[note("1-a.md", 9)]).len(), 1);
        assert_eq!(check(&[note("0001-A.md", 9)]).len(), 1);
        let empty = File { path: format!("{FOLDER}0001-a.md"), text: String::new() };
        assert_eq!(check(&[empty]).len(), PARTS.len());
        let elsewhere = File { path: "docs/a.md".into(), text: String::new() };
        assert_eq!(check(&[elsewhere]), []);
    }
}
