//! Writes: existence at my snapshot, conflicts at the present, and what is reported.
//!
//! "Does it exist for me?" is asked outside the gate, of the snapshot, which does not change; "did anyone touch it
//! since?" inside, of the present. If nobody did, the first answer still holds.
//!
//! Invariant: a statement that fails has changed nothing, and its transaction lives on.

use super::{
    core::Attachment,
    directory,
    reading::Reading,
    session::{Ending, LocalSession},
    trees::Known,
};
use crate::{
    overlay::encode_delta,
    seam::{
        session::{Mode, Session},
        transaction::{Delete, Delta, LockMode, Put, Transaction},
        version_store::{Refusal, Row, VersionStore},
    },
    txn::{Kind, Outcome, TxnState},
};
use ese_base::{
    AttachmentNo, Error, ErrorKind, Result, TreeId, TreeNo,
    limits::{VALUE_BUDGET_SHARE, VALUE_MAX_BYTES},
    sync::atomic::Ordering,
};
use std::sync::Arc;

/// Several writes that are one statement: taken back when it goes before they are all done, also by a panic.
struct Compound<'s, V: VersionStore> {
    session: &'s mut LocalSession<V>,
    /// What was written before them.
    written: Option<usize>,
}

impl<V: VersionStore> Drop for Compound<'_, V> {
    fn drop(&mut self) {
        if let Some(written) = self.written {
            self.session.undo_to(written);
        }
    }
}

impl<V: VersionStore> LocalSession<V> {
    /// Runs a statement; at level 0 as a transaction of its own.
    fn statement<R>(&mut self, run: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        if self.txn.is_some() {
            return run(self);
        }
        self.begin(Mode::ReadWrite)?;
        let alone = Ending(self);
        let answer = run(alone.0)?;
        alone.0.commit(alone.0.options().durability)?;
        Ok(answer)
    }

    /// Runs several writes as one statement: all of them or none.
    fn compound<R>(&mut self, run: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let mut compound = Compound { written: Some(self.written()), session: self };
        let answer = run(compound.session)?;
        compound.written = None;
        Ok(answer)
    }

    /// What every write checks before it looks at rows.
    fn check_writable(&mut self) -> Result<()> {
        match &self.txn {
            None => return Err(ErrorKind::NotInTransaction.into()),
            Some(txn) if txn.mode == Mode::ReadOnly => return Err(ErrorKind::TransReadOnly.into()),
            Some(_) => {}
        }
        self.core.state.check_writes()?;
        self.core.ensure_room(&self.slot)?;
        self.make_state();
        Ok(())
    }

    /// The transaction's state, made with its first write.
    fn make_state(&mut self) {
        let versions = &self.core.versions;
        if versions.written(&self.slot).state.is_some() {
            return;
        }
        let state = TxnState::new(Arc::clone(&self.owner), self.core.clock.now());
        versions.begin_writes(&mut self.slot, Arc::new(state));
        if versions.wants_work() {
            self.core.wake_applier();
        }
    }

    /// Checks the tree, the key and the database, and enters the tree into the slot's set with the first write.
    fn check_target(&mut self, id: TreeId, key: &[u8]) -> Result<()> {
        self.check_writable()?;
        let attachment = {
            let known = self.reading().tree(id)?;
            let most = known.attachment.key_max_bytes;
            if key.len() > most {
                let what = format!("it has {} bytes, the limit is {most}", key.len());
                return Err(Error::new(ErrorKind::KeyTooLarge, what).on_tree(self.reading().tree_name(id)));
            }
            let used = self.txn.as_ref().is_some_and(|txn| txn.used.contains(&id));
            if used && !known.attachment.full.load(Ordering::Relaxed) {
                return Ok(());
            }
            Arc::clone(&known.attachment)
        };
        self.use_tree(id, &attachment)
    }

    /// The slower part of [`Self::check_target`]: first write in a tree, or a database without space.
    fn use_tree(&mut self, id: TreeId, attachment: &Arc<Attachment<V>>) -> Result<()> {
        // First into the set, then the look: a drop or a detach does it the other way round.
        if let Some(known) = self.trees.get_mut().get(id) {
            self.core.versions.use_tree(&mut self.slot, &known.tree);
        }
        attachment.check_writable()?;
        let known = self.trees.get_mut().get(id).and_then(|known| known.found_at);
        if known.is_none() || attachment.word.quiet() != known {
            self.probe_standing(id, attachment)?;
        }
        if let Some(txn) = &mut self.txn {
            txn.used.push(id);
        }
        Ok(())
    }

    /// Whether the tree stands for this snapshot and nobody has dropped it since.
    fn probe_standing(&mut self, id: TreeId, attachment: &Arc<Attachment<V>>) -> Result<()> {
        let key = directory::standing_key(id.number);
        if self.reading().directory_row(attachment, &key)?.is_none() {
            return Err(Error::new(
                ErrorKind::ObjectNotFound,
                format!("tree {id} does not exist in this snapshot"),
            ));
        }
        let directory = TreeId::directory(attachment.number);
        let hash = self.core.versions.hash(directory, &key);
        let row = Row { tree: &attachment.directory, key: &key, hash };
        let kind = Kind::lock(LockMode::Read);
        match self.core.versions.probe(&mut self.slot, &row, kind) {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.refused(refusal, id, &[])),
        }
    }

    /// Writes one version of a row of a remembered tree, and notes it.
    fn write_row(&mut self, id: TreeId, key: &[u8], kind: Kind, payload: &[u8]) -> Result<()> {
        let hash = self.core.versions.hash(id, key);
        let Some(known) = self.trees.get_mut().get(id) else {
            return Err(Error::new(ErrorKind::ObjectNotFound, format!("tree {id}")));
        };
        let row = Row { tree: &known.tree, key, hash };
        match self.core.versions.write(&mut self.slot, &row, kind, payload) {
            Ok(()) => {
                self.note_write();
                Ok(())
            }
            Err(refusal) => Err(self.refused(refusal, id, key)),
        }
    }

    /// Tells the budget and the applier about a write.
    #[inline]
    fn note_write(&mut self) {
        self.account_writes();
        if self.core.versions.wants_work() {
            // By whoever fills it: a thread that comes late would let it grow, and one row of a transaction that stays
            // open would keep all of it.
            self.core.versions.seal_if_large();
            self.core.wake_applier();
        }
    }

    /// The error of a refused write, which is noted as a conflict where it is one.
    #[cold]
    fn refused(&mut self, refusal: Refusal, id: TreeId, key: &[u8]) -> Error {
        // Before anything that takes time: it may be about to commit.
        let met = match &refusal {
            Refusal::Conflict(with) => with.outcome(),
            _ => Outcome::Active,
        };
        let name = self.reading().tree_name(id);
        let conflict =
            |what: String| Error::new(ErrorKind::WriteConflict, what).on_tree(name.as_str()).at_key(key);
        let error = match refusal {
            Refusal::Detached => {
                return Error::new(
                    ErrorKind::DatabaseNotFound,
                    format!("database of tree {name:?} is detached"),
                );
            }
            Refusal::SnapshotTooOld => {
                let snapshot = self.txn.as_ref().map(|txn| txn.snapshot).unwrap_or_default();
                Error::new(
                    ErrorKind::VersionStoreFull,
                    format!(
                        "this transaction of {} is too old (snapshot {snapshot}): what conflicts with it is no longer \
                         known; roll it back",
                        self.owner
                    ),
                )
            }
            Refusal::ConflictMerged => {
                // Nobody to wait for: that one has committed long ago.
                self.conflicting = None;
                conflict("the row was changed by a transaction that committed later".to_owned())
            }
            Refusal::Conflict(with) => {
                let age = self.core.clock.now().saturating_sub(with.begun()).as_millis();
                let did = match met {
                    Outcome::Committed(_) => "was changed or locked and committed by",
                    _ => "is changed or locked by",
                };
                let what = format!("the row {did} {}, which began to write {age} ms ago", with.owner());
                self.conflicting = (met == Outcome::Active).then_some(with);
                conflict(what)
            }
        };
        if let Some(txn) = &mut self.txn {
            txn.conflict = true;
        }
        self.core.counters.conflicts.fetch_add(1, Ordering::Relaxed);
        error.concurrent()
    }

    fn put_in(&mut self, id: TreeId, key: &[u8], value: &[u8], how: Put) -> Result<bool> {
        let most = (self.core.options.version_store_bytes / VALUE_BUDGET_SHARE).min(VALUE_MAX_BYTES as u64);
        if value.len() as u64 > most {
            return Err(Error::new(
                ErrorKind::ValueTooLarge,
                format!("it has {} bytes, the limit is {most}", value.len()),
            )
            .on_tree(self.reading().tree_name(id))
            .at_key(key));
        }
        self.check_target(id, key)?;
        if how != Put::Upsert {
            let exists = self.reading().length(id, key)?.is_some();
            match (how, exists) {
                (Put::Insert, true) => {
                    let name = self.reading().tree_name(id);
                    return Err(Error::new(ErrorKind::KeyDuplicate, "the row exists")
                        .on_tree(name)
                        .at_key(key));
                }
                (Put::Replace, false) => return Ok(false),
                _ => {}
            }
        }
        let written = self.write_row(id, key, Kind::PUT, value);
        match written {
            Err(error) if how == Put::Insert && error.kind() == ErrorKind::WriteConflict => {
                let what = "another transaction has changed, deleted or locked the key at the same time";
                let tree = error.tree().unwrap_or_default().to_owned();
                Err(Error::new(ErrorKind::KeyDuplicate, what)
                    .on_tree(tree)
                    .at_key(key)
                    .concurrent()
                    .caused_by(error))
            }
            written => written.map(|()| true),
        }
    }

    fn delete_in(&mut self, id: TreeId, key: &[u8], how: Delete) -> Result<bool> {
        self.check_target(id, key)?;
        let exists = self.reading().length(id, key)?.is_some();
        if exists || how == Delete::Blind {
            self.write_row(id, key, Kind::DELETE, &[])?;
        }
        Ok(exists)
    }

    /// Checks the target of an escrow add: the row exists, and the counter lies inside its value.
    fn check_counter(&mut self, id: TreeId, key: &[u8], offset: u32, delta: Delta) -> Result<()> {
        if self.txn.is_none() {
            return Err(Error::new(ErrorKind::NotInTransaction, "an escrow add needs a transaction"));
        }
        self.check_target(id, key)?;
        let Some(value) = self.reading().length(id, key)? else {
            let name = self.reading().tree_name(id);
            return Err(Error::new(ErrorKind::NoCurrentRecord, "nothing to add to")
                .on_tree(name)
                .at_key(key));
        };
        if offset as usize + delta.width() > value {
            return Err(Error::new(
                ErrorKind::InvalidBufferSize,
                format!("the counter takes {} bytes from {offset} on, the value has {value}", delta.width()),
            )
            .on_tree(self.reading().tree_name(id))
            .at_key(key));
        }
        Ok(())
    }

    /// Writes a row of a directory, for which nobody checks that its tree stands.
    fn write_directory(
        &mut self,
        attachment: &Arc<Attachment<V>>,
        key: &[u8],
        kind: Kind,
        payload: &[u8],
    ) -> Result<()> {
        let Some(txn) = &mut self.txn else { return Err(ErrorKind::NotInTransaction.into()) };
        if !txn.directories.iter().any(|known| Arc::ptr_eq(known, attachment)) {
            attachment.word.begin_change();
            txn.directories.push(Arc::clone(attachment));
        }
        attachment.check_writable()?;
        let id = TreeId::directory(attachment.number);
        if self.trees.get_mut().get(id).is_none() {
            let (tree, attachment) = (attachment.directory.clone(), Arc::clone(attachment));
            self.trees.get_mut().insert(Known { id, tree, attachment, found_at: None });
        }
        self.write_row(id, key, kind, payload)
    }

    /// Gives a tree a name that must be free.
    fn take_name(&mut self, attachment: &Arc<Attachment<V>>, tree: TreeNo, name: &str) -> Result<()> {
        let key = directory::name_key(name);
        if self.reading().directory_row(attachment, &key)?.is_some() {
            return Err(Error::new(ErrorKind::TreeDuplicate, format!("{name:?}")));
        }
        self.write_directory(attachment, &key, Kind::PUT, &tree.0.to_le_bytes()).map_err(|error| {
            if error.kind() == ErrorKind::WriteConflict {
                Error::new(ErrorKind::TreeDuplicate, format!("{name:?} is being created or was just created"))
                    .concurrent()
                    .caused_by(error)
            } else {
                error
            }
        })?;
        self.write_directory(attachment, &directory::reverse_key(tree), Kind::PUT, name.as_bytes())
    }

    /// The tree's database and present name.
    fn named(&self, id: TreeId) -> Result<(Arc<Attachment<V>>, String)> {
        let reading: Reading<'_, V> = self.reading();
        let attachment = reading.attachment_of(id)?;
        let row = reading.directory_row(&attachment, &directory::reverse_key(id.number))?;
        let name = row.and_then(|name| String::from_utf8(name.to_vec()).ok());
        match name {
            Some(name) => Ok((attachment, name)),
            None => Err(Error::new(ErrorKind::DatabaseCorrupted, format!("tree {id} stands without a name"))),
        }
    }

    fn create_in(&mut self, attachment: AttachmentNo, name: &str) -> Result<TreeId> {
        directory::check_name(name)?;
        self.check_writable()?;
        let attachment = self.core.attachment(attachment)?;
        let number = attachment.store.reserve_tree_numbers(1)?;
        self.take_name(&attachment, number, name)?;
        self.write_directory(&attachment, &directory::standing_key(number), Kind::PUT, &[])?;
        Ok(TreeId { attachment: attachment.number, number })
    }

    fn drop_in(&mut self, id: TreeId) -> Result<()> {
        self.check_writable()?;
        let (attachment, name) = self.named(id)?;
        let tree = self.core.versions.tree(id);
        // The row first: who writes in the tree from now on finds it when it looks.
        self.write_directory(&attachment, &directory::standing_key(id.number), Kind::DELETE, &[])?;
        if let Some(user) = self.core.versions.user_of(&self.slot, &tree) {
            return Err(Error::new(ErrorKind::TreeInUse, format!("{user} wrote in it and is still open"))
                .on_tree(name)
                .concurrent());
        }
        self.write_directory(&attachment, &directory::name_key(&name), Kind::DELETE, &[])?;
        self.write_directory(&attachment, &directory::reverse_key(id.number), Kind::DELETE, &[])?;
        self.write_directory(&attachment, &directory::dropped_key(id.number), Kind::PUT, &[])
    }

    fn rename_in(&mut self, id: TreeId, name: &str) -> Result<()> {
        directory::check_name(name)?;
        self.check_writable()?;
        let (attachment, old) = self.named(id)?;
        if old == name {
            return Ok(());
        }
        self.write_directory(&attachment, &directory::name_key(&old), Kind::DELETE, &[])?;
        self.take_name(&attachment, id.number, name)
    }
}

impl<V: VersionStore> Transaction for LocalSession<V> {
    fn check_write(&mut self, tree: TreeId) -> Result<()> {
        self.statement(|session| session.check_target(tree, &[]))
    }

    fn put(&mut self, tree: TreeId, key: &[u8], value: &[u8], how: Put) -> Result<bool> {
        self.statement(|session| session.put_in(tree, key, value, how))
    }

    fn delete(&mut self, tree: TreeId, key: &[u8], how: Delete) -> Result<bool> {
        self.statement(|session| session.delete_in(tree, key, how))
    }

    fn add(&mut self, tree: TreeId, key: &[u8], offset: u32, delta: Delta) -> Result<()> {
        self.check_counter(tree, key, offset, delta)?;
        self.write_row(tree, key, Kind::delta(offset, delta), &encode_delta(offset, delta))
    }

    fn fetch_add(&mut self, tree: TreeId, key: &[u8], offset: u32, delta: Delta) -> Result<i64> {
        self.check_counter(tree, key, offset, delta)?;
        let hash = self.core.versions.hash(tree, key);
        let Some(known) = self.trees.get_mut().get(tree) else {
            return Err(Error::new(ErrorKind::ObjectNotFound, format!("tree {tree}")));
        };
        let row = Row { tree: &known.tree, key, hash };
        match self.core.versions.write_delta(&mut self.slot, &row, (offset, delta))? {
            Ok(before) => {
                self.note_write();
                Ok(before)
            }
            Err(refusal) => Err(self.refused(refusal, tree, key)),
        }
    }

    fn lock(&mut self, tree: TreeId, key: &[u8], mode: LockMode) -> Result<()> {
        if self.txn.is_none() {
            return Err(Error::new(ErrorKind::NotInTransaction, "a lock lasts as long as its transaction"));
        }
        self.check_target(tree, key)?;
        self.write_row(tree, key, Kind::lock(mode), &[])
    }

    fn create_tree(&mut self, attachment: AttachmentNo, name: &str) -> Result<TreeId> {
        self.statement(|session| session.compound(|session| session.create_in(attachment, name)))
    }

    fn drop_tree(&mut self, tree: TreeId) -> Result<()> {
        self.statement(|session| session.compound(|session| session.drop_in(tree)))
    }

    fn rename_tree(&mut self, tree: TreeId, name: &str) -> Result<()> {
        self.statement(|session| session.compound(|session| session.rename_in(tree, name)))
    }
}
