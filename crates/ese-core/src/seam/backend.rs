//! What an instance stands on, chosen when it is created: it makes stores and, if it has one, the log.

use super::{log::Log, store::Store};
use ese_base::Result;
use std::sync::Arc;

/// Makes and finds the databases of one instance.
pub trait Backend: Send + Sync {
    /// A word for statistics and errors ("memory").
    fn name(&self) -> &'static str;

    /// The log of the instance; `None`: commits are ready at once, and durable never or always. A new engine takes an
    /// empty log only: it says so when it finds a frame, and replays nothing.
    fn log(&self) -> Option<Arc<dyn Log>> {
        None
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

    /// Takes back a store of [`Backend::create`] or [`Backend::attach`]: nobody uses it any more, and everything
    /// committed in it is in its newest base. The database can be attached again until the instance is closed (and
    /// after that, where it outlives the instance).
    ///
    /// # Errors
    /// What the medium reports.
    fn detach(&self, database: &str) -> Result<()>;
}
