//! Names: which there are, which are durable, and the changes between the two.
//!
//! Every change is one step that knows all it does, so that each can survive alone: a removal without the rename before
//! it, a new name without the file that was in its place.

use super::profile::{Fates, Part};
use crate::seed::Dice;
use ese_io::{Entry, EntryKind};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Node {
    Directory,
    File(usize),
}

/// What was done to names and may not be on the disk yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum NameChange {
    Link { path: PathBuf, node: Node },
    Unlink { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf, node: Node },
}

impl NameChange {
    /// The names it changes: one, or two.
    fn paths(&self) -> (&Path, Option<&Path>) {
        match self {
            NameChange::Link { path, .. } | NameChange::Unlink { path } => (path, None),
            NameChange::Rename { from, to, .. } => (to, Some(from)),
        }
    }
}

/// All names of the disk.
#[derive(Clone, Debug)]
pub(super) struct Names {
    current: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    /// Changes since the last sync of their directory, with their place in the order of all changes on the disk.
    pub(super) pending: Vec<(u64, NameChange)>,
}

impl Names {
    pub(super) fn new() -> Self {
        let root = BTreeMap::from([(PathBuf::from("/"), Node::Directory)]);
        Names { current: root.clone(), durable: root, pending: Vec::new() }
    }

    pub(super) fn node(&self, path: &Path) -> io::Result<Node> {
        if let Some(node) = self.current.get(path) {
            return Ok(*node);
        }
        // As a file system does: a file where a directory should be is another error than nothing.
        let above = path.ancestors().skip(1).find_map(|above| self.current.get(above));
        Err(match above {
            Some(Node::File(_)) => io::ErrorKind::NotADirectory.into(),
            _ => io::ErrorKind::NotFound.into(),
        })
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<usize> {
        match self.node(path)? {
            Node::File(number) => Ok(number),
            Node::Directory => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn durable_file(&self, path: &Path) -> Option<usize> {
        match self.durable.get(path) {
            Some(Node::File(number)) if is_reachable(&self.durable, path) => Some(*number),
            _ => None,
        }
    }

    /// The files that have a name.
    pub(super) fn files(&self) -> impl Iterator<Item = usize> {
        self.current.values().filter_map(|node| match node {
            Node::File(number) => Some(*number),
            Node::Directory => None,
        })
    }

    fn directory(&self, path: &Path) -> io::Result<()> {
        match self.node(path)? {
            Node::Directory => Ok(()),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn link(&mut self, path: &Path, node: Node, order: u64) -> io::Result<()> {
        self.directory(parent(path)?)?;
        if self.current.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(NameChange::Link { path: path.to_owned(), node }, order);
        Ok(())
    }

    /// A durable name, in the place of what has it; the other names of its directory become durable, too.
    pub(super) fn install(&mut self, path: &Path, node: Node) -> io::Result<()> {
        self.sync(parent(path)?)?;
        if self.current.get(path) == Some(&Node::Directory) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.current.insert(path.to_owned(), node);
        self.durable.insert(path.to_owned(), node);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path, order: u64) -> io::Result<()> {
        self.file(path)?;
        self.change(NameChange::Unlink { path: path.to_owned() }, order);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, order: u64) -> io::Result<()> {
        self.directory(parent(from)?)?;
        self.directory(parent(to)?)?;
        let node = Node::File(self.file(from)?);
        match self.current.get(to) {
            Some(Node::Directory) => return Err(io::ErrorKind::IsADirectory.into()),
            Some(there) if *there == node => return Ok(()),
            _ => {}
        }
        self.change(NameChange::Rename { from: from.to_owned(), to: to.to_owned(), node }, order);
        Ok(())
    }

    pub(super) fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        self.directory(directory)?;
        let inside = self.current.iter().filter(|(path, _)| path.parent() == Some(directory));
        let entries = inside.filter_map(|(path, node)| {
            let kind = match node {
                Node::Directory => EntryKind::Directory,
                Node::File(_) => EntryKind::File,
            };
            Some(Entry { name: path.file_name()?.to_owned(), kind })
        });
        let mut entries: Vec<Entry> = entries.collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// The changes of one directory's names reach the disk.
    pub(super) fn sync(&mut self, directory: &Path) -> io::Result<()> {
        for change in self.take(directory)? {
            apply(&mut self.durable, &change);
        }
        Ok(())
    }

    /// All changes reach the disk.
    pub(super) fn sync_everything(&mut self) {
        for (_, change) in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, &change);
        }
    }

    /// A sync of a directory that fails: its names meet their fates, and none waits for a later sync.
    pub(super) fn lose(&mut self, directory: &Path, fates: &mut Fates<'_>, dice: &Dice) -> io::Result<()> {
        for change in self.take(directory)? {
            if let Some(part) = fates.next() {
                self.reach(&change, part, dice);
            }
        }
        Ok(())
    }

    /// The changes in a directory, and what was done before them to the names they change: a rename may come from another
    /// directory, and is durable with either.
    fn take(&mut self, directory: &Path) -> io::Result<Vec<NameChange>> {
        self.directory(directory)?;
        let (mut taken, mut others) = (Vec::new(), Vec::new());
        let mut changed: BTreeSet<PathBuf> = BTreeSet::new();
        for (order, change) in std::mem::take(&mut self.pending).into_iter().rev() {
            let (path, other) = change.paths();
            let mut paths = std::iter::once(path).chain(other);
            if paths.any(|path| path.parent() == Some(directory) || changed.contains(path)) {
                changed.extend(std::iter::once(path).chain(other).map(Path::to_owned));
                taken.push(change);
            } else {
                others.push((order, change));
            }
        }
        taken.reverse();
        others.reverse();
        self.pending = others;
        Ok(taken)
    }

    /// A change reaches the disk by itself; of one that is kept in part, it is open whether it does.
    pub(super) fn reach(&mut self, change: &NameChange, part: Part, dice: &Dice) {
        if part == Part::Whole || dice.below(2) == 0 {
            apply(&mut self.durable, change);
        }
    }

    /// Only what is on the disk is left; what stands in a directory that is not there is lost with it.
    pub(super) fn revert(&mut self) {
        self.pending.clear();
        let all = self.durable.clone();
        self.durable.retain(|path, _| is_reachable(&all, path));
        self.current.clone_from(&self.durable);
    }

    fn change(&mut self, change: NameChange, order: u64) {
        apply(&mut self.current, &change);
        self.pending.push((order, change));
    }
}

/// Whether all that is above a path is a directory.
fn is_reachable(names: &BTreeMap<PathBuf, Node>, path: &Path) -> bool {
    path.ancestors().skip(1).all(|above| names.get(above) == Some(&Node::Directory))
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::ErrorKind::AlreadyExists.into())
}

fn apply(names: &mut BTreeMap<PathBuf, Node>, change: &NameChange) {
    match change {
        NameChange::Link { path, node } => {
            names.insert(path.clone(), *node);
        }
        NameChange::Unlink { path } => {
            names.remove(path);
        }
        NameChange::Rename { from, to, node } => {
            // Alone, without what came before it, the old name may stand for another file.
            if names.get(from) == Some(node) {
                names.remove(from);
            }
            names.insert(to.clone(), *node);
        }
    }
}
