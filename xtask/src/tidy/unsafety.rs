//! Unsafe code stands in few files, all listed in docs/UNSAFE.md, and each block says what it relies on.

use super::{
    Finding, lists,
    rust::{Kind, Rust, Token},
};

/// The list.
pub(crate) const LIST: &str = "docs/UNSAFE.md";
const HEADING: &str = "## Files";

/// How often a file uses the word, by what it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Count {
    pub(crate) blocks: usize,
    pub(crate) impls: usize,
    /// Functions, traits and types of functions that are unsafe to use.
    pub(crate) declarations: usize,
}

/// Counts the uses of `unsafe` in a file.
pub(crate) fn count(source: &Rust<'_>) -> Count {
    let mut count = Count::default();
    for pair in source.tokens.windows(2).filter(|pair| pair[0].word() == Some("unsafe")) {
        match &pair[1].kind {
            Kind::Open('{') => count.blocks += 1,
            Kind::Word(word) if word == "impl" => count.impls += 1,
            // `#[unsafe(no_mangle)]` included: it is a promise like a declaration.
            _ => count.declarations += 1,
        }
    }
    count
}

/// Tells blocks and implementations in whose statement no comment says `SAFETY:`.
pub(crate) fn check_comments(source: &Rust<'_>) -> Vec<Finding> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut findings = Vec::new();
    for (at, pair) in source.tokens.windows(2).enumerate() {
        let is_promise = pair[1].kind == Kind::Open('{') || pair[1].word() == Some("impl");
        if pair[0].word() != Some("unsafe") || !is_promise {
            continue;
        }
        let first = statement_line(&source.tokens, at);
        let said = lines[first - 1..pair[0].line].iter().any(|line| is_safety_comment(line));
        if !said {
            findings.push(Finding::new(
                source.path,
                pair[0].line,
                "unsafe",
                "no comment above it says `SAFETY:`",
            ));
        }
    }
    findings
}

/// Compares the list with the files that have unsafe code.
pub(crate) fn check_list(sources: &[Rust<'_>], list: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut with: Vec<&str> =
        sources.iter().filter(|source| count(source) != Count::default()).map(|source| source.path).collect();
    for row in lists::rows(list, HEADING) {
        let path = row.key().unwrap_or_default();
        match with.iter().position(|other| *other == path) {
            Some(index) => {
                with.swap_remove(index);
            }
            None => findings.push(Finding::new(
                LIST,
                row.line,
                "unsafe",
                format!("`{path}` has no unsafe code, or is listed twice"),
            )),
        }
    }
    findings.extend(
        with.into_iter().map(|path| Finding::new(path, 1, "unsafe", format!("not listed in {LIST}"))),
    );
    findings
}

/// The line in which the statement of the token `at` begins: that of the last end of another one on an earlier line.
fn statement_line(tokens: &[Token], at: usize) -> usize {
    let ends = |token: &&Token| {
        token.line < tokens[at].line
            && matches!(token.kind, Kind::Sign(';') | Kind::Open('{') | Kind::Close('}'))
    };
    tokens[..at].iter().rev().find(ends).map_or(1, |token| token.line)
}

fn is_safety_comment(line: &str) -> bool {
    line.split_once("//").is_some_and(|(_, comment)| comment.contains("SAFETY:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Rust<'_> {
        Rust::parse("a.rs", text).unwrap()
    }

    #[test]
    fn each_block_says_what_it_relies_on() {
        let lines =
            |text| check_comments(&parse(text)).iter().map(|finding| finding.line).collect::<Vec<_>>();
        assert_eq!(lines("fn a() {\n  // SAFETY: b\n  unsafe { c() }\n}\n"), [0; 0]);
        assert_eq!(lines("fn a() {\n  // SAFETY: b\n  let d =\n    unsafe { c() };\n}\n"), [0; 0]);
        assert_eq!(lines("fn a() {\n  // SAFETY: b\n  B { c: unsafe { d() } }\n}\n"), [0; 0]);
        assert_eq!(lines("// SAFETY: b\nunsafe impl Send for A {}\n"), [0; 0]);
        assert_eq!(lines("fn a() {\n  unsafe { c() }\n}\n"), [2]);
        assert_eq!(lines("// SAFETY: b\nunsafe impl Send for A {}\nunsafe impl Sync for A {}\n"), [3]);
        assert_eq!(lines("fn a() {\n // SAFETY: b\n unsafe { c() };\n unsafe { c() }\n}\n"), [4]);
        assert_eq!(lines("fn a() {\n unsafe { c(\"SAFETY:\") }\n}\n"), [2]);
        assert_eq!(lines("unsafe fn a() {}\n"), [0; 0], "its users say it");
    }

    #[test]
    fn uses_are_counted_by_kind() {
        let source = parse("unsafe impl A for B {}\nunsafe fn c() { unsafe { d() } }\n");
        assert_eq!(count(&source), Count { blocks: 1, impls: 1, declarations: 1 });
        assert_eq!(
            count(&parse("#![expect(unsafe_code, reason = \"unsafe\")]\n// unsafe\n")),
            Count::default()
        );
    }

    #[test]
    fn list_and_files_agree() {
        let sources = [parse("fn a() { unsafe { b() } }\n")];
        let lines = |rows: &str| check_list(&sources, &format!("## Files\n{rows}")).len();
        assert_eq!(lines("| `a.rs` | why |\n"), 0);
        assert_eq!(lines(""), 1, "not listed");
        assert_eq!(lines("| `a.rs` |\n| `b.rs` |\n"), 1, "listed without reason");
        assert_eq!(lines("| `a.rs` |\n| `a.rs` |\n"), 1, "twice");
    }
}
