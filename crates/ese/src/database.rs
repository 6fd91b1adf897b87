//! A database: a named group of trees, attached to an instance.

use crate::{Instance, Tree, TypedTree, key::KeyType, typed::ValueType};
use ese_base::{AttachmentNo, Result};
use std::fmt;

/// One attached database of an instance, from [`Instance::create_database`], [`Instance::attach_database`] or
/// [`Instance::database`]: plain data to copy, keep and send anywhere, like the [`Tree`]s in it. Every instance has its
/// main database. One transaction may span them all.
///
/// A handle used with another instance fails with `InvalidHandle`; after its database was detached, with
/// `DatabaseNotFound`, also when the database is attached again.
///
/// ```
/// # fn main() -> ese::Result<()> {
/// let db = ese::Instance::in_memory()?;
/// let stock = db.tree("stock")?;
/// let archive = db.create_database("archive")?;
/// let log = archive.tree(&db, "log")?;
/// db.write(|tx| {
///     stock.put(tx, "apple", "3")?;
///     log.put(tx, "1", "three apples") // both or neither
/// })?;
/// db.detach_database("archive")?; // kept by its name until the instance is closed
/// let log = db.attach_database("archive")?.tree(&db, "log")?;
/// assert!(db.read(|s| log.contains_key(s, "1"))?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Database {
    instance: u64,
    attachment: AttachmentNo,
}

impl Database {
    /// The tree of that name; created in a transaction of its own if there is none. To find or create one *inside* a
    /// transaction there are [`Snapshot::tree_in`](crate::Snapshot::tree_in) and
    /// [`Transaction::schema_in`](crate::Transaction::schema_in).
    ///
    /// # Errors
    /// As [`Instance::tree`]; `InvalidHandle` when `instance` is another one; `DatabaseNotFound` when the database was
    /// detached.
    pub fn tree(self, instance: &Instance, name: &str) -> Result<Tree> {
        instance.tree_of(self, name)
    }

    /// The tree of that name, with typed keys and values.
    ///
    /// # Errors
    /// As [`Database::tree`].
    pub fn typed_tree<K: KeyType, V: ValueType>(
        self,
        instance: &Instance,
        name: &str,
    ) -> Result<TypedTree<K, V>> {
        Ok(self.tree(instance, name)?.typed())
    }

    /// The names of the trees that are committed, in byte order.
    ///
    /// # Errors
    /// As [`Instance::read`]; `InvalidHandle` when `instance` is another one; `DatabaseNotFound` when the database was
    /// detached.
    pub fn tree_names(self, instance: &Instance) -> Result<Vec<String>> {
        instance.read(|s| s.tree_names_in(self))
    }

    pub(crate) fn new(instance: u64, attachment: AttachmentNo) -> Database {
        Database { instance, attachment }
    }

    pub(crate) fn attachment(self) -> AttachmentNo {
        self.attachment
    }

    pub(crate) fn instance_number(self) -> u64 {
        self.instance
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({} of instance {})", self.attachment.0, self.instance)
    }
}
