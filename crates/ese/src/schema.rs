//! Trees created, dropped and renamed inside a transaction, with the data that needs it.

use crate::{Snapshot, Tree, retry::Attempt, statement};
use ese_base::{AttachmentNo, Error, ErrorKind, Result};
use ese_core::Session as CoreSession;
use std::fmt;

/// The trees of one database inside a transaction, from [`Transaction::schema`](crate::Transaction::schema).
///
/// What is done here belongs to the transaction: others see it in transactions begun after the commit, a rollback
/// undoes it.
///
/// ```
/// # fn main() -> ese::Result<()> {
/// let db = ese::Instance::in_memory()?;
/// let orders = db.write(|tx| {
///     let orders = tx.schema().create_tree("orders")?;
///     orders.put(tx, "1", "apples")?;
///     Ok(orders)
/// })?;
/// db.write(|tx| tx.schema().rename_tree(orders, "old orders"))?;
/// assert_eq!(db.read(|s| s.tree_names())?, ["old orders"]);
/// db.write(|tx| tx.schema().drop_tree(orders))?;
/// assert!(db.read(|s| s.tree("old orders"))?.is_none());
/// # Ok(())
/// # }
/// ```
#[must_use = "it does nothing by itself"]
pub struct Schema<'t> {
    on: &'t mut Snapshot,
    level: u32,
    database: AttachmentNo,
    attempt: Attempt,
}

impl<'t> Schema<'t> {
    pub(crate) fn new(
        on: &'t mut Snapshot,
        level: u32,
        database: AttachmentNo,
        attempt: Attempt,
    ) -> Schema<'t> {
        Schema { on, level, database, attempt }
    }

    /// Creates a tree.
    ///
    /// # Errors
    /// `TreeDuplicate` when the snapshot has a tree of that name, or another transaction has taken the name since
    /// ([`Error::is_concurrent`] tells which); `InvalidName`; else those of [writes](crate::Write#errors-of-writes), but
    /// no `WriteConflict`.
    pub fn create_tree(&mut self, name: &str) -> Result<Tree> {
        let database = self.database;
        let id = self.statement(|core| core.create_tree(database, name))?;
        Ok(Tree::new(self.on.instance_number(), id))
    }

    /// Drops a tree with all its rows.
    ///
    /// # Errors
    /// `TreeInUse` when another open transaction wrote in it; `InvalidHandle` for a tree of another instance or database;
    /// else those of [writes](crate::Write#errors-of-writes), with `WriteConflict` when another transaction has dropped or
    /// renamed it.
    pub fn drop_tree(&mut self, tree: Tree) -> Result<()> {
        self.check(tree)?;
        self.statement(|core| core.drop_tree(tree.id()))
    }

    /// Gives a tree another name; handles stay valid. To give it the name it has does nothing.
    ///
    /// # Errors
    /// `TreeDuplicate` and `InvalidName` as [`Schema::create_tree`]; `InvalidHandle` for a tree of another instance or
    /// database; else those of [writes](crate::Write#errors-of-writes), with `WriteConflict` when another transaction has
    /// dropped or renamed it.
    pub fn rename_tree(&mut self, tree: Tree, name: &str) -> Result<()> {
        self.check(tree)?;
        self.statement(|core| core.rename_tree(tree.id(), name))
    }

    /// The tree of that name, as the transaction has it.
    ///
    /// # Errors
    /// `DatabaseNotFound` when the database was detached; what the store reports.
    pub fn tree(&self, name: &str) -> Result<Option<Tree>> {
        self.on.find_tree(self.database, name)
    }

    /// The names of the trees as the transaction has them, in byte order.
    ///
    /// # Errors
    /// As [`Schema::tree`].
    pub fn tree_names(&self) -> Result<Vec<String>> {
        self.on.reader(self.on.instance_number())?.tree_names(self.database)
    }

    fn check(&self, tree: Tree) -> Result<()> {
        self.on.check_instance(tree.instance_number())?;
        if tree.id().attachment == self.database {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::InvalidHandle, "the tree belongs to another database of the instance"))
        }
    }

    fn statement<R>(&mut self, run: impl FnOnce(&mut dyn CoreSession) -> Result<R>) -> Result<R> {
        let instance = self.on.instance_number();
        statement::run(statement::at_level(self.on, self.level)?, instance, self.attempt, run)
    }
}

impl fmt::Debug for Schema<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("database", &self.database).finish_non_exhaustive()
    }
}
