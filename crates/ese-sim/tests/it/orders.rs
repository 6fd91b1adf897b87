//! The list of orders in `docs/TESTING.md`: every test that it names exists.

use std::path::Path;

/// The tests that a row names: a file in backticks, then its tests in backticks or its scenarios in “…”.
fn named(cell: &str) -> Vec<(&str, &str)> {
    let (mut named, mut file, mut rest) = (Vec::new(), "", cell);
    while let Some(start) = rest.find(['`', '“']) {
        let opening = rest[start..].chars().next().expect("it was just found");
        rest = &rest[start + opening.len_utf8()..];
        let end = rest.find(if opening == '`' { '`' } else { '”' }).expect("what is opened is closed");
        let word = &rest[..end];
        if opening == '`' && word.contains('/') {
            file = word;
        } else {
            named.push((file, word));
        }
        rest = rest[end..].trim_start_matches(['`', '”']);
    }
    named
}

/// Whether a file holds the test, or the scenario of that title.
fn holds(text: &str, name: &str) -> bool {
    let test = format!("fn {name}()");
    text.lines().map(str::trim).any(|line| line.starts_with(&test) || line.strip_prefix("# ") == Some(name))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_test_that_the_list_names_exists() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("crates lie in a folder");
    let text = read(&crates.join("../docs/TESTING.md"));
    let (_, list) = text.split_once("\n## Orders that").expect("the list has its heading");
    let list = list.split("\n## ").next().unwrap_or_default();
    let (mut rows, mut missing) = (0, Vec::new());
    for row in list.lines().filter(|line| line.starts_with('|')) {
        let [_, order, cell, _] = row.split('|').collect::<Vec<_>>()[..] else {
            panic!("{row}: two columns")
        };
        if order.starts_with("---") || cell.trim() == "tests" {
            continue;
        }
        rows += 1;
        let named = named(cell);
        assert!(!named.is_empty(), "{order}: no test");
        for (file, name) in named {
            if !holds(&read(&crates.join(file)), name) {
                missing.push(format!("{file}: {name}"));
            }
        }
    }
    assert!(rows > 40, "{rows} rows");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn names_are_found_in_a_row() {
    let cell = "`a/b.rs`: `one`, `two`; `c/d.txt`: “What is, was.”, “And more”";
    let want = [("a/b.rs", "one"), ("a/b.rs", "two"), ("c/d.txt", "What is, was."), ("c/d.txt", "And more")];
    assert_eq!(named(cell), want);
    assert!(holds("#[test]\n    fn one() {}\n# And more\n", "one"));
    assert!(holds("# And more\n", "And more"));
    assert!(!holds("// fn one()\n# And more of it\nfn one_more() {}\n", "one"));
    assert!(!holds("# And more of it\n", "And more"));
}
