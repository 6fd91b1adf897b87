//! The example `flights` in a folder: it is killed, and the next run goes on to the same result.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use ese::Instance;
use ese_examples::flights::{
    command,
    figures::Figures,
    kill::Kill,
    load::load,
    query::{self, PLANE_DEFAULT},
    tables::Tables,
};
use std::{
    env, io,
    num::NonZeroUsize,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

/// Flights of every run here: 6 days and a part of the seventh, a dozen batches.
const ROWS: usize = 6_000;
/// What the process that is killed is given.
const FOLDER: &str = "ESE_FLIGHTS_FOLDER";
/// After how many flights.
const AFTER: &str = "ESE_FLIGHTS_KILL_AFTER";

fn arguments(folder: &str) -> Vec<String> {
    ["flights", "--threads", "3", "--dir", folder, "--rows", &ROWS.to_string()].map(str::to_owned).to_vec()
}

/// The process that [`killed`] starts: the test below, with a folder.
fn be_killed(folder: &str) {
    let after = env::var(AFTER).unwrap();
    let mut arguments = arguments(folder);
    arguments.extend(["--kill-after".to_owned(), after]);
    command::run(arguments, &mut io::stdout(), &mut io::stderr());
}

/// Runs the example in a process of its own until it kills itself.
fn killed(folder: &Path, after: usize) -> ExitStatus {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_run_goes_on_where_the_killed_one_ended", "--nocapture"])
        .env(FOLDER, folder)
        .env(AFTER, after.to_string())
        .stdout(Stdio::null())
        .status()
        .unwrap()
}

/// Runs the example here.
fn run(folder: &Path) -> String {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = command::run(arguments(folder.to_str().unwrap()), &mut out, &mut err);
    assert_eq!((code, String::from_utf8(err).unwrap().as_str()), (0, ""));
    String::from_utf8(out).unwrap()
}

/// The answers from an instance, loaded with what is missing.
fn figures(db: &Instance) -> Figures {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/nycflights13");
    let tables = Tables::read(&data, Some(ROWS)).unwrap();
    let loaded = load(db, &tables, NonZeroUsize::MIN, &|_| {}, &Kill::default()).unwrap();
    query::figures(db, &loaded.trees, PLANE_DEFAULT).unwrap()
}

#[test]
fn a_run_goes_on_where_the_killed_one_ended() {
    if let Ok(folder) = env::var(FOLDER) {
        return be_killed(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("made/with its parents");
    // In the first row, then after some batches were committed, then in the second run's last ones.
    for after in [0, 2_600, 2_000] {
        assert_eq!(killed(&folder, after).signal(), Some(9), "{after}");
    }
    let out = run(&folder);
    for words in ["The last run did not close", ". Recovered ", "were there already; ", "check: no fault"] {
        assert!(out.contains(words), "{words:?} is missing in:\n{out}");
    }
    let out = run(&folder);
    assert!(!out.contains("The last run"), "it was closed:\n{out}");
    assert!(out.contains("rows of the files were there already\n"), "{out}");

    let db = Instance::open(&folder).unwrap();
    let found = figures(&db);
    assert_eq!(found, figures(&Instance::in_memory().unwrap()));
    assert_eq!(found.rows["flights"], ROWS as u64);
    db.close().unwrap();
}

#[test]
fn another_process_that_has_the_folder_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let db = Instance::open(folder.path().join("here")).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let here = folder.path().join("here");
    assert_eq!(command::run(arguments(here.to_str().unwrap()), &mut out, &mut err), 1);
    assert!(String::from_utf8(err).unwrap().contains("here"));
    db.close().unwrap();
}
