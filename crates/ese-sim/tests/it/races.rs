//! Orders and pressures that need figures or a backend of their own; orders that text can tell are scenarios under
//! `scenarios/merges`.

mod commits;
mod merges;
mod pressure;
mod space;

use ese_base::{Error, Result, TreeId, clock::ManualClock, limits::PAGE_SIZE_DEFAULT_BYTES};
use ese_core::{Background, Durability, Engine, LocalEngine, Options, Put, Session, SessionOptions};
use ese_mem::MemoryBackend;
use std::sync::Arc;

const BUDGET: u64 = 1 << 20;

/// Settings under which a megabyte is all there is.
fn small() -> Options {
    Options {
        background: Background::Manual,
        version_store_bytes: BUDGET,
        generation_bytes: 32 << 10,
        ..Options::default()
    }
}

struct Stage {
    engine: Arc<dyn Engine>,
    tree: TreeId,
    backend: Arc<MemoryBackend>,
    clock: Arc<ManualClock>,
}

fn stage(options: Options) -> Stage {
    let backend = Arc::new(MemoryBackend::new(PAGE_SIZE_DEFAULT_BYTES).expect("the default is a page size"));
    let clock = Arc::new(ManualClock::default());
    let engine = LocalEngine::start(options, Arc::clone(&backend) as _, Arc::clone(&clock) as _)
        .expect("an engine starts");
    let mut session = engine.session(SessionOptions::default()).expect("there is room for a session");
    let tree = session.create_tree(engine.main_database(), "t").expect("the name is free");
    Stage { engine, tree, backend, clock }
}

impl Stage {
    fn session(&self, name: &str) -> Box<dyn Session> {
        let options = SessionOptions { name: name.to_owned(), durability: Durability::Lazy };
        self.engine.session(options).expect("there is room for a session")
    }

    /// Everything is in order, and the engine closes.
    fn ends_well(&self) {
        let check = || self.engine.check().expect("a check goes through");
        assert_eq!(check(), Vec::<String>::new());
        self.engine.merge().expect("there is room");
        assert_eq!(check(), Vec::<String>::new());
        self.engine.close().expect("nothing is open");
    }
}

/// A row of a kilobyte; its key.
fn key(row: u32) -> [u8; 4] {
    row.to_be_bytes()
}

fn put(session: &mut dyn Session, tree: TreeId, row: u32) -> Result<()> {
    session.put(tree, &key(row), &[7; 1000], Put::Upsert).map(drop)
}

/// Puts rows of a kilobyte, each in a transaction of its own, until one fails or all are there.
fn fill(session: &mut dyn Session, tree: TreeId, rows: std::ops::Range<u32>) -> Result<(), (u32, Error)> {
    rows.into_iter().try_for_each(|row| put(session, tree, row).map_err(|error| (row, error)))
}
