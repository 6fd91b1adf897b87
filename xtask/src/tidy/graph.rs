//! What deny.toml says of the whole graph of dependencies, as far as it needs no other tool: licences that are allowed,
//! versions that are not, and no source but the registry.

use super::Finding;
use crate::cargo::root;
use anyhow::{Context, Result, ensure};
use cargo_metadata::{
    MetadataCommand,
    semver::{Version, VersionReq},
};
use toml::{Table, Value};

/// The settings.
pub(crate) const SETTINGS: &str = "deny.toml";

/// A crate from outside, as it was resolved.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    name: String,
    version: Version,
    licence: Option<String>,
    source: Option<String>,
}

/// Everything that the workspace is built from on this platform.
///
/// # Errors
/// What `cargo metadata` reports.
pub(crate) fn nodes() -> Result<Vec<Node>> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let options = ["--locked".to_owned(), "--filter-platform".to_owned(), platform];
    let metadata = MetadataCommand::new().current_dir(root()).other_options(options).exec()?;
    let members = metadata.workspace_members;
    let outside = metadata.packages.into_iter().filter(|package| !members.contains(&package.id));
    let nodes = outside.map(|package| Node {
        name: package.name.to_string(),
        version: package.version,
        licence: package.license,
        source: package.source.map(|source| source.to_string()),
    });
    Ok(nodes.collect())
}

/// Tells crates that the settings do not allow.
///
/// # Errors
/// When the settings cannot be read.
pub(crate) fn check(nodes: &[Node], settings: &str) -> Result<Vec<Finding>> {
    let settings: Table = settings.parse().with_context(|| format!("cannot read {SETTINGS}"))?;
    let list = |table: &str, name: &str| {
        let list = settings.get(table).and_then(|table| table.get(name)).and_then(Value::as_array);
        list.with_context(|| format!("{SETTINGS} has no list `{name}` in [{table}]"))
    };
    let allowed: Vec<&str> = list("licenses", "allow")?.iter().filter_map(Value::as_str).collect();
    let mut banned = Vec::new();
    for ban in list("bans", "deny")? {
        let written = ban.get("crate").and_then(Value::as_str).context("a ban names no crate")?;
        let (name, versions) = written.split_once(':').unwrap_or((written, "*"));
        // `name@<1.2` would be the ban of a crate of that name, and cargo-deny does not see a requirement in it either.
        ensure!(!name.contains('@'), "{SETTINGS}: write the versions of the ban {written:?} behind a colon");
        banned.push((name, VersionReq::parse(versions)?));
    }
    let mut findings = Vec::new();
    for node in nodes {
        let mut tell = |what| {
            let what = format!("{} {}: {what}", node.name, node.version);
            findings.push(Finding::new("Cargo.lock", 1, "graph", what));
        };
        match &node.licence {
            Some(licence) if is_allowed(licence, &allowed) => {}
            Some(licence) => tell(format!("licence {licence:?} is not allowed")),
            None => tell("no licence".to_owned()),
        }
        if banned.iter().any(|(name, versions)| *name == node.name && versions.matches(&node.version)) {
            tell("the version is banned".to_owned());
        }
        if !node.source.as_deref().is_some_and(|source| source.starts_with("registry+")) {
            tell("it does not come from the registry".to_owned());
        }
    }
    Ok(findings)
}

/// Whether a licence expression (`A OR B`, `(A OR B) AND C`, the old `A/B`) can be met with allowed ones only.
fn is_allowed(licence: &str, allowed: &[&str]) -> bool {
    let spaced = licence.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any(&words, &mut at, allowed) && at == words.len()
}

fn any(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at, allowed);
    }
    met
}

fn all(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let met = any(words, at, allowed);
        *at += 1;
        return met;
    }
    // An exception only adds permissions.
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
    }
    allowed.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[licenses]\nallow = [\"MIT\"]\n[bans]\ndeny = [{ crate = \"a:<1.2\" }]\n";

    fn findings(name: &str, version: &str, licence: Option<&str>, source: &str) -> usize {
        let node = Node {
            name: name.into(),
            version: version.parse().unwrap(),
            licence: licence.map(str::to_owned),
            source: Some(source.into()),
        };
        check(&[node], TEXT).unwrap().len()
    }

    #[test]
    fn licences_versions_and_sources_are_checked() {
        assert_eq!(findings("a", "1.2.0", Some("MIT"), "registry+x"), 0);
        assert_eq!(findings("b", "1.1.9", Some("MIT"), "registry+x"), 0);
        assert_eq!(findings("a", "1.1.9", Some("MIT"), "registry+x"), 1);
        assert_eq!(findings("a", "1.2.0", Some("GPL-3.0"), "registry+x"), 1);
        assert_eq!(findings("a", "1.2.0", None, "registry+x"), 1);
        assert_eq!(findings("a", "1.2.0", Some("MIT"), "git+x"), 1);
        assert!(check(&[], "").is_err(), "a check without settings checks nothing");
    }

    #[test]
    fn a_ban_that_bans_nothing_is_an_error() {
        let with = |ban: &str| check(&[], &TEXT.replace("a:<1.2", ban));
        assert!(with("a:<1.2").is_ok() && with("a").is_ok());
        assert!(with("a@<1.2").is_err(), "no version is compared");
        assert!(with("a:1.x.y").is_err());
    }

    #[test]
    fn licence_expressions_are_understood() {
        let allowed = ["MIT", "Zlib"];
        for good in
            ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(GPL-3.0 OR MIT) AND Zlib", "GPL-3.0 OR MIT WITH X"]
        {
            assert!(is_allowed(good, &allowed), "{good}");
        }
        for bad in
            ["GPL-3.0", "MIT AND GPL-3.0", "GPL-3.0 WITH X", "MIT MIT", "", "(GPL-3.0 OR MIT) AND GPL-3.0"]
        {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }
}
