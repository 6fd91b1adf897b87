//! The store: one database file, its newest state, and what the engine does with it.

use crate::{
    base::{State, read_state},
    medium::Shared,
    writer::Writer,
};
use ese_base::{
    AttachmentNo, Error, ErrorKind, Position, Result, TreeNo, limits,
    sync::{Mutex, atomic::Ordering},
};
use ese_core::{Base, LogPoint, Merge, Stamp, Store, StoreStats};
use std::sync::{Arc, Weak};

/// A database in a file. See the crate's documentation for an example.
///
/// The file stays locked until the pager, and every base and region of it, is dropped.
pub struct Pager {
    pub(crate) shared: Arc<Shared>,
    newest: Mutex<Arc<dyn State>>,
    /// Every state that may still be held.
    states: Mutex<Vec<Weak<dyn State>>>,
    pub(crate) writer: Mutex<Writer>,
}

impl std::fmt::Debug for Pager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pager").field("file", &self.shared.file.name()).finish_non_exhaustive()
    }
}

impl Pager {
    pub(crate) fn new(shared: Arc<Shared>, state: Arc<dyn State>, writer: Writer) -> Arc<Pager> {
        shared.space.lock().count(&shared);
        let states = Mutex::new(vec![Arc::downgrade(&state)]);
        Arc::new(Pager { shared, newest: Mutex::new(state), states, writer: Mutex::new(writer) })
    }

    /// The attachment and the log point of the newest durable state: its log is needed from that position on. `None`:
    /// the file belongs to no log (it is new, or was used without one).
    #[must_use]
    pub fn point(&self) -> Option<(AttachmentNo, LogPoint)> {
        self.writer.lock().durable().point
    }

    /// Whether the newest durable state is all there was: the database was closed in order, or is new.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.writer.lock().durable().clean
    }

    /// Whether one of the two meta pages was damaged at the opening, or led to damage, and was not written since. The
    /// other one was opened, and nothing is lost as long as the log reaches [`Pager::point`].
    #[must_use]
    pub fn is_meta_page_damaged(&self) -> bool {
        self.writer.lock().slots().other().is_none()
    }

    /// The identity of the file, drawn when it was made; a copy of the file has the same.
    #[must_use]
    pub fn identity(&self) -> u128 {
        u128::from_le_bytes(self.shared.identity)
    }

    /// Bytes of a page.
    #[must_use]
    pub fn page_size_bytes(&self) -> usize {
        self.shared.file.page_size()
    }

    /// Makes the file part of an instance: takes the clean mark back and stamps attachment, log and L in both meta pages,
    /// one sync each. Comes after recovery, when the log's new epoch is valid, and before the first position is claimed;
    /// until then there are merges only. `None`: the instance has no log.
    ///
    /// # Errors
    /// `DatabaseDirtyShutdown` when what is missing in the file is in another log than this, or the position is not the
    /// one that the file stands at (a file that was closed in order may come in at any later one, or into any log); what
    /// writing reports, which is final.
    pub fn adopt(&self, attached: Option<(AttachmentNo, LogPoint)>) -> Result<()> {
        self.writer.lock().adopt(attached)
    }

    /// Unlocks the file, if nobody holds a state of it; else it stays locked until the last of them is gone.
    fn give_file_back(&self) -> Result<()> {
        let nothing: Arc<dyn State> = read_state(&self.shared, 0, Position::FIRST, None)?;
        let mut newest = self.newest.lock();
        let is_held = Arc::strong_count(&newest) > 1;
        let others = self.states.lock().iter().filter(|state| state.strong_count() > 0).count();
        // A merge that was not dropped has pages of its state.
        if is_held || others > 1 || self.shared.merging.load(Ordering::Acquire) {
            return Ok(());
        }
        // From here on nothing leads to a page any more: whoever asks for the newest state gets one without rows.
        let last = std::mem::replace(&mut *newest, nothing);
        drop(newest);
        drop(last);
        self.shared.file.disk_file.unlock()
    }

    /// Makes `state` the newest.
    pub(crate) fn set_newest(&self, state: Arc<dyn State>) {
        let mut states = self.states.lock();
        states.retain(|state| state.strong_count() > 0);
        states.push(Arc::downgrade(&state));
        drop(states);
        let before = std::mem::replace(&mut *self.newest.lock(), state);
        // The end of a state takes a lock: not under another one.
        drop(before);
    }

    pub(crate) fn newest_state(&self) -> Arc<dyn State> {
        Arc::clone(&self.newest.lock())
    }

    /// The state of this store that `base` is.
    pub(crate) fn own(&self, base: &Arc<dyn Base>) -> Result<Arc<dyn State>> {
        let address = Arc::as_ptr(base).cast::<()>();
        let states = self.states.lock();
        let found = states.iter().find(|state| state.as_ptr().cast::<()>() == address);
        let missing = || Error::new(ErrorKind::InvalidParameter, "the base belongs to another store");
        found.and_then(Weak::upgrade).ok_or_else(missing)
    }
}

impl Store for Pager {
    fn newest(&self) -> Arc<dyn Base> {
        self.newest_state()
    }

    fn begin_merge(self: Arc<Self>) -> Result<Box<dyn Merge>> {
        self.writer.lock().may_merge()?;
        if self.shared.merging.swap(true, Ordering::Acquire) {
            return Err(Error::new(ErrorKind::InvalidParameter, "a merge of this database is going on"));
        }
        Ok(self.newest_state().merge(self))
    }

    fn reserve_tree_numbers(&self, count: u64) -> Result<TreeNo> {
        self.writer.lock().reserve_tree_numbers(count)
    }

    fn key_max_bytes(&self) -> usize {
        limits::key_max_bytes(self.shared.file.page_size())
    }

    fn check(&self, base: &Arc<dyn Base>, fault: &mut dyn FnMut(String)) -> Result<()> {
        crate::check::check(self, base, fault)
    }

    fn stats(&self) -> StoreStats {
        let counts = &self.shared.counts;
        StoreStats::of_pages(
            self.shared.file.page_bytes(),
            counts.pages.load(Ordering::Relaxed),
            counts.free.load(Ordering::Relaxed),
            self.shared.pins.lock().waiting(),
        )
    }

    fn prepare(&self, bytes: u64) -> bool {
        if self.writer.lock().may_merge().is_err() {
            return false;
        }
        let mut space = self.shared.space.lock();
        // A hint: what keeps it from being done shows when the pages are needed.
        let prepared = space.prepare(&self.shared, bytes).unwrap_or(false);
        space.count(&self.shared);
        prepared
    }

    fn stamp(&self) -> Option<Stamp> {
        let (attachment, at) = self.point()?;
        Some(Stamp { attachment, at, is_clean: self.is_clean() })
    }

    fn adopt(&self, under: Option<(AttachmentNo, LogPoint)>) -> Result<()> {
        Pager::adopt(self, under)
    }

    /// As the trait says. `at` is the log point up to which `base` holds everything of this database, in the log that the
    /// file was adopted for. The base is the newest one when its checkpoint begins; merges may go on meanwhile. One that
    /// is under way is completed before another begins. When a state is durable, a further call brings the older meta
    /// page up to it as well, so that it does not hold the log back.
    fn checkpoint_step(&self, base: &Arc<dyn Base>, at: Option<LogPoint>) -> Result<bool> {
        let state = self.own(base)?;
        let newest = self.newest_state().number();
        self.writer.lock().checkpoint_step(&state, newest, at)
    }

    fn needed_from(&self) -> Option<Position> {
        self.writer.lock().needed_from()
    }

    /// Closes the database. `clean`: the newest base is made durable first, both meta pages get the clean mark, and the
    /// file loses free pages at its end. Otherwise nothing is written.
    fn close(&self, clean: bool) -> Result<()> {
        let state = self.newest_state();
        let mut writer = self.writer.lock();
        let closed = if clean {
            writer.close_clean(&state)
        } else {
            writer.close_dirty();
            Ok(())
        };
        drop((state, writer));
        closed.and(self.give_file_back())
    }
}
