//! Stopped at every change, also while it recovers, three deep.

use super::{EVERYTHING, End, Op, Program, script};
use ese_core::Log;
use ese_io::Disk;
use ese_sim::{
    disk::{Profile, Sector, SimDisk, Survival, Torn},
    seed::Dice,
};
use ese_wal::Wal;
use std::sync::Arc;

/// What a program does behind a recovery: enough that the next one has something to lose.
const AFTERWARDS: &[Op] = &[Op::Sync(480), Op::Lazy(900), Op::Sync(6000), Op::Checkpoint, Op::Sync(3)];

/// What the power leaves, and the log's blocks: as large as the sectors that an interrupted write spoils as a whole.
const PROFILES: [(Profile, u32); 4] = [
    (Profile::ANY_ORDER, 512),
    (Profile::ANY_ORDER.with_torn(Torn::Anything), 512),
    (Profile::ANY_ORDER.with_torn(Torn::Anything).with_sector(Sector::Large), 4096),
    (Profile::IN_ORDER, 512),
];

fn run(program: &mut Program, disk: &SimDisk, ops: &[Op]) -> End {
    let files: Arc<dyn Disk> = Arc::new(disk.clone());
    program.run(disk, &files, ops, &|wal: Wal| wal)
}

/// After a crash: the power went, or only the process did, or first the one and then the other.
fn next_life(disk: &SimDisk, dice: &Dice) {
    match dice.below(4) {
        0 => disk.kill(),
        _ => disk.reboot(),
    }
}

#[track_caller]
fn is_over(end: End, what: &str) -> bool {
    match end {
        End::Done => true,
        End::Crash => false,
        End::Broken(how) | End::Failed(how) => panic!("{what}: {how}"),
    }
}

/// How often a crash is followed by one in the recovery, and after how many of them that is.
struct Depth {
    deep: u32,
    percent: u64,
}

/// Crashes at every change, and after each one again at every change of the recovery.
fn crash_everywhere(
    disk: &SimDisk,
    program: &Program,
    ops: &[Op],
    depth: &Depth,
    seed: u64,
    states: &mut u64,
) {
    let Depth { deep, percent } = *depth;
    for crash in 0.. {
        let what = format!("seed {seed}, {deep} deep, change {crash}");
        let (disk, mut program) = (disk.fork(seed * 1000 + crash), program.clone());
        let dice = Dice::new(seed ^ crash << 8);
        disk.crash_after(crash);
        let over = is_over(run(&mut program, &disk, ops), &what);
        *states += 1;
        next_life(&disk, &dice);
        if deep > 0 && dice.percent(if deep == 3 { 100 } else { percent }) {
            let depth = Depth { deep: deep - 1, percent };
            crash_everywhere(&disk, &program, &AFTERWARDS[..2], &depth, seed + crash + 1, states);
        }
        // Two generations: what the recovered log takes is there after the next crash.
        for _ in 0..2 {
            assert!(is_over(run(&mut program, &disk, AFTERWARDS), &what));
            next_life(&disk, &dice);
        }
        assert!(is_over(run(&mut program, &disk, &[Op::Reopen]), &what));
        if over {
            break;
        }
    }
}

#[test]
fn crash_at_every_change_and_again_three_deep() {
    let mut states = 0;
    for (seed, (profile, block_bytes)) in (1..).zip(PROFILES) {
        let (disk, program) = (SimDisk::new(seed, profile), Program { block_bytes, ..Program::new() });
        let depth = Depth { deep: 3, percent: 2 };
        crash_everywhere(&disk, &program, EVERYTHING, &depth, seed, &mut states);
    }
    assert!(states > 10_000, "{states}");
}

#[test]
fn random_programs_with_random_crashes() {
    for seed in 0..300 {
        let dice = Dice::new(seed);
        let (profile, block_bytes) = dice.pick(&PROFILES);
        let disk = SimDisk::new(seed, profile);
        let mut program = Program { block_bytes, ..Program::new() };
        for life in 0..12 {
            if dice.percent(80) {
                disk.crash_after(dice.below(60));
            }
            let ops = script(&dice, 12);
            is_over(run(&mut program, &disk, &ops), &format!("seed {seed}, life {life}"));
            next_life(&disk, &dice);
        }
        assert!(is_over(run(&mut program, &disk, AFTERWARDS), &format!("seed {seed}, at the end")));
    }
}

/// Every subset of what was not synced, where it is little.
#[test]
fn every_subset_of_what_is_not_synced() {
    let ops =
        [Op::Sync(3), Op::Lazy(900), Op::Sync(2900), Op::Checkpoint, Op::Sync(480), Op::Die, Op::Sync(3)];
    let (mut states, mut subsets) = (0, 0);
    for crash in 0.. {
        let disk = SimDisk::new(crash, Profile::NOTHING);
        let mut program = Program::new();
        disk.crash_after(crash);
        let over = is_over(run(&mut program, &disk, &ops), &format!("change {crash}"));
        let unsynced = disk.unsynced();
        assert!(unsynced <= 24, "{unsynced} unsynced changes at {crash}");
        // All of them where that is at most a thousand, else those of the newest ten.
        let (free, shift) = (unsynced.min(10), unsynced.saturating_sub(10));
        for subset in 0..1_u64 << free {
            for old in [0, (1 << shift) - 1] {
                let (disk, mut program) = (disk.fork(subset), program.clone());
                disk.set_profile(Profile::of(Survival::Chosen(subset << shift | old)));
                disk.reboot();
                let what = format!("change {crash}, subset {subset:b} of {unsynced}");
                assert!(is_over(run(&mut program, &disk, &AFTERWARDS[..2]), &what));
                subsets += 1;
                if shift == 0 {
                    break;
                }
            }
        }
        states += 1;
        if over {
            break;
        }
    }
    assert!(states > 50 && subsets > 200, "{states} crashes, {subsets} subsets");
}

/// The log's frames, when nothing goes wrong.
#[test]
fn without_crashes_everything_is_there() {
    for seed in 0..100 {
        let dice = Dice::new(seed);
        let disk = SimDisk::new(seed, Profile::ANY_ORDER);
        let mut program = Program::new();
        assert!(is_over(run(&mut program, &disk, &script(&dice, 60)), &format!("seed {seed}")));
        let files: Arc<dyn Disk> = Arc::new(disk.clone());
        let log =
            Wal::open(files, super::FOLDER.as_ref(), super::options(512), ese_wal::Access::Read).unwrap();
        assert_eq!(log.durable(), ese_base::Position::FIRST, "nothing is promised before an epoch");
    }
}
