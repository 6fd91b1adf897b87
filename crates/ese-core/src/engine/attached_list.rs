//! The log's list of attached databases: rows of the main database, kept by transactions of the engine's own.
//!
//! A database is listed twice on its way in: *about to be attached* before its file is touched, *attached* before anything
//! is committed in it. Whatever the first row names is whole, however its file was left: nothing was ever committed under
//! that number. On its way out the row goes last, when the file says that it is whole.

use super::{
    core::Core,
    directory::{self, Listed},
    system::{Prepared, SystemWriter},
};
use crate::{
    seam::{
        session::Mode,
        store::Base,
        version_store::{Data, OwnWrite, Row, VersionStore},
    },
    txn::{Kind, Owner},
};
use ese_base::{AttachmentNo, Error, ErrorKind, Result, TreeId, TreeNo};
use std::{ops::Bound, sync::Arc};

const LIST: TreeId = TreeId::directory(AttachmentNo::MAIN);

impl<V: VersionStore> Core<V> {
    /// Enters a database that is about to be attached into the list; `last` is the last number that was given.
    pub(super) fn list_about(&self, name: &str, number: AttachmentNo, last: u32) -> Result<()> {
        let mut writer = SystemWriter::new(self, "attach")?;
        writer.begin();
        let (key, row) = (directory::attached_key(name), Listed { number, is_attached: false }.encode());
        writer.write(OwnWrite { tree: LIST, key: &key, kind: Kind::PUT, payload: &row })?;
        let (key, next) = (directory::NEXT_ATTACHMENT, last.saturating_add(1).to_le_bytes());
        writer.write(OwnWrite { tree: LIST, key, kind: Kind::PUT, payload: &next })?;
        writer.commit()
    }

    /// Enters a database as attached.
    pub(super) fn list_attached(&self, name: &str, number: AttachmentNo) -> Result<()> {
        let mut writer = SystemWriter::new(self, "attach")?;
        writer.begin();
        let (key, row) = (directory::attached_key(name), Listed { number, is_attached: true }.encode());
        writer.write(OwnWrite { tree: LIST, key: &key, kind: Kind::PUT, payload: &row })?;
        writer.commit()
    }

    /// Gets ready to take a database out of the list.
    pub(super) fn prepare_unlist(&self, name: &str) -> Result<Prepared<'_, V>> {
        let mut writer = SystemWriter::new(self, "detach")?;
        writer.begin();
        let key = directory::attached_key(name);
        writer.write(OwnWrite { tree: LIST, key: &key, kind: Kind::DELETE, payload: &[] })?;
        writer.prepare()
    }

    /// What the list says of a database now.
    pub(super) fn listed(&self, name: &str) -> Result<Option<Listed>> {
        let owner = Arc::new(Owner::new(self.counters.next_session(), "attach".to_owned()));
        let slot = self.versions.slot(owner);
        let mut slot = slot.ok_or_else(|| Error::new(ErrorKind::OutOfSessions, "all slots are taken"))?;
        self.versions.pin(&mut slot, Mode::ReadOnly);
        let (key, tree) = (directory::attached_key(name), self.versions.tree(LIST));
        let row = Row { tree: &tree, key: &key, hash: self.versions.hash(LIST, &key) };
        let found = match self.versions.find_data(&slot, &row) {
            Data::Put(value) => Some(Listed::decode(value)),
            Data::Deleted => None,
            Data::Nothing => {
                let base = self.versions.base(&slot, AttachmentNo::MAIN);
                let value = base.map(|base| base.get(TreeNo::DIRECTORY, &key)).transpose()?.flatten();
                value.map(|value| Listed::decode(&value))
            }
        };
        let found = found.transpose();
        self.versions.unpin(&mut slot);
        found
    }
}

/// A change of the list.
#[derive(Debug)]
pub(super) enum Listing<'f> {
    /// The database has this row now, or none.
    Database(&'f str, Option<Listed>),
    /// The number that the next attachment gets.
    Next(AttachmentNo),
}

/// What a logged change says about the list; `None` for a change of anything else.
pub(super) fn listing<'f>(change: &OwnWrite<'f>) -> Result<Option<Listing<'f>>> {
    if change.tree != LIST {
        return Ok(None);
    }
    if change.key == directory::NEXT_ATTACHMENT {
        return Ok(Some(Listing::Next(directory::next_attachment(change.payload)?)));
    }
    let Some(name) = directory::attached_database(change.key).transpose()? else { return Ok(None) };
    let listed = (change.kind == Kind::PUT).then(|| Listed::decode(change.payload)).transpose()?;
    Ok(Some(Listing::Database(name, listed)))
}

/// The list as a base of the main database has it.
pub(super) struct List {
    /// What is attached.
    pub(super) databases: Vec<(String, AttachmentNo)>,
    /// The number that the next attachment gets.
    pub(super) next: Option<AttachmentNo>,
}

/// The list as `base`, one of the main database, has it.
pub(super) fn listed_in(base: &dyn Base) -> Result<List> {
    let range = (Bound::Included(directory::ATTACHED.start), Bound::Excluded(directory::ATTACHED.end));
    let mut scan = base.scan(TreeNo::DIRECTORY, range)?;
    let mut databases: Vec<(String, AttachmentNo)> = Vec::new();
    while let Some((key, value)) = scan.next()? {
        let Some(name) = directory::attached_database(key).transpose()? else { continue };
        let listed = Listed::decode(&value)?;
        if databases.iter().any(|(_, number)| *number == listed.number) {
            let what = format!("two attached databases have the number {}", listed.number.0);
            return Err(Error::new(ErrorKind::DatabaseCorrupted, what));
        }
        if listed.is_attached {
            databases.push((name.to_owned(), listed.number));
        }
    }
    let next = base.get(TreeNo::DIRECTORY, directory::NEXT_ATTACHMENT)?;
    Ok(List { databases, next: next.map(|next| directory::next_attachment(&next)).transpose()? })
}
