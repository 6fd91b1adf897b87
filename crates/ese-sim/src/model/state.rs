//! What there is: transaction states, versions, generations, views, slots.
//!
//! All of it is shared by `Rc` and changed through cells: the threads of the model are futures of one real thread, and
//! between two pauses each is alone.

use super::{DATABASES, ROWS};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

/// A row of a database, all in one number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Key(usize);

impl Key {
    pub(super) fn new(database: usize, row: usize) -> Self {
        assert!(database < DATABASES && row < ROWS);
        Key(database * ROWS + row)
    }

    pub(super) fn all() -> impl Iterator<Item = Key> {
        (0..DATABASES * ROWS).map(Key)
    }

    pub(super) fn database(self) -> usize {
        self.0 / ROWS
    }

    /// The place in the recency table; fewer places than keys, so that collisions are met.
    pub(super) fn recency(self) -> usize {
        self.0 % 5
    }
}

/// The value of every row, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Rows([Option<i64>; DATABASES * ROWS]);

impl Rows {
    pub(super) fn get(&self, key: Key) -> Option<i64> {
        self.0[key.0]
    }

    pub(super) fn set(&mut self, key: Key, value: Option<i64>) {
        self.0[key.0] = value;
    }

    /// Does to the rows what a transaction did.
    pub(super) fn apply(&mut self, ops: &[Op]) {
        for op in ops {
            let row = &mut self.0[op.key.0];
            match op.kind {
                Kind::Put => *row = Some(op.value),
                Kind::Delete => *row = None,
                Kind::Delta => *row = row.map(|value| value + op.value),
                Kind::ReadLock | Kind::WriteLock => {}
            }
        }
    }
}

/// What is done to a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Put,
    Delete,
    Delta,
    ReadLock,
    WriteLock,
}

impl Kind {
    /// Does it change the row?
    pub(super) fn is_data(self) -> bool {
        matches!(self, Kind::Put | Kind::Delete | Kind::Delta)
    }

    /// Does it exclude everything else?
    pub(super) fn is_exclusive(self) -> bool {
        matches!(self, Kind::Put | Kind::Delete | Kind::WriteLock)
    }

    /// Does it conflict with what another did? Only one shared kind goes with itself.
    pub(super) fn clashes(self, other: Option<Kind>) -> bool {
        self.is_exclusive() || other != Some(self)
    }
}

/// A statement that changed a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub(super) key: Key,
    pub(super) kind: Kind,
    pub(super) value: i64,
}

/// A claimed position before it is claimed.
pub(super) const UNCLAIMED: u64 = u64::MAX;

/// The state that all versions of a transaction share.
#[derive(Debug)]
pub(super) struct TxnState {
    /// `None`: not published.
    pub(super) ts: Cell<Option<u64>>,
    pub(super) pos: Cell<u64>,
    pub(super) aborted: Cell<bool>,
}

impl TxnState {
    pub(super) fn open() -> Rc<Self> {
        Rc::new(TxnState { ts: Cell::new(None), pos: Cell::new(UNCLAIMED), aborted: Cell::new(false) })
    }

    pub(super) fn replayed(pos: u64) -> Rc<Self> {
        Rc::new(TxnState { ts: Cell::new(Some(0)), pos: Cell::new(pos), aborted: Cell::new(false) })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.aborted.get() || self.ts.get().is_some()
    }
}

/// One version of a row.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) state: Rc<TxnState>,
    pub(super) kind: Kind,
    pub(super) value: i64,
    pub(super) rolled_back: Cell<bool>,
}

impl Version {
    pub(super) fn new(state: &Rc<TxnState>, kind: Kind, value: i64) -> Rc<Self> {
        Rc::new(Version { state: Rc::clone(state), kind, value, rolled_back: Cell::new(false) })
    }

    pub(super) fn is_dead(&self) -> bool {
        self.rolled_back.get() || self.state.aborted.get()
    }
}

/// A transaction and the databases it wrote in.
type Wrote = (Rc<TxnState>, [bool; DATABASES]);

/// Versions that were written while it was the active one.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) number: u64,
    /// Oldest first; readers go backwards.
    chains: RefCell<BTreeMap<Key, Vec<Rc<Version>>>>,
    pub(super) wrote: RefCell<Vec<Wrote>>,
}

impl Generation {
    pub(super) fn new(number: u64) -> Rc<Self> {
        Rc::new(Generation { number, chains: RefCell::default(), wrote: RefCell::default() })
    }

    /// The versions of a key, newest first.
    pub(super) fn chain(&self, key: Key) -> Vec<Rc<Version>> {
        self.chains.borrow().get(&key).map_or_else(Vec::new, |chain| chain.iter().rev().cloned().collect())
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.chains.borrow().keys().copied().collect()
    }

    pub(super) fn size(&self) -> usize {
        self.chains.borrow().values().map(Vec::len).sum()
    }

    pub(super) fn insert(&self, key: Key, version: Rc<Version>) {
        let mut wrote = self.wrote.borrow_mut();
        let place = wrote.iter().position(|(state, _)| Rc::ptr_eq(state, &version.state));
        let place = place.unwrap_or_else(|| {
            wrote.push((Rc::clone(&version.state), [false; DATABASES]));
            wrote.len() - 1
        });
        wrote[place].1[key.database()] = true;
        self.chains.borrow_mut().entry(key).or_default().push(version);
    }
}

/// The sum of what generations hold.
pub(super) fn versions(generations: &[Rc<Generation>]) -> usize {
    generations.iter().map(|generation| generation.size()).sum()
}

/// What a reader reads in: immutable but for the applier's notes.
#[derive(Debug)]
pub(super) struct View {
    pub(super) number: u64,
    /// Per database: its root holds exactly the transactions below.
    pub(super) l: [u64; DATABASES],
    pub(super) roots: Roots,
    /// Newest first; the first one is active.
    pub(super) generations: Vec<Rc<Generation>>,
    pub(super) freed: Cell<bool>,
    /// Slots that were in the gate when the view was replaced, with their entry then.
    pub(super) waiting: RefCell<Vec<(Rc<Slot>, u64)>>,
}

/// The root of each database.
pub(super) type Roots = [Rc<Rows>; DATABASES];

impl View {
    pub(super) fn new(
        number: u64,
        l: [u64; DATABASES],
        roots: Roots,
        generations: Vec<Rc<Generation>>,
    ) -> Rc<Self> {
        let (freed, waiting) = (Cell::new(false), RefCell::default());
        Rc::new(View { number, l, roots, generations, freed, waiting })
    }

    pub(super) fn base(&self, key: Key) -> Option<i64> {
        self.roots[key.database()].get(key)
    }
}

/// What a session shows to the others.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The number of the view it pins.
    pub(super) view: Cell<Option<u64>>,
    pub(super) snapshot: Cell<Option<u64>>,
    /// A second view it pins, for the escrow's old value.
    pub(super) second: Cell<Option<u64>>,
    pub(super) writes: Cell<bool>,
    pub(super) gate: Cell<bool>,
    pub(super) entries: Cell<u64>,
    pub(super) last_commit: RefCell<Option<Rc<TxnState>>>,
}

/// A statement of an open transaction, with what it left in the overlay and in the oracle's book.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) op: Op,
    pub(super) version: Rc<Version>,
    pub(super) truth: Rc<super::oracle::Write>,
}

/// An open transaction.
#[derive(Debug)]
pub(super) struct Txn {
    pub(super) slot: Rc<Slot>,
    pub(super) view: Rc<View>,
    pub(super) snapshot: u64,
    pub(super) state: Rc<TxnState>,
    /// Write set and undo list in one.
    pub(super) log: RefCell<Vec<Own>>,
    /// Does its entry in the queue wait for the log?
    pub(super) sync: Cell<bool>,
}

impl Txn {
    /// What it changed, in order; of one key when one is given.
    pub(super) fn ops(&self, of: Option<Key>) -> Vec<Op> {
        let wanted = |op: &Op| op.kind.is_data() && of.is_none_or(|key| key == op.key);
        self.log.borrow().iter().map(|own| own.op).filter(wanted).collect()
    }

    /// Another's state that is not part of this transaction's snapshot?
    pub(super) fn is_foreign(&self, state: &Rc<TxnState>) -> bool {
        !Rc::ptr_eq(state, &self.state) && state.ts.get().is_none_or(|ts| ts > self.snapshot)
    }
}
