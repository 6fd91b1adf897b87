//! Writing: does the row exist for me, did anyone touch it since, and rollback as a mark.

use super::{Engine, read::fold};
use crate::model::{
    BUDGET, GENERATIONS, Run,
    oracle::compare,
    pause,
    rules::Rule,
    state::{Key, Kind, Op, Own, Txn, Version, View, versions},
    violation,
};
use std::rc::Rc;

/// What the budget said.
#[derive(PartialEq, Eq)]
enum Room {
    Enough,
    Full,
}

impl Engine {
    /// One statement. What is refused (conflict, full disk, full version store) leaves nothing behind.
    pub(in crate::model) async fn write(&self, txn: &Txn, key: Key, kind: Kind) -> Run<()> {
        let (slot, database) = (&txn.slot, key.database());
        // "Does it exist for me?" is asked outside the gate.
        let exists = self.read(&txn.view, txn.snapshot, key, Some(txn))?;
        compare("writer's read", exists, self.oracle.value(txn, key))?;
        let needs_row = matches!(kind, Kind::Delete | Kind::Delta);
        let kind = if needs_row && exists.is_none() { Kind::Put } else { kind };
        if self.disk_full[database].get() {
            self.count(|counts| counts.disk_full += 1);
            return Ok(());
        }
        if self.budget_wait().await? == Room::Full {
            self.count(|counts| counts.version_store_full += 1);
            return Ok(());
        }
        let wants_old = kind == Kind::Delta && self.dice.percent(50);
        let (view, base) = self.gate_with_base(txn, key, wants_old).await?;
        pause().await;
        if self.is_refused(&view, txn, key, kind)? {
            self.count(|counts| counts.conflicts += 1);
        } else {
            if let Some(base) = base {
                compare("escrow", self.escrow_value(&view, key, base), self.oracle.escrow(txn, key))?;
            }
            if !self.on(Rule::Latch) {
                pause().await;
            }
            self.insert(&view, txn, key, kind);
            self.count(|counts| counts.writes += 1);
        }
        slot.second.set(None);
        slot.gate.set(false);
        pause().await;
        Ok(())
    }

    /// Enters the gate; for the escrow's old value with the row of a base that has the L of the current view.
    async fn gate_with_base(
        &self,
        txn: &Txn,
        key: Key,
        wants_old: bool,
    ) -> Run<(Rc<View>, Option<Option<i64>>)> {
        let (slot, database) = (&txn.slot, key.database());
        loop {
            if !wants_old {
                return Ok((self.enter_gate(slot).await, None));
            }
            let old = self.pin_second(slot).await;
            pause().await;
            self.in_use(&old)?;
            let base = old.base(key);
            let view = self.enter_gate(slot).await;
            self.in_use(&view)?;
            if view.l[database] == old.l[database] || !self.on(Rule::EscrowSameL) {
                return Ok((view, Some(base)));
            }
            slot.gate.set(false);
            pause().await;
        }
    }

    /// "Did anyone touch it since?", compared with the truth both ways.
    fn is_refused(&self, view: &View, txn: &Txn, key: Key, kind: Kind) -> Run<bool> {
        if txn.snapshot < self.floor.get() && self.on(Rule::Floor) {
            return Ok(true);
        }
        let answer = self.conflicts(view, txn, key, kind)?;
        match (answer, self.oracle.conflicts(txn, key, kind)) {
            (true, false) => violation("false conflict"),
            (false, true) => violation("missed conflict"),
            _ => Ok(answer),
        }
    }

    /// The conflict check: all versions, newest first, and always the window.
    fn conflicts(&self, view: &View, txn: &Txn, key: Key, kind: Kind) -> Run<bool> {
        self.in_use(view)?;
        let mut seen = None;
        'walk: for generation in &view.generations {
            for version in generation.chain(key) {
                if version.is_dead() && self.on(Rule::PassRolledBack) {
                    continue;
                }
                if seen.is_some_and(|number| number != generation.number) && !self.on(Rule::AllVersions) {
                    break 'walk;
                }
                seen = Some(generation.number);
                let foreign = txn.is_foreign(&version.state);
                if foreign && kind.clashes(Some(version.kind)) {
                    return Ok(true);
                }
                if version.kind.is_exclusive() && !foreign {
                    break 'walk; // What lies below was settled when this was written.
                }
            }
        }
        if seen.is_some() && !self.on(Rule::WindowAlways) {
            return Ok(false);
        }
        let window = self.window.borrow();
        let mut newer = window.iter().filter(|((at, _), ts)| *at == key && **ts > txn.snapshot);
        Ok(newer.any(|((_, other), _)| kind.clashes(*other)))
    }

    /// Waits while the version store is over its budget, for the first merge that began after the question.
    async fn budget_wait(&self) -> Run<Room> {
        let asked = self.merges_begun.get();
        let four = self.on(Rule::NoSealAtFour);
        loop {
            let generations = self.view().generations.clone();
            let over = if four { versions(&generations) > BUDGET } else { generations.len() > GENERATIONS };
            if !over {
                return Ok(Room::Enough);
            }
            let done = self.merges_done.get();
            if done > asked && self.on(Rule::BoundedWait) && four {
                return Ok(Room::Full);
            }
            if done > asked + 2 {
                return violation("stuck: a writer waits for more than two merges");
            }
            pause().await;
        }
    }

    /// The old value of an escrow, committed or not: everything the base does not have.
    fn escrow_value(&self, view: &View, key: Key, base: Option<i64>) -> Option<i64> {
        let l = view.l[key.database()];
        let counts = |version: &Version| {
            version.state.pos.get() >= l && (version.kind == Kind::Delta || self.on(Rule::EscrowData))
        };
        fold(&view.generations, key, counts, base, 0)
    }

    fn insert(&self, view: &View, txn: &Txn, key: Key, kind: Kind) {
        let any = i64::try_from(self.dice.below(100)).expect("it is below 100");
        let value = self.dice.pick(&[1, 10, 100, any]);
        let (op, active) = (Op { key, kind, value }, &view.generations[0]);
        let version = Version::new(&txn.state, kind, value);
        self.recency[key.recency()].set(active.number); // Raised before the insert.
        active.insert(key, Rc::clone(&version));
        let truth = self.oracle.write(&txn.state, op);
        txn.log.borrow_mut().push(Own { op, version, truth });
    }

    /// Rolls back to a savepoint, a mark per version, each found by its key in the current view; nothing is unlinked.
    pub(in crate::model) async fn rollback_to(&self, txn: &Txn, length: usize) -> Run<()> {
        loop {
            let own = match &txn.log.borrow()[length..] {
                [.., own] => own.clone(),
                [] => return Ok(()),
            };
            let view = if self.on(Rule::MarkInGate) { self.enter_gate(&txn.slot).await } else { self.view() };
            for generation in &view.generations {
                pause().await;
                self.in_use(&view)?;
                if generation.chain(own.op.key).iter().any(|version| Rc::ptr_eq(version, &own.version)) {
                    own.truth.undone.set(true);
                    own.version.rolled_back.set(self.on(Rule::RollbackMark));
                }
            }
            if !own.truth.undone.get() {
                return violation("own version not in the current view");
            }
            txn.log.borrow_mut().pop();
            txn.slot.gate.set(false);
            pause().await;
        }
    }
}
