//! Statements about the engine as a whole: settings, background work, databases, figures.

use super::{stage::Stage, text};
use crate::reference;
use ese_base::{ErrorKind, Result};
use ese_core::{Options, Put, SessionOptions, Stats, Step};
use std::time::Duration;

/// How many steps a case may wait for.
const STEPS_MAX: u32 = 100_000;

/// Takes settings as `levels_max=7 version_store=1M`.
///
/// # Panics
/// When a setting is none.
pub(super) fn settings(options: &mut Options, settings: &[&str]) {
    for setting in settings {
        let (name, value) = setting.split_once('=').unwrap_or_else(|| panic!("{setting:?}: name=value"));
        let value = size(value);
        let small = || u32::try_from(value).unwrap_or_else(|error| panic!("{setting:?}: {error}"));
        match name {
            "levels_max" => options.levels_max = Some(small()),
            "sessions_max" => options.sessions_max = small(),
            "version_store" => options.version_store_bytes = value,
            "generation" => options.generation_bytes = value,
            "merge_rows" => options.merge_rows = value,
            "detach_wait_ms" => options.detach_wait = Duration::from_millis(value),
            _ => panic!("{setting:?}: no such setting"),
        }
    }
}

/// A number, with `K` or `M` behind it.
fn size(text: &str) -> u64 {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    digits.parse::<u64>().unwrap_or_else(|error| panic!("{text:?}: {error}")) * unit
}

/// Runs a statement; false: it is none of these.
pub(super) fn run(stage: &mut Stage, words: &[&str]) -> Result<bool> {
    match *words {
        ["rows", tree, ref rows @ ..] => put_rows(stage, tree, rows)?,
        ["fill", tree, count, size] => fill(stage, tree, count, size)?,
        ["step"] => steps(stage, 1)?,
        ["step", "until", what] => step_until(stage, what)?,
        ["step", count] => steps(stage, number(count))?,
        ["merge"] => stage.engine.merge()?,
        ["request_merge"] => stage.engine.request_merge(),
        ["advance_ms", ms] => stage.clock.advance(Duration::from_millis(u64::from(number(ms)))),
        ["check"] => {
            for fault in stage.engine.check()? {
                stage.print(format!("check: {fault}"));
            }
        }
        ["stats", ref fields @ ..] => {
            let stats = stage.engine.stats();
            let shown: Vec<String> =
                fields.iter().map(|field| format!("{field}: {}", figure(&stats, field))).collect();
            stage.print(shown.join(", "));
        }
        ["databases"] => {
            let names: Vec<String> = stage.engine.databases().into_iter().map(|(_, name)| name).collect();
            stage.print(names.join(" "));
        }
        ["create_database", name] => {
            let at = stage.engine.create_database(&String::from_utf8_lossy(&text::bytes(name)))?;
            stage.databases.insert(name.to_owned(), at);
        }
        ["attach", name] => {
            let at = stage.engine.attach_database(name)?;
            stage.databases.insert(name.to_owned(), at);
        }
        ["detach", name] => {
            let (at, _) = stage.place(&format!("{name}/"));
            stage.engine.detach_database(at)?;
        }
        ["close"] => stage.engine.close()?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Puts rows (`a=1 b=2`), each in a transaction of its own.
fn put_rows(stage: &Stage, tree: &str, rows: &[&str]) -> Result<()> {
    let tree = stage.tree(tree);
    let mut session = stage.engine.session(SessionOptions::default())?;
    for row in rows {
        let (key, value) = row.split_once('=').unwrap_or_else(|| panic!("{row:?}: key=value"));
        session.put(tree, &text::bytes(key), &text::bytes(value), Put::Upsert)?;
    }
    Ok(())
}

/// Puts rows `0000`, `0001`, … of a size, each in a transaction of its own.
fn fill(stage: &Stage, tree: &str, count: &str, size: &str) -> Result<()> {
    let tree = stage.tree(tree);
    let value = vec![b'.'; usize::try_from(number(size)).expect("a size is a length")];
    let mut session = stage.engine.session(SessionOptions::default())?;
    for row in 0..number(count) {
        session.put(tree, format!("{row:04}").as_bytes(), &value, Put::Upsert)?;
    }
    Ok(())
}

fn steps(stage: &mut Stage, count: u32) -> Result<()> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(format!("{:?}", stage.engine.step()?));
    }
    stage.print(taken.join(" "));
    Ok(())
}

/// Steps until a step did what is named (`Sealed`, `Merged`, `Published`, `Freed`, `Idle`). Nothing to do for an engine
/// without background work: what sessions see is the same.
fn step_until(stage: &mut Stage, what: &str) -> Result<()> {
    if stage.engine.stats().backend == reference::BACKEND {
        return Ok(());
    }
    let wanted = [Step::Idle, Step::Sealed, Step::Waited, Step::Merged, Step::Published, Step::Freed];
    let wanted = wanted.into_iter().find(|step| format!("{step:?}") == what);
    let wanted = wanted.unwrap_or_else(|| panic!("{what:?}: no such step"));
    for _ in 0..STEPS_MAX {
        if stage.engine.step()? == wanted {
            return Ok(());
        }
    }
    stage.print(format!("no step was {what}"));
    Ok(())
}

/// A figure by its name.
fn figure(stats: &Stats, field: &str) -> u64 {
    match field {
        "sessions" => stats.sessions,
        "transactions" => stats.transactions,
        "commits" => stats.commits,
        "rollbacks" => stats.rollbacks,
        "conflicts" => stats.conflicts,
        "generations" => stats.generations,
        "window_entries" => stats.window_entries,
        "views" => stats.views,
        "merges" => stats.merges,
        "merged_rows" => stats.merged_rows,
        "backlog_rows" => stats.backlog_rows,
        "reader_held_bytes" => stats.reader_held_bytes,
        "version_store_bytes" => stats.version_store_bytes,
        _ => panic!("{field:?}: {:?}", ErrorKind::InvalidParameter),
    }
}
