//! A backend whose log has a bug in front of it.

use super::Bug;
use ese_base::{Position, Result, sync::Mutex};
use ese_core::{Backend, Log, LogPoint, LogStats, Store};
use std::sync::Arc;

/// See the head of the module.
pub(super) struct BuggyBackend {
    below: Arc<dyn Backend>,
    log: Option<Arc<dyn Log>>,
}

impl BuggyBackend {
    pub(super) fn new(below: Arc<dyn Backend>, bug: Bug) -> BuggyBackend {
        let log = below.log().map(|log| {
            let (owed, lie) = (Mutex::default(), Mutex::new(Position::FIRST));
            Arc::new(BuggyLog { below: log, bug, owed, lie }) as Arc<dyn Log>
        });
        BuggyBackend { below, log }
    }
}

impl Backend for BuggyBackend {
    fn name(&self) -> &'static str {
        self.below.name()
    }
    fn log(&self) -> Option<Arc<dyn Log>> {
        self.log.clone()
    }
    fn is_durable(&self) -> bool {
        self.below.is_durable()
    }
    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        self.below.create(database)
    }
    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        self.below.attach(database)
    }
    fn detach(&self, database: &str) -> Result<()> {
        self.below.detach(database)
    }
    fn close(&self) -> Result<()> {
        self.below.close()
    }
}

struct BuggyLog {
    below: Arc<dyn Log>,
    bug: Bug,
    /// What was acknowledged and not synced.
    owed: Mutex<Option<Position>>,
    /// Everything below was called durable.
    lie: Mutex<Position>,
}

impl BuggyLog {
    fn pay(&self) -> Result<()> {
        let owed = self.owed.lock().take();
        owed.map_or(Ok(()), |owed| self.below.flush(owed).map(drop))
    }
}

impl Log for BuggyLog {
    fn room(&self, bytes: u64) -> Result<()> {
        self.below.room(bytes)
    }
    fn give_back(&self, bytes: u64) {
        self.below.give_back(bytes);
    }
    fn append(&self, at: Position, frame: Box<[u8]>) {
        self.below.append(at, frame);
    }
    fn durable(&self) -> Position {
        self.below.durable().max(*self.lie.lock())
    }
    fn flush(&self, up_to: Position) -> Result<Position> {
        self.pay()?;
        if self.bug == Bug::AcknowledgesBeforeTheSync {
            *self.owed.lock() = Some(up_to);
            *self.lie.lock() = up_to.next();
            return Ok(up_to.next());
        }
        self.below.flush(up_to)
    }
    fn settle(&self, below: Position) -> Result<LogPoint> {
        self.pay()?;
        let point = self.below.settle(below)?;
        if self.bug == Bug::RecyclesBeforeTheMetaPage {
            self.below.recycle(below)?;
        }
        Ok(point)
    }
    fn identity(&self) -> u128 {
        self.below.identity()
    }
    fn first(&self) -> Position {
        self.below.first()
    }
    fn replay(
        &self,
        from: Position,
        frame: &mut dyn FnMut(Position, &[u8]) -> Result<()>,
    ) -> Result<LogPoint> {
        self.below.replay(from, frame)
    }
    fn begin_epoch(&self) -> Result<LogPoint> {
        self.below.begin_epoch()
    }
    fn recycle(&self, below: Position) -> Result<()> {
        self.below.recycle(below)
    }
    fn prepare(&self) -> Result<bool> {
        self.below.prepare()
    }
    fn close(&self, next: Position) -> Result<()> {
        self.pay()?;
        self.below.close(next)
    }
    fn stats(&self) -> LogStats {
        self.below.stats()
    }
}
