//! Every crate from outside stands in docs/DEPENDENCIES.md with its users and reasons, and nothing else stands there.

use super::{Finding, layers::Package, lists};
use std::collections::{BTreeMap, BTreeSet};

/// The list.
pub(crate) const LIST: &str = "docs/DEPENDENCIES.md";
const HEADING: &str = "## In use";

/// Compares the list with what cargo knows: the names, and in the second cell who uses each.
pub(crate) fn check(packages: &[Package], list: &str) -> Vec<Finding> {
    let mut used: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        for dependency in package.dependencies.iter().filter(|dependency| !dependency.is_ours) {
            used.entry(&dependency.name).or_default().insert(&package.name);
        }
    }
    let mut findings = Vec::new();
    let mut tell = |line, what| findings.push(Finding::new(LIST, line, "dependency", what));
    for row in lists::rows(list, HEADING) {
        let name = row.key().unwrap_or_default();
        let Some(users) = used.remove(name) else {
            tell(row.line, format!("nothing uses `{name}`, or it is listed twice"));
            continue;
        };
        let said: BTreeSet<&str> = row.cells.get(1).into_iter().flatten().map(String::as_str).collect();
        if said != users {
            let users = Vec::from_iter(users).join(", ");
            tell(row.line, format!("the users of `{name}` are {users}"));
        }
    }
    for (name, users) in used {
        tell(
            1,
            format!(
                "`{name}`, used by {}, is not listed under `{HEADING}`",
                Vec::from_iter(users).join(", ")
            ),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::layers::Dependency;

    fn packages() -> Vec<Package> {
        ["ese-core", "ese-mem"]
            .map(|name| Package {
                name: name.into(),
                manifest: String::new(),
                dependencies: vec![
                    Dependency { name: "rand".into(), is_ours: false, is_for_tests: true },
                    Dependency { name: "ese-base".into(), is_ours: true, is_for_tests: false },
                ],
            })
            .to_vec()
    }

    fn lines(rows: &str) -> Vec<usize> {
        check(&packages(), &format!("## In use\n{rows}## Next\n| `zstd` |\n"))
            .iter()
            .map(|f| f.line)
            .collect()
    }

    #[test]
    fn list_and_manifests_agree() {
        assert_eq!(lines("| `rand` | `ese-core`, `ese-mem` | seeds |\n"), [0; 0]);
        assert_eq!(lines(""), [1], "not listed");
        assert_eq!(lines("| `rand` | `ese-core` | seeds |\n"), [2], "a user is missing");
        assert_eq!(lines("| `rand` | `ese-core`, `ese-mem`, `ese` |\n"), [2], "a user too many");
        assert_eq!(lines("| `rand` | `ese-core`, `ese-mem` |\n| `old` | `ese` |\n"), [3], "not used");
    }
}
