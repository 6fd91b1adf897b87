//! One consistent state to read from, and the engine's session it is read through.
//!
//! A [`Snapshot`] is what `db.read` lends and what a [`Transaction`](crate::Transaction) derefs to. Inside the crate it
//! is the one owner of the engine's session: guards borrow it mutably and know their level, and everything that changes
//! the level goes through here. A guard that was leaked (`std::mem::forget`) leaves its level open; whoever writes,
//! commits or begins below it rolls it back first ([`Snapshot::back_to`]).

use crate::{Database, Tree};
use ese_base::{AttachmentNo, CommitId, Error, ErrorKind, Result, SessionId};
use ese_core::{Durability, Engine, Mode, Session as CoreSession, SessionOptions};
use std::fmt;

/// Reads of one moment: every call sees the state that was committed when the transaction began, and its own writes.
///
/// `Send` and not `Sync`; values and iterators borrow it.
///
/// ```
/// # fn main() -> ese::Result<()> {
/// let db = ese::Instance::in_memory()?;
/// let stock = db.tree("stock")?;
/// fn apples(s: &ese::Snapshot, stock: ese::Tree) -> ese::Result<bool> {
///     stock.contains_key(s, "apple")
/// }
/// assert!(!db.read(|s| apples(s, stock))?);
/// db.write(|tx| {
///     stock.put(tx, "apple", "3")?;
///     assert!(apples(tx, stock)?); // a transaction is a snapshot, too
///     Ok(())
/// })
/// # }
/// ```
pub struct Snapshot {
    core: Box<dyn CoreSession>,
    instance: u64,
    main: AttachmentNo,
    level: u32,
    /// The level of a conflict inside a statement that was undone as a whole; 0: none. The engine forgets a conflict
    /// with the level it happened in, and a statement of several steps has a level of its own.
    conflict_level: u32,
    durability: Durability,
}

impl Snapshot {
    /// The tree of that name in the main database, as this snapshot has it; `None` when there is none. Unlike
    /// [`Instance::tree`](crate::Instance::tree) it creates nothing.
    ///
    /// # Errors
    /// What the store reports.
    pub fn tree(&self, name: &str) -> Result<Option<Tree>> {
        self.find_tree(self.main, name)
    }

    /// The tree of that name in `database`.
    ///
    /// # Errors
    /// `InvalidHandle` for a database of another instance; `DatabaseNotFound` when it was detached.
    pub fn tree_in(&self, database: Database, name: &str) -> Result<Option<Tree>> {
        self.check_instance(database.instance_number())?;
        self.find_tree(database.attachment(), name)
    }

    /// The names of the trees of the main database, in byte order.
    ///
    /// # Errors
    /// What the store reports.
    pub fn tree_names(&self) -> Result<Vec<String>> {
        self.core.tree_names(self.main)
    }

    /// The names of the trees of `database`, in byte order.
    ///
    /// # Errors
    /// As [`Snapshot::tree_in`].
    pub fn tree_names_in(&self, database: Database) -> Result<Vec<String>> {
        self.check_instance(database.instance_number())?;
        self.core.tree_names(database.attachment())
    }

    /// The number of the session it is read through, as errors and statistics name it.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.core.id()
    }

    pub(crate) fn new(engine: &dyn Engine, options: SessionOptions) -> Result<Snapshot> {
        let durability = options.durability;
        Ok(Snapshot {
            core: engine.session(options)?,
            instance: engine.number(),
            main: engine.main_database(),
            level: 0,
            conflict_level: 0,
            durability,
        })
    }

    /// The engine's session for reads, after a look at whose handle it is.
    #[inline]
    pub(crate) fn reader(&self, handle_of: u64) -> Result<&dyn CoreSession> {
        self.check_instance(handle_of)?;
        Ok(&*self.core)
    }

    /// The engine's session for writes, after a look at whose handle it is.
    #[inline]
    pub(crate) fn writer(&mut self, handle_of: u64) -> Result<&mut dyn CoreSession> {
        self.check_instance(handle_of)?;
        Ok(&mut *self.core)
    }

    #[inline]
    pub(crate) fn check_instance(&self, handle_of: u64) -> Result<()> {
        if handle_of == self.instance { Ok(()) } else { Err(foreign_handle()) }
    }

    pub(crate) fn find_tree(&self, attachment: AttachmentNo, name: &str) -> Result<Option<Tree>> {
        Ok(self.core.find_tree(attachment, name)?.map(|id| Tree::new(self.instance, id)))
    }

    pub(crate) fn instance_number(&self) -> u64 {
        self.instance
    }

    pub(crate) fn main(&self) -> AttachmentNo {
        self.main
    }

    pub(crate) fn level(&self) -> u32 {
        self.level
    }

    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    pub(crate) fn options(&self) -> &SessionOptions {
        self.core.options()
    }

    pub(crate) fn set_options(&mut self, options: SessionOptions) {
        self.durability = options.durability;
        self.core.set_options(options);
    }

    /// Opens one level more and returns its number.
    #[inline]
    pub(crate) fn begin(&mut self, mode: Mode) -> Result<u32> {
        self.level = self.core.begin(mode)?;
        Ok(self.level)
    }

    /// Commits the innermost level.
    pub(crate) fn commit(&mut self, durability: Durability) -> Result<Option<CommitId>> {
        match self.core.commit(durability) {
            Ok(commit) => {
                self.level -= 1;
                self.conflict_level = self.conflict_level.min(self.level);
                Ok(commit)
            }
            Err(error) => {
                // The engine may have rolled the transaction back already.
                self.level = self.core.level();
                if self.conflict_level > self.level {
                    self.conflict_level = 0;
                }
                Err(error)
            }
        }
    }

    /// Rolls back whatever is open above `level`.
    #[inline]
    pub(crate) fn back_to(&mut self, level: u32) -> Result<()> {
        if self.level <= level {
            return Ok(());
        }
        let done = self.core.rollback_to(level);
        self.level = if done.is_ok() { level } else { self.core.level() };
        if self.conflict_level > level {
            self.conflict_level = 0;
        }
        done
    }

    /// Whether the transaction met a conflict that was not rolled back with a savepoint.
    pub(crate) fn has_conflict(&self) -> bool {
        self.conflict_level > 0 || self.core.conflict_recorded()
    }

    /// Keeps a conflict that the rollback of a statement's own level made the engine forget.
    pub(crate) fn keep_conflict(&mut self) {
        if self.conflict_level == 0 {
            self.conflict_level = self.level;
        }
    }

    pub(crate) fn core_mut(&mut self) -> &mut dyn CoreSession {
        &mut *self.core
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("session", &self.core.id()).field("level", &self.level).finish()
    }
}

#[cold]
fn foreign_handle() -> Error {
    Error::new(ErrorKind::InvalidHandle, "the handle was made by another instance than the session")
}
