//! Sessions for the closures of an instance, kept from one closure to the next.
//!
//! A fixed row of slots, each on cache lines of its own, holds a session behind a lock that is only ever *tried*: a
//! closure holds its slot's lock as long as it runs (one atomic to take, one to give back), and whoever finds a slot taken goes
//! to the next one and remembers it. So threads settle on slots of their own and write no line that another thread
//! writes. When all slots are taken, which takes as many closures at once, a session is made for this one closure.
//!
//! Invariant: a session in a slot whose lock is free has no transaction open, unless a guard was leaked; the next user
//! rolls that back.

use crate::Snapshot;
use ese_base::{
    ErrorKind, Result,
    sync::{CacheLine, Mutex, MutexGuard},
};
use ese_core::{Durability, Engine, SessionOptions};
use std::{cell::Cell, ptr};

/// How many slots there are, a power of two.
const SLOTS: usize = 64;
const _: () = assert!(SLOTS.is_power_of_two());

type Slot = Mutex<Option<Snapshot>>;

/// The sessions kept for closures.
pub(crate) struct Pool {
    slots: Box<[CacheLine<Slot>]>,
}

thread_local! {
    /// Where this thread found a free slot the last time; a hint only, whichever instance it was for.
    static HINT: Cell<usize> = const { Cell::new(usize::MAX) };
}

impl Pool {
    pub(crate) fn new() -> Pool {
        Pool { slots: (0..SLOTS).map(|_| CacheLine(Mutex::new(None))).collect() }
    }

    /// Runs `work` with a session outside a transaction.
    #[inline]
    pub(crate) fn run<R, E: From<ese_base::Error>>(
        &self,
        engine: &dyn Engine,
        durability: Durability,
        work: impl FnOnce(&mut Snapshot) -> Result<R, E>,
    ) -> Result<R, E> {
        let Some(mut slot) = self.free_slot() else {
            return work(&mut self.session(engine, options(durability))?);
        };
        let session = match &mut *slot {
            Some(session) => session,
            empty => empty.insert(self.session(engine, options(durability))?),
        };
        session.back_to(0)?;
        work(session)
    }

    /// Makes a session; when the instance has no more, gives up those that wait here and tries again.
    pub(crate) fn session(&self, engine: &dyn Engine, options: SessionOptions) -> Result<Snapshot> {
        match Snapshot::new(engine, options.clone()) {
            Err(error) if error.kind() == ErrorKind::OutOfSessions && self.clear() > 0 => {
                Snapshot::new(engine, options)
            }
            made => made,
        }
    }

    /// Ends the sessions that nobody uses and tells how many there were.
    pub(crate) fn clear(&self) -> usize {
        let idle = self.slots.iter().filter_map(|slot| slot.try_lock()?.take());
        idle.map(drop).count()
    }

    #[inline]
    fn free_slot(&self) -> Option<MutexGuard<'_, Option<Snapshot>>> {
        let first = HINT.get();
        if first < SLOTS
            && let Some(slot) = self.slots[first].try_lock()
        {
            return Some(slot);
        }
        self.search(first)
    }

    /// Looks for a free slot behind the hint, and for a thread's first time behind a place of its own.
    #[cold]
    fn search(&self, hint: usize) -> Option<MutexGuard<'_, Option<Snapshot>>> {
        let first = if hint < SLOTS { hint + 1 } else { home() };
        (first..first + SLOTS).map(|place| place % SLOTS).find_map(|place| {
            let slot = self.slots[place].try_lock()?;
            HINT.set(place);
            Some(slot)
        })
    }
}

/// A place to begin with that differs from thread to thread: a hash of where the thread keeps its hint.
fn home() -> usize {
    let address = HINT.with(|hint| ptr::from_ref(hint).addr()) as u64;
    // Fibonacci hashing: the upper bits of the product depend on all bits of the address.
    let place = address.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    usize::try_from(place).unwrap_or_default() % SLOTS
}

fn options(durability: Durability) -> SessionOptions {
    SessionOptions { name: String::new(), durability }
}
