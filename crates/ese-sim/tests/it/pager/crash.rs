//! Stopped at every change it makes, and again after that, the store opens with the state that was durable last.

use super::Program;
use ese_pager::Reading;
use ese_sim::{
    disk::{Profile, Sector, SimDisk, Torn},
    seed::Dice,
};

/// Runs a program that is stopped after so many changes, and then two more that are stopped somewhere. Returns whether
/// the first one came to its end before.
fn lives(seed: u64, profile: Profile, reading: Reading, crash: u64) -> bool {
    let disk = SimDisk::new(seed ^ crash << 20, profile);
    let dice = Dice::new(seed);
    let mut program = Program::new(reading);
    let mut is_over = false;
    for depth in 0..3 {
        disk.crash_after(if depth == 0 { crash } else { dice.below(60) });
        let result = program.run(&disk, &dice);
        assert!(result.is_ok() || disk.is_off(), "without a crash: {result:?}");
        is_over |= depth == 0 && !disk.is_off();
        if dice.percent(25) {
            // The process died first, another one looked, and then the power went.
            disk.kill();
            program.open(&disk).map(|_| ()).unwrap_or_else(|error| assert!(!program.is_made, "{error}"));
        }
        disk.reboot();
    }
    let result = program.run(&disk, &dice);
    assert!(result.is_ok(), "the last opening: {result:?}");
    is_over
}

fn everywhere(seed: u64, profile: Profile, reading: Reading) {
    let mut crash = 0;
    while !lives(seed, profile, reading, crash) {
        crash += 1;
    }
    assert!(crash > 10, "a program of {crash} changes tests nothing");
}

#[test]
fn at_every_change_in_any_order() {
    for seed in 0..4 {
        everywhere(seed, Profile::ANY_ORDER, Reading::Map);
    }
}

#[test]
fn at_every_change_with_large_sectors_and_garbage() {
    everywhere(10, Profile::ANY_ORDER.with_sector(Sector::Large), Reading::Map);
    everywhere(11, Profile::ANY_ORDER.with_torn(Torn::Anything), Reading::Map);
}

#[test]
fn at_every_change_with_nothing_unsynced_left() {
    everywhere(20, Profile::NOTHING, Reading::Map);
}

#[test]
fn at_every_change_read_by_copies() {
    everywhere(30, Profile::ANY_ORDER, Reading::Copy);
}
