//! Lives of the durable engine, stopped at every change, with faults and with rot.

mod bugs;

use ese::{Instance, Result};
use ese_sim::{
    disk::{Profile, SimDisk},
    lives::{Counts, Effort, Kind, Plain, run_kind},
};
use std::{ops::Range, sync::Arc};

fn run(kind: Kind, seeds: Range<u64>) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        match run_kind(seed, kind, Effort { stops: 60, ..Effort::default() }, &Plain) {
            Ok(more) => counts.add(&more),
            Err(failure) => panic!("{failure}"),
        }
    }
    counts
}

#[test]
fn small_lives_are_stopped_everywhere() {
    let counts = run(Kind::Small, 0..12);
    assert!(counts.stops > 300 && counts.recoveries > 100, "{counts:?}");
}

#[test]
fn long_lives_are_stopped_now_and_then() {
    let counts = run(Kind::Long, 0..60);
    assert!(counts.stops > 100 && counts.recoveries > 30, "{counts:?}");
}

#[test]
fn calls_fail() {
    let counts = run(Kind::Faults, 0..100);
    assert!(counts.faults >= 50, "{counts:?}");
}

#[test]
fn newest_meta_pages_rot() {
    let counts = run(Kind::RottenMeta, 0..60);
    assert!(counts.stops > 60, "{counts:?}");
}

#[test]
fn any_byte_of_any_file_changes() {
    let counts = run(Kind::Rot, 0..30);
    assert!(counts.faults > 1000 && counts.recoveries > 100, "{counts:?}");
}

#[test]
fn one_seed_is_one_run() {
    for (kind, seed) in [(Kind::Small, 3), (Kind::Long, 5), (Kind::Faults, 8), (Kind::RottenMeta, 2)] {
        assert_eq!(run(kind, seed..seed + 1), run(kind, seed..seed + 1), "{kind:?} {seed}");
    }
}

/// An attachment is stopped at each of its changes; another database is attached in the next life, before this one is
/// again.
#[test]
fn an_attachment_that_was_cut_short_is_made_up_for() {
    let open = |disk: &SimDisk| {
        let builder = Instance::builder().background(ese::Background::Manual).segment_bytes(16 << 10);
        builder.open_on(Arc::new(disk.clone()), "/db")
    };
    let rows = |db: &Instance| -> Result<usize> {
        let tree = db.database("second").expect("it is attached").tree(db, "t")?;
        db.read(|s| Ok(usize::from(tree.get(s, "k")?.is_some())))
    };
    for crash in 0.. {
        let disk = SimDisk::new(crash, Profile::EVERYTHING);
        let db = open(&disk).unwrap();
        let second = db.create_database("second").unwrap();
        let tree = second.tree(&db, "t").unwrap();
        db.write(|tx| tree.put(tx, "k", "v")).unwrap();
        db.detach_database("second").unwrap();
        disk.crash_after(crash);
        let is_attached = db.attach_database("second").is_ok();
        let is_over = !disk.is_off();
        drop(db);
        disk.reboot();
        let db = open(&disk).unwrap();
        db.create_database("third").unwrap();
        if db.database("second").is_none() {
            assert!(!is_attached, "crash at change {crash}");
            db.attach_database("second").unwrap_or_else(|error| panic!("crash at change {crash}: {error}"));
        }
        assert_eq!(rows(&db).unwrap(), 1, "crash at change {crash}");
        db.close().unwrap();
        if is_over {
            break;
        }
    }
}

/// The first process is killed while it makes the folder; what the second one promises is there when the power goes.
#[test]
fn a_folder_whose_maker_was_killed_becomes_durable() {
    for crash in 0..12 {
        let disk = SimDisk::new(crash, Profile::NOTHING);
        let open =
            || Instance::builder().background(ese::Background::Manual).open_on(Arc::new(disk.clone()), "/db");
        disk.crash_after(crash);
        let first = open();
        assert!(first.is_err() && disk.is_off(), "crash at change {crash}");
        disk.kill();
        let db = open().unwrap();
        let tree = db.tree("t").unwrap();
        db.write(|tx| tree.put(tx, "k", "v")).unwrap();
        disk.crash_after(0);
        drop(db);
        disk.reboot();
        let db = open().unwrap();
        let tree = db.tree("t").unwrap();
        assert!(db.read(|s| Ok(tree.get(s, "k")?.is_some())).unwrap(), "crash at change {crash}");
    }
}

/// The same of the file of a database, which the next process attaches.
#[test]
fn a_database_whose_maker_was_killed_becomes_durable() {
    for crash in 0..12 {
        let disk = SimDisk::new(crash, Profile::NOTHING);
        let open =
            || Instance::builder().background(ese::Background::Manual).open_on(Arc::new(disk.clone()), "/db");
        let db = open().unwrap();
        disk.crash_after(crash);
        let made = db.create_database("second");
        assert!(made.is_err() && disk.is_off(), "crash at change {crash}");
        drop((made, db));
        disk.kill();
        let db = open().unwrap();
        let second = match db.database("second") {
            Some(second) => second,
            None => db.attach_database("second").or_else(|_| db.create_database("second")).unwrap(),
        };
        second.tree(&db, "t").unwrap();
        disk.crash_after(0);
        drop(db);
        disk.reboot();
        let db = open().unwrap_or_else(|error| panic!("crash at change {crash}: {error}"));
        let second = db.database("second").unwrap();
        assert!(db.read(|s| Ok(s.tree_in(second, "t")?.is_some())).unwrap(), "crash at change {crash}");
    }
}
