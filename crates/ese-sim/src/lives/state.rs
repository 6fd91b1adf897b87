//! What the databases hold, as the driver knows it: plain maps, of which a copy costs nearly nothing.

use super::plan::DATABASES;
use ese_base::ErrorKind;
use ese_core::{Engine, Mode, SessionOptions};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// Rows of a tree.
pub(super) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// One database.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Database {
    /// The numbers of its trees, by name.
    pub(super) names: BTreeMap<String, u64>,
    pub(super) trees: BTreeMap<u64, Arc<Rows>>,
}

/// Whether the instance has a database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    Attached,
    Detached,
}

/// All databases, by their number in the plan. Number 0 is the main one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct State {
    pub(super) databases: BTreeMap<usize, (Standing, Arc<Database>)>,
}

/// A change of one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) database: usize,
    pub(super) tree: u64,
    pub(super) what: What,
}

/// What is changed in a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    /// To the number of eight bytes at that place of the value.
    Add(Vec<u8>, usize, i64),
    Create(String),
    Drop,
    Rename(String),
}

impl What {
    /// The row that is changed.
    pub(super) fn key(&self) -> Option<&[u8]> {
        match self {
            What::Put(key, _) | What::Delete(key) | What::Add(key, ..) => Some(key),
            What::Create(_) | What::Drop | What::Rename(_) => None,
        }
    }

    /// What a row is after this change of it.
    pub(super) fn on(&self, row: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, String> {
        match (self, row) {
            (What::Put(_, value), _) => Ok(Some(value.clone())),
            (What::Delete(_), _) => Ok(None),
            (What::Add(_, at, by), Some(mut row)) => {
                let place = row.get_mut(*at..*at + 8).ok_or("an add went beyond its value")?;
                let old = i64::from_le_bytes((&*place).try_into().map_err(|_| "eight bytes are a number")?);
                place.copy_from_slice(&old.wrapping_add(*by).to_le_bytes());
                Ok(Some(row))
            }
            (What::Add(..), None) => Err("an add went to a row that is not there".to_owned()),
            (_, row) => Ok(row),
        }
    }
}

impl Database {
    /// Its trees by name.
    fn named(&self) -> impl Iterator<Item = (&str, Option<&Arc<Rows>>)> {
        self.names.iter().map(|(name, tree)| (name.as_str(), self.trees.get(tree)))
    }

    /// Does a change; an error says what the engine should not have let happen.
    pub(super) fn apply(&mut self, tree: u64, what: &What) -> Result<(), String> {
        match what {
            What::Create(name) => {
                if self.names.insert(name.clone(), tree).is_some() || self.trees.contains_key(&tree) {
                    return Err(format!("tree {name} (number {tree}) was made twice"));
                }
                self.trees.insert(tree, Arc::default());
            }
            What::Drop => {
                self.trees.remove(&tree).ok_or(format!("tree {tree} was dropped and is not there"))?;
                self.names.retain(|_, number| *number != tree);
            }
            What::Rename(name) => {
                self.names.retain(|_, number| *number != tree);
                if self.names.insert(name.clone(), tree).is_some() {
                    return Err(format!("two trees are called {name}"));
                }
            }
            What::Put(key, _) | What::Delete(key) | What::Add(key, ..) => {
                let rows =
                    self.trees.get_mut(&tree).ok_or(format!("a change of tree {tree}, which is gone"))?;
                let rows = Arc::make_mut(rows);
                let row = rows.remove(key);
                if let Some(value) = what.on(row)? {
                    rows.insert(key.clone(), value);
                }
            }
        }
        Ok(())
    }
}

impl State {
    /// The database, while it is attached.
    pub(super) fn attached(&self, database: usize) -> Option<&Arc<Database>> {
        match self.databases.get(&database) {
            Some((Standing::Attached, database)) => Some(database),
            _ => None,
        }
    }

    /// The state after these changes.
    pub(super) fn after(&self, changes: &[Change]) -> Result<State, String> {
        let mut state = self.clone();
        for Change { database, tree, what } in changes {
            match state.databases.get_mut(database) {
                Some((Standing::Attached, database)) => Arc::make_mut(database).apply(*tree, what)?,
                _ => return Err(format!("a change of database {database}, which is not attached")),
            }
        }
        Ok(state)
    }

    /// Whether the attached databases are the same, and everything in them but the numbers of trees, of which not every
    /// one was heard.
    pub(super) fn looks_like(&self, other: &State) -> bool {
        let attached = |state: &State| -> Vec<(usize, Arc<Database>)> {
            let all = state.databases.iter().filter(|(_, (standing, _))| *standing == Standing::Attached);
            all.map(|(number, (_, database))| (*number, Arc::clone(database))).collect()
        };
        let (own, others) = (attached(self), attached(other));
        let mut pairs = own.iter().zip(&others);
        own.len() == others.len()
            && pairs.all(|((a, own), (b, other))| a == b && own.named().eq(other.named()))
    }

    /// How a state differs from this one, in a few words.
    pub(super) fn difference(&self, found: &State) -> String {
        for (number, (standing, want)) in &self.databases {
            let Some(got) = found.attached(*number) else {
                if *standing == Standing::Attached {
                    return format!("database {number} is not attached");
                }
                continue;
            };
            if *standing == Standing::Detached {
                return format!("database {number} is attached");
            }
            if !want.names.keys().eq(got.names.keys()) {
                return format!("database {number}: trees {:?}, want {:?}", got.names, want.names);
            }
            for ((name, want), (_, got)) in want.named().zip(got.named()) {
                let (Some(want), Some(got)) = (want, got) else { return format!("no tree {number}/{name}") };
                for key in want.keys().chain(got.keys()) {
                    if want.get(key) != got.get(key) {
                        let show = |rows: &Rows| rows.get(key).map(|value| Shown(value).to_string());
                        let (got, want) = (show(got), show(want));
                        return format!("row {number}/{name} {key:x?}: {got:?}, want {want:?}");
                    }
                }
            }
        }
        match found.databases.keys().find(|number| !self.databases.contains_key(number)) {
            Some(number) => format!("database {number} is there"),
            None => "nothing".to_owned(),
        }
    }
}

/// What an engine holds, read row by row.
pub(super) fn look(engine: &dyn Engine) -> ese_base::Result<State> {
    let mut state = State::default();
    let mut session = engine.session(SessionOptions::default())?;
    session.begin(Mode::ReadOnly)?;
    for (at, name) in engine.databases() {
        let number = DATABASES.iter().position(|known| *known == name);
        let number = number.unwrap_or_else(|| panic!("nobody made the database {name:?}"));
        let mut database = Database::default();
        for name in session.tree_names(at)? {
            let tree = session.find_tree(at, &name)?.ok_or(ErrorKind::ObjectNotFound)?;
            let rows = crate::rows::both_ways(&*session, tree)?;
            database.names.insert(name, tree.number.0);
            database.trees.insert(tree.number.0, Arc::new(rows.into_iter().collect()));
        }
        state.databases.insert(number, (Standing::Attached, Arc::new(database)));
    }
    session.rollback_to(0)?;
    Ok(state)
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: BTreeMap<_, _> = self.trees.iter().map(|(tree, rows)| (tree, rows.len())).collect();
        write!(f, "trees {:?}, rows {rows:?}", self.names)
    }
}

/// A value, shortened.
struct Shown<'v>(&'v [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let front = &self.0[..self.0.len().min(24)];
        write!(f, "{} bytes {front:x?}", self.0.len())
    }
}
