//! What is durable, and the steps that make more of it so.
//!
//! A checkpoint goes in this order, each step ending before the next begins:
//! 1. *Begin*: the state is chosen and counts as needed from now on. Its forest is written as a tree, then its space map is
//!    made, for which pages are taken first.
//! 2. *Write*: the pages of the map.
//! 3. *Sync*: every page that the state reaches, and the length of the file.
//! 4. *Meta*: the slot that does not hold the newest meta page is written, and synced. Only then does what the slot held
//!    before lose its need: its pages, and the log from its L on.
//!
//! A full disk in step 1 or 2 loses nothing: the step is tried again. Any other failure of a write or sync is final.

use crate::{
    base::State, file::PageFile, medium::Shared, meta::Meta, sink::FileSink, slots::Slots, space::MapWrite,
};
use ese_base::{AttachmentNo, Error, ErrorKind, Position, Result, TreeNo};
use ese_btree::{Forest, Root};
use ese_core::LogPoint;
use std::sync::Arc;

/// How many tree numbers are reserved at a time.
const TREE_NUMBERS: u64 = 4096;

/// What whoever changes the database needs to know; one thread at a time.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    slots: Slots,
    /// The numbers that the slots pin.
    pinned: [Option<u64>; 2],
    phase: Phase,
    /// The forest that the newest slot has.
    forest: Forest,
    /// The state that the file was opened with: its L may be of another log.
    opened: u64,
    next_tree: u64,
    running: Option<Running>,
}

/// What may be done with the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Both slots are as they were found: merges only.
    Opened,
    /// Everything.
    Adopted,
    /// Nothing.
    Closed,
}

/// A checkpoint under way.
struct Running {
    /// Holds what it makes durable.
    state: Arc<dyn State>,
    number: u64,
    at: Option<LogPoint>,
    root: Option<Root>,
    stage: Stage,
}

enum Stage {
    Write(MapWrite),
    Sync { map: MapWrite },
    Meta { map: Option<MapWrite> },
}

impl Writer {
    /// The writer of a file whose newest slot has that state.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        slots: Slots,
        slot_numbers: [Option<u64>; 2],
        state: &dyn State,
    ) -> Writer {
        let mut pins = shared.pins.lock();
        slot_numbers.iter().flatten().for_each(|number| pins.pin(*number));
        drop(pins);
        Writer {
            shared: Arc::clone(shared),
            next_tree: slots.newest().next_tree,
            slots,
            pinned: slot_numbers,
            phase: Phase::Opened,
            forest: state.forest().clone(),
            opened: state.number(),
            running: None,
        }
    }

    fn file(&self) -> &PageFile {
        &self.shared.file
    }

    /// The newest durable state.
    pub(crate) fn durable(&self) -> &Meta {
        self.slots.newest()
    }

    /// Both slots as they are believed to be.
    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Whether a checkpoint has taken pages that its map does not lead to yet.
    pub(crate) fn is_between(&self) -> bool {
        self.running.is_some()
    }

    /// The lowest L that a slot names.
    pub(crate) fn needed_from(&self) -> Option<Position> {
        self.slots.needed_from()
    }

    /// Whether merges are possible.
    ///
    /// # Errors
    /// `NotInitialized` after the close; `DatabaseFileReadOnly`; `InstanceUnavailable` after a failure.
    pub(crate) fn may_merge(&self) -> Result<()> {
        if self.phase == Phase::Closed {
            return Err(Error::new(ErrorKind::NotInitialized, format!("{} is closed", self.file().name())));
        }
        self.file().may_write()
    }

    fn may_write_slots(&self) -> Result<()> {
        self.may_merge()?;
        if self.phase == Phase::Opened {
            let what = format!("{} is not adopted by its instance yet", self.file().name());
            return Err(Error::new(ErrorKind::InvalidParameter, what));
        }
        Ok(())
    }

    /// Takes the clean mark back and stamps the attachment in both slots.
    pub(crate) fn adopt(&mut self, attached: Option<(AttachmentNo, LogPoint)>) -> Result<()> {
        self.may_merge()?;
        let newest = self.slots.newest();
        let fits = match (newest.point, attached) {
            (Some((_, old)), Some((_, new))) if old.log == new.log => {
                new.at == old.at || newest.clean && new.at > old.at
            }
            (None, None) => true,
            _ => newest.clean,
        };
        if !fits {
            let old = newest.point.map(|(_, point)| point);
            let new = attached.map(|(_, point)| point);
            let what = format!("{} stands at {old:?}, and is to be attached at {new:?}", self.file().name());
            return Err(Error::new(ErrorKind::DatabaseDirtyShutdown, what));
        }
        let next_tree = self.reserved(0)?;
        for _ in 0..2 {
            let meta = Meta {
                clean: false,
                point: attached,
                next_tree,
                created_by: created_by(),
                ..self.slots.newest().clone()
            };
            self.write_slot(meta)?;
        }
        self.phase = Phase::Adopted;
        Ok(())
    }

    /// What the slots say is the next tree number when `count` more are given.
    fn reserved(&self, count: u64) -> Result<u64> {
        let reserved = self.next_tree.checked_add(count).and_then(|next| next.checked_add(TREE_NUMBERS));
        reserved.ok_or_else(|| Error::new(ErrorKind::OutOfMemory, "all tree numbers are used"))
    }

    /// Gives out tree numbers; they are reserved on disk first.
    pub(crate) fn reserve_tree_numbers(&mut self, count: u64) -> Result<TreeNo> {
        self.may_write_slots()?;
        let reserved = self.reserved(count)?;
        if self.next_tree.saturating_add(count) > self.slots.newest().next_tree {
            let meta = Meta { next_tree: reserved, ..self.slots.newest().clone() };
            self.write_slot(meta)?;
        }
        let first = TreeNo(self.next_tree);
        self.next_tree += count;
        Ok(first)
    }

    /// Writes a slot; what it held before is needed no more.
    fn write_slot(&mut self, meta: Meta) -> Result<()> {
        let number = meta.number;
        // Needed from now on, whatever becomes of the write.
        self.shared.pins.lock().pin(number);
        let slot = self.slots.write(&self.shared.file, meta)?;
        let before = self.pinned.get_mut(slot).and_then(|pinned| pinned.replace(number));
        if let Some(before) = before {
            self.shared.pins.lock().unpin(before);
        }
        self.shared.space.lock().release_older();
        Ok(())
    }

    /// Whether the newest slot has that state and that position.
    fn is_durable(&self, state: &dyn State, at: Option<LogPoint>) -> bool {
        let newest = self.slots.newest();
        let reaches = |meta: &Meta| match (meta.point, at) {
            (Some((_, point)), Some(at)) => point.at >= at.at,
            (None, None) => true,
            _ => false,
        };
        // Once a state is durable, the older slot is brought up to it as well, so that it does not hold the log back.
        newest.merged >= state.number() && reaches(newest) && self.slots.other().is_none_or(reaches)
    }

    /// One step in making a state durable.
    pub(crate) fn checkpoint_step(
        &mut self,
        state: &Arc<dyn State>,
        newest: u64,
        at: Option<LogPoint>,
    ) -> Result<bool> {
        self.may_write_slots()?;
        // One that was left half way, for an older state, is completed first.
        while self
            .running
            .as_ref()
            .is_some_and(|running| (running.state.number(), running.at) != (state.number(), at))
        {
            self.advance()?;
        }
        if self.running.is_some() {
            self.advance()?;
            let durable = self.slots.newest();
            let reached = durable.merged >= state.number()
                && at.is_none_or(|at| durable.point.is_some_and(|(_, point)| point.at >= at.at));
            return Ok(self.running.is_none() && reached);
        }
        self.check_point(&**state, at)?;
        if self.is_durable(&**state, at) {
            return Ok(true);
        }
        if state.number() != newest {
            let what = "a checkpoint begins with the newest state";
            return Err(Error::new(ErrorKind::InvalidParameter, what));
        }
        self.begin(state, at)?;
        Ok(false)
    }

    /// Whether a log point can be that of a state.
    fn check_point(&self, state: &dyn State, at: Option<LogPoint>) -> Result<()> {
        let fits = match (self.slots.newest().point, at) {
            (None, None) => true,
            (Some((_, own)), Some(at)) => {
                own.log == at.log && at.at >= own.at && (state.number() == self.opened || at.at >= state.l())
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let what = format!("a checkpoint of {} cannot be at {at:?}", self.file().name());
        Err(Error::new(ErrorKind::InvalidParameter, what))
    }

    fn begin(&mut self, state: &Arc<dyn State>, at: Option<LogPoint>) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let durable = self.slots.newest();
        let is_same = *state.forest() == self.forest && !shared.space.lock().is_changed();
        let number = shared.next_number();
        let (root, stage) = if is_same {
            shared.pins.lock().pin(number);
            (durable.forest, Stage::Meta { map: None })
        } else {
            let mut sink = FileSink::new(&shared, number);
            let root = state.write_forest(durable.forest, &self.forest, &mut sink)?;
            let made = sink.finish()?;
            let mut space = shared.space.lock();
            let mut map = space.checkpoint(&shared, number, made)?;
            space.count(&shared);
            drop(space);
            let dead = std::mem::take(&mut map.dead);
            // Needed from now on; before what it replaced dies.
            let mut pins = shared.pins.lock();
            pins.pin(number);
            pins.die(number, dead);
            drop(pins);
            (root, Stage::Write(map))
        };
        self.running = Some(Running { state: Arc::clone(state), number, at, root, stage });
        Ok(())
    }

    /// Takes the next step of the checkpoint under way.
    fn advance(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.stage = match running.stage {
            Stage::Write(map) => match write(&self.shared, &map) {
                Ok(()) => Stage::Sync { map },
                Err(error) => {
                    // On a full disk it is tried again; after another error nothing is.
                    running.stage = Stage::Write(map);
                    self.running = Some(running);
                    return Err(error);
                }
            },
            Stage::Sync { map } => {
                let synced = self.file().sync();
                running.stage = Stage::Meta { map: Some(map) };
                if synced.is_ok() {
                    self.running = Some(running);
                }
                return synced;
            }
            Stage::Meta { map } => {
                return self.complete(running.state, running.number, running.at, running.root, map);
            }
        };
        self.running = Some(running);
        Ok(())
    }

    fn complete(
        &mut self,
        state: Arc<dyn State>,
        number: u64,
        at: Option<LogPoint>,
        root: Option<Root>,
        map: Option<MapWrite>,
    ) -> Result<()> {
        let durable = self.slots.newest();
        let mut meta = Meta {
            number,
            merged: state.number(),
            forest: root,
            trees: state.forest().entries().len() as u64,
            clean: false,
            ..durable.clone()
        };
        if let Some(map) = &map {
            (meta.map, meta.pages, meta.free_pages) = (map.root, map.pages, map.free);
        }
        meta.point = match (meta.point, at) {
            (Some((attachment, _)), Some(at)) => Some((attachment, at)),
            (point, _) => point,
        };
        self.write_slot(meta)?;
        self.forest = state.forest().clone();
        // The slot pins it now; its own pin was that of the checkpoint under way.
        self.shared.pins.lock().unpin(number);
        Ok(())
    }

    /// Makes `state`, the newest, durable and marks both slots clean.
    pub(crate) fn close_clean(&mut self, state: &Arc<dyn State>) -> Result<()> {
        let is_for_reads =
            self.file().may_write().is_err_and(|error| error.kind() == ErrorKind::DatabaseFileReadOnly);
        if self.phase != Phase::Adopted || is_for_reads {
            // Nothing was written since the opening, or what was is to be found again in the log.
            self.phase = Phase::Closed;
            return Ok(());
        }
        self.file().may_write()?;
        while self.running.is_some() {
            self.advance()?;
        }
        let l = if state.number() == self.opened { Position(0) } else { state.l() };
        let at = self.slots.newest().point.map(|(_, point)| LogPoint { at: point.at.max(l), ..point });
        let newest = self.slots.newest();
        let has_it =
            newest.merged >= state.number() && newest.point.map(|(_, point)| point.at) == at.map(|at| at.at);
        if !has_it || self.shared.space.lock().is_changed() {
            self.shared.space.lock().rewind();
            self.begin(state, at)?;
            while self.running.is_some() {
                self.advance()?;
            }
        }
        // Once both slots have the state, nothing else is needed.
        self.write_slot(self.clean())?;
        let cut = self.shared.space.lock().cut_tail(&self.shared)?;
        let clean = self.clean();
        let clean =
            Meta { pages: clean.pages - cut, free_pages: clean.free_pages.saturating_sub(cut), ..clean };
        for _ in 0..if cut > 0 { 2 } else { 1 } {
            self.write_slot(clean.clone())?;
        }
        if cut > 0 {
            self.file().shrink(clean.pages)?;
            self.file().sync()?;
        }
        self.phase = Phase::Closed;
        Ok(())
    }

    /// The durable state as a database that is closed in order has it.
    fn clean(&self) -> Meta {
        Meta { clean: true, next_tree: self.next_tree, ..self.slots.newest().clone() }
    }

    /// Ends it as a crash would, but in order: nothing is written.
    pub(crate) fn close_dirty(&mut self) {
        self.running = None;
        self.phase = Phase::Closed;
    }
}

/// Writes the pages of a map.
fn write(shared: &Shared, map: &MapWrite) -> Result<()> {
    for (own, bytes) in &map.writes {
        shared.file.write(own, 0, bytes)?;
    }
    shared.space.lock().written(map.root, map.pages);
    Ok(())
}

/// The name and version of this crate, as meta pages keep it.
pub(crate) fn created_by() -> [u8; 32] {
    let mut bytes = [0; 32];
    let name = concat!("ese ", env!("CARGO_PKG_VERSION")).bytes();
    bytes.iter_mut().zip(name).for_each(|(to, from)| *to = from);
    bytes
}
