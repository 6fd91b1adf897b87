//! The truth, kept apart from the engine: what was claimed, what each timestamp shows, who did what to a row.

use super::{
    Run,
    state::{Key, Kind, Op, Rows, Txn, TxnState},
    violation,
};
use std::{
    cell::{Cell, RefCell},
    fmt::Debug,
    rc::Rc,
};

/// What somebody did to a row.
#[derive(Debug)]
pub(super) struct Write {
    state: Rc<TxnState>,
    key: Key,
    kind: Kind,
    value: i64,
    pub(super) undone: Cell<bool>,
}

/// The truth.
#[derive(Debug)]
pub(super) struct Oracle {
    /// Claims by position.
    log: RefCell<Vec<(u64, Rc<[Op]>)>>,
    /// Positions of synchronous commits that have returned.
    acked: RefCell<Vec<u64>>,
    /// The rows after each timestamp.
    states: RefCell<Vec<Rows>>,
    writes: RefCell<Vec<Rc<Write>>>,
}

/// Compares what the engine said with the truth.
pub(super) fn compare<T: PartialEq + Debug>(what: &str, got: T, want: T) -> Run<()> {
    if got == want { Ok(()) } else { violation(format!("{what}: got {got:?}, want {want:?}")) }
}

impl Oracle {
    pub(super) fn new() -> Self {
        Oracle {
            log: RefCell::default(),
            acked: RefCell::default(),
            states: RefCell::new(vec![Rows::default()]),
            writes: RefCell::default(),
        }
    }

    /// Notes a claim.
    pub(super) fn claim(&self, pos: u64, ops: &Rc<[Op]>) {
        self.log.borrow_mut().push((pos, Rc::clone(ops)));
    }

    /// Notes that a synchronous commit returned.
    pub(super) fn acknowledge(&self, pos: u64) {
        self.acked.borrow_mut().push(pos);
    }

    /// Notes a publication and returns its timestamp.
    pub(super) fn publish(&self, ops: &[Op]) -> u64 {
        let mut states = self.states.borrow_mut();
        let mut rows = *states.last().expect("the first state is always there");
        rows.apply(ops);
        states.push(rows);
        u64::try_from(states.len() - 1).expect("a length fits 64 bits")
    }

    /// Notes a statement.
    pub(super) fn write(&self, state: &Rc<TxnState>, op: Op) -> Rc<Write> {
        let (key, kind, value) = (op.key, op.kind, op.value);
        let write = Rc::new(Write { state: Rc::clone(state), key, kind, value, undone: Cell::new(false) });
        self.writes.borrow_mut().push(Rc::clone(&write));
        write
    }

    /// The rows as of a timestamp.
    pub(super) fn at(&self, ts: u64) -> Rows {
        self.states.borrow()[usize::try_from(ts).expect("a timestamp is an index")]
    }

    /// The rows after everything below a position.
    pub(super) fn prefix(&self, limit: u64) -> Rows {
        let mut rows = Rows::default();
        for (_, ops) in self.log.borrow().iter().filter(|(pos, _)| *pos < limit) {
            rows.apply(ops);
        }
        rows
    }

    /// What a transaction must read.
    pub(super) fn value(&self, txn: &Txn, key: Key) -> Option<i64> {
        let mut rows = self.at(txn.snapshot);
        rows.apply(&txn.ops(None));
        rows.get(key)
    }

    /// What others did to a row that the snapshot does not show.
    fn younger(&self, txn: &Txn, key: Key) -> Vec<Rc<Write>> {
        let counts = |write: &Rc<Write>| {
            write.key == key
                && !write.undone.get()
                && !write.state.aborted.get()
                && txn.is_foreign(&write.state)
        };
        self.writes.borrow().iter().filter(|write| counts(write)).cloned().collect()
    }

    /// Must the conflict check refuse this?
    pub(super) fn conflicts(&self, txn: &Txn, key: Key, kind: Kind) -> bool {
        self.younger(txn, key).iter().any(|write| kind.clashes(Some(write.kind)))
    }

    /// The old value that an escrow must return.
    pub(super) fn escrow(&self, txn: &Txn, key: Key) -> Option<i64> {
        let foreign: i64 = self.younger(txn, key).iter().map(|write| write.value).sum();
        self.value(txn, key).map(|value| value + foreign)
    }

    /// Forgets what a crash took away.
    pub(super) fn crash(&self, cut: u64) -> Run<()> {
        if self.acked.borrow().iter().any(|pos| *pos >= cut) {
            return violation("acknowledged commit lost");
        }
        self.log.borrow_mut().retain(|(pos, _)| *pos < cut);
        *self.states.borrow_mut() = vec![self.prefix(cut)];
        self.writes.borrow_mut().clear();
        Ok(())
    }
}
