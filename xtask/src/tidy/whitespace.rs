//! No space at the end of a line, and a newline at the end of a file.

use super::Finding;

/// Tells lines with trailing space and a last line without its end.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, number) in text.split('\n').zip(1..) {
        if line.ends_with([' ', '\t', '\r']) {
            findings.push(Finding::new(path, number, "space", "space at the end of the line"));
        }
    }
    let count = text.lines().count();
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(Finding::new(path, count, "space", "the file does not end in a newline"));
    }
    if text.ends_with("\n\n") {
        findings.push(Finding::new(path, count, "space", "the file ends in an empty line"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_they_end() {
        let lines = |text| check("a", text).iter().map(|finding| finding.line).collect::<Vec<_>>();
        assert_eq!(lines("a\n  b\n\nc\n"), [0; 0]);
        assert_eq!(lines("a \nb\t\nc\r\nd\n"), [1, 2, 3]);
        assert_eq!(lines("a\nb"), [2]);
        assert_eq!(lines("a\n\n"), [2]);
        assert_eq!(lines(""), [0; 0]);
    }
}
