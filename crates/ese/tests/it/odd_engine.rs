//! An engine that is the local one but for a single oddity: what the façade must cope with, and no test can bring about
//! in the local engine at will.

use ese::{
    Durability, Engine, Error, ErrorKind, Instance, LockMode, Result, SessionOptions, Stats, Step, Value,
};
use ese_base::{AttachmentNo, CommitId, CommitTs, SessionId, TreeId, clock::SystemClock};
use ese_core::{
    Background, CursorPos, Delete, Delta, DurableCallback, KeyRange, LocalEngine, Mode, Move, Options, Put,
    Reader, Scan, Session, Transaction,
};
use ese_mem::MemoryBackend;
use std::{sync::Arc, time::Duration};

/// In what the engine differs from the local one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Oddity {
    /// Whoever a transaction conflicted with was just committing and has ended.
    AlwaysCommitting,
    /// The commit of a savepoint fails and ends the whole transaction.
    SavepointsEndAll,
    /// A put of the key "full" fails and ends the whole transaction.
    FullEndsAll,
}

/// An instance on such an engine.
pub(crate) fn odd_instance(oddity: Oddity) -> Instance {
    let options = Options { background: Background::Manual, ..Options::default() };
    let backend = Arc::new(MemoryBackend::new(4096).unwrap());
    let inner = LocalEngine::start(options, backend, Arc::new(SystemClock::new())).unwrap();
    Instance::from_engine(Arc::new(OddEngine { inner, oddity }))
}

struct OddEngine {
    inner: Arc<dyn Engine>,
    oddity: Oddity,
}

struct OddSession {
    inner: Box<dyn Session>,
    oddity: Oddity,
}

impl Engine for OddEngine {
    fn number(&self) -> u64 {
        self.inner.number()
    }

    fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(OddSession { inner: self.inner.session(options)?, oddity: self.oddity }))
    }

    fn main_database(&self) -> AttachmentNo {
        self.inner.main_database()
    }

    fn create_database(&self, name: &str) -> Result<AttachmentNo> {
        self.inner.create_database(name)
    }

    fn attach_database(&self, name: &str) -> Result<AttachmentNo> {
        self.inner.attach_database(name)
    }

    fn detach_database(&self, database: AttachmentNo) -> Result<()> {
        self.inner.detach_database(database)
    }

    fn databases(&self) -> Vec<(AttachmentNo, String)> {
        self.inner.databases()
    }

    fn wait_durable(&self, commit: CommitId) -> Result<()> {
        self.inner.wait_durable(commit)
    }

    fn merge(&self) -> Result<()> {
        self.inner.merge()
    }

    fn on_durable(&self, callback: Option<Arc<DurableCallback>>) {
        self.inner.on_durable(callback);
    }

    fn checkpoint(&self) -> Result<()> {
        self.inner.checkpoint()
    }

    fn request_merge(&self) {
        self.inner.request_merge();
    }

    fn step(&self) -> Result<Step> {
        self.inner.step()
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn check(&self) -> Result<Vec<String>> {
        self.inner.check()
    }

    fn close(&self) -> Result<()> {
        self.inner.close()
    }
}

impl OddSession {
    fn end(&mut self, kind: ErrorKind) -> Error {
        self.inner.rollback_to(0).map_or_else(|error| error, |()| kind.into())
    }
}

impl Session for OddSession {
    fn id(&self) -> SessionId {
        self.inner.id()
    }

    fn begin(&mut self, mode: Mode) -> Result<u32> {
        self.inner.begin(mode)
    }

    fn commit(&mut self, durability: Durability) -> Result<Option<CommitId>> {
        if self.oddity == Oddity::SavepointsEndAll && self.inner.level() > 1 {
            return Err(self.end(ErrorKind::DiskFull));
        }
        self.inner.commit(durability)
    }

    fn rollback_to(&mut self, level: u32) -> Result<()> {
        self.inner.rollback_to(level)
    }

    fn level(&self) -> u32 {
        self.inner.level()
    }

    fn snapshot(&self) -> Option<CommitTs> {
        self.inner.snapshot()
    }

    fn last_commit(&self) -> Option<CommitTs> {
        self.inner.last_commit()
    }

    fn conflict_recorded(&self) -> bool {
        self.inner.conflict_recorded()
    }

    fn await_conflicting_commit(&mut self, limit: Duration) -> bool {
        self.oddity == Oddity::AlwaysCommitting || self.inner.await_conflicting_commit(limit)
    }

    fn options(&self) -> &SessionOptions {
        self.inner.options()
    }

    fn set_options(&mut self, options: SessionOptions) {
        self.inner.set_options(options);
    }
}

impl Reader for OddSession {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Value<'_>>> {
        self.inner.get(tree, key)
    }

    fn get_many<'s>(
        &'s self,
        tree: TreeId,
        keys: &[&[u8]],
        out: &mut dyn FnMut(usize, Option<Value<'s>>),
    ) -> Result<()> {
        self.inner.get_many(tree, keys, out)
    }

    fn scan<'s>(&'s self, tree: TreeId, range: KeyRange<'_>) -> Result<Box<dyn Scan<'s> + 's>> {
        self.inner.scan(tree, range)
    }

    fn step(&self, tree: TreeId, at: &mut CursorPos, how: Move<'_>) -> Result<Option<Value<'_>>> {
        self.inner.step(tree, at, how)
    }

    fn find_tree(&self, attachment: AttachmentNo, name: &str) -> Result<Option<TreeId>> {
        self.inner.find_tree(attachment, name)
    }

    fn tree_names(&self, attachment: AttachmentNo) -> Result<Vec<String>> {
        self.inner.tree_names(attachment)
    }
}

impl Transaction for OddSession {
    fn check_write(&mut self, tree: TreeId) -> Result<()> {
        self.inner.check_write(tree)
    }

    fn put(&mut self, tree: TreeId, key: &[u8], value: &[u8], how: Put) -> Result<bool> {
        if self.oddity == Oddity::FullEndsAll && key == b"full" {
            return Err(self.end(ErrorKind::VersionStoreFull));
        }
        self.inner.put(tree, key, value, how)
    }

    fn delete(&mut self, tree: TreeId, key: &[u8], how: Delete) -> Result<bool> {
        self.inner.delete(tree, key, how)
    }

    fn add(&mut self, tree: TreeId, key: &[u8], offset: u32, delta: Delta) -> Result<()> {
        self.inner.add(tree, key, offset, delta)
    }

    fn fetch_add(&mut self, tree: TreeId, key: &[u8], offset: u32, delta: Delta) -> Result<i64> {
        self.inner.fetch_add(tree, key, offset, delta)
    }

    fn lock(&mut self, tree: TreeId, key: &[u8], mode: LockMode) -> Result<()> {
        self.inner.lock(tree, key, mode)
    }

    fn create_tree(&mut self, attachment: AttachmentNo, name: &str) -> Result<TreeId> {
        self.inner.create_tree(attachment, name)
    }

    fn drop_tree(&mut self, tree: TreeId) -> Result<()> {
        self.inner.drop_tree(tree)
    }

    fn rename_tree(&mut self, tree: TreeId, name: &str) -> Result<()> {
        self.inner.rename_tree(tree, name)
    }
}
