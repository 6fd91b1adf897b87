//! Random schedules of everything the overlay does, in one thread, against [`Oracle`].
//!
//! Few keys in few trees of two databases, of which one comes and goes; small generations and a small window, so that
//! every rule is met often. Compared are: what snapshots show, by row and by walk; own writes; each answer to a write,
//! both ways (no conflict missed, none made up); escrow's old values; what merges take; bases; and the overlay's own
//! account of its memory. A failure prints the seed of its run.
//!
//! Reading order: here (what there is, and a run), `sessions`, `reads`, `writes`, `merges`, `accounts`.

mod accounts;
mod merges;
mod reads;
mod sessions;
mod writes;

use super::oracle::{Op, Oracle, RowId, Shown, WroteNo};
use crate::{
    overlay::{
        fixtures::{self, MapBase, Party, Rows, tree_id},
        store::{Limits, Overlay},
    },
    seam::{merges::Merges, session::Mode, store::Base},
    txn::TxnState,
};
use ese_base::{AttachmentNo, CommitTs, TreeId};
use merges::Merge;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
};

const KEYS: [&[u8]; 4] = [b"a", b"b", b"ba", b"c"];
const TREES: u64 = 2;
const SESSIONS: usize = 6;
/// Two wide counters, and two narrow ones over them.
const VALUE_BYTES: usize = 16;
/// Runs of the test; each has its own seed.
const RUNS: u64 = 3000;

/// A session and its transaction.
struct Session {
    party: Party,
    txn: Option<Txn>,
}

struct Txn {
    mode: Mode,
    snapshot: CommitTs,
    /// The databases there were when it began.
    databases: Vec<AttachmentNo>,
    /// What it wrote and did not undo.
    ops: Vec<(Op, WroteNo)>,
    savepoints: Vec<usize>,
    used: BTreeSet<TreeId>,
    /// Set with the claim.
    committing: Option<u64>,
}

/// What is in the view.
struct Attached {
    l: u64,
    rows: Rows,
}

struct World {
    rng: SmallRng,
    overlay: Arc<Overlay>,
    oracle: Oracle,
    sessions: Vec<Session>,
    attached: BTreeMap<AttachmentNo, Attached>,
    next_attachment: u32,
    /// Claimed and not visible.
    queue: Vec<(u64, Arc<TxnState>)>,
    /// Every transaction that could write.
    states: Vec<Weak<TxnState>>,
    merge: Merge,
    /// Whether stores may run out of space.
    may_be_full: bool,
    /// The rows of the database that is not attached.
    detached: Rows,
    /// Looks at the newest view.
    watcher: Party,
}

#[test]
fn random_schedules() {
    for seed in 0..RUNS {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| World::new(seed).run())) {
            let what = panic.downcast_ref::<String>().cloned();
            let what = what.or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()));
            panic!("seed {seed}: {}", what.unwrap_or_default());
        }
    }
}

fn named_rows(attachment: AttachmentNo, rows: &Rows) -> Shown {
    let named = rows.iter().map(|((number, key), value)| {
        let key = KEYS.into_iter().find(|known| *known == &key[..]).unwrap();
        ((TreeId { attachment, number: *number }, key), value.clone())
    });
    named.collect()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut oracle = Oracle::new();
        let mut attached = BTreeMap::new();
        for number in 1..=2 {
            let rows: Rows =
                BTreeMap::from([((tree_id(number, 1).number, b"a".to_vec()), vec![1; VALUE_BYTES])]);
            oracle.attach(AttachmentNo(number), &named_rows(AttachmentNo(number), &rows));
            attached.insert(AttachmentNo(number), Attached { l: 1, rows });
        }
        let bases =
            attached.values().map(|attached| Arc::new(MapBase(attached.rows.clone())) as Arc<dyn Base>);
        let limits = Limits {
            slots: SESSIONS + 1,
            generation_bytes: *[1, 20_000, 60_000].choose(&mut rng).unwrap(),
            window_bytes: *[200, 1 << 20].choose(&mut rng).unwrap(),
        };
        let overlay = Arc::new(Overlay::new(limits, fixtures::databases(bases)));
        let sessions =
            (0..SESSIONS as u64).map(|n| Session { party: Party::new(&overlay, n), txn: None }).collect();
        World {
            rng,
            watcher: Party::new(&overlay, 100),
            overlay,
            oracle,
            sessions,
            attached,
            next_attachment: 3,
            queue: Vec::new(),
            states: Vec::new(),
            merge: Merge::Idle,
            may_be_full: true,
            detached: Rows::new(),
        }
    }

    fn run(mut self) {
        let merging = self.rng.random_range(5..40);
        let long = self.rng.random_bool(0.3);
        for _ in 0..self.rng.random_range(50..400) {
            match self.rng.random_range(0..100) {
                n if n < merging => self.merge_step(),
                n if n < merging + 3 => drop(self.overlay.seal_if_large()),
                n if n < merging + 6 => drop(self.overlay.free_views()),
                n if n < merging + 10 => self.publish_one(),
                n if n < merging + 11 => self.detach_or_attach(),
                _ => {
                    // With long transactions, few sessions get to their end while others run.
                    let most = if long && self.rng.random_bool(0.8) { 2 } else { SESSIONS };
                    let session = self.rng.random_range(0..most);
                    self.session_step(session);
                }
            }
            self.check_accounts();
        }
        self.finish();
    }

    fn rows(&self, txn: &Txn) -> Vec<RowId> {
        let trees =
            txn.databases.iter().flat_map(|database| (1..=TREES).map(|tree| tree_id(database.0, tree)));
        trees.flat_map(|tree| KEYS.map(|key| (tree, key))).collect()
    }
}
