//! Statements of a session: levels, reads, writes, counters, locks, trees.

use super::{stage::Stage, text};
use ese_base::{Result, Value};
use ese_core::{Delete, Delta, Durability, LockMode, Mode, Put, Session, SessionOptions};

/// Runs a statement; false: it is none of these.
pub(super) fn run(stage: &mut Stage, who: &str, words: &[&str]) -> Result<bool> {
    Ok(levels(stage, who, words)?
        || rows(stage, who, words)?
        || counters(stage, who, words)?
        || trees(stage, who, words)?)
}

fn levels(stage: &mut Stage, who: &str, words: &[&str]) -> Result<bool> {
    let session = stage.session(who);
    match *words {
        ["begin"] => drop(session.begin(Mode::ReadWrite)?),
        ["begin", "ro"] => drop(session.begin(Mode::ReadOnly)?),
        ["commit"] => drop(session.commit(Durability::Sync)?),
        ["commit", "lazy"] => drop(session.commit(Durability::Lazy)?),
        ["commit", "named"] => commit_named(stage, who)?,
        ["rollback"] => {
            let level = session.level();
            session.rollback_to(level.saturating_sub(1))?;
        }
        ["rollback", level] => session.rollback_to(number(level))?,
        ["level"] => {
            let level = session.level();
            stage.print(format!("level {level}"));
        }
        ["conflict_recorded"] => {
            let recorded = if session.conflict_recorded() { "yes" } else { "no" };
            stage.print(format!("conflict recorded: {recorded}"));
        }
        ["durability", "lazy"] => {
            let options = SessionOptions { durability: Durability::Lazy, ..session.options().clone() };
            session.set_options(options);
        }
        ["begin_session"] => {}
        ["end_session"] => drop(stage.sessions.remove(who)),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Commits, tells whether the commit has a name, and waits for its durability if so.
fn commit_named(stage: &mut Stage, who: &str) -> Result<()> {
    let commit = stage.session(who).commit(Durability::Lazy)?;
    stage.print(if commit.is_some() { "commit: named" } else { "commit: nothing to log" });
    commit.map_or(Ok(()), |commit| stage.engine.wait_durable(commit))
}

fn number<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// A read row, printed: `a: 1`.
pub(super) fn row(key: &[u8], value: Option<&Value<'_>>) -> String {
    let value = value.map_or_else(|| "none".to_owned(), |value| text::word(value));
    format!("{}: {value}", text::word(key))
}

fn rows(stage: &mut Stage, who: &str, words: &[&str]) -> Result<bool> {
    let tree = words.get(1).map(|word| stage.tree(word));
    let key = words.get(2).map(|word| text::bytes(word));
    let (Some(tree), Some(key)) = (tree, key) else { return Ok(false) };
    let session = stage.session(who);
    let mut put = |value: &str, how| session.put(tree, &key, &text::bytes(value), how);
    let done = match *words {
        ["put", _, _, value] => put(value, Put::Upsert)?,
        ["insert", _, _, value] => put(value, Put::Insert)?,
        ["update", _, _, value] => put(value, Put::Replace)?,
        ["delete", _, _] => session.delete(tree, &key, Delete::IfPresent)?,
        ["delete_blind", _, _] => session.delete(tree, &key, Delete::Blind)?,
        ["lock", _, _, "r"] => session.lock(tree, &key, LockMode::Read).map(|()| true)?,
        ["lock", _, _, "w"] => session.lock(tree, &key, LockMode::Write).map(|()| true)?,
        ["get", _, _] => {
            let printed = row(&key, session.get(tree, &key)?.as_ref());
            stage.print(printed);
            true
        }
        ["get_many", _, ref keys @ ..] => {
            let printed = get_many(&**session, tree, keys)?;
            stage.print(printed);
            true
        }
        _ => return Ok(false),
    };
    if !done {
        stage.print(format!("{who} {}: false", words.join(" ")));
    }
    Ok(true)
}

fn get_many(session: &dyn Session, tree: ese_base::TreeId, keys: &[&str]) -> Result<String> {
    let keys: Vec<Vec<u8>> = keys.iter().map(|key| text::bytes(key)).collect();
    let borrowed: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let mut shown = vec![None; keys.len()];
    session.get_many(tree, &borrowed, &mut |index, value| {
        let before = shown[index].replace(row(&keys[index], value.as_ref()));
        assert_eq!(before, None, "get_many gave index {index} twice");
    })?;
    let shown: Option<Vec<String>> = shown.into_iter().collect();
    Ok(shown.expect("get_many gives every index").join(", "))
}

fn counters(stage: &mut Stage, who: &str, words: &[&str]) -> Result<bool> {
    let tree = words.get(1).map(|word| stage.tree(word));
    let key = words.get(2).map(|word| text::bytes(word));
    let (Some(tree), Some(key)) = (tree, key) else { return Ok(false) };
    let session = stage.session(who);
    match *words {
        ["add", _, _, place, by] => {
            let (offset, delta) = delta(place, by);
            session.add(tree, &key, offset, delta)?;
        }
        ["fetch_add", _, _, place, by] => {
            let (offset, delta) = delta(place, by);
            let old = session.fetch_add(tree, &key, offset, delta)?;
            stage.print(format!("{} was {old}", text::word(&key)));
        }
        ["get", _, _, place] => {
            let (offset, width) = text::counter(place);
            let value = session.get(tree, &key)?.map(|value| counter(&value[offset..offset + width]));
            let value = value.map_or_else(|| "none".to_owned(), |value| value.to_string());
            stage.print(format!("{}: {value}", text::word(&key)));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn delta(place: &str, by: &str) -> (u32, Delta) {
    let (offset, width) = text::counter(place);
    let delta = if width == 4 { Delta::I32(number(by)) } else { Delta::I64(number(by)) };
    (u32::try_from(offset).expect("an offset is small"), delta)
}

fn counter(bytes: &[u8]) -> i64 {
    match bytes.len() {
        4 => i64::from(i32::from_le_bytes(bytes.try_into().expect("four bytes"))),
        _ => i64::from_le_bytes(bytes.try_into().expect("eight bytes")),
    }
}

fn trees(stage: &mut Stage, who: &str, words: &[&str]) -> Result<bool> {
    let name = |text: &str| String::from_utf8(text::bytes(text)).expect("names are text");
    match *words {
        ["create_tree", word] => {
            let (at, rest) = stage.place(word);
            let tree = stage.session(who).create_tree(at, &name(rest))?;
            stage.name_tree(word, tree);
        }
        ["drop_tree", word] => {
            let tree = stage.tree(word);
            stage.session(who).drop_tree(tree)?;
        }
        ["rename_tree", word, new] => {
            let tree = stage.tree(word);
            stage.session(who).rename_tree(tree, &name(new))?;
            stage.name_tree(new, tree);
        }
        ["check_write", word] => {
            let tree = stage.tree(word);
            stage.session(who).check_write(tree)?;
        }
        // Looks a name up; from then on the name stands for what was found.
        ["find", word] => {
            let (at, rest) = stage.place(word);
            let found = stage.session(who).find_tree(at, &name(rest))?;
            if let Some(tree) = found {
                stage.name_tree(word, tree);
            }
            stage.print(format!("{word}: {}", if found.is_some() { "found" } else { "none" }));
        }
        ["trees"] => {
            let (at, _) = stage.place("main/");
            let names = stage.session(who).tree_names(at)?;
            stage.print(format!("trees: {}", names.join(" ")));
        }
        ["trees", database] => {
            let (at, _) = stage.place(&format!("{database}/"));
            let names = stage.session(who).tree_names(at)?;
            stage.print(format!("trees of {database}: {}", names.join(" ")));
        }
        _ => return Ok(false),
    }
    Ok(true)
}
