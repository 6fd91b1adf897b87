//! Which crate may depend on which: the table of docs/ARCHITECTURE.md, compared with what cargo knows.

use super::Finding;
use crate::cargo::root;
use anyhow::Result;
use cargo_metadata::{DependencyKind, MetadataCommand};

/// What a crate is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// Programs are built with it.
    Product,
    /// Tests, measurements, examples and commands.
    Tool,
}

/// A row of the table: a crate and those of ours that it may name. Rows of crates that do not exist yet wait for them.
struct Layer {
    name: &'static str,
    part: Part,
    may_use: &'static [&'static str],
}

const LAYERS: &[Layer] = &[
    Layer { name: "ese-base", part: Part::Product, may_use: &[] },
    Layer { name: "ese-io", part: Part::Product, may_use: &["ese-base"] },
    Layer { name: "ese-btree", part: Part::Product, may_use: &["ese-base"] },
    Layer { name: "ese-core", part: Part::Product, may_use: &["ese-base"] },
    Layer { name: "ese-mem", part: Part::Product, may_use: &["ese-base", "ese-btree", "ese-core"] },
    Layer {
        name: "ese-pager",
        part: Part::Product,
        may_use: &["ese-base", "ese-btree", "ese-core", "ese-io"],
    },
    Layer { name: "ese-wal", part: Part::Product, may_use: &["ese-base", "ese-core", "ese-io"] },
    Layer {
        name: "ese",
        part: Part::Product,
        may_use: &["ese-base", "ese-core", "ese-io", "ese-mem", "ese-pager", "ese-wal"],
    },
    Layer {
        name: "ese-sim",
        part: Part::Tool,
        may_use: &["ese", "ese-base", "ese-btree", "ese-core", "ese-io", "ese-mem", "ese-pager", "ese-wal"],
    },
    Layer { name: "ese-bench", part: Part::Tool, may_use: &["ese", "ese-base"] },
    Layer { name: "ese-examples", part: Part::Tool, may_use: &["ese", "ese-base", "ese-core", "ese-sim"] },
    Layer { name: "xtask", part: Part::Tool, may_use: &[] },
];

/// What a crate may name besides in its tests and micro-benchmarks. Parts are measured from outside of the product: a
/// product crate's own benchmark would put the harness, and the C in it, into the build of every test.
const BESIDES: &[(&str, &[&str])] = &[("ese-bench", &["ese-core", "ese-mem"])];

/// A crate of the workspace and what it depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) is_ours: bool,
    pub(crate) is_for_tests: bool,
}

/// The crates of the workspace.
///
/// # Errors
/// What `cargo metadata` reports.
pub(crate) fn packages() -> Result<Vec<Package>> {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec()?;
    let packages = metadata.packages.into_iter().map(|package| Package {
        name: package.name.to_string(),
        manifest: package
            .manifest_path
            .strip_prefix(&metadata.workspace_root)
            .unwrap_or(&package.manifest_path)
            .to_string(),
        dependencies: package
            .dependencies
            .into_iter()
            .map(|dependency| Dependency {
                is_ours: dependency.path.is_some(),
                is_for_tests: dependency.kind == DependencyKind::Development,
                name: dependency.name,
            })
            .collect(),
    });
    Ok(packages.collect())
}

/// Tells dependencies that go the wrong way, and crates that the table does not know.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == package.name) else {
            let what = format!("the table of layers in xtask does not know `{}`", package.name);
            findings.push(Finding::new(&package.manifest, 1, "layer", what));
            continue;
        };
        let ours = package.dependencies.iter().filter(|dependency| dependency.is_ours);
        for dependency in ours.filter(|dependency| !may_use(layer, dependency)) {
            let kind = if dependency.is_for_tests { "in tests " } else { "" };
            let what = format!("`{}` may not {kind}depend on `{}`", package.name, dependency.name);
            findings.push(Finding::new(&package.manifest, 1, "layer", what));
        }
    }
    findings
}

fn may_use(layer: &Layer, dependency: &Dependency) -> bool {
    let besides = BESIDES.iter().filter(|(name, _)| dependency.is_for_tests && *name == layer.name);
    layer.may_use.iter().chain(besides.flat_map(|(_, names)| *names)).any(|name| *name == dependency.name)
}

/// Whether a file belongs to a crate that programs are built with.
pub(crate) fn is_product_file(path: &str) -> bool {
    let name = path.strip_prefix("crates/").and_then(|inside| inside.split('/').next());
    LAYERS.iter().any(|layer| layer.part == Part::Product && Some(layer.name) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, uses: &str, is_for_tests: bool) -> Package {
        let dependency = Dependency { name: uses.into(), is_ours: true, is_for_tests };
        Package { name: name.into(), manifest: "Cargo.toml".into(), dependencies: vec![dependency] }
    }

    #[test]
    fn arrows_point_one_way() {
        assert_eq!(check(&[package("ese-mem", "ese-btree", false)]), []);
        assert_eq!(check(&[package("ese-core", "ese-mem", false)]).len(), 1);
        assert_eq!(check(&[package("ese-core", "ese-sim", true)]).len(), 1, "not in tests either");
        assert_eq!(check(&[package("ese-other", "ese-base", false)]).len(), 1, "not in the table");
        assert_eq!(check(&[package("ese-bench", "ese-mem", true)]), [], "a part may be measured");
        assert_eq!(check(&[package("ese-bench", "ese-mem", false)]).len(), 1, "but not used by the program");
        assert_eq!(check(&[package("ese-core", "ese-bench", true)]).len(), 1);
        let outside = Dependency { name: "rand".into(), is_ours: false, is_for_tests: false };
        assert_eq!(
            check(&[Package { name: "ese-base".into(), dependencies: vec![outside], ..Package::default() }]),
            []
        );
    }

    #[test]
    fn the_table_has_no_way_back() {
        for (index, layer) in LAYERS.iter().enumerate() {
            for name in layer.may_use {
                let below = LAYERS
                    .iter()
                    .position(|other| other.name == *name)
                    .expect("the table names its own rows");
                assert!(below < index, "{} stands above {name}", layer.name);
                assert!(
                    layer.part == Part::Tool || LAYERS[below].part == Part::Product,
                    "{} uses {name}",
                    layer.name
                );
            }
        }
    }

    #[test]
    fn product_files_are_those_of_product_crates() {
        assert!(is_product_file("crates/ese/src/lib.rs") && is_product_file("crates/ese-io/src/file.rs"));
        assert!(!is_product_file("crates/ese-sim/src/lib.rs") && !is_product_file("xtask/src/main.rs"));
    }

    #[test]
    fn cargo_knows_this_crate() {
        let packages = packages().expect("cargo metadata runs");
        let ours = packages.iter().find(|package| package.name == "xtask").expect("xtask is a member");
        assert_eq!(ours.manifest, "xtask/Cargo.toml");
        assert!(ours.dependencies.iter().any(|dependency| dependency.name == "clap" && !dependency.is_ours));
    }
}
