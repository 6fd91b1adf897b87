//! The example `flights`: its figures are those computed outside the engine, and bad input is refused in clear words.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use ese::{ErrorKind, Instance};
use ese_examples::flights::{
    command,
    figures::Figures,
    kill::Kill,
    load::{Loaded, load},
    query::{self, PLANE_DEFAULT},
    tables::Tables,
};
use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/nycflights13")
}

fn writers(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// Loads the first `rows` flights with so many writers and answers all questions.
fn figures(rows: Option<usize>, count: usize) -> Figures {
    let tables = Tables::read(&data(), rows).unwrap();
    let db = Instance::in_memory().unwrap();
    let committed = AtomicUsize::new(0);
    let progress = |rows| {
        committed.fetch_add(rows, Ordering::Relaxed);
    };
    let loaded = load(&db, &tables, writers(count), &progress, &Kill::default()).unwrap();
    assert_eq!(committed.into_inner(), tables.flights.rows.len());
    let figures = query::figures(&db, &loaded.trees, PLANE_DEFAULT).unwrap();
    assert_eq!(db.check().unwrap(), Vec::<String>::new());
    db.merge().unwrap();
    assert_eq!(
        query::figures(&db, &loaded.trees, PLANE_DEFAULT).unwrap(),
        figures,
        "a merge changes no answer"
    );
    assert_eq!(db.check().unwrap(), Vec::<String>::new());
    db.close().unwrap();
    figures
}

#[test]
fn every_figure_is_that_of_the_script() {
    let text = fs::read_to_string(data().join("figures.json")).unwrap();
    let outside: Figures = serde_json::from_str(&text).unwrap();
    let found = figures(None, 4);
    assert_eq!(found.rows, outside.rows);
    assert_eq!(found.rejected, outside.rejected);
    assert_eq!(found.carriers, outside.carriers);
    assert_eq!(found.delays, outside.delays);
    assert_eq!(found.plane, outside.plane);
    assert_eq!(found.weather, outside.weather);
    assert_eq!(found.busiest_routes, outside.busiest_routes);
    assert_eq!(found.late_destinations, outside.late_destinations);
    // And whatever has no line of its own above.
    assert_eq!(found, outside);
}

#[test]
fn the_number_of_writers_changes_no_figure() {
    let alone = figures(Some(20_000), 1);
    for count in [2, 7, 40] {
        assert_eq!(figures(Some(20_000), count), alone, "{count} writers");
    }
    assert_eq!(alone.rows["flights"], 20_000);
}

#[test]
fn no_flights_are_fine() {
    let none = figures(Some(0), 3);
    assert_eq!(none.rows["flights"], 0);
    assert_eq!(none.rows["planes"], 3_322);
    assert!(none.delays.is_empty());
}

/// Loads without telling anybody.
fn load_quietly(db: &Instance, tables: &Tables, count: usize) -> Loaded {
    load(db, tables, writers(count), &|_| {}, &Kill::default()).unwrap()
}

#[test]
fn what_is_loaded_is_not_loaded_again() {
    let first = Tables::read(&data(), Some(1_300)).unwrap();
    let more = Tables::read(&data(), Some(3_000)).unwrap();
    let db = Instance::in_memory().unwrap();
    assert_eq!((load_quietly(&db, &first, 2).loaded, first.rows()), (first.rows(), first.rows()));
    let again = load_quietly(&db, &first, 5);
    assert_eq!((again.loaded, again.found), (0, first.rows()));
    let rest = load_quietly(&db, &more, 3);
    assert_eq!((rest.loaded, rest.found), (1_700, first.rows()));
    assert_eq!(load_quietly(&db, &first, 1).loaded, 0, "fewer rows are asked for than there are");
    assert_eq!(query::figures(&db, &rest.trees, PLANE_DEFAULT).unwrap(), figures(Some(3_000), 4));
}

#[test]
fn other_flights_are_refused_and_leave_the_first_load_alone() {
    let tables = Tables::read(&data(), Some(1_000)).unwrap();
    let mut others = Tables::read(&data(), Some(1_000)).unwrap();
    others.flights.rows.reverse();
    let db = Instance::in_memory().unwrap();
    let trees = load_quietly(&db, &tables, 2).trees;
    let before = query::figures(&db, &trees, PLANE_DEFAULT).unwrap();
    others.flights.rows[0].flight += 1;
    let refused = load(&db, &others, writers(2), &|_| {}, &Kill::default()).unwrap_err();
    assert!(refused.to_string().contains("line 2: an earlier run has loaded other flights"), "{refused}");
    // Without the notes it is the flights themselves that are in the way.
    db.write(|tx| trees.progress.remove_range(tx, ("flights", 0)..("flights", u64::MAX))).unwrap();
    let refused = load(&db, &tables, writers(2), &|_| {}, &Kill::default()).unwrap_err();
    assert!(refused.to_string().contains("the flight is there already"), "{refused}");
    assert_eq!(query::figures(&db, &trees, PLANE_DEFAULT).unwrap(), before);
    let mut session = db.session().unwrap();
    let duplicate = trees.planes.insert(&mut session, "N10156", &tables.planes.rows[0]);
    assert_eq!(duplicate.unwrap_err().kind(), ErrorKind::KeyDuplicate);
}

/// Runs the command and returns its code and what it printed.
fn run(arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = command::run(["flights"].iter().chain(arguments), &mut out, &mut err);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn the_command_prints_tables() {
    let (code, out, err) =
        run(&["--rows", "3000", "--threads", "2", "--plane", "N14228", "--backend", "memory"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for words in ["Rows of each tree", "N14228", "JFK", "Stats", "check: no fault"] {
        assert!(out.contains(words), "{words:?} is missing in:\n{out}");
    }
}

#[test]
fn unknown_arguments_end_with_code_2() {
    for arguments in [&["--backend", "paper"][..], &["--threads", "0"], &["--rows", "many"], &["--speed"]] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(arguments[arguments.len() - 1]), "{err}");
    }
    assert_eq!(run(&["--help"]).0, 0);
}

/// Runs on a copy of the data in which `change` has changed a file; returns code and error.
fn run_on_changed(change: impl FnOnce(&Path)) -> (u8, String) {
    let folder = tempfile::tempdir().unwrap();
    for file in ["airlines.csv", "airports.csv", "planes.csv", "weather.csv.zst"] {
        fs::copy(data().join(file), folder.path().join(file)).unwrap();
    }
    let line = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z\n";
    write(folder.path(), "flights.csv", &format!("{HEADER}{line}"));
    change(folder.path());
    let (code, _, err) = run(&["--backend", "memory", "--data", folder.path().to_str().unwrap()]);
    (code, err)
}

const HEADER: &str = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,\
                      flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n";

#[expect(clippy::disallowed_methods, reason = "input for the program under test")]
fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

#[test]
fn the_changed_copy_is_good_without_a_change() {
    assert_eq!(run_on_changed(|_| {}), (0, String::new()));
}

#[test]
fn a_missing_file_is_named() {
    let (code, err) = run_on_changed(|folder| fs::remove_file(folder.join("planes.csv")).unwrap());
    assert_eq!(code, 2);
    assert!(err.contains("planes.csv: there is no such file"), "{err}");
}

#[test]
fn broken_lines_are_named() {
    let good = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z";
    let lines = [
        (good.replace("517", "early"), "dep_time is \"early\", which is no u16"),
        (good.replace(",515,", ",NA,"), "sched_dep_time is missing"),
        (good.replace(",1400,", ",,"), "distance is empty"),
        (good.replace("UA", "ZZ"), "no airline has the carrier code \"ZZ\""),
        (good.replace("2013,1,1", "2013,2,30"), "2013-2-30 is no date"),
        (
            good.replace("T10:00:00Z", "T10:30:00Z"),
            "time_hour is \"2013-01-01T10:30:00Z\", which is no hour of UTC",
        ),
        (good.replace(",5,15,", ",5,16,"), "sched_dep_time is 515, but hour and minute are 5:16"),
        (good.replace(",1545,", ",99999,"), "flight is \"99999\", which is no u16"),
        ("2013,1,1".into(), "it has 3 fields, but must have 19"),
        (good.into(), "another row has the same key"),
    ];
    for (line, words) in lines {
        let text = format!("{HEADER}{good}\n{line}\n");
        let (code, err) = run_on_changed(|folder| write(folder, "flights.csv", &text));
        assert_eq!(code, 2, "{line}");
        assert!(
            err.contains("flights.csv, line 3: ") && err.contains(words),
            "{words:?} is missing in {err}"
        );
    }
}

#[test]
fn a_wrong_header_and_damaged_files_are_named() {
    let (code, err) = run_on_changed(|folder| write(folder, "airlines.csv", "code,name\nUA,United\n"));
    assert_eq!(code, 2);
    assert!(err.contains("airlines.csv, line 1: the columns are \"code,name\""), "{err}");
    let (code, err) = run_on_changed(|folder| write(folder, "weather.csv.zst", "this is no archive"));
    assert_eq!(code, 2);
    assert!(err.contains("weather.csv.zst: "), "{err}");
}
