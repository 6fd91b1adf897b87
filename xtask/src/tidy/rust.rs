//! A Rust file as a flat list of tokens with their lines, and which lines of it are tests.
//!
//! Comments are not tokens, and the words of a documentation comment or a string are one literal: a rule that looks for
//! a word in the code does not find it there.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::{collections::BTreeSet, ops::RangeInclusive};

/// One token. A group is its opening and closing token with what is between them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Word(String),
    Sign(char),
    Literal(String),
    Open(char),
    Close(char),
}

/// A token and the line it begins in, counted from 1.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

impl Token {
    /// The identifier or keyword, if it is one.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is(&self, kind: &Kind) -> bool {
        self.kind == *kind
    }
}

/// A Rust file.
#[derive(Debug)]
pub(crate) struct Rust<'a> {
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
    pub(crate) tokens: Vec<Token>,
    tests: Vec<RangeInclusive<usize>>,
    /// Modules in files of their own that are tests.
    test_modules: Vec<String>,
    all_tests: bool,
}

impl<'a> Rust<'a> {
    /// Takes a file apart.
    ///
    /// # Errors
    /// A line and what is wrong in it, when it is no sequence of Rust tokens.
    pub(crate) fn parse(path: &'a str, text: &'a str) -> Result<Self, (usize, String)> {
        let stream: TokenStream = text
            .parse()
            .map_err(|error: proc_macro2::LexError| (error.span().start().line, error.to_string()))?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let (tests, test_modules) = find_tests(&tokens);
        let all_tests = path.split('/').rev().skip(1).any(|folder| folder == "tests" || folder == "benches");
        Ok(Rust { path, text, tokens, tests, test_modules, all_tests })
    }

    /// Whether the line is part of a test.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.all_tests || self.tests.iter().any(|lines| lines.contains(&line))
    }

    /// Every path written out in full (`use a::{b, c::D}` gives `a::b` and `a::c::D`), with its line.
    pub(crate) fn paths(&self) -> Vec<(String, usize)> {
        let mut paths = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            at = match self.tokens[at].word() {
                Some(_) => read_path(&self.tokens, at, "", &mut paths),
                None => at + 1,
            };
        }
        paths
    }

    /// The folder in which the modules of this file lie: `src/` for `src/lib.rs`, `src/a/` for `src/a.rs`.
    fn modules(&self) -> String {
        let stem = self.path.trim_end_matches(".rs");
        let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        if matches!(name, "lib" | "main") { format!("{folder}/") } else { format!("{stem}/") }
    }
}

/// Marks the files that are test modules of another one.
pub(crate) fn mark_test_files(sources: &mut [Rust<'_>]) {
    let modules: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| {
            source.test_modules.iter().map(move |module| format!("{}{module}", source.modules()))
        })
        .collect();
    for source in sources {
        let stem = source.path.trim_end_matches(".rs");
        source.all_tests |= modules.iter().any(|module| {
            stem == module || stem.strip_prefix(module.as_str()).is_some_and(|rest| rest.starts_with('/'))
        });
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let kind = match tree {
            TokenTree::Ident(word) => Kind::Word(word.to_string()),
            TokenTree::Punct(sign) => Kind::Sign(sign.as_char()),
            TokenTree::Literal(literal) => Kind::Literal(literal.to_string()),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ('(', ')'),
                    Delimiter::Brace => ('{', '}'),
                    Delimiter::Bracket => ('[', ']'),
                    Delimiter::None => (' ', ' '),
                };
                tokens.push(Token { kind: Kind::Open(open), line: group.span_open().start().line });
                flatten(group.stream(), tokens);
                tokens.push(Token { kind: Kind::Close(close), line: group.span_close().start().line });
                continue;
            }
        };
        tokens.push(Token { kind, line });
    }
}

/// Reads the path that begins at `at`, after `prefix`; returns where to go on.
fn read_path(tokens: &[Token], mut at: usize, prefix: &str, paths: &mut Vec<(String, usize)>) -> usize {
    let mut path = prefix.to_owned();
    let line = tokens[at].line;
    loop {
        match tokens.get(at).map(|token| &token.kind) {
            Some(Kind::Word(word)) => path.push_str(word),
            Some(Kind::Sign('*')) if path.ends_with("::") => path.push('*'),
            Some(Kind::Open('{')) if path.ends_with("::") => return read_group(tokens, at + 1, &path, paths),
            _ => break,
        }
        at += 1;
        if tokens[at..].iter().take(2).filter(|token| token.is(&Kind::Sign(':'))).count() < 2 {
            break;
        }
        path.push_str("::");
        at += 2;
    }
    paths.push((path, line));
    at
}

/// Reads the paths of a `use` group whose brace has been passed; returns what follows the closing one.
fn read_group(tokens: &[Token], mut at: usize, prefix: &str, paths: &mut Vec<(String, usize)>) -> usize {
    while let Some(token) = tokens.get(at) {
        at = match &token.kind {
            Kind::Close('}') => return at + 1,
            Kind::Word(word) if word == "as" => at + 2,
            Kind::Word(_) | Kind::Sign('*') => read_path(tokens, at, prefix, paths),
            _ => at + 1,
        };
    }
    at
}

/// The lines of items under `#[cfg(test)]`, and the names of modules among them that are files.
fn find_tests(tokens: &[Token]) -> (Vec<RangeInclusive<usize>>, Vec<String>) {
    let (mut lines, mut modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if !begins_test(&tokens[at..]) {
            at += 1;
            continue;
        }
        let first = at;
        let end = item_end(tokens, at);
        lines.push(tokens[first].line..=tokens[end].line);
        if let [.., module, name, semicolon] = &tokens[first..=end]
            && module.word() == Some("mod")
            && semicolon.is(&Kind::Sign(';'))
        {
            modules.extend(name.word().map(str::to_owned));
        }
        at = end + 1;
    }
    (lines, modules)
}

/// Whether an attribute `#[cfg(test)]` or `#[cfg(all(…, test, …))]` begins here.
fn begins_test(tokens: &[Token]) -> bool {
    let [hash, open, cfg, paren, condition @ ..] = tokens else { return false };
    hash.is(&Kind::Sign('#'))
        && open.is(&Kind::Open('['))
        && cfg.word() == Some("cfg")
        && paren.is(&Kind::Open('('))
        && needs_test(condition)
}

/// Whether a `cfg` condition holds in tests only: `test` stands in nothing but `all`.
fn needs_test(condition: &[Token]) -> bool {
    let (mut openers, mut previous) = (Vec::new(), "");
    for token in condition {
        match &token.kind {
            Kind::Word(word) if word == "test" && openers.iter().all(|opener| *opener == "all") => {
                return true;
            }
            Kind::Word(word) => previous = word,
            Kind::Open(_) => openers.push(previous),
            Kind::Close(_) if openers.pop().is_none() => return false,
            _ => {}
        }
    }
    false
}

/// The last token of the item whose attributes begin at `at`: its closing brace or its semicolon.
fn item_end(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.kind {
            Kind::Open(_) => depth += 1,
            Kind::Close(sign) => {
                depth = depth.saturating_sub(1);
                if depth == 0 && sign == '}' {
                    return index;
                }
            }
            Kind::Sign(';') if depth == 0 => return index,
            _ => {}
        }
    }
    tokens.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Rust<'_> {
        Rust::parse("crates/a/src/b.rs", text).expect("the text is Rust")
    }

    fn test_lines(text: &str) -> Vec<usize> {
        let source = parse(text);
        (1..=text.lines().count()).filter(|line| source.is_test(*line)).collect()
    }

    #[test]
    fn tests_are_what_only_tests_compile() {
        assert_eq!(
            test_lines("fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\nfn c() {}\n"),
            [2, 3, 4, 5]
        );
        assert_eq!(test_lines("#[cfg(all(loom, test))]\nuse a::{b, c};\nfn d() {}\n"), [1, 2]);
        assert_eq!(test_lines("#[cfg(all(test, not(loom)))]\nfn a() {\n}\n"), [1, 2, 3]);
        assert_eq!(test_lines("#[cfg(not(test))]\nfn a() {}\n"), [] as [usize; 0]);
        assert_eq!(test_lines("#[cfg(all(loom, not(test)))]\nfn a() {}\n"), [] as [usize; 0]);
        assert_eq!(test_lines("#[cfg(any(test, loom))]\nfn a() {}\n"), [] as [usize; 0]);
    }

    #[test]
    fn a_file_declared_as_a_test_module_is_a_test() {
        let mut sources = vec![
            Rust::parse("crates/a/src/lib.rs", "#[cfg(test)]\nmod scenes;\nmod b;\n").unwrap(),
            Rust::parse("crates/a/src/scenes.rs", "fn a() {}\n").unwrap(),
            Rust::parse("crates/a/src/scenes/more.rs", "fn a() {}\n").unwrap(),
            Rust::parse("crates/a/src/b.rs", "#[cfg(test)]\nmod deep;\n").unwrap(),
            Rust::parse("crates/a/src/b/deep.rs", "fn a() {}\n").unwrap(),
            Rust::parse("crates/a/tests/it/main.rs", "fn a() {}\n").unwrap(),
        ];
        mark_test_files(&mut sources);
        assert_eq!(
            sources.iter().map(|source| source.is_test(1)).collect::<Vec<_>>(),
            [true, true, true, true, true, true]
        );
        assert!(!sources[0].is_test(3), "the next module is not a test");
    }

    #[test]
    fn paths_are_written_out() {
        let source = parse(
            "use std::{fs, sync::{Arc, atomic::{self, AtomicU64 as A}}, thread::*};\nfn a() { std::thread::spawn(b) }",
        );
        let paths = source.paths();
        for (path, line) in [
            ("std::fs", 1),
            ("std::sync::Arc", 1),
            ("std::sync::atomic::self", 1),
            ("std::sync::atomic::AtomicU64", 1),
            ("std::thread::*", 1),
            ("std::thread::spawn", 2),
        ] {
            assert!(paths.contains(&(path.to_owned(), line)), "{path} is missing in {paths:?}");
        }
    }

    #[test]
    fn comments_and_strings_are_not_words() {
        let source = parse("//! unsafe\n/// unsafe\n// unsafe\nconst A: &str = \"unsafe\";\n");
        assert!(source.tokens.iter().all(|token| token.word() != Some("unsafe")));
    }

    #[test]
    fn what_is_no_rust_is_told_with_its_line() {
        assert_eq!(Rust::parse("a.rs", "fn a() {}\n)\n").map(|_| ()).unwrap_err().0, 2);
    }
}
