//! From what was noted to what is wrong with it.

use super::{
    graph::{Cycle, Edge, Graph},
    record::{Event, History, Outcome, Stamp, TxnRecord, Written},
};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

/// What snapshot isolation forbids, by the names of the literature (Adya; Berenson and others).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Anomaly {
    /// A value that nobody wrote, or that is none.
    Garbage,
    /// G1a: a value of a transaction that was rolled back, or of a level that was.
    AbortedRead,
    /// G1b: a value that was not the last its transaction wrote.
    IntermediateRead,
    /// A transaction that does not see what it wrote itself.
    OwnWriteLost,
    /// A transaction that saw two versions of one key.
    NonRepeatableRead,
    /// P4: two transactions that replaced one version.
    LostUpdate,
    /// G0: writes of two transactions in two orders.
    DirtyWrite,
    /// G1c: each of two saw the other's write.
    CircularInformation,
    /// G-single: a cycle with one *rw* edge (read skew, a fractured read, a stale snapshot).
    ReadSkew,
    /// A cycle with several *rw* edges, no two in a row (long fork).
    LongFork,
}

/// Something is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What.
    pub anomaly: Anomaly,
    /// Who and where.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.anomaly, self.what)
    }
}

fn fault<T>(anomaly: Anomaly, what: String) -> Result<T, Fault> {
    Err(Fault { anomaly, what })
}

/// A key, as a fault shows it.
fn show(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

/// Who wrote a value, and what became of it.
#[derive(Clone, Copy)]
struct Origin {
    txn: usize,
    is_installed: bool,
    is_undone: bool,
}

/// What a committed transaction did as others see it.
#[derive(Default)]
struct Effects<'h> {
    /// Versions of others that it read, by key.
    reads: BTreeMap<&'h [u8], Option<Stamp>>,
    /// The version it installed of a key, and the version of another that it replaced.
    installs: BTreeMap<&'h [u8], Written>,
}

/// Checks a history for strong snapshot isolation.
///
/// # Errors
/// The first fault found; of cycles a short one.
pub fn check(history: &History) -> Result<(), Fault> {
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
    let next = version_order(&committed, &effects)?;
    let graph = graph(history, &committed, &effects, &origins, &next);
    match graph.cycle() {
        None => Ok(()),
        Some(cycle) => Err(name(history, &committed, &cycle)),
    }
}

/// Who wrote which value.
fn origins(history: &History) -> Result<HashMap<Stamp, Origin>, Fault> {
    let mut origins = HashMap::new();
    for (txn, record) in history.txns.iter().enumerate() {
        let (mut live, mut levels) = (Vec::new(), Vec::new());
        for event in &record.events {
            match event {
                Event::Write(key, written) => {
                    let origin = Origin { txn, is_installed: false, is_undone: false };
                    if origins.insert(written.stamp, origin).is_some() {
                        return fault(Anomaly::Garbage, format!("{} was written twice", written.stamp));
                    }
                    live.push((key, written.stamp));
                }
                Event::Level => levels.push(live.len()),
                Event::KeepLevel => drop(levels.pop()),
                Event::DropLevel => {
                    for (_, stamp) in live.split_off(levels.pop().unwrap_or(0)) {
                        origins.entry(stamp).and_modify(|origin| origin.is_undone = true);
                    }
                }
                Event::Read(..) => {}
            }
        }
        let last: BTreeMap<_, _> = live.into_iter().collect();
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
    let (mut own, mut levels) = (Vec::<(&[u8], Stamp)>::new(), Vec::new());
    let whose = |key: &[u8]| format!("session {} at {}, key {}", record.session, record.begun, show(key));
    for event in &record.events {
        let (key, got) = match event {
            Event::Read(key, got) => (key.as_slice(), *got),
            Event::Write(key, written) => (key.as_slice(), written.replaced),
            Event::Level => {
                levels.push(own.len());
                continue;
            }
            Event::KeepLevel => {
                levels.pop();
                continue;
            }
            Event::DropLevel => {
                own.truncate(levels.pop().unwrap_or(0));
                continue;
            }
        };
        match own.iter().rev().find(|(other, _)| *other == key) {
            Some((_, mine)) if got != Some(*mine) => {
                return fault(Anomaly::OwnWriteLost, format!("{}: {got:?} instead of {mine}", whose(key)));
            }
            Some(_) => {}
            None => {
                real(history, got, txn, origins).map_err(|anomaly| Fault { anomaly, what: whose(key) })?;
                if let Some(before) = effects.reads.insert(key, got)
                    && before != got
                {
                    let what = format!("{}: {before:?}, then {got:?}", whose(key));
                    return fault(Anomaly::NonRepeatableRead, what);
                }
            }
        }
        if let Event::Write(key, written) = event {
            own.push((key.as_slice(), written.stamp));
        }
    }
    for (key, stamp) in own {
        let replaced = effects.reads.get(key).copied().flatten();
        effects.installs.insert(key, Written { stamp, replaced });
    }
    Ok(effects)
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

/// What replaced each version: a chain per key.
type Next<'h> = HashMap<(&'h [u8], Option<Stamp>), usize>;

fn version_order<'h>(committed: &[usize], effects: &[Effects<'h>]) -> Result<Next<'h>, Fault> {
    let mut next = Next::new();
    for &txn in committed {
        for (key, written) in &effects[txn].installs {
            if let Some(other) = next.insert((key, written.replaced), txn) {
                let what = format!(
                    "key {}: transactions {other} and {txn} replaced {:?}",
                    show(key),
                    written.replaced
                );
                return fault(Anomaly::LostUpdate, what);
            }
        }
    }
    // Every version must be reached from "no row": else two orders of writes contradict each other.
    let mut reached = 0;
    let firsts: Vec<_> = next.iter().filter(|((_, replaced), _)| replaced.is_none()).collect();
    for ((key, _), first) in firsts {
        let mut at = Some(*first);
        while let Some(txn) = at {
            reached += 1;
            at = next.get(&(*key, Some(effects[txn].installs[key].stamp))).copied();
        }
    }
    if reached != next.len() {
        return fault(Anomaly::DirtyWrite, format!("{} versions have no order", next.len() - reached));
    }
    Ok(next)
}

fn graph(
    history: &History,
    committed: &[usize],
    effects: &[Effects<'_>],
    origins: &HashMap<Stamp, Origin>,
    next: &Next<'_>,
) -> Graph {
    let node: HashMap<usize, usize> = committed.iter().enumerate().map(|(node, txn)| (*txn, node)).collect();
    let moments: Vec<_> = committed.iter().map(|txn| moments(&history.txns[*txn])).collect();
    let mut graph = Graph::new(&moments);
    // Who replaces a version has read it, too: the stronger edge first, so that cycles are named by it.
    for &txn in committed {
        for (key, written) in &effects[txn].installs {
            if let Some(other) = next.get(&(*key, Some(written.stamp))).and_then(|txn| node.get(txn)) {
                graph.add(node[&txn], *other, Edge::Ww);
            }
        }
    }
    for &txn in committed {
        for (key, got) in &effects[txn].reads {
            if let Some(writer) = got.and_then(|stamp| node.get(&origins[&stamp].txn)) {
                graph.add(*writer, node[&txn], Edge::Wr);
            }
            if let Some(writer) = next.get(&(*key, *got)).and_then(|txn| node.get(txn)) {
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
