//! All that a simulated disk is made of, behind its one lock; and how a call goes.

use super::{
    fault::{Faults, Operation, What},
    inode::{Inode, wide},
    names::{Names, Node},
    opening::Opened,
    profile::Profile,
    trace::Trace,
};
use crate::seed::Dice;
use ese_io::{EntryKind, Metadata, OpenMode};
use std::{collections::BTreeMap, io, path::Path};

/// Bytes that all files may have where nobody says otherwise: they are all in memory, twice.
const CAPACITY: u64 = 1 << 30;

/// Whether calls are answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Power {
    On,
    /// As many more changes are done; the next one is interrupted.
    Until(u64),
    Off,
}

/// A call, as it is counted and traced.
pub(super) struct Call<'a> {
    pub(super) operation: Operation,
    pub(super) path: &'a Path,
    pub(super) offset: u64,
    pub(super) len: u64,
    /// What else tells it from another one: bytes to be written, a second path.
    pub(super) data: &'a [u8],
}

impl<'a> Call<'a> {
    /// A call on a path that has nothing else to it.
    pub(super) const fn on(operation: Operation, path: &'a Path) -> Self {
        Call { operation, path, offset: 0, len: 0, data: &[] }
    }
}

/// The disk.
#[derive(Clone)]
pub(super) struct World {
    pub(super) inodes: Vec<Inode>,
    pub(super) names: Names,
    pub(super) faults: Faults,
    pub(super) profile: Profile,
    pub(super) dice: Dice,
    pub(super) capacity: u64,
    pub(super) power: Power,
    pub(super) trace: Trace,
    /// The same, without the bytes.
    pub(super) shape: Trace,
    pub(super) calls: BTreeMap<Operation, u64>,
    /// Which process this is; files of earlier ones are dead.
    pub(super) boot: u64,
    orders: u64,
    openings: u64,
}

impl World {
    pub(super) fn new(seed: u64, profile: Profile) -> Self {
        World {
            inodes: Vec::new(),
            names: Names::new(),
            faults: Faults::default(),
            profile,
            dice: Dice::new(seed),
            capacity: CAPACITY,
            power: Power::On,
            trace: Trace::new(),
            shape: Trace::new(),
            calls: BTreeMap::new(),
            boot: 0,
            orders: 0,
            openings: 0,
        }
    }

    /// One call: counted, traced, and given to `act` with what the faults say of it. The one at which the power goes is
    /// done as a whole, in part or not at all, and never answered.
    pub(super) fn call<T>(
        &mut self,
        call: &Call<'_>,
        act: impl FnOnce(&mut World, Option<What>) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.power == Power::Off {
            return Err(power_is_off());
        }
        *self.calls.entry(call.operation).or_default() += 1;
        for trace in [&mut self.trace, &mut self.shape] {
            trace.number(call.operation as u64);
            trace.bytes(call.path.as_os_str().as_encoded_bytes());
            trace.number(call.offset);
            trace.number(call.len);
        }
        self.trace.bytes(call.data);
        if call.operation.is_change() && self.is_last_change() {
            self.interrupt(call.operation, act);
            return Err(power_is_off());
        }
        let what = self.faults.meet(call.operation, call.path);
        let answer = act(self, what);
        for trace in [&mut self.trace, &mut self.shape] {
            trace.number(u64::from(answer.is_ok()));
        }
        answer
    }

    fn is_last_change(&mut self) -> bool {
        match self.power {
            Power::On => false,
            Power::Until(0) | Power::Off => true,
            Power::Until(more) => {
                self.power = Power::Until(more - 1);
                false
            }
        }
    }

    fn interrupt<T>(
        &mut self,
        operation: Operation,
        act: impl FnOnce(&mut World, Option<What>) -> io::Result<T>,
    ) {
        // Nobody hears the answer.
        match self.dice.below(3) {
            0 => {}
            1 if operation == Operation::Write => drop(act(self, Some(What::Short))),
            _ => drop(act(self, None)),
        }
        self.power = Power::Off;
    }

    /// The place of the next change in the order of all changes.
    pub(super) fn next_order(&mut self) -> u64 {
        self.orders += 1;
        self.orders
    }

    /// A file by its number. Numbers are never given back.
    pub(super) fn inode(&mut self, number: usize) -> &mut Inode {
        &mut self.inodes[number]
    }

    pub(super) fn open(&mut self, path: &Path, mode: OpenMode) -> io::Result<Opened> {
        let inode = match mode {
            OpenMode::CreateNew => {
                let (number, order) = (self.inodes.len(), self.next_order());
                self.names.link(path, Node::File(number), order)?;
                self.inodes.push(Inode::default());
                number
            }
            OpenMode::Read | OpenMode::ReadWrite => self.names.file(path)?,
        };
        self.openings += 1;
        Ok(Opened { number: self.openings, inode, boot: self.boot })
    }

    /// Puts a durable file in the place of what has the name.
    pub(super) fn install(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let number = self.inodes.len();
        self.names.install(path, Node::File(number))?;
        self.inodes.push(Inode::durable(bytes));
        Ok(())
    }

    pub(super) fn metadata(&self, path: &Path) -> Option<Metadata> {
        match self.names.node(path).ok()? {
            Node::Directory => Some(Metadata { kind: EntryKind::Directory, len: 0 }),
            Node::File(number) => {
                Some(Metadata { kind: EntryKind::File, len: wide(self.inodes[number].cache.len()) })
            }
        }
    }

    /// How many bytes files may still grow by.
    pub(super) fn free(&self) -> u64 {
        let used: u64 = self.names.files().map(|number| wide(self.inodes[number].cache.len())).sum();
        self.capacity.saturating_sub(used)
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}
