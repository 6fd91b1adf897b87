//! Create, attach and detach: which databases the instance has.
//!
//! All three run between merges, holding the applier. A detach goes in the order that lets nobody be surprised: no new
//! writes, merge to the end, a view without the database, wait for the readers of older views, give the store back.

use super::{
    applier::{self, Applier},
    core::{Attachment, Core},
    directory,
};
use crate::{
    options::Background,
    seam::{engine::Step, store::Store, version_store::VersionStore},
    txn::Owner,
};
use ese_base::{
    AttachmentNo, Error, ErrorKind, Result,
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

/// Where a store comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Create,
    Attach,
}

impl<V: VersionStore> Core<V> {
    /// Makes or finds a database and attaches it.
    pub(super) fn add_database(&self, name: &str, origin: Origin) -> Result<AttachmentNo> {
        directory::check_name(name)?;
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
        let number = {
            let mut next = self.next_attachment.lock();
            *next += 1;
            AttachmentNo(*next)
        };
        if let Err(error) = self.publish_attachment(number, &store) {
            drop(store);
            self.backend.detach(name)?;
            return Err(error);
        }
        let attachment = Arc::new(Attachment::new(&self.versions, number, name, store));
        self.attachments.write().push(attachment);
        Ok(number)
    }

    /// Puts the store into the view; waits while the ring of views is full.
    fn publish_attachment(&self, number: AttachmentNo, store: &Arc<dyn Store>) -> Result<()> {
        let next = self.publication.claimed().next;
        let mut tries = 0;
        while !self.versions.attach(number, Arc::clone(store), next) {
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
        let Some(store) = self.versions.detach(attachment.number) else {
            return Err(too_many_views());
        };
        attachment.out.store(true, Ordering::SeqCst);
        let without = self.versions.newest_view();
        drop(applier);
        if let Some(reader) = self.await_readers(without) {
            let mut applier = self.applier.lock();
            self.finish_merge(&mut applier)?;
            self.publish_attachment(attachment.number, &store)?;
            attachment.out.store(false, Ordering::SeqCst);
            return in_use(&reader, "still reads an older view");
        }
        self.attachments.write().retain(|known| known.number != attachment.number);
        self.backend.detach(&attachment.name)
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
