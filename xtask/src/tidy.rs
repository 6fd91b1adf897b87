//! `cargo xtask tidy`: the house rules, each a function from text to findings.
//!
//! Reading order: [`tree`] (the files), [`rust`] (a Rust file as tokens), then the rules. [`run`] is the list of them.

mod dependencies;
mod errors;
mod graph;
mod heads;
mod homes;
mod layers;
mod lengths;
mod links;
mod lists;
mod manifests;
mod names;
mod notes;
mod places;
pub(crate) mod rust;
pub(crate) mod tree;
pub(crate) mod unsafety;
mod whitespace;
mod words;

use anyhow::{Error, Result, bail};
use rust::Rust;
use std::fmt;
use tree::Tree;

/// A broken rule: where, what, which.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    what: String,
    rule: &'static str,
}

impl Finding {
    fn new(path: &str, line: usize, rule: &'static str, what: impl Into<String>) -> Self {
        Finding { path: path.to_owned(), line, what: what.into(), rule }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} ({})", self.path, self.line, self.what, self.rule)
    }
}

/// Checks every rule and prints every finding.
///
/// # Errors
/// When there is a finding, or a file cannot be read.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read(&crate::cargo::root())?;
    let (findings, unanswered) = all(vec![Ok(of_tree(&tree)), of_manifests(&tree), of_graph(&tree)]);
    for finding in &findings {
        println!("{finding}");
    }
    if let Some(error) = unanswered {
        return Err(error.context(format!("{} findings, and cargo did not answer", findings.len())));
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    println!("tidy: {} files, no findings", tree.files.len());
    Ok(())
}

/// What was found, in order, and the first thing that kept rules from being checked: a lock file that is not up to date,
/// say. That is told last, and hides no finding.
fn all(answers: Vec<Result<Vec<Finding>>>) -> (Vec<Finding>, Option<Error>) {
    let (mut findings, mut unanswered) = (Vec::new(), None);
    for answer in answers {
        match answer {
            Ok(found) => findings.extend(found),
            Err(error) => {
                unanswered.get_or_insert(error);
            }
        }
    }
    findings.sort();
    (findings, unanswered)
}

/// The rules about who depends on what.
fn of_manifests(tree: &Tree) -> Result<Vec<Finding>> {
    let packages = layers::packages()?;
    let mut findings = layers::check(&packages);
    findings.extend(dependencies::check(&packages, tree.text(dependencies::LIST)));
    Ok(findings)
}

/// The rules about everything that is built from.
fn of_graph(tree: &Tree) -> Result<Vec<Finding>> {
    graph::check(&graph::nodes()?, tree.text(graph::SETTINGS))
}

/// The rules that need nothing but the files.
fn of_tree(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sources = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".rs")) {
        match Rust::parse(&file.path, &file.text) {
            Ok(source) => sources.push(source),
            Err((line, what)) => findings.push(Finding::new(&file.path, line, "tokens", what)),
        }
    }
    rust::mark_test_files(&mut sources);
    for source in &sources {
        findings.extend(heads::check(source));
        findings.extend(lengths::check(source));
        findings.extend(names::check(source.path));
        findings.extend(homes::check(source));
        findings.extend(words::check_code(source));
        findings.extend(unsafety::check_comments(source));
        if source.path == errors::TABLE {
            findings.extend(errors::check(source, tree.text(errors::PAGE)));
        }
    }
    findings.extend(unsafety::check_list(&sources, tree.text(unsafety::LIST)));
    for file in &tree.files {
        findings.extend(words::check_text(&file.path, &file.text));
        findings.extend(whitespace::check(&file.path, &file.text));
        if file.path.ends_with("Cargo.toml") {
            findings.extend(manifests::check(&file.path, &file.text));
        }
        if file.path.ends_with(".md") {
            findings.extend(links::check(&file.path, &file.text, &|target| tree.has(target)));
            findings.extend(places::check(&file.path, &file.text, tree));
        }
    }
    findings.extend(notes::check(&tree.files));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_checked_hides_no_finding() {
        let finding = |path| Finding::new(path, 1, "head", "no head");
        let failed = || Err(Error::msg("the lock file needs to be updated"));
        let (findings, unanswered) =
            all(vec![Ok(vec![finding("b.rs")]), failed(), Ok(vec![finding("a.rs")]), failed()]);
        assert_eq!(findings, [finding("a.rs"), finding("b.rs")]);
        assert!(unanswered.is_some_and(|error| error.to_string().contains("lock file")));
        assert!(all(vec![Ok(Vec::new())]).1.is_none());
    }

    #[test]
    fn a_finding_reads_as_a_place() {
        let finding = Finding::new("crates/a/src/lib.rs", 7, "head", "no head");
        assert_eq!(finding.to_string(), "crates/a/src/lib.rs:7: no head (head)");
    }
}
