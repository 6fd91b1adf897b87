//! What an instance stands on, chosen when it is created: it makes stores and, if it has one, the log.

use super::{log::Log, store::Store};
use ese_base::Result;
use std::sync::Arc;

/// Makes and finds the databases of one instance.
pub trait Backend: Send + Sync {
    /// A word for statistics and errors ("memory").
    fn name(&self) -> &'static str;

    /// The log of the instance, opened; `None`: commits are ready at once, and durable never, or with a checkpoint.
    fn log(&self) -> Option<Arc<dyn Log>> {
        None
    }

    /// Whether its stores outlive the process, so that there is something to checkpoint even without a log.
    fn is_durable(&self) -> bool {
        false
    }

    /// Makes a new, empty database.
    ///
    /// # Errors
    /// `DatabaseDuplicate` when one of that name exists, attached or not.
    fn create(&self, database: &str) -> Result<Arc<dyn Store>>;

    /// Opens a database that exists.
    ///
    /// # Errors
    /// `DatabaseNotFound`.
    fn attach(&self, database: &str) -> Result<Arc<dyn Store>>;

    /// Takes back a store of [`Backend::create`] or [`Backend::attach`]: nobody uses it any more, and where it has been
    /// written to, everything committed in it is in its newest base and the store was closed. The database can be attached
    /// again until the instance is closed (and after that, where it outlives the instance).
    ///
    /// # Errors
    /// What the medium reports.
    fn detach(&self, database: &str) -> Result<()>;

    /// Gives back what the backend itself holds: the engine is closed, and so are all stores and the log, well or not.
    ///
    /// # Errors
    /// What the medium reports.
    fn close(&self) -> Result<()> {
        Ok(())
    }
}
