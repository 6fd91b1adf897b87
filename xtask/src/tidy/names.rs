//! Names of Rust files: snake case, and no `mod.rs`, because a folder's entrance bears the folder's name.

use super::Finding;

/// Tells a file or a folder of modules that is named otherwise.
pub(crate) fn check(path: &str) -> Option<Finding> {
    if path.ends_with("/mod.rs") {
        return Some(Finding::new(
            path,
            1,
            "name",
            "a module's entrance is `name.rs` beside `name/`, not `mod.rs`",
        ));
    }
    // The folder of a crate bears the crate's name, which may have dashes.
    let inside =
        path.strip_prefix("crates/").and_then(|inside| Some(inside.split_once('/')?.1)).unwrap_or(path);
    let bad = inside.trim_end_matches(".rs").split('/').find(|part| !is_snake(part))?;
    Some(Finding::new(path, 1, "name", format!("`{bad}` is not snake case")))
}

fn is_snake(name: &str) -> bool {
    name.starts_with(|sign: char| sign.is_ascii_lowercase())
        && name.chars().all(|sign| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_may_have_dashes_and_modules_not() {
        assert_eq!(check("crates/ese-core/src/write_set.rs"), None);
        assert_eq!(check("crates/ese-core/tests/it/main.rs"), None);
        assert_eq!(check("crates/ese-sim/examples/model.rs"), None);
        assert_eq!(check("examples/map_backend/base.rs"), None);
        assert!(check("crates/ese-core/src/write-set.rs").is_some());
        assert!(check("crates/ese-core/src/WriteSet/a.rs").is_some());
        assert!(check("crates/ese-core/src/overlay/mod.rs").is_some());
    }
}
