//! The states that a crash may leave: the newest that must be there, and all that came after it.
//!
//! On one thread the order of commits is the order of calls, and that of the log, so a crash leaves one of these states:
//! lazy commits are lost from the end, whole, and nothing that was promised is lost.

use super::state::{Database, Standing, State};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What is known of the databases.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    /// The first must be there, the others may.
    states: Vec<State>,
    /// All states of the life that goes on or has just ended.
    life: Vec<State>,
    /// How many states there were before the first of them.
    before: usize,
    /// Databases whose making began and was not heard to end.
    pub(super) perhaps: BTreeSet<usize>,
}

impl Truth {
    /// An instance with an empty main database.
    pub(super) fn new() -> Truth {
        let main = (Standing::Attached, Arc::default());
        let state = State { databases: BTreeMap::from([(0, main)]) };
        Truth { life: vec![state.clone()], states: vec![state], before: 0, perhaps: BTreeSet::new() }
    }

    /// The state that sessions see.
    pub(super) fn newest(&self) -> &State {
        self.states.last().expect("the first state stays")
    }

    /// A state that may survive from now on; its number.
    pub(super) fn push(&mut self, state: State) -> usize {
        self.life.push(state.clone());
        self.states.push(state);
        self.before + self.states.len() - 1
    }

    /// The newest state was promised.
    pub(super) fn promise(&mut self) {
        self.promise_up_to(usize::MAX);
    }

    /// The state of that number was promised.
    pub(super) fn promise_up_to(&mut self, number: usize) {
        let first = number.saturating_sub(self.before).min(self.states.len() - 1);
        self.states.drain(..first);
        self.before += first;
    }

    /// An engine shows this state after a start, and so it stays; an error says why it may not.
    pub(super) fn found(&mut self, found: &State) -> Result<(), String> {
        let place = self.states.iter().rposition(|state| state.looks_like(found)).ok_or_else(|| {
            let (must, newest) = (&self.states[0], self.newest());
            format!(
                "none of {} states is there; from the oldest that may be: {}; from the newest: {}",
                self.states.len(),
                must.difference(found),
                newest.difference(found)
            )
        })?;
        self.before += self.states.len();
        let mut state = self.states.swap_remove(place);
        for (number, database) in &found.databases {
            state.databases.insert(*number, database.clone());
        }
        self.life = vec![state.clone()];
        self.states = vec![state];
        Ok(())
    }

    /// Whether an engine may show this state after a start.
    pub(super) fn may_be(&self, found: &State) -> bool {
        self.states.iter().any(|state| state.looks_like(found))
    }

    /// Whether the databases were in this state in the last life, lost since or not.
    pub(super) fn was(&self, found: &State) -> bool {
        self.life.iter().any(|state| state.looks_like(found))
    }

    /// What attaching this database must bring, as far as anything can.
    pub(super) fn loose(&self, database: usize) -> Option<Arc<Database>> {
        match self.newest().databases.get(&database) {
            Some((Standing::Detached, database)) => Some(Arc::clone(database)),
            Some(_) => None,
            None => self.perhaps.contains(&database).then(Arc::default),
        }
    }
}
