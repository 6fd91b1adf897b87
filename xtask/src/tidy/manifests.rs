//! Versions, lints and the facts of a package stand once, in the workspace's manifest.

use super::Finding;
use toml::{Table, Value};

const TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];
const FACTS: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// Tells what a member's manifest says itself instead of inheriting it.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return vec![Finding::new(path, 1, "manifest", error.to_string())],
    };
    let Some(package) = table.get("package") else { return Vec::new() };
    let mut findings = Vec::new();
    let mut tell = |name: &str, what: String| {
        let line = text.lines().position(|line| line.starts_with(name)).map_or(1, |index| index + 1);
        findings.push(Finding::new(path, line, "manifest", what));
    };
    for fact in FACTS.iter().filter(|fact| !package.get(fact).is_some_and(inherits)) {
        tell(fact, format!("`{fact}` is not taken from the workspace"));
    }
    if !table.get("lints").is_some_and(inherits) {
        tell("[lints]", "the lints are not taken from the workspace".into());
    }
    let targets = table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    for part in targets.filter_map(Value::as_table).chain([&table]) {
        let lists = TABLES.iter().filter_map(|name| part.get(*name)?.as_table());
        for (name, _) in lists.flatten().filter(|(_, value)| !inherits(value)) {
            tell(name, format!("the version of `{name}` does not come from the workspace"));
        }
    }
    findings
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\
        [lints]\nworkspace = true\n[dependencies]\nb.workspace = true\nc = { workspace = true, optional = true }\n";

    #[test]
    fn members_inherit() {
        assert_eq!(check("a", GOOD), []);
        assert_eq!(check("a", "[workspace.dependencies]\nb = \"1\"\n"), [], "the root names versions");
    }

    #[test]
    fn own_versions_and_lints_are_told() {
        let lines = |text: &str| check("a", text).iter().map(|finding| finding.line).collect::<Vec<_>>();
        assert_eq!(lines(&GOOD.replace("b.workspace = true", "b = \"1\"")), [11]);
        assert_eq!(lines(&GOOD.replace("b.workspace = true", "b = { path = \"../b\" }")), [11]);
        assert_eq!(lines(&GOOD.replace("edition.workspace = true", "edition = \"2024\"")), [4]);
        assert_eq!(lines(&GOOD.replace("[lints]\nworkspace = true\n", "")).len(), 1);
        assert_eq!(lines(&format!("{GOOD}[target.'cfg(loom)'.dev-dependencies]\nd = \"1\"\n")), [14]);
        assert_eq!(lines("[package\n").len(), 1);
    }
}
