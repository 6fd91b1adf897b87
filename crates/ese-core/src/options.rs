//! The settings of an engine: plain, comparable, printable data, each with its default and its bounds.

use ese_base::{Error, ErrorKind, Result, limits};
use std::time::Duration;

/// Who runs the background work: merges, seals, publication; with a log or a disk, flushes of lazy commits and checkpoints.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Background {
    /// The engine's own threads.
    #[default]
    Threads,
    /// Whoever calls `step`: deterministic tests and simulations. A writer that has to wait drives the work itself.
    Manual,
}

/// What an engine may do with what it is started on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Access {
    /// Everything.
    #[default]
    ReadWrite,
    /// Reads. What the log has and the databases have not is done again in memory, and nothing that outlives the process
    /// is changed.
    ReadOnly,
}

/// The settings of an engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// How many sessions may be open at a time, 1 ..= 30,000 (`JET_paramMaxSessions`).
    pub sessions_max: u32,
    /// How many levels a transaction may have; `None`: as many as memory holds. ESE: 7.
    pub levels_max: Option<u32>,
    /// Bytes that versions, lists of own writes and the conflict window may take; at least 1 MiB. Default:
    /// 1 GiB (`JET_paramMaxVerPages`). What only old snapshots hold has a second bound, twice this size.
    pub version_store_bytes: u64,
    /// A generation of versions is sealed at this size; at least 16 KiB.
    pub generation_bytes: u64,
    /// A merge begins when this many rows are waiting in sealed generations …
    pub merge_rows: u64,
    /// … or when the oldest unmerged commit is this old …
    pub merge_age: Duration,
    /// … or when nothing was committed for this long.
    pub merge_idle: Duration,
    /// A lazy commit is flushed to the log at the latest after this time.
    pub flush_interval: Duration,
    /// How much log a recovery may have to read, about (`JET_paramCheckpointDepthMax`); at least 64 KiB.
    pub checkpoint_depth_bytes: u64,
    /// A checkpoint begins when the last one is this old and something was merged since.
    pub checkpoint_age: Duration,
    /// How long detach waits for old views.
    pub detach_wait: Duration,
    /// Who runs the background work.
    pub background: Background,
    /// What may be done with the databases.
    pub access: Access,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            sessions_max: limits::SESSIONS_DEFAULT,
            levels_max: None,
            version_store_bytes: 1 << 30,
            generation_bytes: 64 << 20,
            merge_rows: 100_000,
            merge_age: Duration::from_secs(5),
            merge_idle: Duration::from_millis(200),
            flush_interval: Duration::from_millis(100),
            checkpoint_depth_bytes: 256 << 20,
            checkpoint_age: Duration::from_secs(30),
            detach_wait: Duration::from_secs(5),
            background: Background::Threads,
            access: Access::ReadWrite,
        }
    }
}

impl Options {
    /// Tells the first setting that is out of its bounds.
    ///
    /// # Errors
    /// `InvalidSettings`, with the setting, its value and its bounds.
    pub fn validate(&self) -> Result<()> {
        let bad = |what: String| Err(Error::new(ErrorKind::InvalidSettings, what));
        if self.sessions_max == 0 || self.sessions_max > limits::SESSIONS_MAX {
            return bad(format!(
                "sessions_max is {}, must be 1 to {}",
                self.sessions_max,
                limits::SESSIONS_MAX
            ));
        }
        if self.levels_max == Some(0) {
            return bad("levels_max is 0, must be at least 1".into());
        }
        if self.version_store_bytes < 1 << 20 {
            return bad(format!(
                "version_store_bytes is {}, must be at least 1 MiB",
                self.version_store_bytes
            ));
        }
        if self.generation_bytes < 16 << 10 || self.generation_bytes > self.version_store_bytes {
            return bad(format!(
                "generation_bytes is {}, must be 16 KiB to version_store_bytes ({})",
                self.generation_bytes, self.version_store_bytes
            ));
        }
        if self.checkpoint_depth_bytes < 64 << 10 {
            return bad(format!(
                "checkpoint_depth_bytes is {}, must be at least 64 KiB",
                self.checkpoint_depth_bytes
            ));
        }
        if self.merge_rows == 0 {
            return bad("merge_rows is 0, must be at least 1".into());
        }
        Ok(())
    }
}
