//! What goes wrong, as data: which calls, how, and for how long.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A kind of call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Operation {
    /// Opening a file that exists.
    Open,
    /// Creating a file or a directory.
    Create,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
    /// Listing a directory, looking up a path, a length, the free space.
    Look,
    /// Reading bytes.
    Read,
    /// Mapping bytes.
    Map,
    /// Writing bytes.
    Write,
    /// Growing a file.
    Allocate,
    /// Cutting a file.
    Truncate,
    /// Syncing a file.
    Sync,
    /// Syncing a directory.
    SyncDirectory,
    /// Locking a file.
    Lock,
}

impl Operation {
    /// Every kind.
    pub const ALL: [Operation; 13] = [
        Operation::Open,
        Operation::Create,
        Operation::Rename,
        Operation::Remove,
        Operation::Look,
        Operation::Read,
        Operation::Map,
        Operation::Write,
        Operation::Allocate,
        Operation::Truncate,
        Operation::Sync,
        Operation::SyncDirectory,
        Operation::Lock,
    ];

    /// Whether the disk may be another one after such a call. The others change nothing that a crash could meet: to
    /// crash at one of them is to crash at the next change, before it began.
    #[must_use]
    pub const fn is_change(self) -> bool {
        match self {
            Operation::Open | Operation::Look | Operation::Read | Operation::Map | Operation::Lock => false,
            Operation::Create
            | Operation::Rename
            | Operation::Remove
            | Operation::Write
            | Operation::Allocate
            | Operation::Truncate
            | Operation::Sync
            | Operation::SyncDirectory => true,
        }
    }

    const fn is_sync(self) -> bool {
        matches!(self, Operation::Sync | Operation::SyncDirectory)
    }
}

/// What happens to a call.
///
/// A sync that fails has lost something, as operating systems do it: of what was not synced a part reached the disk (by
/// the disk's profile), the rest never will, and the next sync says `Ok`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum What {
    /// Any call fails (EIO). A sync also loses; the new bytes are still seen, as on ext4.
    Fail,
    /// Any call fails for lack of space. A sync also loses, as with [`What::Fail`].
    Full,
    /// A sync of a file fails and loses; what is seen from then on is what is on the disk, as on btrfs. Regions that
    /// exist show the new bytes on.
    Revert,
    /// A sync of a file loses but says `Ok`; the next sync of the file, through any handle, fails once.
    Late,
    /// A sync does nothing and says `Ok`: a drive that lies. What was not synced stays so.
    Ignore,
    /// A write puts down some of its sectors from the front, not all, then fails (EIO).
    Short,
    /// A write says `Ok` and is seen, but never reaches the disk, whatever is synced.
    Phantom,
    /// A write says `Ok` and is seen; the disk gets it this many bytes further on.
    Misdirect(u64),
    /// A read or a map has one wrong bit, anywhere.
    FlipBit,
    /// A read or a map has zeros instead of one of its sectors of 512 bytes.
    ZeroSector,
    /// A read or a map has the bytes that stand this many bytes further on (zeros behind the end).
    Misread(u64),
}

impl What {
    const fn can_meet(self, operation: Operation) -> bool {
        match self {
            What::Fail | What::Full => true,
            What::Ignore => operation.is_sync(),
            What::Revert | What::Late => matches!(operation, Operation::Sync),
            What::Short | What::Phantom | What::Misdirect(_) => matches!(operation, Operation::Write),
            What::FlipBit | What::ZeroSector | What::Misread(_) => {
                matches!(operation, Operation::Read | Operation::Map)
            }
        }
    }
}

/// How often it happens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lasting {
    /// Once.
    Once,
    /// From then on.
    Forever,
}

/// A fault: what happens to which calls, how many of them go well before, and whether it stays.
///
/// It meets calls that it [can](What) happen to, of kind `on` and on paths under `under` where those are given. A rename
/// is on its old path, and calls on a file are on the path by which it was opened.
///
/// ```
/// use ese_sim::disk::{Fault, Operation, What};
/// // The third sync of the log fails, and every later one.
/// let fault = Fault::new(What::Fail).on(Operation::Sync).under("/db/log").after(2).forever();
/// assert_eq!(fault.after, 2);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fault {
    /// What happens.
    pub what: What,
    /// The calls; `None` for all.
    pub on: Option<Operation>,
    /// The paths; `None` for all.
    pub under: Option<PathBuf>,
    /// How many of them go well before.
    pub after: u64,
    /// How often it happens.
    pub lasting: Lasting,
}

impl Fault {
    /// It happens to the next call that it can happen to, once.
    #[must_use]
    pub const fn new(what: What) -> Self {
        Fault { what, on: None, under: None, after: 0, lasting: Lasting::Once }
    }

    /// Only to this kind of call.
    #[must_use]
    pub const fn on(mut self, operation: Operation) -> Self {
        self.on = Some(operation);
        self
    }

    /// Only to this path, and all under it.
    #[must_use]
    pub fn under(mut self, path: impl Into<PathBuf>) -> Self {
        self.under = Some(path.into());
        self
    }

    /// After this many have gone well.
    #[must_use]
    pub const fn after(mut self, calls: u64) -> Self {
        self.after = calls;
        self
    }

    /// To all that follow, too.
    #[must_use]
    pub const fn forever(mut self) -> Self {
        self.lasting = Lasting::Forever;
        self
    }

    fn meets(&self, operation: Operation, path: &Path) -> bool {
        self.what.can_meet(operation)
            && self.on.is_none_or(|on| on == operation)
            && self.under.as_ref().is_none_or(|under| path.starts_with(under))
    }
}

/// The error of a call that a fault makes fail as a whole.
pub(super) fn refuse(what: Option<What>) -> io::Result<()> {
    match what {
        None => Ok(()),
        Some(What::Full) => Err(io::ErrorKind::StorageFull.into()),
        Some(_) => Err(broken()),
    }
}

/// What a broken device says.
pub(super) fn broken() -> io::Error {
    io::Error::other("a fault of the simulated disk")
}

/// The faults there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    waiting: Vec<Fault>,
    met: u64,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.waiting.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// How many calls have met one.
    pub(super) fn met(&self) -> u64 {
        self.met
    }

    /// What happens to a call: the oldest fault that is due decides, and the others have seen it pass.
    pub(super) fn meet(&mut self, operation: Operation, path: &Path) -> Option<What> {
        let mut happens = None;
        self.waiting.retain_mut(|fault| {
            if !fault.meets(operation, path) {
                return true;
            }
            if fault.after > 0 {
                fault.after -= 1;
                return true;
            }
            if happens.is_some() {
                return true;
            }
            happens = Some(fault.what);
            fault.lasting == Lasting::Forever
        });
        self.met += u64::from(happens.is_some());
        happens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_happens_and_is_gone_or_stays() {
        let mut faults = Faults::default();
        faults.add(Fault::new(What::Fail).on(Operation::Write).under("/a").after(1));
        faults.add(Fault::new(What::Full).under("/b").forever());
        let mut meet = |operation, path: &str| faults.meet(operation, path.as_ref());
        assert_eq!(meet(Operation::Write, "/a/x"), None);
        assert_eq!(meet(Operation::Read, "/a/x"), None);
        assert_eq!(meet(Operation::Write, "/ab"), None);
        assert_eq!(meet(Operation::Write, "/a/x"), Some(What::Fail));
        assert_eq!(meet(Operation::Write, "/a/x"), None);
        assert_eq!(meet(Operation::Lock, "/b"), Some(What::Full));
        assert_eq!(meet(Operation::Look, "/b"), Some(What::Full));
        assert_eq!(faults.met(), 3);
        faults.clear();
        assert_eq!(faults.meet(Operation::Look, "/b".as_ref()), None);
    }

    #[test]
    fn a_fault_meets_only_what_it_can_happen_to() {
        let meets = |what| {
            let met = |operation: &&Operation| Fault::new(what).meets(**operation, "/".as_ref());
            Operation::ALL.iter().filter(met).copied().collect::<Vec<_>>()
        };
        assert_eq!(meets(What::Fail), Operation::ALL);
        assert_eq!(meets(What::Short), [Operation::Write]);
        assert_eq!(meets(What::Revert), [Operation::Sync]);
        assert_eq!(meets(What::Ignore), [Operation::Sync, Operation::SyncDirectory]);
        assert_eq!(meets(What::FlipBit), [Operation::Read, Operation::Map]);
    }
}
