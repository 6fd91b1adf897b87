//! What a run does: drawn from its seed.

use super::statement::{Act, End, Go, Old, Place, Statement};
use crate::seed::Dice;
use ese_core::{Background, Delete, Delta, LockMode, Mode, Options, Put};

/// Tree handles of a run; the first ones have a tree from the begin.
pub(super) const HANDLES: usize = 4;
/// How many handles have a tree from the begin, one in each database.
pub(super) const TREES_AT_BEGIN: usize = 2;

/// Everything a run needs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How many sessions there are.
    pub sessions: usize,
    /// Keys, in no order.
    pub keys: Vec<Vec<u8>>,
    /// Values.
    pub values: Vec<Vec<u8>>,
    /// Names of trees, with the number of their database.
    pub names: Vec<(usize, String)>,
    /// How the engine is set.
    pub options: Options,
    /// What is done.
    pub statements: Vec<Statement>,
}

/// What happens to trees in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trees {
    /// Nothing: all statements are about rows.
    Stay,
    /// They are created, dropped and renamed.
    ComeAndGo,
}

/// How much of what a run does, in hundredths.
struct Mix {
    merges: u64,
    trees: u64,
    locks: u64,
    adds: u64,
}

impl Plan {
    /// The plan of a seed, with so many statements.
    #[must_use]
    pub fn new(seed: u64, statements: usize, trees: Trees) -> Self {
        let dice = Dice::new(seed);
        let mut options = Options { background: Background::Manual, ..Options::default() };
        if dice.percent(50) {
            (options.generation_bytes, options.merge_rows) = (16 << 10, dice.between(1, 50));
        }
        options.levels_max = dice.percent(20).then_some(3);
        let mut plan = Plan {
            seed,
            sessions: dice.pick(&[2, 3, 3, 5]),
            keys: keys(&dice),
            values: values(&dice),
            names: vec![(0, "a".into()), (1, "a".into()), (0, "b".into()), (1, String::new())],
            options,
            statements: Vec::new(),
        };
        let mix = Mix {
            merges: dice.pick(&[0, 2, 10, 30]),
            trees: if trees == Trees::Stay { 0 } else { dice.pick(&[1, 3, 12]) },
            locks: dice.pick(&[0, 5, 15]),
            adds: dice.pick(&[0, 10, 40]),
        };
        plan.statements = (0..statements).map(|_| plan.statement(&dice, &mix)).collect();
        plan
    }

    fn statement(&self, dice: &Dice, mix: &Mix) -> Statement {
        if dice.percent(mix.merges) {
            return match dice.below(8) {
                0 => Statement::Merge,
                1 | 2 => Statement::RequestMerge,
                _ => Statement::Step(dice.between(1, 6)),
            };
        }
        let who = dice.index(self.sessions);
        let act = match dice.below(100) {
            thrown if thrown < 25 => level(dice),
            _ if dice.percent(mix.trees) => self.tree(dice),
            thrown if thrown < 55 => self.read(dice),
            _ => self.write(dice, mix),
        };
        Statement::Session(who, act)
    }

    fn place(&self, dice: &Dice) -> Place {
        // Most of what is done is done in the first tree, or nobody would meet.
        let tree = if dice.percent(70) { 0 } else { dice.index(HANDLES) };
        Place { tree, key: dice.index(self.keys.len()) }
    }

    fn write(&self, dice: &Dice, mix: &Mix) -> Act {
        let place = self.place(dice);
        if dice.percent(mix.locks) {
            return Act::Lock(place, dice.pick(&[LockMode::Read, LockMode::Read, LockMode::Write]));
        }
        if dice.percent(mix.adds) {
            let old = dice.pick(&[Old::Wanted, Old::Ignored]);
            let by = dice.next().cast_signed() >> dice.between(0, 63);
            let small = i32::try_from(by >> 32).unwrap_or(1);
            // Counters of one kind, of several, and some that overlap.
            let delta = if dice.percent(25) { Delta::I32(small) } else { Delta::I64(by) };
            let offset = dice.pick(&[0, 0, 0, 0, 4, 8, 1, 33]);
            return Act::Add(place, offset, delta, old);
        }
        match dice.below(10) {
            0..3 => Act::Delete(place, dice.pick(&[Delete::IfPresent, Delete::IfPresent, Delete::Blind])),
            _ => {
                let how = dice.pick(&[Put::Insert, Put::Upsert, Put::Replace]);
                Act::Put(place, dice.index(self.values.len()), how)
            }
        }
    }

    fn read(&self, dice: &Dice) -> Act {
        let place = self.place(dice);
        let key = || dice.index(self.keys.len());
        match dice.below(10) {
            0..4 => Act::Get(place),
            4 => Act::GetMany(place.tree, (0..dice.below(12)).map(|_| key()).collect()),
            5..8 => Act::Scan(place.tree, (key(), key()), dice.pick(&[End::Front, End::Back, End::Both])),
            _ => {
                let moves =
                    [Go::SeekGe, Go::SeekLe, Go::First, Go::Last, Go::Next, Go::Next, Go::Prev, Go::Prev];
                Act::Go(place, dice.pick(&moves))
            }
        }
    }

    fn tree(&self, dice: &Dice) -> Act {
        let (tree, name) = (dice.index(HANDLES), dice.index(self.names.len()));
        match dice.below(10) {
            0..3 => Act::CreateTree { tree, name },
            3..6 => Act::DropTree(tree),
            6..8 => Act::RenameTree(tree, name),
            8 => Act::FindTree(name),
            _ => Act::TreeNames,
        }
    }
}

fn level(dice: &Dice) -> Act {
    match dice.below(20) {
        0..9 => Act::Begin(if dice.percent(10) { Mode::ReadOnly } else { Mode::ReadWrite }),
        9..15 => Act::Commit,
        15..18 => Act::Rollback,
        18 => Act::RollbackAll,
        _ => Act::End,
    }
}

/// Few keys, so that sessions meet, or many, so that trees branch; prefixes of each other, long ones, the empty one.
fn keys(dice: &Dice) -> Vec<Vec<u8>> {
    let few: Vec<Vec<u8>> =
        [&b"k"[..], b"", b"ka", b"k\0", b"\xff\xff", b"kaa"].into_iter().map(<[u8]>::to_vec).collect();
    match dice.below(3) {
        0 => few[..2].to_vec(),
        1 => few,
        _ => {
            let prefix = vec![b'p'; dice.index(200)];
            let many = (0..dice.between(20, 300)).map(|n| [&prefix[..], n.to_string().as_bytes()].concat());
            few.into_iter().chain(many).collect()
        }
    }
}

/// Counters, values too short for one, and in some runs large ones.
fn values(dice: &Dice) -> Vec<Vec<u8>> {
    let mut lengths = vec![0, 3, 4, 8, 8, 16, 16, 41];
    if dice.percent(30) {
        lengths.extend([300, 1100, 5000, 20_000]);
    }
    let byte = || u8::try_from(dice.below(256)).expect("it is below 256");
    lengths.into_iter().map(|length| (0..length).map(|_| byte()).collect()).collect()
}
