//! One life of an engine: sessions that do what the plan says, and the model of each open transaction.

use super::{
    deed::{Act, Fate, Place},
    plan::{DATABASES, NAMES, Plan},
    run::{Done, Over},
    state::{Change, Standing, State, What},
    truth::Truth,
};
use crate::seed::Dice;
use ese_base::{AttachmentNo, CommitId, Error, ErrorKind, TreeId, TreeNo, clock::ManualClock};
use ese_core::{Delete, Delta, Durability, Engine, Mode, Put, Session, SessionOptions};
use std::{cell::Cell, collections::BTreeMap, ops::Bound, sync::Arc};

/// Levels that a transaction may come to.
const LEVELS_MAX: u32 = 6;
/// Where a number begins that stands for one that nobody heard.
const UNHEARD: u64 = 1 << 60;

/// An open transaction, as it should be.
struct Txn {
    snapshot: State,
    changes: Vec<Change>,
    /// How many changes there were when each inner level began.
    levels: Vec<usize>,
}

/// A session and its transaction.
struct Actor {
    // First, so that it is dropped before the engine's last handle.
    session: Box<dyn Session>,
    durability: Durability,
    txn: Option<Txn>,
}

/// See the head of the module.
pub(super) struct Life {
    actors: Vec<Actor>,
    attachments: BTreeMap<usize, AttachmentNo>,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) clock: Arc<ManualClock>,
    /// The last commit with a name, and the number of its state.
    pub(super) last_commit: Option<(CommitId, usize)>,
    /// Tells values apart.
    values: Dice,
    unheard: Cell<u64>,
}

/// What the engine may answer to a statement that is no worse for it.
const REFUSALS: [ErrorKind; 8] = [
    ErrorKind::WriteConflict,
    ErrorKind::KeyDuplicate,
    ErrorKind::TreeDuplicate,
    ErrorKind::TreeInUse,
    ErrorKind::VersionStoreFull,
    ErrorKind::LogFull,
    ErrorKind::TransactionTooLong,
    ErrorKind::DatabaseInUse,
];

/// What it may answer besides when the disk is full.
pub(super) fn is_refusal(error: &Error, is_faulty: bool) -> bool {
    REFUSALS.contains(&error.kind()) || is_faulty && error.kind() == ErrorKind::DiskFull
}

impl Life {
    pub(super) fn new(engine: Arc<dyn Engine>, clock: Arc<ManualClock>, plan: &Plan, values: u64) -> Life {
        let mut life = Life {
            actors: Vec::new(),
            attachments: BTreeMap::new(),
            engine,
            clock,
            last_commit: None,
            values: Dice::new(values),
            unheard: Cell::new(UNHEARD),
        };
        for number in 0..plan.sessions {
            let durability = if number % 2 == 0 { Durability::Sync } else { Durability::Lazy };
            let options = SessionOptions { name: format!("s{}", number + 1), durability };
            let session = life.engine.session(options).expect("there are enough sessions");
            life.actors.push(Actor { session, durability, txn: None });
        }
        life.know_attachments();
        life
    }

    fn know_attachments(&mut self) {
        self.attachments.clear();
        for (at, name) in self.engine.databases() {
            if let Some(number) = DATABASES.iter().position(|known| *known == name) {
                self.attachments.insert(number, at);
            }
        }
    }

    /// Ends all sessions.
    pub(super) fn end_sessions(&mut self) {
        self.actors.clear();
    }

    /// A number that no tree has, for one whose making was not heard of.
    fn unheard(&self) -> u64 {
        self.unheard.set(self.unheard.get() + 1);
        self.unheard.get()
    }

    /// A session does something.
    pub(super) fn act(&mut self, truth: &mut Truth, who: usize, act: &Act) -> Done {
        match act {
            Act::Begin => self.begin(truth, who),
            Act::Commit(durability) => self.commit(truth, who, *durability),
            Act::Rollback(levels) => self.rollback(who, *levels),
            Act::Get(place, key) => self.get(truth, who, *place, *key),
            Act::Scan(place) => self.scan(truth, who, *place),
            Act::Create(place) => self.create(truth, who, *place),
            _ => self.write(truth, who, act),
        }
    }

    fn begin(&mut self, truth: &Truth, who: usize) -> Done {
        let actor = &mut self.actors[who];
        if actor.session.level() >= LEVELS_MAX {
            return Ok(());
        }
        actor.session.begin(Mode::ReadWrite).map_err(Over::Error)?;
        match &mut actor.txn {
            Some(txn) => txn.levels.push(txn.changes.len()),
            None => {
                let snapshot = truth.newest().clone();
                actor.txn = Some(Txn { snapshot, changes: Vec::new(), levels: Vec::new() });
            }
        }
        Ok(())
    }

    fn commit(&mut self, truth: &mut Truth, who: usize, durability: Durability) -> Done {
        let actor = &mut self.actors[who];
        let Some(mut txn) = actor.txn.take() else { return Ok(()) };
        if txn.levels.pop().is_some() {
            actor.txn = Some(txn);
            return actor.session.commit(durability).map(drop).map_err(Over::Error);
        }
        let after = truth.newest().after(&txn.changes);
        let is_empty = txn.changes.is_empty();
        match actor.session.commit(durability) {
            Ok(commit) => {
                if is_empty {
                    return Ok(());
                }
                let number = truth.push(after.map_err(Over::Broken)?);
                self.last_commit = commit.map(|commit| (commit, number)).or(self.last_commit);
                if durability == Durability::Sync {
                    truth.promise();
                }
                Ok(())
            }
            Err(error) => {
                let is_undone = matches!(
                    error.kind(),
                    ErrorKind::DiskFull
                        | ErrorKind::LogFull
                        | ErrorKind::TransactionTooLong
                        | ErrorKind::OutOfMemory
                );
                if is_undone && actor.session.level() != 0 {
                    return Err(Over::Broken(format!("after {error} the transaction is open")));
                }
                if let (Ok(after), false, false) = (after, is_empty, is_undone) {
                    truth.push(after);
                }
                Err(Over::Error(error))
            }
        }
    }

    fn rollback(&mut self, who: usize, levels: u32) -> Done {
        let actor = &mut self.actors[who];
        let Some(txn) = &mut actor.txn else { return Ok(()) };
        let level = actor.session.level().saturating_sub(levels);
        actor.session.rollback_to(level).map_err(Over::Error)?;
        if level == 0 {
            actor.txn = None;
            return Ok(());
        }
        while txn.levels.len() >= usize::try_from(level).unwrap_or(usize::MAX) {
            txn.changes.truncate(txn.levels.pop().unwrap_or(0));
        }
        Ok(())
    }

    /// The state a session sees, its own changes apart.
    fn seen<'s>(&'s self, truth: &'s Truth, who: usize) -> (&'s State, &'s [Change]) {
        match &self.actors[who].txn {
            Some(txn) => (&txn.snapshot, &txn.changes),
            None => (truth.newest(), &[]),
        }
    }

    /// The tree that a session knows under a name.
    fn tree(&self, truth: &Truth, who: usize, place: Place) -> Option<u64> {
        let (state, changes) = self.seen(truth, who);
        let mut names = state.attached(place.database)?.names.clone();
        for change in changes.iter().filter(|change| change.database == place.database) {
            match &change.what {
                What::Create(name) => drop(names.insert(name.clone(), change.tree)),
                What::Drop => names.retain(|_, tree| *tree != change.tree),
                What::Rename(name) => {
                    names.retain(|_, tree| *tree != change.tree);
                    names.insert(name.clone(), change.tree);
                }
                _ => {}
            }
        }
        names.get(NAMES[place.name]).copied()
    }

    fn id(&self, database: usize, tree: u64) -> Option<TreeId> {
        let attachment = *self.attachments.get(&database)?;
        Some(TreeId { attachment, number: TreeNo(tree) })
    }

    /// The row that a session sees.
    fn row(
        &self,
        truth: &Truth,
        who: usize,
        place: Place,
        tree: u64,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, Over> {
        let (state, changes) = self.seen(truth, who);
        let rows = state.attached(place.database).and_then(|database| database.trees.get(&tree));
        let mut row = rows.and_then(|rows| rows.get(key)).cloned();
        let own = changes.iter().filter(|change| (change.database, change.tree) == (place.database, tree));
        for change in own.filter(|change| change.what.key() == Some(key)) {
            row = change.what.on(row).map_err(Over::Broken)?;
        }
        Ok(row)
    }

    fn get(&self, truth: &Truth, who: usize, place: Place, key: usize) -> Done {
        let Some(tree) = self.tree(truth, who, place) else { return Ok(()) };
        let Some(id) = self.id(place.database, tree) else { return Ok(()) };
        let key = name_of(key);
        let got = self.actors[who].session.get(id, &key).map_err(Over::Error)?.map(|value| value.to_vec());
        let want = self.row(truth, who, place, tree, &key)?;
        if got == want {
            return Ok(());
        }
        let len = |value: &Option<Vec<u8>>| value.as_ref().map(Vec::len);
        let what = format!("get {key:x?} gave {:?} bytes, want {:?}, or others", len(&got), len(&want));
        Err(Over::Broken(what))
    }

    fn scan(&self, truth: &Truth, who: usize, place: Place) -> Done {
        let Some(&at) = self.attachments.get(&place.database) else { return Ok(()) };
        let session = &self.actors[who].session;
        if self.seen(truth, who).0.attached(place.database).is_none() || self.actors[who].txn.is_none() {
            return Ok(());
        }
        let want = self.tree(truth, who, place);
        let found = session.find_tree(at, NAMES[place.name]).map_err(Over::Error)?;
        if found.map(|tree| tree.number.0) != want {
            return Err(Over::Broken(format!(
                "the name {:?} led to {found:?}, not {want:?}",
                NAMES[place.name]
            )));
        }
        let Some(id) = found else { return Ok(()) };
        let mut count = 0;
        let mut scan = session.scan(id, (Bound::Unbounded, Bound::Unbounded)).map_err(Over::Error)?;
        while let Some((key, value)) = scan.next().map_err(Over::Error)? {
            count += 1;
            if self.row(truth, who, place, id.number.0, key)?.as_deref() != Some(&value) {
                return Err(Over::Broken(format!("a scan met a wrong row at {key:x?}")));
            }
        }
        let mut keys: std::collections::BTreeSet<Vec<u8>> = std::collections::BTreeSet::new();
        let (state, changes) = self.seen(truth, who);
        let rows = state.attached(place.database).and_then(|database| database.trees.get(&id.number.0));
        keys.extend(rows.into_iter().flat_map(|rows| rows.keys().cloned()));
        keys.extend(changes.iter().filter_map(|change| change.what.key()).map(<[u8]>::to_vec));
        let mut want = 0;
        for key in keys {
            want += usize::from(self.row(truth, who, place, id.number.0, &key)?.is_some());
        }
        if count == want { Ok(()) } else { Err(Over::Broken(format!("a scan gave {count} rows of {want}"))) }
    }

    fn create(&mut self, truth: &mut Truth, who: usize, place: Place) -> Done {
        let is_seen = self.seen(truth, who).0.attached(place.database).is_some();
        let (Some(&at), true) = (self.attachments.get(&place.database), is_seen) else { return Ok(()) };
        let name = NAMES[place.name].to_owned();
        let made = self.actors[who].session.create_tree(at, &name);
        let tree = made.as_ref().map_or_else(|_| self.unheard(), |tree| tree.number.0);
        let change = Change { database: place.database, tree, what: What::Create(name) };
        self.written(truth, who, change, made.map(|_| true))
    }

    /// A statement that changes a row, or drops or renames a tree.
    fn write(&mut self, truth: &mut Truth, who: usize, act: &Act) -> Done {
        let (place, key) = match act {
            Act::Put(place, key, ..) | Act::Delete(place, key) | Act::Add(place, key, ..) => (*place, *key),
            Act::Drop(place) | Act::Rename(place, _) => (*place, 0),
            _ => return Ok(()),
        };
        let Some(tree) = self.tree(truth, who, place) else { return Ok(()) };
        let Some(id) = self.id(place.database, tree) else { return Ok(()) };
        let key = name_of(key);
        let present = self.row(truth, who, place, tree, &key)?;
        let value = match act {
            Act::Put(_, _, length, _) => self.value(*length),
            _ => Vec::new(),
        };
        let session = &mut self.actors[who].session;
        let (what, done) = match act {
            Act::Put(_, _, _, how) => {
                let done = session.put(id, &key, &value, *how);
                let is_wrong = match (how, &done) {
                    (Put::Insert, Ok(_)) => present.is_some(),
                    (Put::Replace, Ok(done)) => present.is_some() != *done,
                    (Put::Upsert, Ok(done)) => !done,
                    (_, Err(_)) => false,
                };
                if is_wrong {
                    let what =
                        format!("{how:?} answered {done:?} with a row of {:?}", present.map(|row| row.len()));
                    return Err(Over::Broken(what));
                }
                (What::Put(key, value), done)
            }
            Act::Delete(..) => {
                let done = session.delete(id, &key, Delete::IfPresent);
                if done.as_ref().is_ok_and(|existed| *existed != present.is_some()) {
                    return Err(Over::Broken(format!("delete of {key:x?} answered {done:?}")));
                }
                (What::Delete(key), done)
            }
            Act::Add(_, _, at, by) => {
                if session.level() == 0 || present.is_none_or(|row| row.len() < at + 8) {
                    return Ok(());
                }
                let offset = u32::try_from(*at).expect("it is small");
                let done = session.add(id, &key, offset, Delta::I64(*by)).map(|()| true);
                (What::Add(key, *at, *by), done)
            }
            Act::Drop(_) => (What::Drop, session.drop_tree(id).map(|()| true)),
            // To its own name: nothing is done, and nothing is waited for.
            Act::Rename(_, to) if *to == place.name => return Ok(()),
            Act::Rename(_, to) => {
                (What::Rename(NAMES[*to].to_owned()), session.rename_tree(id, NAMES[*to]).map(|()| true))
            }
            _ => return Ok(()),
        };
        self.written(truth, who, Change { database: place.database, tree, what }, done)
    }

    /// Notes what a statement has changed, in the transaction or, at level 0, in the databases.
    fn written(
        &mut self,
        truth: &mut Truth,
        who: usize,
        change: Change,
        done: ese_base::Result<bool>,
    ) -> Done {
        let actor = &mut self.actors[who];
        match (done, &mut actor.txn) {
            (Ok(true), Some(txn)) => txn.changes.push(change),
            (Ok(true), None) => {
                let after = truth.newest().after(&[change]).map_err(Over::Broken)?;
                truth.push(after);
                if actor.durability == Durability::Sync {
                    truth.promise();
                }
            }
            (Ok(false), _) => {}
            (Err(error), Some(_)) => return Err(Over::Error(error)),
            (Err(error), None) => {
                if !is_refusal(&error, true)
                    && let Ok(after) = truth.newest().after(&[change])
                {
                    truth.push(after);
                }
                return Err(Over::Error(error));
            }
        }
        Ok(())
    }

    fn value(&self, length: usize) -> Vec<u8> {
        let mut value = self.values.next().to_le_bytes().to_vec();
        let filling = u8::try_from(self.values.below(256)).expect("it is below 256");
        value.resize(length.max(8), filling);
        value
    }

    /// A database is made, attached or detached.
    pub(super) fn database(&mut self, truth: &mut Truth, number: usize, fate: Fate) -> Done {
        let name = DATABASES[number];
        let known = truth.newest().databases.get(&number).cloned();
        let (after, done) = match fate {
            Fate::Create => {
                let after = known.is_none().then(|| (Standing::Attached, Arc::default()));
                let was_there = truth.perhaps.contains(&number);
                if known.is_none() {
                    truth.perhaps.insert(number);
                }
                let done = self.engine.create_database(name).map(drop);
                if let Err(error) = &done
                    && error.kind() == ErrorKind::DatabaseDuplicate
                    && (known.is_some() || was_there)
                {
                    return Ok(());
                }
                (after, done)
            }
            Fate::Attach => {
                let after = truth.loose(number).map(|database| (Standing::Attached, database));
                let done = self.engine.attach_database(name).map(drop);
                if let Err(error) = &done {
                    let is_fine = match error.kind() {
                        ErrorKind::DatabaseNotFound => known.is_none(),
                        ErrorKind::DatabaseAttached => matches!(known, Some((Standing::Attached, _))),
                        _ => false,
                    };
                    if is_fine {
                        return Ok(());
                    }
                }
                (after, done)
            }
            Fate::Detach => {
                let Some((Standing::Attached, database)) = known else { return Ok(()) };
                let at = self.attachments[&number];
                (Some((Standing::Detached, database)), self.engine.detach_database(at))
            }
        };
        self.know_attachments();
        let after = after.map(|database| {
            let mut after = truth.newest().clone();
            after.databases.insert(number, database);
            after
        });
        match (done, after) {
            (Ok(()), Some(after)) => {
                truth.perhaps.remove(&number);
                truth.push(after);
                truth.promise();
                Ok(())
            }
            (Ok(()), None) => {
                Err(Over::Broken(format!("{fate:?} of {name:?} went well, and could not have")))
            }
            (Err(error), Some(after)) if !is_refusal(&error, false) => {
                truth.push(after);
                // What of it was done is seen at the next start.
                Err(Over::Fatal(error))
            }
            (Err(error), _) => Err(Over::Error(error)),
        }
    }
}

/// The key of a row: short ones, and some as long as a small page takes.
fn name_of(key: usize) -> Vec<u8> {
    let mut name = format!("{key:03}").into_bytes();
    if key % 7 == 5 {
        name.resize(900, b'k');
    }
    name
}
