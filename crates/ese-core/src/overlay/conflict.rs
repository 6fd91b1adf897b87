//! Did anyone touch the row since my snapshot? Asked under the row's latch, of the current view and the window.
//!
//! Invariants:
//! - All versions of the row in the current view's generations are looked at, newest first, and always the window.
//! - A version of another transaction that is uncommitted, or committed after my snapshot, is a conflict unless its
//!   kind and mine are the same shared kind. Rolled-back and aborted ones are passed over.
//! - The walk ends at the first version of an exclusive kind that is mine or not younger than my snapshot: what lies
//!   below was settled when that one was written. Nothing is skipped by L here.

use super::{chain::Chain, chain::VersionRef, view::View};
use crate::txn::{Kind, Outcome, TxnState};
use ese_base::{CommitTs, TreeId};
use std::sync::Arc;

/// Another transaction's version of the row.
#[derive(Debug)]
pub(crate) struct Conflict {
    pub(crate) with: Arc<TxnState>,
}

enum Verdict {
    /// Look at the next older one.
    Older,
    /// Nothing below matters.
    End,
    Conflict,
}

/// Who asks.
pub(crate) struct Asker<'a> {
    pub(crate) state: &'a TxnState,
    pub(crate) snapshot: CommitTs,
    pub(crate) kind: Kind,
}

/// Looks at the versions of the row in the active generation, where it has the chain `active`, and in the others
/// numbered up to `newest` (older ones cannot hold it).
pub(crate) fn check(
    view: &View,
    tree: TreeId,
    key: &[u8],
    (active, newest): (Option<&Chain>, u32),
    asker: &Asker<'_>,
) -> Result<(), Conflict> {
    let others = view.generations[1..].iter().filter(|generation| generation.number <= newest);
    let others = others.filter_map(|generation| Some(generation.index(tree)?.get(key)?.payload()));
    for chain in active.into_iter().chain(others) {
        match walk(chain, asker) {
            Walked::On => {}
            Walked::Settled => return Ok(()),
            Walked::Met(version) => {
                return Err(Conflict { with: version.state_arc() });
            }
        }
    }
    Ok(())
}

enum Walked<'g> {
    /// To the next older generation.
    On,
    Settled,
    Met(VersionRef<'g>),
}

fn walk<'g>(chain: &'g Chain, asker: &Asker<'_>) -> Walked<'g> {
    let mut next = chain.newest();
    while let Some(version) = next {
        if version.kind().is_shared() && version.kind() == asker.kind {
            // A run of my own shared kind holds nothing that clashes with me.
            next = version.older_of_other_kind();
            continue;
        }
        match judge(version, asker) {
            Verdict::Older => next = version.older(),
            Verdict::End => return Walked::Settled,
            Verdict::Conflict => return Walked::Met(version),
        }
    }
    Walked::On
}

fn judge(version: VersionRef<'_>, asker: &Asker<'_>) -> Verdict {
    let outcome = version.state().outcome();
    if version.is_rolled_back() || outcome == Outcome::Aborted {
        return Verdict::Older;
    }
    let mine = std::ptr::eq(version.state(), asker.state);
    let younger = match outcome {
        Outcome::Committed(ts) => ts > asker.snapshot,
        _ => !mine,
    };
    if younger && asker.kind.clashes(version.kind()) {
        Verdict::Conflict
    } else if !younger && !version.kind().is_shared() {
        Verdict::End
    } else {
        Verdict::Older
    }
}
