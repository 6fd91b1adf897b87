//! What a transaction did so far, as it must see it itself: a list, and where its levels began.

use super::record::{Event, Stamp, Touch};
use ese_core::LockMode;

/// What became of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    Put,
    Delete,
    Add(i64),
    Lock(LockMode),
}

/// Something that a transaction did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Did<'h> {
    pub(super) key: &'h [u8],
    pub(super) effect: Effect,
    pub(super) at: Stamp,
}

impl Did<'_> {
    /// How it meets others.
    pub(super) fn touch(&self) -> Touch {
        match self.effect {
            Effect::Put | Effect::Delete => Touch::Data,
            Effect::Add(_) => Touch::Add,
            Effect::Lock(LockMode::Read) => Touch::ReadLock,
            Effect::Lock(LockMode::Write) => Touch::WriteLock,
        }
    }

    /// The row that it leaves, if it is about rows.
    pub(super) fn row(&self) -> Option<Option<Stamp>> {
        match self.effect {
            Effect::Put => Some(Some(self.at)),
            Effect::Delete => Some(None),
            Effect::Add(_) | Effect::Lock(_) => None,
        }
    }

    /// What it adds, if it is about counters.
    pub(super) fn sum(&self) -> Option<i64> {
        if let Effect::Add(by) = self.effect { Some(by) } else { None }
    }
}

/// What a transaction did and has not taken back.
#[derive(Default)]
pub(super) struct Own<'h> {
    done: Vec<Did<'h>>,
    levels: Vec<usize>,
}

impl<'h> Own<'h> {
    /// Goes on by an event; the answer is what it took back.
    pub(super) fn go_on(&mut self, event: &'h Event) -> Vec<Did<'h>> {
        let (key, effect, at) = match event {
            Event::Write(key, written) => (key, Effect::Put, written.stamp),
            Event::Delete(key, written) => (key, Effect::Delete, written.stamp),
            Event::Add(key, at, by) => (key, Effect::Add(*by), *at),
            Event::Lock(key, at, mode) => (key, Effect::Lock(*mode), *at),
            Event::Level => {
                self.levels.push(self.done.len());
                return Vec::new();
            }
            Event::KeepLevel => {
                self.levels.pop();
                return Vec::new();
            }
            Event::DropLevel(_) => return self.done.split_off(self.levels.pop().unwrap_or(0)),
            Event::Read(..) | Event::Exists(..) | Event::Sum(..) | Event::Refused(_) => return Vec::new(),
        };
        self.done.push(Did { key, effect, at });
        Vec::new()
    }

    /// The row under a key as the transaction itself has left it; `None`: it did not touch it.
    pub(super) fn row(&self, key: &[u8]) -> Option<Option<Stamp>> {
        self.done.iter().rev().filter(|did| did.key == key).find_map(Did::row)
    }

    /// What it added to a counter.
    pub(super) fn added(&self, key: &[u8]) -> i64 {
        self.done.iter().filter(|did| did.key == key).filter_map(Did::sum).sum()
    }

    /// Everything it did and has not taken back.
    pub(super) fn done(&self) -> &[Did<'h>] {
        &self.done
    }
}
