//! The short form of `cargo xtask crash`: processes are killed, and what they acknowledged is there.

use ese_sim::crash::{Crash, Job};
use std::{env, path::Path, process::Command};

/// Many enough that some are killed in each part of their lives.
const ROUNDS: u64 = 25;

#[test]
fn processes_are_killed_and_keep_their_promises() {
    // The children are this test in other processes.
    if let Some(job) = Job::given() {
        return job.run().unwrap();
    }
    let shared = Path::new("/dev/shm");
    let folder = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }.unwrap();
    let program = || {
        let mut program = Command::new(env::current_exe().unwrap());
        program.args(["--exact", "crash::processes_are_killed_and_keep_their_promises", "--nocapture"]);
        program
    };
    let crash = Crash { folder: &folder.path().join("instance"), seed: 1, rounds: ROUNDS, at_most: None };
    let report = crash.run(&program).unwrap();
    assert_eq!(report.rounds, ROUNDS);
    assert!(report.kills_in_opening > 0 && report.kills > report.kills_in_opening, "{report}");
    assert!(report.durable > 0 && report.acknowledged > report.durable, "{report}");
}
