//! What an engine does with a log before anybody can use it: everything again that the databases do not hold yet.
//!
//! A database holds the transactions below its L, the log those from there on. Each is done again as one transaction of
//! the engine's own, in the log's order, through the overlay and, whenever there is enough of it, through merges: the
//! code that ran it the first time. Merges take fresh pages only, and nothing is made durable before the log has begun a
//! new epoch: a crash on the way leaves the same log and the same databases.
//!
//! Which files the log speaks of is said by the main database's list, as its newest base has it and as the frames change
//! it (`directory`). A listed database that cannot be opened is an error only if the list still has it at the end: it may
//! have been detached later, and be anywhere.
//!
//! Invariants:
//! - Of each database exactly the transactions at or above its L are done again, whole and in order.
//! - Positions are skipped, never given twice: the first claim comes after everything the log has ever seen.
//! - The clean mark of a database is taken back, and this log stamped into it, before the first position is claimed.

use super::{
    applier,
    attached_list::{Listing, listed_in, listing},
    core::{Attachment, Core},
    databases::too_many_views,
    directory::Listed,
    frame::Changes,
    system::SystemWriter,
    trace,
};
use crate::{
    options::Access,
    seam::{
        engine::Step,
        log::{Log, LogPoint},
        merges::NewBase,
        store::{Stamp, Store},
        version_store::VersionStore,
    },
    stats::Recovered,
};
use ese_base::{AttachmentNo, Error, ErrorKind, Position, Result, sync::spin};
use std::{collections::BTreeMap, sync::Arc};

/// Where a database stands to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The log has everything from that position on.
    Here(Position),
    /// It is new, or was closed whole under another log: nothing in this log is its own.
    Apart,
}

impl Standing {
    /// Where a database with that stamp stands to the log of that identity.
    ///
    /// # Errors
    /// `DatabaseDirtyShutdown`: it lacks what another log has.
    pub(super) fn of(stamp: Option<Stamp>, log: u128, name: &str) -> Result<Standing> {
        match stamp {
            None => Ok(Standing::Apart),
            Some(stamp) if stamp.at.log == log => Ok(Standing::Here(stamp.at.at)),
            Some(stamp) if stamp.is_clean => Ok(Standing::Apart),
            Some(stamp) => {
                let (other, at) = (stamp.at.log, stamp.at.at);
                let what = format!(
                    "database {name:?} needs the log {other:032x} from position {at} on; this one is {log:032x}"
                );
                Err(Error::new(ErrorKind::DatabaseDirtyShutdown, what))
            }
        }
    }

    /// The position at which the database's base ends.
    pub(super) fn l(self) -> Position {
        match self {
            Standing::Here(l) => l,
            Standing::Apart => Position::FIRST,
        }
    }
}

/// Brings the databases up to the end of the log and begins a new epoch of it. `main` is the main database's standing.
///
/// # Errors
/// What the log and the stores report; `AttachedDatabaseMismatch` for a listed database that is not there, or a main
/// database that the log does not know; `LogCorrupted` for a frame that is none.
pub(super) fn run<V: VersionStore>(
    core: &Core<V>,
    log: &dyn Log,
    main: Standing,
) -> Result<(LogPoint, Recovered)> {
    let begun = core.clock.now();
    let mut redo = Redo {
        core,
        log: log.identity(),
        main,
        writer: SystemWriter::new(core, "recovery")?,
        databases: vec![(AttachmentNo::MAIN, main)],
        missing: BTreeMap::new(),
        recovered: Recovered::default(),
    };
    redo.attach_listed()?;
    let from = match main {
        Standing::Here(_) => redo.first_needed(),
        Standing::Apart => log.first(),
    };
    let end = log.replay(from, &mut |at, frame| {
        redo.frame(at, frame).map_err(|error| {
            let what = format!("the transaction at position {at} of the log cannot be done again");
            Error::new(error.kind(), what).caused_by(error)
        })
    })?;
    let Redo { databases, missing, mut recovered, writer, .. } = redo;
    drop(writer);
    if let Some((name, why)) = missing.into_iter().next() {
        let what =
            format!("database {name:?} is attached to this instance and cannot be brought up to date: {why}");
        return Err(Error::new(ErrorKind::AttachedDatabaseMismatch, what).caused_by(why));
    }
    if core.options.access == Access::ReadOnly {
        core.publication.skip_to(end.at);
        recovered.took = core.clock.now().saturating_sub(begun);
        return Ok((end, recovered));
    }
    let point = log.begin_epoch()?;
    core.publication.skip_to(point.at);
    // The main one last: as long as it says that the list came from elsewhere, so may the others.
    for (number, standing) in databases.into_iter().rev() {
        let l = match standing {
            Standing::Here(l) => l,
            Standing::Apart => {
                let whole = NewBase { attachment: number, l: point.at, base: None };
                if !core.versions.install(&[whole], &[]) {
                    return Err(too_many_views());
                }
                point.at
            }
        };
        core.attachment(number)?.store.adopt(Some((number, LogPoint { at: l, ..point })))?;
    }
    recovered.took = core.clock.now().saturating_sub(begun);
    trace::recovered(&recovered);
    Ok((point, recovered))
}

/// Does again what frames say.
struct Redo<'c, V: VersionStore> {
    core: &'c Core<V>,
    log: u128,
    main: Standing,
    writer: SystemWriter<'c, V>,
    /// The attached databases; the main one first.
    databases: Vec<(AttachmentNo, Standing)>,
    /// Listed databases that could not be opened, and why.
    missing: BTreeMap<String, Error>,
    recovered: Recovered,
}

impl<V: VersionStore> Redo<'_, V> {
    /// Opens the databases that the main one lists.
    fn attach_listed(&mut self) -> Result<()> {
        let main = self.core.attachment(AttachmentNo::MAIN)?;
        let list = listed_in(&*main.store.newest())?;
        for (name, number) in list.databases {
            self.attach(&name, number)?;
        }
        if let Some(next) = list.next {
            self.reserve_below(next);
        }
        Ok(())
    }

    fn first_needed(&self) -> Position {
        self.databases.iter().map(|(_, standing)| standing.l()).min().unwrap_or(Position::FIRST)
    }

    /// Attachment numbers below `next` are not given again.
    fn reserve_below(&self, next: AttachmentNo) {
        let mut last = self.core.attaching.lock();
        *last = (*last).max(next.0.saturating_sub(1));
    }

    /// Attaches a database under the number that it is listed with; where that cannot be, says why and goes on.
    fn attach(&mut self, name: &str, number: AttachmentNo) -> Result<()> {
        if self.databases.iter().any(|(known, _)| *known == number) {
            return Ok(());
        }
        match self.open(name, number) {
            Ok((store, standing)) => {
                self.missing.remove(name);
                self.core.publish_attachment(number, &store, standing.l())?;
                let attachment = Attachment::new(&self.core.versions, number, name, store);
                self.core.attachments.write().push(Arc::new(attachment));
                self.databases.push((number, standing));
            }
            Err(error) => {
                self.missing.insert(name.to_owned(), error);
            }
        }
        Ok(())
    }

    /// Opens a listed database, if it is the one that was attached under that number.
    fn open(&self, name: &str, number: AttachmentNo) -> Result<(Arc<dyn Store>, Standing)> {
        let store = self.core.backend.attach(name)?;
        let stamp = store.stamp();
        let standing = match stamp {
            Some(stamp) if stamp.at.log == self.log => {
                if stamp.attachment == number {
                    Ok(Standing::Here(stamp.at.at))
                } else {
                    let (found, name) = (stamp.attachment.0, format!("{name:?}"));
                    let what = format!("{name} was attached under number {} and says {found}", number.0);
                    Err(Error::new(ErrorKind::AttachedDatabaseMismatch, what))
                }
            }
            // The list itself came with the main database from elsewhere.
            stamp if self.main == Standing::Apart => Standing::of(stamp, self.log, name),
            _ => Err(Error::new(ErrorKind::AttachedDatabaseMismatch, format!("{name:?} is of another log"))),
        };
        match standing {
            Ok(standing) => Ok((store, standing)),
            Err(error) => {
                drop(store);
                self.core.backend.detach(name)?;
                Err(error)
            }
        }
    }

    /// Does one transaction again: the part of it that each database lacks.
    fn frame(&mut self, at: Position, frame: &[u8]) -> Result<()> {
        if self.main == Standing::Apart {
            let what = "the log holds transactions of a main database that is not this one";
            return Err(Error::new(ErrorKind::AttachedDatabaseMismatch, what));
        }
        let (mut rows, mut lists) = (0_u64, false);
        for change in Changes::of(frame) {
            let change = change?;
            let lacks = self.databases.iter().any(|(n, s)| *n == change.tree.attachment && at >= s.l());
            if !lacks {
                continue;
            }
            if rows == 0 {
                self.writer.begin();
            }
            self.writer.write(change)?;
            lists |= listing(&change)?.is_some();
            rows += 1;
        }
        if rows == 0 {
            return Ok(());
        }
        self.writer.commit_at(at);
        self.recovered.transactions += 1;
        self.recovered.rows += rows;
        self.recovered.bytes += frame.len() as u64;
        if lists {
            self.follow_list(frame)?;
        }
        self.make_room()
    }

    /// Attaches and detaches what a transaction of the main database's list says.
    fn follow_list(&mut self, frame: &[u8]) -> Result<()> {
        for change in Changes::of(frame) {
            match listing(&change?)? {
                None | Some(Listing::Database(_, Some(Listed { is_attached: false, .. }))) => {}
                Some(Listing::Next(next)) => self.reserve_below(next),
                Some(Listing::Database(name, Some(listed))) => self.attach(name, listed.number)?,
                Some(Listing::Database(name, None)) => self.detach(name)?,
            }
        }
        Ok(())
    }

    /// Lets go of a database that was detached at this point: it was brought to its end before.
    fn detach(&mut self, name: &str) -> Result<()> {
        self.missing.remove(name);
        let known = self.core.attachments.read().iter().find(|known| known.name == name).cloned();
        let Some(attachment) = known else { return Ok(()) };
        if self.core.options.access == Access::ReadWrite {
            self.merge_all()?;
        }
        if self.core.versions.detach(attachment.number).is_none() {
            return Err(Error::new(ErrorKind::VersionStoreFull, "no place for a view"));
        }
        self.core.versions.free_views();
        self.core.attachments.write().retain(|known| known.number != attachment.number);
        self.databases.retain(|(number, _)| *number != attachment.number);
        drop(attachment);
        self.core.backend.detach(name)
    }

    /// Merges everything there is when the budget is half used, and not before: few large merges write less than many
    /// small ones, and what fits is merged beside the first users.
    fn make_room(&mut self) -> Result<()> {
        let (used, budget) = (self.core.used_bytes(), self.core.options.version_store_bytes);
        if self.core.options.access == Access::ReadOnly {
            if used <= budget {
                return Ok(());
            }
            let what = format!("what the log has takes {used} bytes, the budget is {budget}: raise it");
            return Err(Error::new(ErrorKind::VersionStoreFull, what));
        }
        if used <= budget / 2 {
            return Ok(());
        }
        self.merge_all()?;
        if self.core.used_bytes() > budget {
            self.core.check_space()?;
        }
        Ok(())
    }

    /// Merges everything; a database without space is left as it is.
    fn merge_all(&self) -> Result<()> {
        let target = {
            let mut orders = self.core.work.orders.lock();
            orders.merge = true;
            orders.begun + 1
        };
        while self.core.work.orders.lock().ended < target {
            if applier::step(self.core)? == Step::Waited {
                spin();
            }
        }
        Ok(())
    }
}
