//! `cargo xtask unsafe-list`: the files with unsafe code and how much each has, for docs/UNSAFE.md.

use crate::{
    cargo::root,
    tidy::{
        rust::Rust,
        tree::Tree,
        unsafety::{Count, count},
    },
};
use anyhow::Result;

/// Prints a line a file and a sum.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read(&root())?;
    let mut sum = Count::default();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".rs")) {
        let Ok(source) = Rust::parse(&file.path, &file.text) else { continue };
        let found = count(&source);
        if found != Count::default() {
            print(&file.path, found);
        }
        sum.blocks += found.blocks;
        sum.impls += found.impls;
        sum.declarations += found.declarations;
    }
    print("all", sum);
    Ok(())
}

fn print(what: &str, count: Count) {
    println!("{what}: {} blocks, {} impls, {} declarations", count.blocks, count.impls, count.declarations);
}
