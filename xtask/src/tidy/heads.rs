//! Every Rust file opens with `//!`: what it is, in a sentence.

use super::{Finding, rust::Rust};

/// Tells a file whose first line is no inner documentation.
pub(crate) fn check(source: &Rust<'_>) -> Option<Finding> {
    let words = source.text.lines().next().and_then(|line| line.strip_prefix("//!"));
    match words {
        Some(words) if !words.trim().is_empty() => None,
        _ => Some(Finding::new(source.path, 1, "head", "the file does not open with `//!` and a sentence")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_the_first_line_and_has_words() {
        let findings = |text| check(&Rust::parse("a.rs", text).unwrap()).is_some();
        assert!(!findings("//! Sentences.\n\nfn a() {}\n"));
        assert!(findings("fn a() {}\n"));
        assert!(findings("\n//! Late.\n"));
        assert!(findings("//!\n"));
        assert!(findings("// Ordinary.\n"));
        assert!(findings(""));
    }
}
