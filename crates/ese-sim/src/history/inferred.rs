//! The pass that asks nothing of the engine: from what was noted to edges between transactions.
//!
//! A row that is deleted and inserted again has several *lives*. Which of them came first is not in the data, nor which
//! absence a read met, so no edge is drawn for either; but of a key's lives all but one must have been ended.

use super::{
    fault::{Anomaly, Fault, fault, show},
    graph::{Cycle, Edge, Graph},
    own::Own,
    record::{Event, History, Outcome, Stamp, TxnRecord},
};
use std::collections::{BTreeMap, HashMap};

/// Who wrote a value, and what became of it.
#[derive(Clone, Copy)]
struct Origin {
    txn: usize,
    is_installed: bool,
    is_undone: bool,
}

/// What a transaction left under a key.
#[derive(Clone, Copy)]
struct Install {
    /// `None`: no row.
    row: Option<Stamp>,
    /// The version of another that it replaced.
    replaced: Option<Stamp>,
}

/// What a transaction did as others see it.
#[derive(Default)]
struct Effects<'h> {
    /// Versions of others that it read, by key.
    reads: BTreeMap<&'h [u8], Option<Stamp>>,
    /// What it left of each key that it wrote.
    installs: BTreeMap<&'h [u8], Install>,
}

/// Checks a history for strong snapshot isolation by its data alone.
///
/// # Errors
/// The first fault found; of cycles a short one.
pub fn inferred(history: &History) -> Result<(), Fault> {
    let origins = origins(history)?;
    let txns: Vec<usize> = (0..history.txns.len()).collect();
    let mut effects = Vec::new();
    for &txn in &txns {
        effects.push(replay(history, txn, &origins)?);
    }
    // A transaction whose end nobody knows counts as committed when somebody saw it.
    let seen = |txn: usize| {
        let saw =
            |effect: &Effects<'_>| effect.reads.values().flatten().any(|stamp| origins[stamp].txn == txn);
        effects.iter().any(saw)
    };
    let committed = |txn: &usize| match history.txns[*txn].outcome {
        Outcome::Committed => true,
        Outcome::RolledBack => false,
        Outcome::Unknown => seen(*txn),
    };
    let committed: Vec<usize> = txns.into_iter().filter(committed).collect();
    let chains = Chains::of(&committed, &effects)?;
    let graph = graph(history, &committed, &effects, &origins, &chains);
    match graph.cycle() {
        None => Ok(()),
        Some(cycle) => Err(name(history, &committed, &cycle)),
    }
}

/// Who wrote which value.
fn origins(history: &History) -> Result<HashMap<Stamp, Origin>, Fault> {
    let mut origins = HashMap::new();
    for (txn, record) in history.txns.iter().enumerate() {
        let mut own = Own::default();
        for event in &record.events {
            if let Event::Write(_, written) | Event::Delete(_, written) = event {
                let origin = Origin { txn, is_installed: false, is_undone: false };
                if origins.insert(written.stamp, origin).is_some() {
                    return fault(Anomaly::Garbage, format!("{} was written twice", written.stamp));
                }
            }
            for did in own.go_on(event) {
                origins.entry(did.at).and_modify(|origin| origin.is_undone = true);
            }
        }
        let last: BTreeMap<_, _> =
            own.done().iter().filter(|did| did.row().is_some()).map(|did| (did.key, did.at)).collect();
        for stamp in last.values() {
            let installs = record.outcome != Outcome::RolledBack;
            origins.entry(*stamp).and_modify(|origin| origin.is_installed = installs);
        }
    }
    Ok(origins)
}

/// Goes through a transaction: own reads must be own writes, others' versions must be real, and one per key.
fn replay<'h>(
    history: &'h History,
    txn: usize,
    origins: &HashMap<Stamp, Origin>,
) -> Result<Effects<'h>, Fault> {
    let record = &history.txns[txn];
    let mut effects = Effects::default();
    let mut own = Own::default();
    let whose = |key: &[u8]| format!("session {} at {}, key {}", record.session, record.begun, show(key));
    for event in &record.events {
        match event {
            Event::Read(key, got) => saw(history, txn, origins, &own, &mut effects, key, *got),
            Event::Write(key, written) | Event::Delete(key, written) => {
                saw(history, txn, origins, &own, &mut effects, key, written.replaced)
            }
            Event::Exists(key, found) => match (own.row(key), effects.reads.get(key.as_slice())) {
                (Some(mine), _) if mine.is_some() != *found => Err((Anomaly::OwnWriteLost, key, None)),
                (None, Some(before)) if before.is_some() != *found => {
                    Err((Anomaly::NonRepeatableRead, key, *before))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
        .map_err(|(anomaly, key, other)| Fault {
            anomaly,
            what: format!("{}: {event:?} against {other:?}", whose(key)),
        })?;
        own.go_on(event);
    }
    for (did, row) in own.done().iter().filter_map(|did| Some((did, did.row()?))) {
        let replaced = effects.reads.get(did.key).copied().flatten();
        effects.installs.insert(did.key, Install { row, replaced });
    }
    Ok(effects)
}

/// What is wrong with a read: the key, and what speaks against it.
type Wrong<'h> = (Anomaly, &'h Vec<u8>, Option<Stamp>);

/// Notes what a transaction saw under a key.
fn saw<'h>(
    history: &History,
    txn: usize,
    origins: &HashMap<Stamp, Origin>,
    own: &Own<'_>,
    effects: &mut Effects<'h>,
    key: &'h Vec<u8>,
    got: Option<Stamp>,
) -> Result<(), Wrong<'h>> {
    if let Some(mine) = own.row(key) {
        return if got == mine { Ok(()) } else { Err((Anomaly::OwnWriteLost, key, mine)) };
    }
    real(history, got, txn, origins).map_err(|anomaly| (anomaly, key, got))?;
    match effects.reads.insert(key, got) {
        Some(before) if before != got => Err((Anomaly::NonRepeatableRead, key, before)),
        _ => Ok(()),
    }
}

/// Is it a version that a transaction may see?
fn real(
    history: &History,
    got: Option<Stamp>,
    reader: usize,
    origins: &HashMap<Stamp, Origin>,
) -> Result<(), Anomaly> {
    let Some(stamp) = got else { return Ok(()) };
    match origins.get(&stamp) {
        None => Err(Anomaly::Garbage),
        Some(origin) if origin.txn == reader => Err(Anomaly::OwnWriteLost),
        Some(origin) if origin.is_undone || history.txns[origin.txn].outcome == Outcome::RolledBack => {
            Err(Anomaly::AbortedRead)
        }
        Some(origin) if !origin.is_installed => Err(Anomaly::IntermediateRead),
        Some(_) => Ok(()),
    }
}

/// The versions of each key in their order.
#[derive(Default)]
struct Chains<'h> {
    /// Who replaced or deleted each version.
    next: HashMap<(&'h [u8], Stamp), usize>,
    /// Per key who inserted it where there was no row, and how often it was deleted.
    lives: HashMap<&'h [u8], (Vec<usize>, usize)>,
}

impl<'h> Chains<'h> {
    fn of(committed: &[usize], effects: &[Effects<'h>]) -> Result<Self, Fault> {
        let mut chains = Chains::default();
        for &txn in committed {
            for (&key, install) in &effects[txn].installs {
                let lives = chains.lives.entry(key).or_default();
                match install.replaced {
                    None if install.row.is_some() => lives.0.push(txn),
                    None => {}
                    Some(replaced) => {
                        lives.1 += usize::from(install.row.is_none());
                        if let Some(other) = chains.next.insert((key, replaced), txn) {
                            let what = format!(
                                "key {}: transactions {other} and {txn} replaced {replaced}",
                                show(key)
                            );
                            return fault(Anomaly::LostUpdate, what);
                        }
                    }
                }
            }
        }
        if let Some((key, (births, deaths))) =
            chains.lives.iter().find(|(_, (births, deaths))| births.len() > deaths + 1)
        {
            let what = format!("key {}: inserted by {births:?}, deleted {deaths} times", show(key));
            return fault(Anomaly::LostUpdate, what);
        }
        chains.are_whole(effects)?;
        Ok(chains)
    }

    /// Every version must be reached from an insert: else two orders of writes contradict each other.
    fn are_whole(&self, effects: &[Effects<'h>]) -> Result<(), Fault> {
        let (mut reached, mut births) = (0, 0);
        for (&key, (inserts, _)) in &self.lives {
            births += inserts.len();
            for &insert in inserts {
                let mut at = Some(insert);
                while let Some(txn) = at {
                    reached += 1;
                    at = self.after(key, effects[txn].installs[key].row);
                }
            }
        }
        let versions = self.next.len() + births;
        if reached != versions {
            return fault(Anomaly::DirtyWrite, format!("{} versions have no order", versions - reached));
        }
        Ok(())
    }

    /// Who replaced a version, as far as that is known.
    fn after(&self, key: &[u8], version: Option<Stamp>) -> Option<usize> {
        match (version, self.lives.get(key)) {
            (Some(stamp), _) => self.next.get(&(key, stamp)).copied(),
            (None, Some((inserts, 0))) => inserts.first().copied(),
            _ => None,
        }
    }
}

fn graph(
    history: &History,
    committed: &[usize],
    effects: &[Effects<'_>],
    origins: &HashMap<Stamp, Origin>,
    chains: &Chains<'_>,
) -> Graph {
    let node: HashMap<usize, usize> = committed.iter().enumerate().map(|(node, txn)| (*txn, node)).collect();
    let moments: Vec<_> = committed.iter().map(|txn| moments(&history.txns[*txn])).collect();
    let mut graph = Graph::new(&moments);
    // Who replaces a version has read it, too: the stronger edge first, so that cycles are named by it.
    for &txn in committed {
        for (key, install) in effects[txn].installs.iter().filter(|(_, install)| install.row.is_some()) {
            if let Some(other) = chains.after(key, install.row).and_then(|txn| node.get(&txn)) {
                graph.add(node[&txn], *other, Edge::Ww);
            }
        }
    }
    for &txn in committed {
        for (key, got) in &effects[txn].reads {
            if let Some(writer) = got.and_then(|stamp| node.get(&origins[&stamp].txn)) {
                graph.add(*writer, node[&txn], Edge::Wr);
            }
            if let Some(writer) = chains.after(key, *got).and_then(|txn| node.get(&txn)) {
                graph.add(node[&txn], *writer, Edge::Rw);
            }
        }
    }
    graph
}

/// A transaction whose end nobody knows ended never, as far as time goes.
fn moments(record: &TxnRecord) -> (u64, u64) {
    (record.begun, if record.outcome == Outcome::Unknown { u64::MAX } else { record.ended })
}

/// The name of a cycle, and the cycle.
fn name(history: &History, committed: &[usize], cycle: &Cycle) -> Fault {
    let count = |edge: Edge| cycle.iter().filter(|(_, other)| *other == edge).count();
    let anomaly = match (count(Edge::Rw), count(Edge::Wr)) {
        (0, 0) => Anomaly::DirtyWrite,
        (0, _) => Anomaly::CircularInformation,
        (1, _) => Anomaly::ReadSkew,
        _ => Anomaly::LongFork,
    };
    let step = |(node, edge): &(usize, Edge)| {
        let record = &history.txns[committed[*node]];
        format!("session {} ({} to {}) -{edge}->", record.session, record.begun, record.ended)
    };
    Fault { anomaly, what: cycle.iter().map(step).collect::<Vec<_>>().join(" ") }
}
