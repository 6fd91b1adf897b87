//! One engine doing what a plan says.

use super::{
    plan::{HANDLES, Plan, TREES_AT_BEGIN},
    statement::{Act, End, Go, Old, Place, Statement},
};
use ese_base::{AttachmentNo, ErrorKind, Result, TreeId, TreeNo};
use ese_core::{CursorPos, Durability, Engine, KeyRange, Move, Session, SessionOptions};
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

/// A row, owned.
type Row = (Vec<u8>, Vec<u8>);

/// What an engine answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    Done,
    Level(u32),
    Was(bool),
    Number(i64),
    Value(Option<Vec<u8>>),
    Values(Vec<Option<Vec<u8>>>),
    Rows(Vec<Row>),
    At(Option<Row>),
    Names(Vec<String>),
    /// A kind of error, and whether another transaction is the reason.
    Error(ErrorKind, bool),
}

/// An engine, with its sessions and handles.
pub(super) struct Side {
    pub(super) engine: Arc<dyn Engine>,
    databases: [AttachmentNo; 2],
    sessions: Vec<Box<dyn Session>>,
    handles: [TreeId; HANDLES],
    cursors: BTreeMap<(usize, usize), CursorPos>,
}

impl Side {
    /// Takes an engine that was just started.
    pub(super) fn new(engine: Arc<dyn Engine>, plan: &Plan) -> Result<Self> {
        let databases = [engine.main_database(), engine.create_database("second")?];
        let none = TreeId { attachment: databases[0], number: TreeNo(u64::MAX) };
        let mut sessions = Vec::new();
        for _ in 0..plan.sessions {
            sessions.push(engine.session(SessionOptions::default())?);
        }
        let mut handles = [none; HANDLES];
        for (handle, (database, name)) in handles.iter_mut().zip(&plan.names).take(TREES_AT_BEGIN) {
            *handle = sessions[0].create_tree(databases[*database], name)?;
        }
        Ok(Side { engine, databases, sessions, handles, cursors: BTreeMap::new() })
    }

    /// Does a statement and says what came of it; of a session also its level and whether it recorded a conflict.
    pub(super) fn run(&mut self, statement: &Statement, plan: &Plan) -> (Answer, u32, bool) {
        let done = match statement {
            Statement::Merge => self.engine.merge().map(|()| Answer::Done),
            Statement::RequestMerge => {
                self.engine.request_merge();
                Ok(Answer::Done)
            }
            Statement::Step(count) => {
                (0..*count).try_for_each(|_| self.engine.step().map(drop)).map(|()| Answer::Done)
            }
            Statement::Session(who, act) => self.act(*who, act, plan),
        };
        let answer = done.unwrap_or_else(|error| {
            let told_apart = matches!(error.kind(), ErrorKind::KeyDuplicate | ErrorKind::TreeDuplicate);
            Answer::Error(error.kind(), told_apart && error.is_concurrent())
        });
        match statement {
            Statement::Session(who, _) => {
                (answer, self.sessions[*who].level(), self.sessions[*who].conflict_recorded())
            }
            _ => (answer, 0, false),
        }
    }

    fn act(&mut self, who: usize, act: &Act, plan: &Plan) -> Result<Answer> {
        let session = &mut self.sessions[who];
        let level = session.level();
        match act {
            Act::Begin(mode) => session.begin(*mode).map(Answer::Level),
            Act::Commit => session.commit(Durability::Lazy).map(|commit| Answer::Was(commit.is_some())),
            Act::Rollback => session.rollback_to(level.saturating_sub(1)).map(|()| Answer::Done),
            Act::RollbackAll => session.rollback_to(0).map(|()| Answer::Done),
            Act::End => {
                *session = self.engine.session(SessionOptions::default())?;
                Ok(Answer::Done)
            }
            Act::CreateTree { tree, name } => {
                let (database, name) = &plan.names[*name];
                self.handles[*tree] = session.create_tree(self.databases[*database], name)?;
                Ok(Answer::Done)
            }
            Act::DropTree(tree) => session.drop_tree(self.handles[*tree]).map(|()| Answer::Done),
            Act::RenameTree(tree, name) => {
                session.rename_tree(self.handles[*tree], &plan.names[*name].1).map(|()| Answer::Done)
            }
            Act::FindTree(name) => {
                let (database, name) = &plan.names[*name];
                session.find_tree(self.databases[*database], name).map(|tree| Answer::Was(tree.is_some()))
            }
            Act::TreeNames => {
                let mut names = session.tree_names(self.databases[0])?;
                names.extend(session.tree_names(self.databases[1])?);
                Ok(Answer::Names(names))
            }
            Act::Get(_) | Act::GetMany(..) | Act::Scan(..) | Act::Go(..) => self.read(who, act, plan),
            _ => self.write(who, act, plan),
        }
    }

    fn write(&mut self, who: usize, act: &Act, plan: &Plan) -> Result<Answer> {
        let session = &mut self.sessions[who];
        let at = |place: &Place| (self.handles[place.tree], plan.keys[place.key].as_slice());
        match act {
            Act::Put(place, value, how) => {
                let (tree, key) = at(place);
                session.put(tree, key, &plan.values[*value], *how).map(Answer::Was)
            }
            Act::Delete(place, how) => {
                let (tree, key) = at(place);
                session.delete(tree, key, *how).map(Answer::Was)
            }
            Act::Add(place, offset, delta, Old::Wanted) => {
                let (tree, key) = at(place);
                session.fetch_add(tree, key, *offset, *delta).map(Answer::Number)
            }
            Act::Add(place, offset, delta, Old::Ignored) => {
                let (tree, key) = at(place);
                session.add(tree, key, *offset, *delta).map(|()| Answer::Done)
            }
            Act::Lock(place, mode) => {
                let (tree, key) = at(place);
                session.lock(tree, key, *mode).map(|()| Answer::Done)
            }
            _ => unreachable!("{act:?} is no write"),
        }
    }

    fn read(&mut self, who: usize, act: &Act, plan: &Plan) -> Result<Answer> {
        let session = &*self.sessions[who];
        let key = |key: &usize| plan.keys[*key].as_slice();
        match act {
            Act::Get(place) => {
                let value = session.get(self.handles[place.tree], key(&place.key))?;
                Ok(Answer::Value(value.map(|value| value.to_vec())))
            }
            Act::GetMany(tree, keys) => {
                let keys: Vec<&[u8]> = keys.iter().map(key).collect();
                let mut values = vec![None; keys.len()];
                session.get_many(self.handles[*tree], &keys, &mut |index, value| {
                    values[index] = value.map(|value| value.to_vec());
                })?;
                Ok(Answer::Values(values))
            }
            Act::Scan(tree, (first, last), end) => {
                let range = (Bound::Included(key(first)), Bound::Included(key(last)));
                scan(session, self.handles[*tree], range, *end).map(Answer::Rows)
            }
            Act::Go(place, go) => {
                let at = self.cursors.entry((who, place.tree)).or_default();
                let how = match go {
                    Go::SeekGe => Move::SeekGe(key(&place.key)),
                    Go::SeekLe => Move::SeekLe(key(&place.key)),
                    Go::First => Move::First,
                    Go::Last => Move::Last,
                    Go::Next => Move::Next,
                    Go::Prev => Move::Prev,
                };
                let value = session.step(self.handles[place.tree], at, how)?.map(|value| value.to_vec());
                Ok(Answer::At(value.map(|value| (at.key.clone(), value))))
            }
            _ => unreachable!("{act:?} is no read"),
        }
    }
}

fn scan(session: &dyn Session, tree: TreeId, range: KeyRange<'_>, end: End) -> Result<Vec<Row>> {
    let (mut rows, mut from_back) = (Vec::new(), end == End::Back);
    let mut scan = session.scan(tree, range)?;
    while let Some((key, value)) = if from_back { scan.next_back()? } else { scan.next()? } {
        rows.push((key.to_vec(), value.to_vec()));
        from_back ^= end == End::Both;
    }
    Ok(rows)
}
