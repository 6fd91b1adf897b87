//! What may be named in one place only, in the product's crates outside tests and examples.
//!
//! A model checker can take the place of locks, atomics and threads only if they all come through one module, and the
//! simulator can break every file operation only if one crate does them all. The overlay's parts that readers walk hold
//! no lock at all, tests included.

use super::{Finding, layers, rust::Rust};

/// Something with a home: where it lives (files or folders), and what to use elsewhere.
struct Home {
    paths: &'static [&'static str],
    homes: &'static [&'static str],
    instead: &'static str,
}

const HOMES: &[Home] = &[
    Home {
        paths: &["rustix::mm"],
        homes: &["crates/ese-base/src/memory.rs"],
        instead: "use ese_base::memory",
    },
    Home {
        paths: &[
            "std::sync::atomic",
            "core::sync::atomic",
            "std::sync::Mutex",
            "std::sync::RwLock",
            "std::sync::Condvar",
            "std::sync::Barrier",
            "std::sync::Once",
            "std::sync::OnceLock",
            "std::sync::LazyLock",
            "std::sync::mpsc",
            "std::thread",
            "parking_lot",
        ],
        homes: &["crates/ese-base/src/sync.rs"],
        instead: "use ese_base::sync",
    },
    Home {
        paths: &["std::time::Instant", "std::time::SystemTime"],
        homes: &["crates/ese-base/src/clock.rs"],
        instead: "use ese_base::clock",
    },
    Home {
        paths: &["std::fs", "memmap2", "fs2", "rustix::fs"],
        // The second one asks the operating system for the size of the memory.
        homes: &["crates/ese-io/src/", "crates/ese/src/machine.rs"],
        instead: "files are ese-io's affair",
    },
];

/// The parts of the overlay without locks: files or folders of these names.
const LOCK_FREE: &[&str] = &["arena", "index", "chain", "visibility"];

/// Tells what is named outside its home.
pub(crate) fn check(source: &Rust<'_>) -> Vec<Finding> {
    let mut findings = locks_in_overlay(source);
    if !layers::is_product_file(source.path) {
        return findings;
    }
    for (path, line) in source.paths() {
        let home = HOMES.iter().find(|home| home.paths.iter().any(|named| is_in(&path, named)));
        if let Some(home) = home
            && !home.homes.iter().any(|home| source.path.starts_with(home))
            && !source.is_test(line)
            && !source.path.contains("/examples/")
        {
            findings.push(Finding::new(
                source.path,
                line,
                "home",
                format!("`{path}` outside {}: {}", home.homes[0], home.instead),
            ));
        }
    }
    findings
}

/// Whether `path` is `named`, something in it, or all of it.
fn is_in(path: &str, named: &str) -> bool {
    path.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        || path
            .strip_suffix("::*")
            .is_some_and(|all| named.strip_prefix(all).is_some_and(|rest| rest.starts_with("::")))
}

fn locks_in_overlay(source: &Rust<'_>) -> Vec<Finding> {
    let Some(inside) = source.path.strip_prefix("crates/ese-core/src/overlay/") else { return Vec::new() };
    if !inside.split(['/', '.']).next().is_some_and(|part| LOCK_FREE.contains(&part)) {
        return Vec::new();
    }
    let locks = source.tokens.iter().filter_map(|token| Some((token.word()?, token.line)));
    locks
        .filter(|(word, _)| word.starts_with("Mutex") || word.starts_with("RwLock"))
        .map(|(word, line)| {
            Finding::new(
                source.path,
                line,
                "lock",
                format!("`{word}` in a part of the overlay without locks"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Rust::parse(path, text).unwrap()).iter().map(|finding| finding.line).collect()
    }

    const NONE: [usize; 0] = [];

    #[test]
    fn locks_threads_and_files_have_homes() {
        let text = "use std::sync::{Arc,\n atomic::AtomicU64};\nfn a() {\n std::thread::yield_now();\n std::fs::read(b) }\nuse std::sync::*;\n";
        assert_eq!(lines("crates/ese-core/src/a.rs", text), [2, 4, 5, 6]);
        assert_eq!(lines("crates/ese-base/src/sync.rs", text), [5]);
        assert_eq!(lines("crates/ese-io/src/file.rs", text), [2, 4, 6]);
        assert_eq!(lines("crates/ese/src/machine.rs", "use std::fs;\n"), NONE);
        assert_eq!(lines("crates/ese-mem/examples/cost.rs", "use std::fs;\n"), NONE);
        assert_eq!(lines("crates/ese/src/machines.rs", "use std::fs;\n"), [1]);
        assert_eq!(lines("crates/ese-sim/src/a.rs", text), NONE, "not a crate of the product");
        assert_eq!(lines("crates/ese-core/src/a.rs", "#[cfg(test)]\nuse std::thread;\n"), NONE);
        assert_eq!(
            lines("crates/ese-core/src/a.rs", "use std::sync::Arc;\n// std::thread\nuse std::fmt;\n"),
            NONE
        );
        assert_eq!(
            lines("crates/ese-core/src/a.rs", "use std::time::Instant;\nuse parking_lot::Mutex;\n"),
            [1, 2]
        );
    }

    #[test]
    fn readers_parts_of_the_overlay_hold_no_lock() {
        let text = "use ese_base::sync::Mutex;\n#[cfg(test)]\nuse ese_base::sync::RwLock;\n";
        assert_eq!(lines("crates/ese-core/src/overlay/arena.rs", text), [1, 3]);
        assert_eq!(lines("crates/ese-core/src/overlay/index/node.rs", text), [1, 3]);
        assert_eq!(lines("crates/ese-core/src/overlay/conflict.rs", text), NONE);
        assert_eq!(lines("crates/ese-core/src/overlay/arena.rs", "// Mutex\nfn a() {}\n"), NONE);
    }
}
