//! Reads at a pinned snapshot: the transaction's own writes, then the versions of its view, then the base.
//!
//! Invariant: nothing here writes memory that another thread reads.

use super::{
    core::{Attachment, Core},
    directory,
    scan::{Joined, MergedScan},
    trees::{Known, TreeCache},
};
use crate::{
    overlay::{Data, Deltas, Found},
    seam::{
        scan::{Direction, Scan},
        transaction::{CursorPos, KeyRange, Move, Side},
        version_store::{Row, VersionStore},
    },
};
use ese_base::{AttachmentNo, CommitTs, Error, ErrorKind, Result, TreeId, TreeNo, Value};
use smallvec::SmallVec;
use std::{
    cell::{Ref, RefCell},
    ops::Bound,
    sync::Arc,
};

/// A snapshot to read from.
pub(super) struct Reading<'a, V: VersionStore> {
    pub(super) core: &'a Core<V>,
    pub(super) slot: &'a V::Slot,
    pub(super) snapshot: CommitTs,
    pub(super) trees: &'a RefCell<TreeCache<V>>,
}

impl<V: VersionStore> Clone for Reading<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: VersionStore> Copy for Reading<'_, V> {}

/// Adds the deltas to a value, which is copied if there are any.
pub(super) fn with_deltas<'v>(value: Value<'v>, own: &Deltas, found: &Deltas) -> Value<'v> {
    if own.is_empty() && found.is_empty() {
        return value;
    }
    if let Some(short) = value.first_chunk::<8>()
        && value.len() == 8
    {
        let mut bytes = *short;
        found.apply(&mut bytes);
        own.apply(&mut bytes);
        return Value::Short(bytes.into());
    }
    let mut bytes = value.to_vec();
    found.apply(&mut bytes);
    own.apply(&mut bytes);
    Value::owned(&bytes)
}

impl<'a, V: VersionStore> Reading<'a, V> {
    /// The tree, if it stands in this snapshot.
    #[inline]
    pub(super) fn tree(&self, id: TreeId) -> Result<Ref<'a, Known<V>>> {
        if let Ok(known) = Ref::filter_map(self.trees.borrow(), |trees| trees.get(id))
            && let Some(found_at) = known.found_at
            && known.attachment.word.quiet() == Some(found_at)
        {
            return Ok(known);
        }
        self.look_up(id)
    }

    #[cold]
    fn look_up(&self, id: TreeId) -> Result<Ref<'a, Known<V>>> {
        if id.number == TreeNo::DIRECTORY {
            return Err(Error::new(ErrorKind::ObjectNotFound, "the directory is not for users"));
        }
        let attachment = self.core.attachment(id.attachment)?;
        let word = attachment.word.quiet_for(self.snapshot);
        if self.directory_row(&attachment, &directory::standing_key(id.number))?.is_none() {
            return Err(Error::new(
                ErrorKind::ObjectNotFound,
                format!("tree {id} does not exist in this snapshot"),
            ));
        }
        let found_at = word.filter(|word| attachment.word.quiet() == Some(*word));
        let mut trees = self.trees.borrow_mut();
        match trees.get(id) {
            Some(known) => {
                let tree = known.tree.clone();
                trees.insert(Known { id, tree, attachment, found_at });
            }
            None => {
                let tree = self.core.versions.tree(id);
                trees.insert(Known { id, tree, attachment, found_at });
            }
        }
        drop(trees);
        Ref::filter_map(self.trees.borrow(), |trees| trees.get(id))
            .map_err(|_| Error::new(ErrorKind::ObjectNotFound, format!("tree {id}")))
    }

    /// A row of the directory.
    pub(super) fn directory_row(&self, attachment: &Attachment<V>, key: &[u8]) -> Result<Option<Value<'a>>> {
        self.get_in(TreeId::directory(attachment.number), &attachment.directory, key)
    }

    /// The value at `key` of a tree that stands.
    #[inline]
    pub(super) fn get_in(&self, id: TreeId, tree: &V::Tree, key: &[u8]) -> Result<Option<Value<'a>>> {
        let versions = &self.core.versions;
        let row = Row { tree, key, hash: versions.hash(id, key) };
        let own = versions.find_own(self.slot, &row);
        self.combine(id, &row, own)
    }

    #[inline]
    fn combine(&self, id: TreeId, row: &Row<'_, V::Tree>, own: Found<'a>) -> Result<Option<Value<'a>>> {
        let found = match own.data {
            Data::Nothing => self.core.versions.find(self.slot, row),
            Data::Put(_) | Data::Deleted => Found::default(),
        };
        let data = if own.data == Data::Nothing { found.data } else { own.data };
        let value = match data {
            Data::Put(value) => Some(Value::Borrowed(value)),
            Data::Deleted => None,
            Data::Nothing => self.base(id)?.get(id.number, row.key)?,
        };
        Ok(value.map(|value| with_deltas(value, &own.deltas, &found.deltas)))
    }

    /// The base of the tree's database in this snapshot.
    #[inline]
    pub(super) fn base(&self, id: TreeId) -> Result<&'a dyn crate::seam::store::Base> {
        self.core.versions.base(self.slot, id.attachment).ok_or_else(|| {
            Error::new(
                ErrorKind::DatabaseNotFound,
                format!("attachment {} is not in this snapshot", id.attachment.0),
            )
        })
    }

    #[inline]
    pub(super) fn get(&self, id: TreeId, key: &[u8]) -> Result<Option<Value<'a>>> {
        let known = self.tree(id)?;
        if self.core.versions.is_untouched(self.slot, &known.tree) {
            return self.base(id)?.get(id.number, key);
        }
        self.get_in(id, &known.tree, key)
    }

    /// The length of the value at `key`, whatever adds are pending on it; `None` where there is no row.
    pub(super) fn length(&self, id: TreeId, key: &[u8]) -> Result<Option<usize>> {
        let known = self.tree(id)?;
        let versions = &self.core.versions;
        let row = Row { tree: &known.tree, key, hash: versions.hash(id, key) };
        Ok(match versions.find_data(self.slot, &row) {
            Data::Put(value) => Some(value.len()),
            Data::Deleted => None,
            Data::Nothing => self.base(id)?.get(id.number, key)?.map(|value| value.len()),
        })
    }

    /// Several gets: rows that versions say nothing about go to the base together.
    pub(super) fn get_many(
        &self,
        id: TreeId,
        keys: &[&[u8]],
        out: &mut dyn FnMut(usize, Option<Value<'a>>),
    ) -> Result<()> {
        let (mut rest, mut places) = (SmallVec::<[&[u8]; 32]>::new(), SmallVec::<[usize; 32]>::new());
        let mut known_rows = SmallVec::<[(usize, Option<Value<'a>>); 8]>::new();
        let base = self.base(id)?;
        {
            let known = self.tree(id)?;
            let versions = &self.core.versions;
            if versions.is_untouched(self.slot, &known.tree) {
                drop(known);
                return base.get_many(id.number, keys, out);
            }
            for (place, key) in keys.iter().enumerate() {
                let row = Row { tree: &known.tree, key, hash: versions.hash(id, key) };
                let own = versions.find_own(self.slot, &row);
                if own.data == Data::Nothing && own.deltas.is_empty() {
                    let found = versions.find(self.slot, &row);
                    if found.data == Data::Nothing && found.deltas.is_empty() {
                        rest.push(key);
                        places.push(place);
                        continue;
                    }
                }
                known_rows.push((place, self.combine(id, &row, own)?));
            }
        }
        // `out` is the user's: nothing of the session is borrowed while it runs.
        for (place, value) in known_rows {
            out(place, value);
        }
        base.get_many(id.number, &rest, &mut |at, value| out(places[at], value))
    }

    /// Lends the shared object of a tree that stands, or of a directory.
    pub(super) fn with_tree<R>(&self, id: TreeId, lend: impl FnOnce(&V::Tree) -> R) -> Result<R> {
        if id.number == TreeNo::DIRECTORY {
            return Ok(lend(&self.core.attachment(id.attachment)?.directory));
        }
        Ok(lend(&self.tree(id)?.tree))
    }

    /// The rows of a range; those of a tree that nobody touched come straight from the base.
    pub(super) fn scan(&self, id: TreeId, range: KeyRange<'_>) -> Result<Box<dyn Scan<'a> + 'a>> {
        if self.with_tree(id, |tree| self.core.versions.is_untouched(self.slot, tree))? {
            return Ok(self.base(id)?.scan(id.number, range)?);
        }
        Ok(Box::new(MergedScan::new(*self, id, range)))
    }

    /// One movement of a cursor.
    pub(super) fn step(&self, id: TreeId, at: &mut CursorPos, how: Move<'_>) -> Result<Option<Value<'a>>> {
        let known = self.tree(id)?;
        let (direction, range): (_, KeyRange<'_>) = match (how, at.side) {
            (Move::SeekGe(key), _) => (Direction::Forward, (Bound::Included(key), Bound::Unbounded)),
            (Move::SeekLe(key), _) => (Direction::Backward, (Bound::Unbounded, Bound::Included(key))),
            (Move::First, _) | (Move::Next, Side::BeforeFirst) => {
                (Direction::Forward, (Bound::Unbounded, Bound::Unbounded))
            }
            (Move::Last, _) | (Move::Prev, Side::AfterLast) => {
                (Direction::Backward, (Bound::Unbounded, Bound::Unbounded))
            }
            (Move::Next, Side::On) => (Direction::Forward, (Bound::Excluded(&at.key[..]), Bound::Unbounded)),
            (Move::Prev, Side::On) => (Direction::Backward, (Bound::Unbounded, Bound::Excluded(&at.key[..]))),
            (Move::Next, Side::AfterLast) | (Move::Prev, Side::BeforeFirst) => return Ok(None),
        };
        let row = Joined::new(self, id, &known.tree, direction, range)?.into_first(range)?;
        Ok(match row {
            Some((found, value)) => {
                *at = CursorPos { key: found, side: Side::On };
                Some(value)
            }
            None => {
                let side = match direction {
                    Direction::Forward => Side::AfterLast,
                    Direction::Backward => Side::BeforeFirst,
                };
                *at = CursorPos { key: Vec::new(), side };
                None
            }
        })
    }

    pub(super) fn find_tree(&self, attachment: AttachmentNo, name: &str) -> Result<Option<TreeId>> {
        let attachment = self.core.attachment(attachment)?;
        let Some(row) = self.directory_row(&attachment, &directory::name_key(name))? else { return Ok(None) };
        Ok(Some(TreeId { attachment: attachment.number, number: directory::tree_of(&row)? }))
    }

    pub(super) fn tree_names(&self, attachment: AttachmentNo) -> Result<Vec<String>> {
        let attachment = self.core.attachment(attachment)?;
        let range = (Bound::Included(directory::NAMES.start), Bound::Excluded(directory::NAMES.end));
        let mut scan = self.scan(TreeId::directory(attachment.number), range)?;
        let mut names = Vec::new();
        while let Some((key, _)) = scan.next()? {
            names.push(String::from_utf8_lossy(&key[1..]).into_owned());
        }
        Ok(names)
    }

    /// The name of a tree, for errors; its number where it has none.
    #[cold]
    pub(super) fn tree_name(&self, id: TreeId) -> String {
        let name = || {
            let attachment = self.core.attachment(id.attachment).ok()?;
            let row = self.directory_row(&attachment, &directory::reverse_key(id.number)).ok()??;
            Some(String::from_utf8_lossy(&row).into_owned())
        };
        name().unwrap_or_else(|| format!("number {id}"))
    }

    /// The attachment a tree is in, shared.
    pub(super) fn attachment_of(&self, id: TreeId) -> Result<Arc<Attachment<V>>> {
        Ok(Arc::clone(&self.tree(id)?.attachment))
    }
}
