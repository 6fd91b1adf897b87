//! An instance: one engine, its databases, and the way to sessions and closures.

use crate::{
    Builder, Database, Session, Snapshot, Transaction, Tree, TypedTree, key::KeyType, pool::Pool,
    retry::Retry, typed::ValueType,
};
use ese_base::{AttachmentNo, CommitId, Error, ErrorKind, Result};
use ese_core::{Durability, Engine, Mode, SessionOptions, Stats, Step};
use std::{fmt, sync::Arc};

/// A running storage engine. Clones are the same instance; any thread may use any of them.
///
/// ```
/// # fn main() -> ese::Result<()> {
/// let db = ese::Instance::in_memory()?;
/// let stock = db.tree("stock")?;
/// db.write(|tx| stock.put(tx, "apple", "3"))?;
/// db.close()
/// # }
/// ```
#[derive(Clone)]
pub struct Instance {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Arc<dyn Engine>,
    number: u64,
    durability: Durability,
    pool: Pool,
}

impl Instance {
    /// Opens the instance in `folder` with the default settings, or makes one there; see [`Builder::open`].
    ///
    /// # Errors
    /// As [`Builder::open`].
    #[cfg(unix)]
    pub fn open(folder: impl AsRef<std::path::Path>) -> Result<Instance> {
        Instance::builder().open(folder)
    }

    /// An instance in memory with the default settings; nothing outlives it.
    ///
    /// # Errors
    /// `OutOfMemory` when the thread that merges cannot be started.
    pub fn in_memory() -> Result<Instance> {
        Instance::builder().in_memory()
    }

    /// An instance with settings of one's own.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// An instance on an engine made elsewhere, which it closes when it is closed. Commits that do not name a durability
    /// are [`Durability::Sync`].
    #[must_use]
    pub fn from_engine(engine: Arc<dyn Engine>) -> Instance {
        Instance::new(engine, Durability::default())
    }

    pub(crate) fn new(engine: Arc<dyn Engine>, durability: Durability) -> Instance {
        let number = engine.number();
        Instance { shared: Arc::new(Shared { engine, number, durability, pool: Pool::new() }) }
    }

    /// The tree of that name in the main database; created in a transaction of its own if there is none. The handle is
    /// plain data: keep it, copy it, send it to other threads.
    ///
    /// A transaction that has created the tree and not committed yet is waited for, in vain if it does not end: then
    /// this fails with `WriteConflict`. To find or create a tree *inside* a transaction there are
    /// [`Snapshot::tree`] and [`Transaction::schema`].
    ///
    /// # Errors
    /// `InvalidName`; `WriteConflict` as told, with the number of tries as [`Error::attempts`]; else as
    /// [`Instance::read`] where the tree exists, and where it does not, what [`Schema::create_tree`] and
    /// [`Transaction::commit`] report.
    ///
    /// [`Schema::create_tree`]: crate::Schema::create_tree
    pub fn tree(&self, name: &str) -> Result<Tree> {
        self.tree_of(self.main_database(), name)
    }

    /// The tree of that name in the main database, with typed keys and values; see [`Instance::tree`].
    ///
    /// # Errors
    /// As [`Instance::tree`].
    pub fn typed_tree<K: KeyType, V: ValueType>(&self, name: &str) -> Result<TypedTree<K, V>> {
        Ok(self.tree(name)?.typed())
    }

    /// Begins a session with the instance's durability.
    ///
    /// # Errors
    /// `OutOfSessions` beyond [`Builder::sessions_max`]; `NotInitialized`, `TermInProgress`: the instance is closed or
    /// being closed.
    pub fn session(&self) -> Result<Session> {
        self.session_with(SessionOptions { name: String::new(), durability: self.shared.durability })
    }

    /// Begins a session with a name and a durability of its own.
    ///
    /// # Errors
    /// As [`Instance::session`].
    pub fn session_with(&self, options: SessionOptions) -> Result<Session> {
        Ok(Session::new(self.shared.pool.session(&*self.shared.engine, options)?, self.clone()))
    }

    /// The database that every instance has.
    #[must_use]
    pub fn main_database(&self) -> Database {
        self.handle(self.shared.engine.main_database())
    }

    /// Makes a database and attaches it: at once, not in a transaction. It waits for a merge that is under way.
    ///
    /// # Errors
    /// `DatabaseDuplicate` when one of that name exists, attached or not; `InvalidName`; `TooManyAttachedDatabases`
    /// beyond [`limits::DATABASES_MAX`]; `VersionStoreFull` when readers hold as many old views as there can be;
    /// `NotInitialized`, `TermInProgress`, `InstanceUnavailable`; what the backend reports.
    ///
    /// [`limits::DATABASES_MAX`]: crate::limits::DATABASES_MAX
    pub fn create_database(&self, name: &str) -> Result<Database> {
        Ok(self.handle(self.shared.engine.create_database(name)?))
    }

    /// Attaches a database that exists. Handles of an earlier attachment stay dead.
    ///
    /// # Errors
    /// `DatabaseNotFound` when there is none; `DatabaseAttached` when it is attached already; else as
    /// [`Instance::create_database`].
    pub fn attach_database(&self, name: &str) -> Result<Database> {
        Ok(self.handle(self.shared.engine.attach_database(name)?))
    }

    /// Merges what is committed in a database and detaches it. Its handles are dead from then on. A database in memory is
    /// kept by its name until the instance is closed. Transactions that only have read may keep it waiting, for
    /// [`Builder::detach_wait`].
    ///
    /// # Errors
    /// After the first three it is attached as before.
    /// - `DatabaseInUse`: an open transaction has written in it, or still reads a view with it; the error names it. Or it
    ///   is being detached already.
    /// - `DiskFull`: what is committed in it cannot be merged.
    /// - `VersionStoreFull`: readers hold as many old views as there can be.
    /// - `DatabaseNotFound`: none of that name is attached. `InvalidParameter`: it is the main database.
    /// - `NotInitialized`, `TermInProgress`, `InstanceUnavailable`; what the store and the backend report.
    pub fn detach_database(&self, name: &str) -> Result<()> {
        match self.attachment(name) {
            Some(attachment) => self.shared.engine.detach_database(attachment),
            None => Err(Error::new(ErrorKind::DatabaseNotFound, format!("{name:?} is not attached"))),
        }
    }

    /// The attached database of that name.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<Database> {
        self.attachment(name).map(|attachment| self.handle(attachment))
    }

    /// The names of the attached databases, in the order of their attachment.
    #[must_use]
    pub fn database_names(&self) -> Vec<String> {
        let mut databases = self.shared.engine.databases();
        databases.sort();
        databases.into_iter().map(|(_, name)| name).collect()
    }

    /// Returns when the commit is durable, and makes it so if need be. `None` (a commit with nothing to log) and
    /// commits of an instance in memory are at once.
    ///
    /// # Errors
    /// `InvalidParameter` for a commit of another instance, log or epoch; `NotInitialized`, `TermInProgress`; what the log
    /// reports when it cannot be written, and `InstanceUnavailable` from then on.
    pub fn wait_durable(&self, commit: impl Into<Option<CommitId>>) -> Result<()> {
        match commit.into() {
            Some(commit) => self.shared.engine.wait_durable(commit),
            None => Ok(()),
        }
    }

    /// Has `callback` called when commits become durable, with a commit id: every commit of the same log and epoch whose
    /// position lies below its position is. It is called by the thread that made them durable, several may do so at a time,
    /// and the highest id counts. It must not wait for a commit of this instance. A second call replaces the first one's
    /// callback; one that holds the instance keeps it open until then. In memory, and without a log, it is never called
    /// (`JET_paramDurableCommitCallback`).
    ///
    /// ```
    /// # #[cfg(unix)] fn main() -> ese::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// let db = ese::Instance::open(folder.path().join("shop"))?;
    /// let durable_below = Arc::new(AtomicU64::new(0));
    /// let below = Arc::clone(&durable_below);
    /// db.on_durable(move |commit| { below.fetch_max(commit.position.0, Ordering::SeqCst); });
    /// let stock = db.tree("stock")?;
    /// let mut session = db.session()?;
    /// let mut tx = session.begin()?;
    /// stock.put(&mut tx, "apple", "3")?;
    /// let commit = tx.commit()?.expect("something was written");
    /// assert!(commit.position.0 < durable_below.load(Ordering::SeqCst));
    /// # Ok(()) }
    /// # #[cfg(not(unix))] fn main() {}
    /// ```
    pub fn on_durable(&self, callback: impl Fn(CommitId) + Send + Sync + 'static) {
        self.shared.engine.on_durable(Some(Arc::new(callback)));
    }

    /// Merges everything committed before the call into the base and returns when that is done. Nobody has to call it:
    /// merges begin by themselves ([`Builder::merge_rows`], [`Builder::merge_age`], [`Builder::merge_idle`]).
    ///
    /// # Errors
    /// - `DiskFull`: a database has no space. What is committed in it stays in memory, and the merge is tried again.
    /// - `VersionStoreFull`: readers hold as many old views as there can be. What was merged takes its place when one of
    ///   them ends.
    /// - `NotInitialized`, `TermInProgress`: the instance is closed or being closed.
    /// - `InstanceUnavailable`: a store or the log failed. With [`Background::Manual`] the call in which that happens
    ///   reports what they reported.
    ///
    /// [`Background::Manual`]: crate::Background::Manual
    pub fn merge(&self) -> Result<()> {
        self.shared.engine.merge()
    }

    /// Merges everything committed before the call and makes it durable without the log, which is let go as far as it can
    /// be: an opening after a crash has nothing to do again. Nobody has to call it: checkpoints begin by themselves
    /// ([`Builder::checkpoint_depth_bytes`], [`Builder::checkpoint_age`]). In memory it is a merge.
    ///
    /// # Errors
    /// As [`Instance::merge`].
    pub fn checkpoint(&self) -> Result<()> {
        self.shared.engine.checkpoint()
    }

    /// Asks for a merge without waiting for it.
    pub fn request_merge(&self) {
        self.shared.engine.request_merge();
    }

    /// Takes one bounded step of background work, for [`Background::Manual`](crate::Background::Manual), and tells what
    /// it did. A database without space and readers that are in the way are no errors of a step: what can be done is done,
    /// and [`Instance::merge`] reports them.
    ///
    /// # Errors
    /// `NotInitialized`, `TermInProgress`; what a store or the log reports, and `InstanceUnavailable` from then on.
    pub fn step(&self) -> Result<Step> {
        self.shared.engine.step()
    }

    /// Figures about the instance, read without stopping anything.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.engine.stats()
    }

    /// Walks everything stored and tells each fault in a sentence; an empty list: all is well. Merges wait for it, reads
    /// and writes go on.
    ///
    /// # Errors
    /// What keeps the walk itself from going on.
    pub fn check(&self) -> Result<Vec<String>> {
        self.shared.engine.check()
    }

    /// Closes the instance, for all its clones: merges what is committed and ends the background work. Sessions that
    /// still exist fail from then on. Dropping the last clone closes, too, but has nobody to report an error to.
    /// Closing twice is fine.
    ///
    /// # Errors
    /// `TooManyActiveUsers`, naming an open transaction, and `TermInProgress`, when it is being closed by somebody else:
    /// nothing was closed. After any other error it is closed, but not everything is merged: `DiskFull`,
    /// `InstanceUnavailable`, what a store reports.
    pub fn close(&self) -> Result<()> {
        self.shared.engine.close()?;
        self.shared.pool.clear();
        Ok(())
    }

    pub(crate) fn durability(&self) -> Durability {
        self.shared.durability
    }

    /// Runs `work` with a session of the pool.
    #[inline]
    pub(crate) fn with_session<R, E: From<Error>>(
        &self,
        work: impl FnOnce(&mut Snapshot) -> Result<R, E>,
    ) -> Result<R, E> {
        self.shared.pool.run(&*self.shared.engine, self.shared.durability, work)
    }

    /// Finds or creates a tree: looks, creates, and looks again when somebody else was faster.
    pub(crate) fn tree_of(&self, database: Database, name: &str) -> Result<Tree> {
        self.with_session(|session| {
            session.check_instance(database.instance_number())?;
            let mut retry = Retry::default();
            loop {
                if let Some(tree) = session.find_tree(database.attachment(), name)? {
                    return Ok(tree);
                }
                let error = match create_tree(session, database.attachment(), name) {
                    Ok(tree) => return Ok(tree),
                    Err(error) => error,
                };
                if !matches!(error.kind(), ErrorKind::TreeDuplicate | ErrorKind::WriteConflict) {
                    return Err(error);
                }
                if !retry.again(session) {
                    return Err(Error::new(
                        ErrorKind::WriteConflict,
                        "another transaction is creating the tree",
                    )
                    .on_tree(name)
                    .concurrent()
                    .after_attempts(retry.attempts())
                    .caused_by(error));
                }
            }
        })
    }

    fn handle(&self, attachment: AttachmentNo) -> Database {
        Database::new(self.shared.number, attachment)
    }

    fn attachment(&self, name: &str) -> Option<AttachmentNo> {
        let databases = self.shared.engine.databases();
        databases.into_iter().find(|(_, known)| known == name).map(|(attachment, _)| attachment)
    }
}

/// Creates a tree in a transaction of its own.
fn create_tree(session: &mut Snapshot, database: AttachmentNo, name: &str) -> Result<Tree> {
    let durability = session.durability();
    let instance = session.instance_number();
    let mut tx = Transaction::begin(session, Mode::ReadWrite)?;
    let id = tx.at_own_level()?.core_mut().create_tree(database, name)?;
    tx.commit_with(durability)?;
    Ok(Tree::new(instance, id))
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Sessions own a clone of the instance, so the only ones left wait in the pool.
        self.pool.clear();
        let _ = self.engine.close();
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("number", &self.shared.number).finish_non_exhaustive()
    }
}
