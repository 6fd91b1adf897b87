//! Everything sessions share: rows, running transactions, databases.

use super::{
    row::{Eyes, Row, Version, What},
    trees,
};
use ese_base::{AttachmentNo, Error, ErrorKind, Result, SessionId, TreeId, TreeNo, limits};
use std::collections::{BTreeMap, BTreeSet};

/// The attachment of the main database.
pub(super) const MAIN: AttachmentNo = AttachmentNo(1);

/// A row by database (not by attachment: contents outlive a detach), tree and key.
pub(super) type RowName = (usize, TreeNo, Vec<u8>);

/// A transaction that is open.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) session: SessionId,
    pub(super) snapshot: u64,
    /// Trees it wrote in, or tried to.
    pub(super) used: BTreeSet<(usize, TreeNo)>,
}

/// A database, attached or not.
#[derive(Debug)]
struct Database {
    name: String,
    next_tree: u64,
}

/// Is the engine open?
#[derive(Debug, PartialEq, Eq)]
enum Life {
    Open,
    Closed,
}

/// All shared state.
#[derive(Debug)]
pub(super) struct World {
    life: Life,
    pub(super) last_visible: u64,
    next_number: u64,
    pub(super) rows: BTreeMap<RowName, Row>,
    pub(super) running: BTreeMap<u64, Running>,
    pub(super) sessions: BTreeSet<SessionId>,
    databases: Vec<Database>,
    attachments: BTreeMap<AttachmentNo, usize>,
    next_attachment: u32,
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = World {
            life: Life::Open,
            last_visible: 0,
            next_number: 1,
            rows: BTreeMap::new(),
            running: BTreeMap::new(),
            sessions: BTreeSet::new(),
            databases: Vec::new(),
            attachments: BTreeMap::new(),
            next_attachment: MAIN.0,
        };
        world.attach("main").expect("there is room for the first database");
        world
    }

    /// Refuses when the engine is closed.
    pub(super) fn open(&self) -> Result<()> {
        if self.life == Life::Open { Ok(()) } else { Err(ErrorKind::NotInitialized.into()) }
    }

    pub(super) fn close(&mut self) -> Result<()> {
        if let Some(running) = self.running.values().next() {
            let what = format!("session {} has an open transaction", running.session);
            return Err(Error::new(ErrorKind::TooManyActiveUsers, what));
        }
        self.life = Life::Closed;
        Ok(())
    }

    /// A number that nothing else has.
    pub(super) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Admits a session.
    pub(super) fn admit(&mut self, most: u32) -> Result<SessionId> {
        if u32::try_from(self.sessions.len()).is_ok_and(|count| count >= most) {
            return Err(Error::new(ErrorKind::OutOfSessions, format!("{most} are open")));
        }
        let id = SessionId(self.number());
        self.sessions.insert(id);
        Ok(id)
    }

    // ---- databases

    pub(super) fn database_named(&self, name: &str) -> Option<usize> {
        self.databases.iter().position(|database| database.name == name)
    }

    pub(super) fn attached(&self) -> Vec<(AttachmentNo, String)> {
        self.attachments.iter().map(|(at, place)| (*at, self.databases[*place].name.clone())).collect()
    }

    /// Attaches a database, and makes it if there is none of the name.
    pub(super) fn attach(&mut self, name: &str) -> Result<AttachmentNo> {
        if self.attachments.len() >= limits::DATABASES_MAX {
            return Err(ErrorKind::TooManyAttachedDatabases.into());
        }
        let place = self.database_named(name).unwrap_or_else(|| {
            self.databases.push(Database { name: name.to_owned(), next_tree: 1 });
            self.databases.len() - 1
        });
        let at = AttachmentNo(self.next_attachment);
        self.next_attachment += 1;
        self.attachments.insert(at, place);
        Ok(at)
    }

    pub(super) fn detach(&mut self, at: AttachmentNo) -> Result<()> {
        let place = self.database(at)?;
        if at == MAIN {
            return Err(Error::new(ErrorKind::InvalidParameter, "the main database stays"));
        }
        let uses = |running: &&Running| running.used.iter().any(|(database, _)| *database == place);
        if let Some(running) = self.running.values().find(uses) {
            return Err(Error::new(ErrorKind::DatabaseInUse, format!("session {}", running.session)));
        }
        self.attachments.remove(&at);
        Ok(())
    }

    pub(super) fn database(&self, at: AttachmentNo) -> Result<usize> {
        self.attachments
            .get(&at)
            .copied()
            .ok_or_else(|| Error::new(ErrorKind::DatabaseNotFound, format!("attachment {}", at.0)))
    }

    pub(super) fn next_tree(&mut self, database: usize) -> TreeNo {
        let next = &mut self.databases[database].next_tree;
        *next += 1;
        TreeNo(*next - 1)
    }

    // ---- trees and rows

    /// The names and numbers of the trees of a database, as seen.
    pub(super) fn trees(&self, database: usize, eyes: Eyes) -> Vec<(String, TreeNo)> {
        let names =
            (database, TreeNo::DIRECTORY, b"n".to_vec())..(database, TreeNo::DIRECTORY, b"o".to_vec());
        let seen = self.rows.range(names).filter_map(|((_, _, key), row)| {
            let number = row.value(eyes)?.try_into().expect("a tree number has eight bytes");
            let name = String::from_utf8(key[1..].to_vec()).expect("names are text");
            Some((name, TreeNo(u64::from_le_bytes(number))))
        });
        seen.collect()
    }

    /// The database of a tree, when the tree exists for the eyes.
    pub(super) fn tree(&self, tree: TreeId, eyes: Eyes) -> Result<usize> {
        let database = self.database(tree.attachment)?;
        match self.value(&trees::standing_row(database, tree.number), eyes) {
            Some(_) => Ok(database),
            None => Err(Error::new(ErrorKind::ObjectNotFound, format!("tree {tree}"))),
        }
    }

    pub(super) fn value(&self, row: &RowName, eyes: Eyes) -> Option<Vec<u8>> {
        self.rows.get(row).and_then(|row| row.value(eyes))
    }

    /// Whether another transaction forbids it.
    pub(super) fn is_in_conflict(&self, row: &RowName, eyes: Eyes, what: &What) -> bool {
        self.rows.get(row).is_some_and(|row| row.conflict(eyes, what).is_some())
    }

    /// Writes a version and returns its number.
    pub(super) fn write(&mut self, row: &RowName, txn: u64, what: What) -> u64 {
        let number = self.number();
        self.rows.entry(row.clone()).or_default().0.push(Version { number, txn, ts: None, what });
        number
    }

    /// Takes versions back.
    pub(super) fn undo(&mut self, log: &[(RowName, u64)]) {
        for (name, number) in log {
            if let Some(row) = self.rows.get_mut(name) {
                row.0.retain(|version| version.number != *number);
            }
        }
    }

    /// Commits versions; true when any of them is data.
    pub(super) fn commit(&mut self, log: &[(RowName, u64)]) -> bool {
        let mut is_data = false;
        self.last_visible += 1;
        for (name, number) in log {
            let versions = self.rows.get_mut(name).into_iter().flat_map(|row| &mut row.0);
            for version in versions.filter(|version| version.number == *number) {
                version.ts = Some(self.last_visible);
                is_data |= version.what.is_data();
            }
        }
        is_data
    }

    /// Looks for what must not be.
    pub(super) fn check(&self) -> Vec<String> {
        let orphan = |version: &&Version| version.ts.is_none() && !self.running.contains_key(&version.txn);
        let orphans = self.rows.values().flat_map(|row| &row.0).filter(orphan).count();
        let fault = (orphans > 0).then(|| format!("{orphans} versions of no transaction"));
        fault.into_iter().collect()
    }
}
