//! Merge: seal, wait for the queue, make the next roots, fill the window, publish the next view.

use super::{Engine, read::fold};
use crate::model::{
    DATABASES, GENERATIONS, Run, SEAL_SIZE, WINDOW,
    oracle::compare,
    pause,
    rules::Rule,
    state::{Generation, Key, Rows, TxnState, Version, View},
    violation,
};
use std::{collections::BTreeSet, rc::Rc};

/// When a seal is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seal {
    /// At the begin of a merge.
    AtMerge,
    /// Between two steps of a merge, by size.
    BySize,
}

impl Engine {
    pub(in crate::model) async fn merge(&self) -> Run<()> {
        let this = self.merges_begun.get() + 1;
        self.merges_begun.set(this);
        self.no_space.set(self.no_space.get() ^ self.dice.percent(10));
        let (l, ended) = self.seal(Seal::AtMerge).await;
        self.wait_for_queue(l).await?;
        let source = self.view();
        let (mut new_l, mut roots) = (source.l, source.roots.clone());
        for database in 0..DATABASES {
            // No space: this database keeps its root and its L.
            self.disk_full[database].set(self.no_space.get() && database == 1);
            if !self.disk_full[database].get() {
                roots[database] = self.merge_database(&source, database, l).await?;
                new_l[database] = l;
            }
        }
        let built_on = if self.on(Rule::FromCurrent) { self.view() } else { source };
        let stay = self.replace_view(&built_on, new_l, roots).await;
        self.check_generations(&stay, &ended)?;
        self.merges_done.set(this);
        self.count(|counts| counts.merges += 1);
        self.free_views().await;
        Ok(())
    }

    /// Closes the gate, reads L, seals unless there are four, opens the gate. Also says who has ended, for the check.
    async fn seal(&self, why: Seal) -> (u64, Vec<Rc<TxnState>>) {
        self.gate_closed.set(true);
        pause().await;
        for slot in &self.slots {
            while slot.gate.get() && self.on(Rule::Gate) {
                pause().await;
            }
        }
        let (l, view) = (self.disk.borrow().next, self.view());
        let mut ended = Vec::new();
        for generation in &view.generations {
            let wrote = generation.wrote.borrow();
            ended.extend(wrote.iter().map(|(state, _)| Rc::clone(state)).filter(|state| state.has_ended()));
        }
        pause().await;
        let at_once = why == Seal::AtMerge && !self.on(Rule::NoSealAtFour);
        if view.generations.len() < GENERATIONS || at_once {
            let mut generations = view.generations.clone();
            generations.insert(0, Generation::new(generations[0].number + 1));
            self.publish_view(view.l, view.roots.clone(), generations).await;
        }
        self.gate_closed.set(false);
        pause().await;
        (l, ended)
    }

    /// Waits until everything below L is published, and does what that takes.
    async fn wait_for_queue(&self, l: u64) -> Run<()> {
        let mut waited = 0;
        let is_behind = || self.queue.borrow().iter().any(|entry| entry.state.pos.get() < l);
        while self.on(Rule::WaitQueue) && is_behind() {
            let durable = self.disk.borrow().durable;
            if durable < l {
                self.sync().await;
            }
            if self.on(Rule::AnyonePublishes) {
                self.publish(None).await;
            }
            waited += u32::from(!self.publishing.get());
            pause().await;
            if waited > 500 {
                return violation("stuck: the merge waits for the queue");
            }
        }
        Ok(())
    }

    /// The next root of a database: all versions with L of the view ≤ position < L.
    async fn merge_database(&self, source: &View, database: usize, l: u64) -> Run<Rc<Rows>> {
        let mut root = *source.roots[database];
        let keys: BTreeSet<Key> =
            source.generations.iter().flat_map(|generation| generation.keys()).collect();
        for key in keys.into_iter().filter(|key| key.database() == database) {
            let counts = |version: &Version| {
                let pos = version.state.pos.get();
                pos < l && (pos >= source.l[database] || !self.on(Rule::Skip))
            };
            root.set(key, fold(&source.generations, key, counts, root.get(key), 0));
            pause().await;
            if self.view().generations[0].size() > SEAL_SIZE {
                self.seal(Seal::BySize).await;
            }
        }
        let truth = self.oracle.prefix(l);
        for key in Key::all().filter(|key| key.database() == database) {
            compare("base", root.get(key), truth.get(key))?;
        }
        Ok(Rc::new(root))
    }

    /// Publishes the view with the new roots and returns the generations that stay.
    async fn replace_view(
        &self,
        built_on: &View,
        l: [u64; DATABASES],
        roots: [Rc<Rows>; DATABASES],
    ) -> Vec<Rc<Generation>> {
        let spared = usize::from(self.on(Rule::ActiveStays));
        let (mut stay, mut leave) = (Vec::new(), Vec::new());
        for (place, generation) in built_on.generations.iter().enumerate() {
            let goes = place >= spared && self.may_leave(generation, &l);
            if goes { &mut leave } else { &mut stay }.push(Rc::clone(generation));
        }
        if stay.is_empty() {
            stay.push(Generation::new(built_on.generations[0].number + 1));
        }
        if self.on(Rule::WindowFirst) {
            self.enter_window(&leave);
        }
        pause().await;
        self.trim_window().await;
        for _ in 0..self.dice.below(12) {
            pause().await;
        }
        self.publish_view(l, roots, stay.clone()).await;
        if !self.on(Rule::WindowFirst) {
            self.enter_window(&leave);
        }
        self.count(|counts| counts.generations_left += leave.len());
        stay
    }

    /// Every transaction that wrote in it is aborted, or lies before L of each database it wrote in.
    fn may_leave(&self, generation: &Generation, l: &[u64; DATABASES]) -> bool {
        generation.wrote.borrow().iter().all(|(state, wrote)| {
            let matters = |database: &usize| wrote[*database] || !self.on(Rule::WroteInOnly);
            state.aborted.get()
                || (0..DATABASES).filter(matters).all(|database| state.pos.get() < l[database])
        })
    }

    fn check_generations(&self, stay: &[Rc<Generation>], ended: &[Rc<TxnState>]) -> Run<()> {
        let is_ended = |state: &Rc<TxnState>| ended.iter().any(|other| Rc::ptr_eq(state, other));
        let waits_for_space =
            |wrote: &[bool; DATABASES]| (0..DATABASES).any(|d| wrote[d] && self.disk_full[d].get());
        for generation in &stay[1..] {
            let wrote = generation.wrote.borrow();
            if wrote.iter().all(|(state, databases)| is_ended(state) && !waits_for_space(databases)) {
                return violation("stuck: a generation stays for nobody");
            }
        }
        if stay.len() > GENERATIONS && self.on(Rule::NoSealAtFour) {
            return violation("more than four generations");
        }
        Ok(())
    }

    /// Enters what leaves; entries are only raised.
    fn enter_window(&self, leaving: &[Rc<Generation>]) {
        let mut window = self.window.borrow_mut();
        for generation in leaving {
            for key in generation.keys() {
                for version in generation.chain(key).iter().filter(|version| !version.is_dead()) {
                    if let Some(ts) = version.state.ts.get() {
                        let kind = self.on(Rule::WindowKinds).then_some(version.kind);
                        let newest = window.entry((key, kind)).or_default();
                        *newest = ts.max(*newest);
                    }
                }
            }
        }
    }

    /// Drops the entries that no read-write snapshot can ask for, and those that do not fit: the floor rises then.
    async fn trim_window(&self) {
        let unknown = if self.on(Rule::TrimUnknown) { 0 } else { u64::MAX };
        let mut low = u64::MAX;
        for slot in &self.slots {
            if slot.view.get().is_some() && slot.writes.get() {
                low = low.min(slot.snapshot.get().unwrap_or(unknown));
            }
            pause().await;
        }
        let mut newest: Vec<u64> = self.window.borrow().values().copied().collect();
        newest.sort_unstable_by(|left, right| right.cmp(left));
        if let Some(&forgotten) = newest.get(WINDOW) {
            self.floor.set(self.floor.get().max(forgotten));
        }
        let low = if self.on(Rule::TrimBySnapshot) { low.max(self.floor.get()) } else { u64::MAX };
        self.window.borrow_mut().retain(|_, ts| *ts > low);
        pause().await;
    }
}
