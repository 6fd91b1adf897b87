//! A database: a named group of trees, attached to an instance.

use crate::{Instance, Tree, TypedTree, key::KeyType, typed::ValueType};
use ese_base::{AttachmentNo, Result};
use std::fmt;

/// One attached database of an instance. Every instance has its main one; more come by
/// [`Instance::create_database`] and [`Instance::attach_database`]. One transaction may span them all.
///
/// It borrows the instance; the trees it gives do not.
///
/// ```
/// # fn main() -> ese::Result<()> {
/// let db = ese::Instance::in_memory()?;
/// let stock = db.tree("stock")?;
/// let log = db.create_database("archive")?.tree("log")?;
/// db.write(|tx| {
///     stock.put(tx, "apple", "3")?;
///     log.put(tx, "1", "three apples")?; // both or neither
///     Ok(())
/// })?;
/// db.detach_database("archive")?; // kept by its name until the instance is closed
/// let log = db.attach_database("archive")?.tree("log")?;
/// assert!(db.read(|s| log.contains_key(s, "1"))?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Database<'i> {
    instance: &'i Instance,
    attachment: AttachmentNo,
}

impl<'i> Database<'i> {
    pub(crate) fn new(instance: &'i Instance, attachment: AttachmentNo) -> Database<'i> {
        Database { instance, attachment }
    }

    /// The tree of that name; created in a transaction of its own if there is none.
    ///
    /// # Errors
    /// As [`Instance::tree`]; `DatabaseNotFound` when the database was detached.
    pub fn tree(self, name: &str) -> Result<Tree> {
        self.instance.tree_of(self.attachment, name)
    }

    /// The tree of that name, with typed keys and values.
    ///
    /// # Errors
    /// As [`Database::tree`].
    pub fn typed_tree<K: KeyType, V: ValueType>(self, name: &str) -> Result<TypedTree<K, V>> {
        Ok(self.tree(name)?.typed())
    }

    /// The names of the trees that are committed, in byte order.
    ///
    /// # Errors
    /// `DatabaseNotFound` when the database was detached.
    pub fn tree_names(self) -> Result<Vec<String>> {
        self.instance.read(|s| s.tree_names_in(self))
    }

    /// The instance it is attached to.
    #[must_use]
    pub fn instance(self) -> &'i Instance {
        self.instance
    }

    pub(crate) fn attachment(self) -> AttachmentNo {
        self.attachment
    }

    pub(crate) fn instance_number(self) -> u64 {
        self.instance.number()
    }
}

impl fmt::Debug for Database<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("attachment", &self.attachment.0).finish_non_exhaustive()
    }
}
