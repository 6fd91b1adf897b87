//! Create, attach and detach: which databases the instance has.
//!
//! All three run between merges, holding the applier. A detach goes in the order that lets nobody be surprised: no new
//! writes, merge to the end, a view without the database, wait for the readers of older views, give the store back.

use super::{
    applier::{self, Applier},
    core::{Attachment, Core},
    directory::{self, Listed},
    system::Prepared,
};
use crate::{
    options::Background,
    seam::{
        engine::Step,
        log::LogPoint,
        merges::NewBase,
        store::{Stamp, Store},
        version_store::VersionStore,
    },
    txn::Owner,
};
use ese_base::{
    AttachmentNo, Error, ErrorKind, Position, Result,
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
        directory::check_database_name(name)?;
        // A close takes it as well: what is added from here on is closed by it.
        let mut last = self.attaching.lock();
        let mut applier = self.applier.lock();
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
        match self.take_in(name, &store, &mut last) {
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

    /// Gives a store its number, in the log's list and in its own file, and puts it into the view; `last` is the last
    /// number that was given.
    fn take_in(&self, name: &str, store: &Arc<dyn Store>, last: &mut u32) -> Result<AttachmentNo> {
        let number = AttachmentNo(last.checked_add(1).ok_or(ErrorKind::TooManyAttachedDatabases)?);
        let Some(log) = self.publication.log() else {
            store.adopt(None)?;
            *last = number.0;
            let published = self.publish_attachment(number, store, self.publication.claimed().next);
            return match published {
                Ok(()) => Ok(number),
                Err(error) => store.close(true).and(Err(error)),
            };
        };
        let stands = self.check_whole(name, store.stamp(), log.identity())?;
        // One that was about to be attached keeps its number: its file may say so already, and the list says it again.
        let number = stands.map_or(number, |(number, _)| number);
        // From here on the number counts as given, whatever becomes of the rest.
        *last = number.0.max(*last);
        self.list_about(name, number, *last)?;
        let next = self.publication.claimed().next;
        let point = log.settle(next)?;
        store.adopt(Some((number, LogPoint { at: stands.map_or(next, |(_, at)| at), ..point })))?;
        let entered = self.enter(name, store, number, point);
        if entered.is_err() && !self.state.is_poisoned() {
            // Nothing was written in it: it is as whole as it was.
            store.close(true)?;
        }
        entered.map(|()| number)
    }

    /// The last steps of an attachment, from which on there may be commits in the database.
    fn enter(&self, name: &str, store: &Arc<dyn Store>, number: AttachmentNo, at: LogPoint) -> Result<()> {
        // One that was stamped before stands at a position that the log may have let go.
        let base = store.newest();
        while store.needed_from().is_some_and(|needed| needed < at.at) {
            while !store.checkpoint_step(&base, Some(at))? {}
        }
        drop(base);
        self.list_attached(name, number)?;
        if let Err(error) = self.publish_attachment(number, store, at.at) {
            if let Err(error) = self.prepare_unlist(name).and_then(Prepared::commit) {
                // It is listed, and nobody keeps the log for it.
                self.poison(&error);
            }
            return Err(error);
        }
        Ok(())
    }

    /// Whether a database holds all that was ever committed in it. Its number and the position at which it stands, if it was
    /// stamped for this log by an attachment that was cut short.
    fn check_whole(
        &self,
        name: &str,
        stamp: Option<Stamp>,
        log: u128,
    ) -> Result<Option<(AttachmentNo, Position)>> {
        let Some(stamp) = stamp.filter(|stamp| !stamp.is_clean) else { return Ok(None) };
        if stamp.at.log != log {
            let what =
                format!("{name:?} needs the log {:032x} from position {} on", stamp.at.log, stamp.at.at);
            return Err(Error::new(ErrorKind::DatabaseDirtyShutdown, what));
        }
        // It was about to be attached when an earlier life ended: nothing was committed in it.
        if self.listed(name)? == Some(Listed { number: stamp.attachment, is_attached: false }) {
            return Ok(Some((stamp.attachment, stamp.at.at)));
        }
        let what = format!("{name:?} is a copy from before the end of its attachment {}", stamp.attachment.0);
        Err(Error::new(ErrorKind::DatabaseDirtyShutdown, what))
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
    pub(super) fn finish_merge(&self, applier: &mut MutexGuard<'_, Applier<V>>) -> Result<()> {
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
        let _attaching = self.attaching.lock();
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
        let unlist = match self.make_whole(attachment, &store, bases.pop()) {
            Ok(unlist) => unlist,
            Err(error) if self.state.is_poisoned() => return Err(error),
            Err(error) => {
                self.bring_back(attachment, &store)?;
                return Err(error);
            }
        };
        // Closed before it is taken out of the list: a database that is listed and whole is attached again by the next
        // start, one that is neither is lost. Until then it counts among those that need the log.
        if let Err(error) = store.close(true) {
            self.poison(&error);
            return Err(error);
        }
        unlist.map_or(Ok(()), Prepared::commit)?;
        self.attachments.write().retain(|known| known.number != attachment.number);
        drop(store);
        self.backend.detach(&attachment.name)
    }

    /// Puts a database that was on its way out back into the view. Nothing was committed in it meanwhile.
    fn bring_back(&self, attachment: &Attachment<V>, store: &Arc<dyn Store>) -> Result<()> {
        // A checkpoint that was with it goes on with what is the newest then.
        let mut keeper = self.keeper.lock();
        keeper.give_up();
        let mut applier = self.applier.lock();
        let back = self.finish_merge(&mut applier).and_then(|()| {
            self.publish_attachment(attachment.number, store, self.publication.claimed().next)
        });
        if let Err(error) = &back {
            self.poison(error);
        }
        attachment.out.store(false, Ordering::SeqCst);
        back
    }

    /// Makes a database that is in no view any more durable to its end, and has room ready for what takes it out of the
    /// log's list.
    fn make_whole(
        &self,
        attachment: &Attachment<V>,
        store: &Arc<dyn Store>,
        last: Option<NewBase>,
    ) -> Result<Option<Prepared<'_, V>>> {
        if !self.is_durable() {
            return Ok(None);
        }
        let Some(NewBase { l, base: Some(base), .. }) = last else {
            return Err(Error::new(ErrorKind::DatabaseNotFound, format!("{:?}", attachment.name)));
        };
        let fatal = |error: Error| {
            if error.kind() != ErrorKind::DiskFull {
                self.poison(&error);
            }
            error
        };
        let settled = self.publication.log().map(|log| log.settle(l)).transpose().map_err(fatal)?;
        let at = settled.map(|point| LogPoint { at: l, ..point });
        while !store.checkpoint_step(&base, at).map_err(fatal)? {}
        match self.publication.log() {
            Some(_) => self.prepare_unlist(&attachment.name).map(Some),
            None => Ok(None),
        }
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
