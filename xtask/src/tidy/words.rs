//! Words that have no place in the project: promises instead of work, and places of one machine.

use super::{Finding, rust::Rust};

/// Words of unfinished work, in any text. Written in parts, so that this file passes its own check.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("for", " now"),
    concat!("HA", "CK"),
];

/// Macros of unfinished work and of debugging, in code.
const MACROS: &[&str] = &["todo", "unimplemented", "dbg"];

/// Files with tests that may be ignored: they measure, and are named in docs/TESTING.md.
const MAY_IGNORE: &[&str] = &["crates/ese-core/src/overlay/index/tests/cost.rs"];

/// First folders of absolute paths that exist on one machine only.
const MACHINE_FOLDERS: &[&str] = &["home", "root", "tmp", "work", "mnt", "Users"];

/// A neighbour of the checkout, which a fresh clone does not have.
const NEIGHBOUR: &str = concat!("../", "shared");

/// Tells words that do not belong into any text.
pub(crate) fn check_text(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if let Some(word) = UNFINISHED.iter().find(|word| has_word(line, word)) {
            findings.push(Finding::new(path, number, "word", format!("`{word}`: finish it, or say what is")));
        }
        if let Some(place) = machine_path(line) {
            findings.push(Finding::new(
                path,
                number,
                "machine",
                format!("`{place}` exists on one machine only"),
            ));
        }
        if line.contains(NEIGHBOUR) {
            findings.push(Finding::new(
                path,
                number,
                "machine",
                format!("`{NEIGHBOUR}` is not part of the project"),
            ));
        }
    }
    findings
}

/// Tells macros and attributes of unfinished work.
pub(crate) fn check_code(source: &Rust<'_>) -> Vec<Finding> {
    use super::rust::Kind;
    let mut findings = Vec::new();
    for pair in source.tokens.windows(2) {
        let Some(word) = pair[0].word() else { continue };
        if MACROS.contains(&word) && pair[1].kind == Kind::Sign('!') {
            findings.push(Finding::new(source.path, pair[0].line, "word", format!("`{word}!`")));
        }
    }
    for three in source.tokens.windows(3) {
        if three[0].kind == Kind::Sign('#')
            && three[1].kind == Kind::Open('[')
            && three[2].word() == Some("ignore")
            && !MAY_IGNORE.contains(&source.path)
        {
            findings.push(Finding::new(source.path, three[2].line, "word", "an ignored test tests nothing"));
        }
    }
    findings
}

/// Whether `word` stands in `line` with no letter beside it.
fn has_word(line: &str, word: &str) -> bool {
    let is_letter = |sign: char| sign.is_alphanumeric() || sign == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_letter) && !line[at + word.len()..].starts_with(is_letter))
}

/// The beginning of an absolute path of one machine.
fn machine_path(line: &str) -> Option<String> {
    MACHINE_FOLDERS.iter().find_map(|folder| {
        let place = format!("/{folder}/");
        let at = line.find(&place)?;
        let before = line[..at].chars().next_back();
        before.is_none_or(|sign| !sign.is_alphanumeric() && !"._-*/)}".contains(sign)).then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> usize {
        check_text("a.md", text).len()
    }

    #[test]
    fn unfinished_work_is_told_by_whole_words() {
        for word in UNFINISHED {
            assert_eq!(texts(&format!("a {word}: b\n")), 1, "{word}");
            assert_eq!(texts(&format!("a{word}b\n")), 0, "{word} inside a word");
        }
    }

    #[test]
    fn places_of_one_machine_are_told() {
        for folder in MACHINE_FOLDERS {
            assert_eq!(texts(&format!("see /{folder}/a\n")), 1);
            assert_eq!(texts(&format!("\"/{folder}/a\"\n")), 1);
            assert_eq!(texts(&format!("src/{folder}/a\n")), 0);
        }
        assert_eq!(texts(&format!("{NEIGHBOUR}/a\n")), 1);
        assert_eq!(texts("#!/usr/bin/env bash\n"), 0);
    }

    #[test]
    fn macros_and_ignored_tests_are_told_in_code_only() {
        let count = |text| check_code(&Rust::parse("a.rs", text).unwrap()).len();
        for word in MACROS {
            assert_eq!(count(format!("fn a() {{ {word}!() }}").leak()), 1);
            assert_eq!(count(format!("// {word}!()\nfn {word}() {{}}").leak()), 0);
        }
        assert_eq!(count("#[test]\n#[ignore = \"slow\"]\nfn a() {}"), 1);
        assert_eq!(count("fn ignore() {}"), 0);
    }
}
