//! The page about errors says what the table of errors says, row for row.

use super::{
    Finding, lists,
    rust::{Kind, Rust, Token},
};

/// The table in the code.
pub(crate) const TABLE: &str = "crates/ese-base/src/error/table.rs";
/// The page.
pub(crate) const PAGE: &str = "docs/semantics/errors.md";
const HEADING: &str = "## Kinds";

/// Tells rows that only one of the two has.
pub(crate) fn check(table: &Rust<'_>, page: &str) -> Vec<Finding> {
    let expected = expected_rows(&table.tokens);
    let mut findings = Vec::new();
    if expected.is_empty() {
        findings.push(Finding::new(
            TABLE,
            1,
            "errors",
            "no rows of the form `Kind = -1, \"name\", …;` were found",
        ));
    }
    let lines: Vec<&str> = page.lines().collect();
    for row in &expected {
        if !lines.contains(&row.as_str()) {
            findings.push(Finding::new(PAGE, 1, "errors", format!("there is no row {row}")));
        }
    }
    for row in lists::rows(page, HEADING) {
        if !expected.iter().any(|expected| expected == lines[row.line - 1]) {
            findings.push(Finding::new(PAGE, row.line, "errors", "the table of errors has no such row"));
        }
    }
    findings
}

/// The rows that the page should have.
fn expected_rows(tokens: &[Token]) -> Vec<String> {
    let mut rows = Vec::new();
    for (at, five) in tokens.windows(5).enumerate() {
        let [kind, equals, minus, number, _comma] = five else { continue };
        let (Some(kind), Kind::Literal(number)) = (kind.word(), &number.kind) else { continue };
        if equals.kind != Kind::Sign('=') || minus.kind != Kind::Sign('-') {
            continue;
        }
        let rest = tokens[at + 5..].iter().take_while(|token| token.kind != Kind::Sign(';'));
        let texts: Vec<&str> = rest
            .filter_map(|token| match &token.kind {
                Kind::Literal(text) => Some(text.trim_matches('"')),
                _ => None,
            })
            .collect();
        if let [name, sentence, advice] = texts[..] {
            rows.push(format!("| `{kind}` | `-{number}` | `{name}` | {sentence} | {advice} |"));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "errors! {\n/// Extra.\nA = -1, \"JET_errA\", \"a\", \"Do a.\";\nB = -2, \"JET_errB\", \"b\", \"Do b.\"; }";
    const A: &str = "| `A` | `-1` | `JET_errA` | a | Do a. |\n";
    const B: &str = "| `B` | `-2` | `JET_errB` | b | Do b. |\n";

    fn count(rows: &str) -> usize {
        check(&Rust::parse(TABLE, CODE).unwrap(), &format!("{HEADING}\n{rows}")).len()
    }

    #[test]
    fn page_and_table_agree() {
        assert_eq!(count(&format!("{A}{B}")), 0);
        assert_eq!(count(A), 1, "a row is missing");
        assert_eq!(count(&format!("{A}{B}| `C` | `-3` |\n")), 1, "a row too many");
        assert_eq!(count(&format!("{A}{}", B.replace("-2", "-3"))), 2, "another number");
        assert_eq!(
            check(&Rust::parse(TABLE, "").unwrap(), "").len(),
            1,
            "a table without rows compares nothing"
        );
    }
}
