//! The engine of the model: what all its threads share, and how it comes up from a disk.
//!
//! Reading order of the parts: `begin`, `read`, `write`, `commit`, `merge`, `checkpoint`.

mod begin;
mod checkpoint;
mod commit;
mod merge;
mod read;
mod write;

pub(super) use commit::Committed;

use super::{
    DATABASES, Run,
    disk::{Disk, Meta},
    oracle::{Oracle, compare},
    rules::{Off, Rule},
    run::Counts,
    state::{Generation, Key, Kind, Slot, Txn, TxnState, Version, View},
    violation,
};
use crate::seed::Dice;
use std::{
    array,
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

/// How many sessions there are.
const SLOTS: usize = 6;

/// One life of the engine.
pub(super) struct Engine {
    pub(super) disk: Rc<RefCell<Disk>>,
    pub(super) oracle: Rc<Oracle>,
    pub(super) dice: Rc<Dice>,
    off: Off,
    pub(super) counts: RefCell<Counts>,
    pub(super) slots: Vec<Rc<Slot>>,
    last_visible: Cell<u64>,
    queue: RefCell<Vec<Rc<Txn>>>,
    publishing: Cell<bool>,
    gate_closed: Cell<bool>,
    current: RefCell<Rc<View>>,
    /// Views by number; none is ever removed, so that a use of a freed one is seen.
    ring: RefCell<BTreeMap<u64, Rc<View>>>,
    /// Views that were replaced and are not freed.
    replaced: RefCell<Vec<Rc<View>>>,
    /// The newest generation that got a key of this number.
    recency: [Cell<u64>; 5],
    /// (key, kind) → newest timestamp; the kind is lost with the rule off.
    window: RefCell<BTreeMap<(Key, Option<Kind>), u64>>,
    /// The newest timestamp that the window may have forgotten.
    floor: Cell<u64>,
    merges_begun: Cell<u64>,
    merges_done: Cell<u64>,
    no_space: Cell<bool>,
    disk_full: [Cell<bool>; DATABASES],
}

impl Engine {
    /// Recovers: the newest valid slot of each database, then every transaction at or above its L into the overlay.
    pub(super) fn recover(
        disk: &Rc<RefCell<Disk>>,
        oracle: &Rc<Oracle>,
        dice: &Rc<Dice>,
        off: &Off,
    ) -> Run<Self> {
        let view = replay(&disk.borrow())?;
        let engine = Engine {
            disk: Rc::clone(disk),
            oracle: Rc::clone(oracle),
            dice: Rc::clone(dice),
            off: off.clone(),
            counts: RefCell::default(),
            slots: (0..SLOTS).map(|_| Rc::default()).collect(),
            last_visible: Cell::new(0),
            queue: RefCell::default(),
            publishing: Cell::new(false),
            gate_closed: Cell::new(false),
            ring: RefCell::new(BTreeMap::from([(view.number, Rc::clone(&view))])),
            current: RefCell::new(view),
            replaced: RefCell::default(),
            recency: array::from_fn(|_| Cell::new(1)),
            window: RefCell::default(),
            floor: Cell::new(0),
            merges_begun: Cell::new(0),
            merges_done: Cell::new(0),
            no_space: Cell::new(false),
            disk_full: Default::default(),
        };
        for key in Key::all() {
            compare("recovered", engine.read(&engine.view(), 0, key, None)?, oracle.at(0).get(key))?;
        }
        Ok(engine)
    }

    /// Does the rule hold?
    fn on(&self, rule: Rule) -> bool {
        !self.off.has(rule)
    }

    /// The current view.
    fn view(&self) -> Rc<View> {
        Rc::clone(&self.current.borrow())
    }

    fn count(&self, note: impl FnOnce(&mut Counts)) {
        note(&mut self.counts.borrow_mut());
    }
}

/// The first view after a start.
fn replay(disk: &Disk) -> Run<Rc<View>> {
    let mut best: Vec<Meta> = Vec::new();
    for slots in &disk.slots {
        match slots.iter().filter(|meta| meta.valid).max_by_key(|meta| meta.seq) {
            Some(meta) => best.push(meta.clone()),
            None => return violation("no valid meta slot"),
        }
    }
    if best.iter().any(|meta| meta.l < disk.recycled) {
        return violation("log gap");
    }
    let replayed = Generation::new(1);
    for frame in &disk.frames {
        let state = TxnState::replayed(frame.pos);
        for op in frame.ops.iter().filter(|op| frame.pos >= best[op.key.database()].l) {
            replayed.insert(op.key, Version::new(&state, op.kind, op.value));
        }
    }
    let l = array::from_fn(|database| best[database].l);
    let roots = array::from_fn(|database| Rc::clone(&best[database].root));
    Ok(View::new(1, l, roots, vec![Generation::new(2), replayed]))
}
