//! Calls that fail: acknowledged commits stay, whatever failed and however often; a disk that lies takes what it lies
//! about, and nothing is ever read that was not written.

use super::{EVERYTHING, End, Op, Program};
use ese_io::Disk;
use ese_sim::disk::{Fault, Operation, Profile, SimDisk, What};
use ese_wal::Wal;
use std::sync::Arc;

const AFTERWARDS: &[Op] = &[Op::Sync(480), Op::Checkpoint, Op::Sync(6000), Op::Reopen, Op::Sync(3)];

fn run(program: &mut Program, disk: &SimDisk, ops: &[Op]) -> End {
    let files: Arc<dyn Disk> = Arc::new(disk.clone());
    program.run(disk, &files, ops, &|wal: Wal| wal)
}

/// The program meets the fault, then the disk is healed, and the next program goes on; returns how many calls met it.
fn meet(fault: &Fault, seed: u64, trusts_nothing: bool) -> u64 {
    let disk = SimDisk::new(seed, Profile::ANY_ORDER);
    let mut program = Program { trusts_nothing, ..Program::new() };
    disk.inject(fault.clone());
    let what = format!("{fault:?}, seed {seed}");
    match run(&mut program, &disk, EVERYTHING) {
        End::Done | End::Failed(_) => {}
        end => panic!("{what}: {end:?}"),
    }
    let met = disk.faults_met();
    disk.heal();
    if seed.is_multiple_of(3) {
        disk.kill()
    } else {
        disk.reboot()
    }
    for round in 0..2 {
        match run(&mut program, &disk, AFTERWARDS) {
            End::Done => {}
            End::Failed(_) if trusts_nothing => break,
            end => panic!("{what}, afterwards {round}: {end:?}"),
        }
        disk.reboot();
    }
    met
}

#[test]
fn every_call_that_fails() {
    let kinds = [
        (What::Fail, Operation::Write),
        (What::Short, Operation::Write),
        (What::Full, Operation::Write),
        (What::Fail, Operation::Sync),
        (What::Full, Operation::Sync),
        (What::Revert, Operation::Sync),
        (What::Fail, Operation::SyncDirectory),
        (What::Fail, Operation::Rename),
        (What::Fail, Operation::Create),
        (What::Full, Operation::Create),
        (What::Full, Operation::Allocate),
        (What::Fail, Operation::Open),
        (What::Fail, Operation::Read),
        (What::Fail, Operation::Look),
        (What::Fail, Operation::Remove),
    ];
    let mut met = 0;
    for (what, operation) in kinds {
        for after in 0.. {
            let fault = Fault::new(what).on(operation).after(after);
            let mut count = 0;
            for (seed, fault) in [(after, fault.clone()), (after + 1, fault.forever())] {
                count += meet(&fault, seed, false);
            }
            met += count;
            if count == 0 {
                break;
            }
        }
    }
    assert!(met > 300, "{met}");
}

#[test]
fn a_disk_that_lies_takes_only_what_it_lies_about() {
    for what in
        [What::Ignore, What::Late, What::Phantom, What::Misdirect(512), What::FlipBit, What::ZeroSector]
    {
        for after in 0..120 {
            meet(&Fault::new(what).after(after), after, true);
        }
    }
}

#[test]
fn a_full_disk_refuses_commits_before_they_are_claimed_and_gets_over() {
    for capacity in (0..200_000).step_by(1500) {
        let disk = SimDisk::new(capacity, Profile::ANY_ORDER);
        disk.set_capacity(capacity);
        let mut program = Program::new();
        match run(&mut program, &disk, EVERYTHING) {
            End::Done => {}
            End::Failed(how) => assert!(how.contains("-1808"), "{capacity}: {how}"),
            end => panic!("{capacity}: {end:?}"),
        }
        disk.set_capacity(1 << 30);
        disk.reboot();
        match run(&mut program, &disk, AFTERWARDS) {
            End::Done => {}
            end => panic!("{capacity}, with space again: {end:?}"),
        }
    }
}
