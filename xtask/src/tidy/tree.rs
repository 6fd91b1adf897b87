//! The text files of the project: what git would track, without build results and data.

use anyhow::{Context, Result};
use ignore::WalkBuilder;
use std::{fs, path::Path};

/// A text file; its path is relative to the root, with `/` between the parts.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The text files, by path, and the paths of everything else.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    others: Vec<String>,
}

impl Tree {
    /// Reads all files below `root` that `.gitignore` does not name.
    ///
    /// # Errors
    /// What reading reports.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut tree = Tree::default();
        let walk = WalkBuilder::new(root)
            .hidden(false)
            .require_git(false)
            .filter_entry(|entry| entry.file_name() != ".git")
            .sort_by_file_path(Path::cmp)
            .build();
        for entry in walk {
            let entry = entry?;
            let relative = entry.path().strip_prefix(root)?;
            let path = relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
            if entry.file_type().is_none_or(|kind| kind.is_dir()) || is_data(&path) {
                tree.others.push(path);
                continue;
            }
            match fs::read_to_string(entry.path()) {
                Ok(text) => tree.files.push(File { path, text }),
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => tree.others.push(path),
                Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
            }
        }
        Ok(tree)
    }

    /// A tree of these files.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Tree { files: files.iter().map(file).collect(), others: Vec::new() }
    }

    /// The text of a file; empty when there is none.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.files.iter().find(|file| file.path == path).map_or("", |file| &file.text)
    }

    /// Whether a file or folder of that path exists.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.path == path) || self.others.iter().any(|other| other == path)
    }
}

/// Files that no person writes.
fn is_data(path: &str) -> bool {
    path == "Cargo.lock" || path.ends_with(".csv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_project() {
        let tree = Tree::read(&crate::cargo::root()).expect("the project can be read");
        assert!(tree.text("xtask/src/tidy/tree.rs").starts_with("//!"));
        assert!(tree.has(".ci/run") && tree.has("xtask/src") && tree.has("Cargo.lock"));
        assert!(!tree.has("target") && !tree.has(".git"));
        assert_eq!(tree.text("no/such/file"), "");
    }
}
