//! Places that a document names in backticks exist: `crates/a/src/b.rs` as a file or folder, `crates/a/src/b.rs: c` as a
//! function in it. Decisions and the changelog tell of their time and are left alone.

use super::{Finding, tree::Tree};
use pulldown_cmark::{Event, Parser};

/// Where a path of the project begins.
const ROOTS: &[&str] = &["crates/", "docs/", "examples/", "xtask/"];
/// Documents that tell of their time.
const HISTORY: &[&str] = &["docs/decisions/", "CHANGELOG.md"];

/// Tells places that are not there.
pub(crate) fn check(path: &str, text: &str, tree: &Tree) -> Vec<Finding> {
    if HISTORY.iter().any(|history| path.starts_with(history)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (event, place) in Parser::new_ext(text, pulldown_cmark::Options::ENABLE_TABLES).into_offset_iter() {
        let Event::Code(code) = event else { continue };
        let what = ROOTS.iter().any(|root| code.starts_with(root)).then(|| missing(&code, tree)).flatten();
        if let Some(what) = what {
            let line = text[..place.start].matches('\n').count() + 1;
            findings.push(Finding::new(path, line, "place", what));
        }
    }
    findings
}

fn missing(code: &str, tree: &Tree) -> Option<String> {
    let (file, function) = code.split_once(": ").map_or((code, None), |(file, name)| (file, Some(name)));
    if !tree.has(file.trim_end_matches('/')) {
        return Some(format!("`{file}` does not exist"));
    }
    let function = function?;
    let head = format!("fn {function}");
    let mut rest = tree.text(file).match_indices(&head).map(|(at, _)| &tree.text(file)[at + head.len()..]);
    let found = rest.any(|rest| rest.starts_with(['(', '<']));
    (!found).then(|| format!("`{file}` has no function `{function}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let tree = Tree::of(&[("crates/a/src/b.rs", "fn c(d: u8) {}\nfn e<F>() {}\n")]);
        check(path, text, &tree).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn places_are_files_and_functions() {
        assert_eq!(
            lines("a.md", "`crates/a/src/b.rs: c`, `crates/a/src/b.rs: e`, `crates/a/src/b.rs`, `b.rs`\n"),
            [0; 0]
        );
        assert_eq!(lines("a.md", "a\n`crates/a/src/gone.rs`\n"), [2]);
        assert_eq!(lines("a.md", "| `crates/a/src/b.rs: d` |\n"), [1]);
        assert_eq!(lines("a.md", "`crates/a/src/b.rs: cc`\n"), [1]);
        assert_eq!(lines("docs/decisions/0001-a.md", "`crates/gone`\n"), [0; 0]);
    }
}
