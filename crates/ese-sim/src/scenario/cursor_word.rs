//! Statements that walk: scans from either end, and cursors (one per session and tree).

use super::{session_word::row, stage::Stage, text};
use ese_base::Result;
use ese_core::{KeyRange, Move};
use std::ops::Bound;

/// Runs a statement; false: it is none of these.
pub(super) fn run(stage: &mut Stage, who: &str, words: &[&str]) -> Result<bool> {
    match *words {
        ["scan", tree] => scan(stage, who, tree, "..", Ends::Front)?,
        ["scan", tree, "rev"] => scan(stage, who, tree, "..", Ends::Back)?,
        ["scan", tree, "both"] => scan(stage, who, tree, "..", Ends::Alternate)?,
        ["scan", tree, range] => scan(stage, who, tree, range, Ends::Front)?,
        ["scan", tree, range, "rev"] => scan(stage, who, tree, range, Ends::Back)?,
        ["scan", tree, range, "both"] => scan(stage, who, tree, range, Ends::Alternate)?,
        ["seek_ge", tree, key] => step(stage, who, tree, Move::SeekGe(&text::bytes(key)))?,
        ["seek_le", tree, key] => step(stage, who, tree, Move::SeekLe(&text::bytes(key)))?,
        ["first", tree] => step(stage, who, tree, Move::First)?,
        ["last", tree] => step(stage, who, tree, Move::Last)?,
        ["next", tree] => step(stage, who, tree, Move::Next)?,
        ["prev", tree] => step(stage, who, tree, Move::Prev)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Which ends a scan takes rows from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Front,
    Back,
    /// Front, back, front, …
    Alternate,
}

/// The bounds of `a..b`, `a..=b`, `..b`, `a..`; `a<..` begins behind `a`.
fn range(word: &str) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let (from, to) = word.split_once("..").unwrap_or_else(|| panic!("{word:?}: a range has two dots"));
    let from = match (from, from.strip_suffix('<')) {
        ("", _) => Bound::Unbounded,
        (_, Some(key)) => Bound::Excluded(text::bytes(key)),
        (key, None) => Bound::Included(text::bytes(key)),
    };
    let to = match (to, to.strip_prefix('=')) {
        ("", _) => Bound::Unbounded,
        (_, Some(key)) => Bound::Included(text::bytes(key)),
        (key, None) => Bound::Excluded(text::bytes(key)),
    };
    (from, to)
}

fn scan(stage: &mut Stage, who: &str, tree: &str, bounds: &str, ends: Ends) -> Result<()> {
    let tree = stage.tree(tree);
    let (from, to) = range(bounds);
    let range: KeyRange<'_> = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
    let mut rows = Vec::new();
    let mut scan = stage.session(who).scan(tree, range)?;
    let mut from_back = ends == Ends::Back;
    while let Some((key, value)) = if from_back { scan.next_back()? } else { scan.next()? } {
        rows.push(format!("{}={}", text::word(key), text::word(&value)));
        from_back ^= ends == Ends::Alternate;
    }
    // Once an end has come, both ends have.
    assert!(scan.next()?.is_none() && scan.next_back()?.is_none(), "a scan went on after its end");
    drop(scan);
    stage.print(if rows.is_empty() { "(no rows)".to_owned() } else { rows.join(" ") });
    Ok(())
}

fn step(stage: &mut Stage, who: &str, word: &str, how: Move<'_>) -> Result<()> {
    let tree = stage.tree(word);
    let name = (who.to_owned(), word.to_owned());
    let mut at = stage.cursors.get(&name).cloned().unwrap_or_default();
    let value = stage.session(who).step(tree, &mut at, how)?;
    let printed = value.map_or_else(|| "no row".to_owned(), |value| row(&at.key, Some(&value)));
    stage.cursors.insert(name, at);
    stage.print(printed);
    Ok(())
}
