//! A file has at most 500 lines without its tests: beyond that it holds more than one noun.

use super::{Finding, rust::Rust};

/// How many lines a file may have, tests not counted.
const LINES_MAX: usize = 500;

/// Tells a file that is too long.
pub(crate) fn check(source: &Rust<'_>) -> Option<Finding> {
    let count = source.text.lines().count();
    let lines = (1..=count).filter(|line| !source.is_test(*line)).count();
    (lines > LINES_MAX).then(|| {
        Finding::new(
            source.path,
            count,
            "length",
            format!("{lines} lines without tests, at most {LINES_MAX}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_outside_tests_count() {
        let findings = |text: &str| check(&Rust::parse("a.rs", text).unwrap()).is_some();
        let many = "// a line\n".repeat(LINES_MAX);
        assert!(!findings(&many));
        assert!(findings(&format!("{many}fn a() {{}}\n")));
        assert!(!findings(&format!("{many}#[cfg(test)]\nmod tests {{\n{many}}}\n")));
    }
}
