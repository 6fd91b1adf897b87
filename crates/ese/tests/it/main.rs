//! Tests of the public interface, on the memory backend.
#![expect(clippy::unwrap_used, reason = "helpers of tests, beside the tests themselves")]

mod closures;
mod cursors;
mod databases;
mod durable;
mod ended;
mod faults;
mod handles;
mod keys;
mod odd_engine;
mod ranges;
mod schema;
mod sessions;
mod settings;
mod transactions;
mod trees;
mod typed;

use ese::{Background, Error, ErrorKind, Instance, Read, Result, Tree};

/// An instance without background threads and its tree "t".
fn instance() -> (Checked, Tree) {
    let db = Instance::builder().background(Background::Manual).in_memory().unwrap();
    let tree = db.tree("t").unwrap();
    (Checked(db), tree)
}

/// An instance that is checked before each close and at the end of its test.
struct Checked(Instance);

impl Checked {
    /// Checks it and closes it.
    fn close(&self) -> Result<()> {
        self.check_now();
        self.0.close()
    }

    fn check_now(&self) {
        // One that was closed cannot be checked.
        match self.0.check() {
            Ok(faults) => assert_eq!(faults, Vec::<String>::new()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotInitialized),
        }
    }
}

impl std::ops::Deref for Checked {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.0
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_now();
        }
    }
}

/// An instance whose tree "t" holds these keys, each with itself as its value.
fn with_keys(keys: &[&str]) -> (Checked, Tree) {
    let (db, tree) = instance();
    db.write(|tx| keys.iter().try_for_each(|key| tree.put(tx, key, key))).unwrap();
    (db, tree)
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    result.map_or_else(|error: Error| error.kind(), |_| panic!("an error was expected"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The value at `key` as text.
fn value(tree: Tree, s: &(impl Read + ?Sized), key: &str) -> Option<String> {
    tree.get(s, key).unwrap().map(|value| text(&value))
}

/// The keys of the tree, comma-separated.
fn keys(db: &Instance, tree: Tree) -> String {
    db.read(|s| {
        let keys: Result<Vec<_>> = tree.range(s, ..)?.map(|row| row.map(|(key, _)| text(&key))).collect();
        Ok(keys?.join(","))
    })
    .unwrap()
}
