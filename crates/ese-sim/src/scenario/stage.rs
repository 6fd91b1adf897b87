//! What a case works with: its engine, its clock, its sessions, and the names of trees and databases.

use super::{Factory, case::Case, cursor_word, engine_word, session_word};
use crate::{reference, rows};
use ese_base::{AttachmentNo, Error, ErrorKind, Result, TreeId, TreeNo, clock::ManualClock};
use ese_core::{Background, CursorPos, Engine, Options, Session, SessionOptions};
use std::{collections::BTreeMap, sync::Arc};

/// A case that is running.
pub(super) struct Stage {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) sessions: BTreeMap<String, Box<dyn Session>>,
    pub(super) cursors: BTreeMap<(String, String), CursorPos>,
    trees: BTreeMap<String, TreeId>,
    pub(super) databases: BTreeMap<String, AttachmentNo>,
    pub(super) printed: Vec<String>,
}

/// Runs a case and returns what it printed; `None` when the engine lacks what the case needs.
///
/// # Panics
/// When the scenario is not one, with file and line.
pub(super) fn perform(case: &Case, file: &str, start: Factory<'_>) -> Option<Vec<String>> {
    let mut options = Options { background: Background::Manual, ..Options::default() };
    let mut needs_merges = false;
    let mut statements = Vec::new();
    for (line, text) in case.statements() {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["needs", "merges"] => needs_merges = true,
            ["engine", ref settings @ ..] => engine_word::settings(&mut options, settings),
            _ => statements.push((line, text, words)),
        }
    }
    let mut stage =
        Stage::new(options, start).unwrap_or_else(|error| panic!("{file}:{}: {error}", case.line));
    if needs_merges && stage.engine.stats().backend == reference::BACKEND {
        return None;
    }
    for (line, text, words) in statements {
        let place = format!("{file}:{line}: {text}");
        if let Err(error) = stage.statement(&words, &place) {
            let shown = show(&error);
            stage.print(format!("{text}: {shown}"));
        }
    }
    Some(stage.finish())
}

/// An error as scenarios print it. For the kinds that can have another reason it tells that another transaction is it.
pub(super) fn show(error: &Error) -> String {
    let may_be_other = matches!(error.kind(), ErrorKind::KeyDuplicate | ErrorKind::TreeDuplicate);
    let concurrent = if error.is_concurrent() && may_be_other { " (concurrent)" } else { "" };
    format!("{:?} {}{concurrent}", error.kind(), error.jet_err())
}

impl Stage {
    fn new(options: Options, start: Factory<'_>) -> Result<Self> {
        let clock = Arc::new(ManualClock::default());
        let engine = start(options, Arc::clone(&clock) as _)?;
        let main = engine.main_database();
        let mut session = engine.session(SessionOptions::default())?;
        let tree = session.create_tree(main, "t")?;
        drop(session);
        Ok(Stage {
            engine,
            clock,
            sessions: BTreeMap::new(),
            cursors: BTreeMap::new(),
            trees: BTreeMap::from([("t".to_owned(), tree)]),
            databases: BTreeMap::from([("main".to_owned(), main)]),
            printed: Vec::new(),
        })
    }

    pub(super) fn print(&mut self, line: impl Into<String>) {
        self.printed.push(line.into().trim_end().to_owned());
    }

    fn statement(&mut self, words: &[&str], place: &str) -> Result<()> {
        match *words {
            [who, ref words @ ..] if is_session(who) => {
                self.admit(who)?;
                if session_word::run(self, who, words)? || cursor_word::run(self, who, words)? {
                    return Ok(());
                }
            }
            _ if engine_word::run(self, words)? => return Ok(()),
            _ => {}
        }
        panic!("{place}: not a statement")
    }

    /// Begins a session that is named for the first time.
    fn admit(&mut self, who: &str) -> Result<()> {
        if !self.sessions.contains_key(who) {
            let options = SessionOptions { name: who.to_owned(), ..SessionOptions::default() };
            let session = self.engine.session(options)?;
            self.sessions.insert(who.to_owned(), session);
        }
        Ok(())
    }

    pub(super) fn session(&mut self, who: &str) -> &mut Box<dyn Session> {
        self.sessions.get_mut(who).expect("a session is admitted before its statement")
    }

    /// The database and the name of `name` or `database/name`.
    pub(super) fn place<'w>(&self, word: &'w str) -> (AttachmentNo, &'w str) {
        let (database, name) = word.split_once('/').unwrap_or(("main", word));
        let at = self.databases.get(database).copied();
        (at.unwrap_or_else(|| panic!("no database is called {database:?}")), name)
    }

    /// The tree that a word stands for; one that was never made stands for none.
    pub(super) fn tree(&self, word: &str) -> TreeId {
        let none = || TreeId { attachment: self.place(word).0, number: TreeNo(u64::MAX) };
        self.trees.get(word).copied().unwrap_or_else(none)
    }

    pub(super) fn name_tree(&mut self, word: &str, tree: TreeId) {
        self.trees.insert(word.to_owned(), tree);
    }

    /// Ends a case: everything open is rolled back, and the engine is looked at as a whole.
    fn finish(mut self) -> Vec<String> {
        self.sessions.clear();
        match self.inspect() {
            // A case may close its engine.
            Err(error) if error.kind() == ErrorKind::NotInitialized => {}
            Err(error) => self.print(format!("at the end: {}", show(&error))),
            Ok(()) => {}
        }
        self.printed
    }

    fn inspect(&mut self) -> Result<()> {
        let before = rows::all(&*self.engine)?;
        let faults = self.engine.check()?;
        self.engine.merge()?;
        let after = rows::all(&*self.engine)?;
        if before != after {
            self.print(format!("the merge changed the rows\nbefore: {before:?}\nafter: {after:?}"));
        }
        for fault in faults.into_iter().chain(self.engine.check()?) {
            self.print(format!("check: {fault}"));
        }
        self.engine.close()
    }
}

/// Sessions are called s1, s2, …
fn is_session(word: &str) -> bool {
    word.strip_prefix('s').is_some_and(|number| number.parse::<u32>().is_ok())
}
