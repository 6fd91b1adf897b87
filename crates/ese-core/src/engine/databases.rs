//! Create, attach and detach: which databases the instance has.
//!
//! All three run between merges, holding the applier. A detach goes in the order that lets nobody be surprised: no new
//! writes, merge to the end, a view without the database, wait for the readers of older views, give the store back.

use super::{
    applier::{self, Applier},
    core::{Attachment, Core},
    directory,
    system::SystemWriter,
};
use crate::{
    options::Background,
    seam::{
        engine::Step,
        log::LogPoint,
        merges::NewBase,
        store::{Stamp, Store},
        version_store::{OwnWrite, VersionStore},
    },
    txn::{Kind, Owner},
};
use ese_base::{
    AttachmentNo, Error, ErrorKind, Position, Result, TreeId,
    limits::DATABASES_MAX,
    sync::{MutexGuard, atomic::Ordering, thread},
};
use std::sync::Arc;

/// How often somebody who holds the applier looks again before readers of old views are too much for it.
const PATIENCE: u32 = 1000;

#[cold]
pub(super) fn too_many_views() -> Error {
    Error::new(ErrorKind::VersionStoreFull, "readers hold as many old views as there can be")
}

/// A change of the log's list of attached databases, which the main one keeps.
fn listing<'a>(key: &'a [u8], kind: Kind, payload: &'a [u8]) -> OwnWrite<'a> {
    OwnWrite { tree: TreeId::directory(AttachmentNo::MAIN), key, kind, payload }
}

/// Where a store comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Create,
    Attach,
}

impl<V: VersionStore> Core<V> {
    /// Makes or finds a database and attaches it.
    pub(super) fn add_database(&self, name: &str, origin: Origin) -> Result<AttachmentNo> {
        directory::check_database_name(name)?;
        let mut applier = self.applier.lock();
        // Under the lock, which a close takes as well: what is added from here on is closed by it.
        self.state.check()?;
        self.state.check_writes()?;
        self.finish_merge(&mut applier)?;
        {
            let attachments = self.attachments.read();
            if attachments.iter().any(|attachment| attachment.name == name) {
                let kind = match origin {
                    Origin::Create => ErrorKind::DatabaseDuplicate,
                    Origin::Attach => ErrorKind::DatabaseAttached,
                };
                return Err(Error::new(kind, format!("{name:?} is attached")));
            }
            if attachments.len() >= DATABASES_MAX {
                let what = format!("{} are attached, which is the limit", attachments.len());
                return Err(Error::new(ErrorKind::TooManyAttachedDatabases, what));
            }
        }
        let store = match origin {
            Origin::Create => self.backend.create(name)?,
            Origin::Attach => self.backend.attach(name)?,
        };
        match self.take_in(name, &store) {
            Ok(number) => {
                let attachment = Arc::new(Attachment::new(&self.versions, number, name, store));
                self.attachments.write().push(attachment);
                Ok(number)
            }
            Err(error) => {
                drop(store);
                self.backend.detach(name)?;
                Err(error)
            }
        }
    }

    /// Gives a store its number, in the log's list and in its own file, and puts it into the view.
    fn take_in(&self, name: &str, store: &Arc<dyn Store>) -> Result<AttachmentNo> {
        let mut last = self.next_attachment.lock();
        let next = self.publication.claimed().next;
        let l = self.check_whole(name, store.stamp(), *last)?.unwrap_or(next);
        let number = AttachmentNo(last.checked_add(1).ok_or(ErrorKind::TooManyAttachedDatabases)?);
        let (log, epoch) = self.log_identity;
        let has_log = self.publication.log().is_some();
        store.adopt(has_log.then_some((number, LogPoint { log, epoch, at: l })))?;
        // From here on the number counts as given, whether or not the list has it.
        *last = number.0;
        if has_log && let Err(error) = self.list(name, number) {
            // Nothing was written in it: it is as whole as it was.
            store.close(true)?;
            return Err(error);
        }
        if let Err(error) = self.publish_attachment(number, store, l) {
            store.close(true)?;
            if has_log {
                self.unlist(name)?;
            }
            return Err(error);
        }
        Ok(number)
    }

    /// Whether a database holds all that was ever committed in it, as far as it can tell itself; `last` is the last
    /// attachment number that was given. The position at which it stands, if that is one of this log.
    fn check_whole(&self, name: &str, stamp: Option<Stamp>, last: u32) -> Result<Option<Position>> {
        let (Some(stamp), Some(log)) = (stamp, self.publication.log()) else { return Ok(None) };
        if stamp.is_clean {
            return Ok(None);
        }
        if stamp.at.log != log.identity() {
            let what =
                format!("{name:?} needs the log {:032x} from position {} on", stamp.at.log, stamp.at.at);
            return Err(Error::new(ErrorKind::DatabaseDirtyShutdown, what));
        }
        if stamp.attachment.0 <= last {
            let what =
                format!("{name:?} is a copy from before the end of its attachment {}", stamp.attachment.0);
            return Err(Error::new(ErrorKind::DatabaseDirtyShutdown, what));
        }
        // A number that was never given: the crash came between the stamp and the list, and nothing was written.
        Ok(Some(stamp.at.at))
    }

    /// Enters a database into the log's list.
    fn list(&self, name: &str, number: AttachmentNo) -> Result<()> {
        let mut writer = SystemWriter::new(self, "attach")?;
        writer.begin();
        let (key, next) = (directory::attached_key(name), number.0.saturating_add(1).to_le_bytes());
        writer.write(listing(&key, Kind::PUT, &number.0.to_le_bytes()))?;
        writer.write(listing(directory::NEXT_ATTACHMENT, Kind::PUT, &next))?;
        writer.commit()
    }

    /// Takes a database out of the log's list.
    fn unlist(&self, name: &str) -> Result<()> {
        let mut writer = SystemWriter::new(self, "detach")?;
        writer.begin();
        writer.write(listing(&directory::attached_key(name), Kind::DELETE, &[]))?;
        writer.commit()
    }

    /// Puts the store into the view; waits while the ring of views is full.
    pub(super) fn publish_attachment(
        &self,
        number: AttachmentNo,
        store: &Arc<dyn Store>,
        l: Position,
    ) -> Result<()> {
        let mut tries = 0;
        while !self.versions.attach(number, Arc::clone(store), l) {
            self.versions.free_views();
            tries += 1;
            if tries > PATIENCE {
                return Err(too_many_views());
            }
            thread::yield_now();
        }
        Ok(())
    }

    /// Steps until no merge is under way.
    fn finish_merge(&self, applier: &mut MutexGuard<'_, Applier<V>>) -> Result<()> {
        let mut waits = 0;
        while !applier.is_idle() {
            if applier::step_locked(self, applier)? == Step::Waited {
                waits += 1;
                if applier.is_held_up_by_readers() && waits > PATIENCE {
                    return Err(too_many_views());
                }
                thread::yield_now();
            }
        }
        Ok(())
    }

    /// Takes a database out of the instance.
    pub(super) fn remove_database(&self, number: AttachmentNo) -> Result<()> {
        self.state.check()?;
        self.state.check_writes()?;
        let attachment = self.attachment(number)?;
        if attachment.leaving.swap(true, Ordering::SeqCst) {
            return Err(Error::new(
                ErrorKind::DatabaseInUse,
                format!("{:?} is being detached", attachment.name),
            ));
        }
        let removed = self.try_remove(&attachment);
        if removed.is_err() {
            attachment.leaving.store(false, Ordering::SeqCst);
        }
        removed
    }

    fn try_remove(&self, attachment: &Arc<Attachment<V>>) -> Result<()> {
        let in_use = |user: &Owner, why: &str| {
            Err(Error::new(ErrorKind::DatabaseInUse, format!("{:?}: {user} {why}", attachment.name)))
        };
        // `leaving` is set: who writes in it from now on sees that; who wrote before is seen here.
        if let Some(user) = self.versions.user_of_database(attachment.number) {
            return in_use(&user, "wrote in it and is still open");
        }
        if attachment.word.quiet().is_none() {
            return Err(Error::new(
                ErrorKind::DatabaseInUse,
                format!("{:?}: a transaction that creates, drops or renames trees is open", attachment.name),
            ));
        }
        let mut applier = self.applier.lock();
        self.finish_merge(&mut applier)?;
        self.work.orders.lock().merge = true;
        applier::step_locked(self, &mut applier)?;
        self.finish_merge(&mut applier)?;
        if attachment.full.load(Ordering::Relaxed) {
            let what = format!("database {:?} cannot be merged to its end", attachment.name);
            return Err(Error::new(ErrorKind::DiskFull, what));
        }
        let mut bases = self.versions.newest_bases();
        bases.retain(|base| base.attachment == attachment.number);
        let Some(store) = self.versions.detach(attachment.number) else {
            return Err(too_many_views());
        };
        attachment.out.store(true, Ordering::SeqCst);
        let without = self.versions.newest_view();
        drop(applier);
        if let Some(reader) = self.await_readers(without) {
            self.bring_back(attachment, &store)?;
            return in_use(&reader, "still reads an older view");
        }
        if self.is_durable()
            && let Err(error) = self.make_whole(attachment, &store, bases.pop())
        {
            if error.kind() == ErrorKind::DiskFull {
                self.bring_back(attachment, &store)?;
            } else {
                self.poison(&error);
            }
            return Err(error);
        }
        if let Err(error) = store.close(true) {
            self.poison(&error);
            return Err(error);
        }
        self.attachments.write().retain(|known| known.number != attachment.number);
        // Closed before it is taken out of the list: a database that is listed and whole is attached again by the next
        // start (also when the list cannot be written), one that is neither is lost.
        let unlisted = if self.publication.log().is_some() { self.unlist(&attachment.name) } else { Ok(()) };
        drop(store);
        unlisted.and(self.backend.detach(&attachment.name))
    }

    /// Puts a database that was on its way out back into the view. Nothing was committed in it meanwhile.
    fn bring_back(&self, attachment: &Attachment<V>, store: &Arc<dyn Store>) -> Result<()> {
        let mut applier = self.applier.lock();
        self.finish_merge(&mut applier)?;
        self.publish_attachment(attachment.number, store, self.publication.claimed().next)?;
        attachment.out.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Makes a database that is in no view any more durable to its end.
    fn make_whole(
        &self,
        attachment: &Attachment<V>,
        store: &Arc<dyn Store>,
        last: Option<NewBase>,
    ) -> Result<()> {
        let Some(NewBase { l, base: Some(base), .. }) = last else {
            return Err(Error::new(ErrorKind::DatabaseNotFound, format!("{:?}", attachment.name)));
        };
        let settled = self.publication.log().map(|log| log.settle(l)).transpose()?;
        while !store.checkpoint_step(&base, settled.map(|point| LogPoint { at: l, ..point }))? {}
        Ok(())
    }

    /// Waits, bounded, until nobody reads a view older than `view`; who still does.
    fn await_readers(&self, view: u64) -> Option<Arc<Owner>> {
        let begun = self.clock.now();
        loop {
            self.versions.free_views();
            let reader = self.versions.pinned_before(view)?;
            let waited = self.clock.now().saturating_sub(begun);
            let no_wait = self.options.background == Background::Manual || self.state.is_poisoned();
            if no_wait || waited >= self.options.detach_wait {
                return Some(reader);
            }
            thread::yield_now();
        }
    }
}
