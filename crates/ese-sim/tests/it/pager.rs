//! The durable store on a disk that forgets, tears and fails.
//!
//! [`Program`] is what an engine does with a store: opens it, merges, makes states durable step by step, closes it. It
//! keeps beside the disk what it was told is durable, and compares at each opening.
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod bugs;
mod crash;
mod faults;

use ese_base::{AttachmentNo, ErrorKind, Position, Result, TreeNo};
use ese_core::{Base, Change, DropProgress, LogPoint, Store};
use ese_io::Disk;
use ese_pager::{Pager, PagerOptions, Reading};
use ese_sim::seed::Dice;
use std::{collections::BTreeMap, ops::Bound, path::Path, sync::Arc};

/// Where the database is.
const PATH: &str = "/data.ese";

/// Rows by tree and key.
type Rows = BTreeMap<(u64, Vec<u8>), Vec<u8>>;

/// A state of the database and the position it stands at.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Moment {
    rows: Rows,
    at: u64,
}

fn point(at: u64) -> LogPoint {
    LogPoint { log: 77, epoch: 1, at: Position(at) }
}

/// The rows of a base.
fn rows(base: &dyn Base) -> Result<Rows> {
    let mut rows = Rows::new();
    for tree in base.trees() {
        let mut scan = base.scan(tree, (Bound::Unbounded, Bound::Unbounded))?;
        while let Some((key, value)) = scan.next()? {
            rows.insert((tree.0, key.to_vec()), value.to_vec());
        }
    }
    Ok(rows)
}

/// What is wrong with the newest base.
fn faults(pager: &Pager) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    pager.check(&pager.newest(), &mut |fault| faults.push(fault))?;
    Ok(faults)
}

/// Bounds the length of a program.
const STEPS: u64 = 30;

/// What outlives a crash beside the disk: what was promised.
#[derive(Clone, Debug)]
struct Program {
    /// The creation has returned.
    is_made: bool,
    /// The newest state that is durable for certain.
    durable: Moment,
    /// The one that may be.
    maybe: Option<Moment>,
    /// The highest tree number given.
    tree_number: u64,
    reading: Reading,
}

impl Program {
    fn new(reading: Reading) -> Program {
        let durable = Moment { rows: Rows::new(), at: 1 };
        Program { is_made: false, durable, maybe: None, tree_number: 0, reading }
    }

    /// Opens the database, or makes it, and compares what it holds with what it was told.
    fn open(&mut self, disk: &dyn Disk) -> Result<(Arc<Pager>, Moment)> {
        let mut options = PagerOptions::default();
        options.reading = self.reading;
        options.cache_pages = 8;
        options.identity = Some(5);
        let pager = match Pager::open(disk, Path::new(PATH), &options, &|_| true) {
            Err(error) if error.kind() == ErrorKind::FileNotFound && !self.is_made => {
                let pager = Pager::create(disk, Path::new(PATH), &options)?;
                self.is_made = true;
                pager
            }
            opened => opened?,
        };
        let at = pager.point().map_or(1, |(_, point)| point.at.0);
        let found = Moment { rows: rows(&*pager.newest())?, at };
        let is_known = found == self.durable || self.maybe.as_ref() == Some(&found);
        assert!(
            is_known,
            "{} rows at {at}; durable were {} at {}, perhaps {:?}",
            found.rows.len(),
            self.durable.rows.len(),
            self.durable.at,
            self.maybe.as_ref().map(|maybe| (maybe.rows.len(), maybe.at))
        );
        assert!(pager.needed_from().is_none_or(|needed| needed.0 <= at));
        assert_eq!(faults(&pager)?, [""; 0]);
        Ok((pager, found))
    }

    /// One life of the program.
    fn run(&mut self, disk: &dyn Disk, dice: &Dice) -> Result<()> {
        let (pager, found) = self.open(disk)?;
        let mut now = found.clone();
        let mut held: Vec<(Arc<dyn Base>, Rows)> = Vec::new();
        if dice.percent(30) {
            // As recovery does it.
            merge(&pager, &mut now, dice)?;
        }
        pager.adopt(Some((AttachmentNo(1), point(found.at))))?;
        // What was found may have been in memory only, if just the process died. Now it is on the disk.
        (self.durable, self.maybe) = (found, None);
        let mut running: Option<(Arc<dyn Base>, Moment)> = None;
        for _ in 0..dice.between(STEPS / 2, STEPS) {
            match dice.below(20) {
                0..7 => merge(&pager, &mut now, dice)?,
                7..16 => {
                    let (base, moment) = running.take().unwrap_or_else(|| (pager.newest(), now.clone()));
                    self.maybe = Some(moment.clone());
                    if patiently(|| pager.checkpoint_step(&base, Some(point(moment.at))))? {
                        (self.durable, self.maybe) = (moment, None);
                    } else {
                        running = Some((base, moment));
                    }
                }
                16 => held.push((pager.newest(), now.rows.clone())),
                17 => drop(held.pop()),
                18 => {
                    let first = pager.reserve_tree_numbers(dice.between(1, 3_000))?.0;
                    assert!(first > self.tree_number, "tree number {first} is given again");
                    self.tree_number = first;
                }
                _ => {
                    for (base, expected) in &held {
                        assert!(rows(&**base)? == *expected, "an older state changed");
                    }
                    assert!(rows(&*pager.newest())? == now.rows, "the newest state is another one");
                }
            }
        }
        for (base, expected) in &held {
            assert!(rows(&**base)? == *expected, "an older state changed");
        }
        if running.is_none() && dice.percent(50) {
            self.maybe = Some(now.clone());
            patiently(|| pager.close(true))?;
            (self.durable, self.maybe) = (now, None);
        }
        Ok(())
    }
}

/// What a merge is to do.
#[derive(Clone, Debug)]
enum Plan {
    /// Drop a tree.
    Drop(u64),
    /// Change rows.
    Rows(BTreeMap<(u64, Vec<u8>), Option<Vec<u8>>>),
}

impl Plan {
    fn draw(dice: &Dice) -> Plan {
        if dice.percent(10) {
            return Plan::Drop(dice.between(1, 3));
        }
        let count = if dice.percent(20) { 400 } else { dice.between(0, 20) };
        let row = |_| {
            let len = if dice.percent(3) { dice.index(30_000) } else { dice.index(200) };
            let value = (!dice.percent(30)).then(|| vec![dice.next().to_le_bytes()[0]; len]);
            ((dice.between(1, 3), dice.below(600).to_be_bytes().to_vec()), value)
        };
        Plan::Rows((0..count).map(row).collect())
    }

    fn run(&self, pager: &Arc<Pager>, now: &mut Moment) -> Result<()> {
        let mut merge = Arc::clone(pager).begin_merge()?;
        let mut next = now.rows.clone();
        match self {
            Plan::Drop(tree) => {
                while merge.drop_tree(TreeNo(*tree), 3)? == DropProgress::More {}
                next.retain(|(of, _), _| of != tree);
            }
            Plan::Rows(changes) => {
                for ((tree, key), value) in changes {
                    let change = value.as_deref().map_or(Change::Delete, Change::Put);
                    merge.apply(TreeNo(*tree), key, change)?;
                    match value {
                        Some(value) => next.insert((*tree, key.clone()), value.clone()),
                        None => next.remove(&(*tree, key.clone())),
                    };
                }
            }
        }
        merge.finish(Position(now.at + 1))?;
        now.at += 1;
        now.rows = next;
        Ok(())
    }
}

/// Does it again after a full disk: the faults of the tests that fill it pass.
fn patiently<T>(mut act: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..3 {
        match act() {
            Err(error) if error.kind() == ErrorKind::DiskFull => {}
            done => return done,
        }
    }
    act()
}

/// Merges some changes, and now and then drops a tree.
fn merge(pager: &Arc<Pager>, now: &mut Moment, dice: &Dice) -> Result<()> {
    let plan = Plan::draw(dice);
    patiently(|| plan.run(pager, now))
}
