//! A third backend, complete and as plain as can be: each tree is a `BTreeMap`, each base a snapshot of all of them.
//!
//! It is a lesson for who wants to write a backend. What has to be there: a [`Backend`] makes and finds databases by
//! name, a [`Store`] is one database and knows its newest base, a [`Base`] is one state that never changes, and a
//! [`Merge`] takes sorted changes and makes the next base. Sessions, transactions, conflicts, versions and counters are
//! the engine's; a backend never sees an uncommitted row. No log is given, so commits are durable never, and at once.
//!
//! What it does worse than the real one: the first change of a tree in a merge copies the whole tree.
//!
//! Reading order: `backend`, `store`, `merge`, `base`. The test below is all that a backend needs to be trusted.
//!
//! [`Backend`]: ese_core::Backend
//! [`Store`]: ese_core::Store
//! [`Base`]: ese_core::Base
//! [`Merge`]: ese_core::Merge
#![expect(clippy::print_stdout, reason = "a program that prints what it did")]

mod backend;
mod base;
mod merge;
mod store;

use backend::MapBackend;
use ese_base::clock::SystemClock;
use ese_core::{LocalEngine, Mode, Options, Put, SessionOptions};
use std::{ops::Bound, sync::Arc};

fn main() -> ese_base::Result<()> {
    let engine = LocalEngine::start(
        Options::default(),
        Arc::new(MapBackend::default()),
        Arc::new(SystemClock::new()),
    )?;
    let mut session = engine.session(SessionOptions::default())?;
    let stock = session.create_tree(engine.main_database(), "stock")?;
    for (fruit, count) in [("apple", "3"), ("pear", "1"), ("plum", "7")] {
        session.put(stock, fruit.as_bytes(), count.as_bytes(), Put::Insert)?;
    }
    engine.merge()?; // into the maps
    session.begin(Mode::ReadOnly)?;
    let mut rows = session.scan(stock, (Bound::Unbounded, Bound::Unbounded))?;
    while let Some((fruit, count)) = rows.next_back()? {
        println!("{:>6} {}", String::from_utf8_lossy(fruit), String::from_utf8_lossy(&count));
    }
    drop(rows);
    session.rollback_to(0)?;
    drop(session);
    println!("backend {:?}, {} merges", engine.stats().backend, engine.stats().merges);
    engine.close()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_backend_passes_the_suite() {
        ese_sim::conformance::run(&|options, clock| {
            LocalEngine::start(options, Arc::new(MapBackend::default()), clock)
        });
    }
}
