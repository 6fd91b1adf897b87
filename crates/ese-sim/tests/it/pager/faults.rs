//! Calls that fail, disks that fill up, and damage behind the store's back.

use super::{Moment, PATH, Plan, Program, faults, patiently, point, rows};
use ese_base::{AttachmentNo, ErrorKind};
use ese_core::Store;
use ese_pager::{Pager, PagerOptions, Reading};
use ese_sim::{
    disk::{Fault, Operation, Profile, SimDisk, What},
    seed::Dice,
};
use std::{path::Path, sync::Arc};

/// Lets each call fail in turn, in one way, and looks at what is left after the process ended or the power went.
fn each_call_fails(what: What, on: Option<Operation>, reading: Reading, seed: u64) {
    let mut met = 0;
    for after in 0.. {
        let disk = SimDisk::new(seed ^ after << 20, Profile::ANY_ORDER);
        let dice = Dice::new(seed);
        let fault = Fault { on, ..Fault::new(what).after(after) };
        disk.inject(fault);
        let mut program = Program::new(reading);
        let result = program.run(&disk, &dice);
        if disk.faults_met() == 0 {
            result.expect("without a fault");
            break;
        }
        met += 1;
        disk.heal();
        if dice.percent(50) {
            disk.kill()
        } else {
            disk.reboot()
        }
        program.run(&disk, &dice).expect("without faults");
        // What a failed sync lost is not on the disk, though it was seen until now.
        disk.reboot();
        program.run(&disk, &dice).expect("after a power cut");
    }
    assert!(met > 1, "{what:?} met {met} calls");
}

#[test]
fn every_call_can_fail() {
    for seed in 0..3 {
        each_call_fails(What::Fail, None, Reading::Map, seed);
    }
    each_call_fails(What::Fail, None, Reading::Copy, 3);
    each_call_fails(What::Short, None, Reading::Map, 4);
    each_call_fails(What::Revert, None, Reading::Map, 5);
}

#[test]
fn the_disk_can_be_full_at_every_call() {
    for seed in 10..13 {
        each_call_fails(What::Full, Some(Operation::Write), Reading::Map, seed);
        each_call_fails(What::Full, Some(Operation::Allocate), Reading::Map, seed);
    }
    each_call_fails(What::Full, None, Reading::Copy, 13);
}

fn create(disk: &SimDisk) -> Arc<Pager> {
    let pager = Pager::create(disk, Path::new(PATH), &PagerOptions::default()).unwrap();
    pager.adopt(Some((AttachmentNo(1), point(1)))).unwrap();
    pager
}

#[test]
fn after_a_failed_sync_nothing_is_written_and_reads_go_on() {
    for what in [What::Fail, What::Full, What::Revert] {
        let disk = SimDisk::new(1, Profile::ANY_ORDER);
        let dice = Dice::new(1);
        let (pager, mut now) = (create(&disk), Moment { at: 1, ..Moment::default() });
        for _ in 0..5 {
            Plan::draw(&dice).run(&pager, &mut now).unwrap();
        }
        disk.inject(Fault::new(what).on(Operation::Sync));
        let base = pager.newest();
        let failed = loop {
            match pager.checkpoint_step(&base, Some(point(now.at))) {
                Ok(done) => assert!(!done, "the sync failed"),
                Err(error) => break error,
            }
        };
        let expected = if what == What::Full { ErrorKind::DiskFull } else { ErrorKind::DiskIo };
        assert_eq!(failed.kind(), expected);
        let changes = disk.changes();
        let kind = |result: ese_base::Result<()>| result.map_err(|error| error.kind());
        let unavailable = Err(ErrorKind::InstanceUnavailable);
        assert_eq!(kind(Arc::clone(&pager).begin_merge().map(|_| ())), unavailable);
        assert_eq!(kind(pager.checkpoint_step(&base, Some(point(now.at))).map(|_| ())), unavailable);
        assert_eq!(kind(pager.reserve_tree_numbers(1).map(|_| ())), unavailable);
        assert_eq!(kind(pager.close(true)), unavailable);
        assert_eq!(disk.changes(), changes, "nothing is tried again");
        if what != What::Revert {
            assert!(rows(&*pager.newest()).unwrap() == now.rows);
        }
    }
}

#[test]
fn a_full_disk_costs_nothing_and_goes_by() {
    let disk = SimDisk::new(2, Profile::ANY_ORDER);
    let dice = Dice::new(2);
    let (pager, mut now) = (create(&disk), Moment { at: 1, ..Moment::default() });
    let mut refused = 0;
    for round in 0..40 {
        disk.set_capacity(if round % 4 == 3 { 1 << 30 } else { 20_000 + 2_500 * round });
        let plan = Plan::draw(&dice);
        let before = now.clone();
        match plan.run(&pager, &mut now) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::DiskFull);
                assert!(now == before);
                refused += 1;
            }
        }
        let base = pager.newest();
        for _ in 0..6 {
            match pager.checkpoint_step(&base, Some(point(now.at))) {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::DiskFull);
                    refused += 1;
                }
            }
        }
        assert!(rows(&*pager.newest()).unwrap() == now.rows);
        assert_eq!(faults(&pager).unwrap(), [""; 0], "round {round}");
    }
    assert!(refused > 3, "{refused}");
    disk.set_capacity(1 << 30);
    patiently(|| pager.close(true)).unwrap();
    drop(pager);
    let mut program = Program::new(Reading::Map);
    (program.is_made, program.durable) = (true, now);
    program.open(&disk).unwrap();
}

/// A closed database of some size.
fn closed(disk: &SimDisk) -> Moment {
    let dice = Dice::new(3);
    let (pager, mut now) = (create(disk), Moment { at: 1, ..Moment::default() });
    for round in 0..12 {
        Plan::draw(&dice).run(&pager, &mut now).unwrap();
        let base = pager.newest();
        while round % 3 == 0 && !pager.checkpoint_step(&base, Some(point(now.at))).unwrap() {}
    }
    pager.close(true).unwrap();
    now
}

/// What a reader sees is right, or an error that tells of damage.
fn is_right_or_refused(disk: &SimDisk, reading: Reading, now: &Moment) -> bool {
    let mut options = PagerOptions::default();
    options.reading = reading;
    let seen = Pager::open(disk, Path::new(PATH), &options, &|_| true).and_then(|pager| {
        let found = rows(&*pager.newest())?;
        Ok((found, faults(&pager)?))
    });
    match seen {
        Ok((found, faults)) => {
            assert!(found == now.rows, "wrong rows");
            faults.is_empty()
        }
        Err(error) => {
            let kinds = [
                ErrorKind::PageChecksum,
                ErrorKind::WrongPage,
                ErrorKind::LostWrite,
                ErrorKind::DatabaseCorrupted,
                ErrorKind::NotADatabase,
            ];
            assert!(kinds.contains(&error.kind()), "{error}");
            false
        }
    }
}

#[test]
fn reads_that_go_wrong_are_errors_or_make_no_difference() {
    let disk = SimDisk::new(4, Profile::ANY_ORDER);
    let now = closed(&disk);
    let mut refused = 0;
    for (round, what) in [What::FlipBit, What::ZeroSector, What::Misread(4096)].into_iter().enumerate() {
        for after in 0..60 {
            let disk = disk.fork(after ^ (round as u64) << 10);
            for on in [Operation::Read, Operation::Map] {
                disk.inject(Fault::new(what).on(on).after(after));
            }
            for reading in [Reading::Map, Reading::Copy] {
                refused += u64::from(!is_right_or_refused(&disk, reading, &now));
            }
        }
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn lost_and_misplaced_writes_are_found() {
    let mut refused = 0;
    for what in [What::Phantom, What::Misdirect(4096)] {
        for after in 0..60 {
            let disk = SimDisk::new(after, Profile::ANY_ORDER);
            disk.inject(Fault::new(what).after(after));
            let now = closed(&disk);
            disk.reboot();
            refused += u64::from(!is_right_or_refused(&disk, Reading::Map, &now));
        }
    }
    assert!(refused > 20, "{refused}");
}
