//! Runs everything small and looks at the report.

use ese_bench::{
    artefact::Artefact,
    compare::compare,
    row::Row,
    run::{ENGINES_DEFAULT, ENGINES_DURABLE, Outcome, Plan, run},
};

fn plan(only: &[Row], engines: &[&str], rows: usize) -> Plan {
    Plan {
        rows,
        rounds: 2,
        seed: 7,
        only: only.to_vec(),
        engines: engines.iter().map(|&name| name.to_owned()).collect(),
        directory: std::env::temp_dir(),
        disk: std::env::temp_dir(),
        program: Some(env!("CARGO_BIN_EXE_ese-bench").into()),
    }
}

fn run_quietly(plan: Plan) -> anyhow::Result<Outcome> {
    run(plan, |_| {})
}

#[test]
fn every_row_runs_on_every_engine() {
    let mut engines = ENGINES_DEFAULT.to_vec();
    engines.push("redb-file");
    let outcome = run_quietly(plan(&Row::memory(), &engines, 2_000)).unwrap();
    for row in Row::memory() {
        for engine in &engines {
            let figure = outcome.median(row, engine);
            let has = row != Row::Savepoints || matches!(*engine, "ese" | "lmdb" | "sqlite");
            assert_eq!(figure.is_some(), has, "{row:?} {engine}");
            assert!(figure.is_none_or(|figure| figure > 0.0), "{row:?} {engine} {figure:?}");
        }
    }
    let text = outcome.text();
    for row in Row::memory() {
        assert!(text.contains(row.title()), "{text}");
    }
}

#[test]
fn every_durable_row_runs_on_every_durable_engine() {
    // A round syncs a thousand times.
    let mut engines = ENGINES_DURABLE.to_vec();
    if cfg!(feature = "canopydb") {
        engines.push("canopydb");
    }
    let once = Plan { rounds: 1, ..plan(&Row::durable(), &engines, 300) };
    let outcome = run_quietly(once).unwrap();
    let limits = [Row::CommitDurable, Row::BatchThousand, Row::BatchTenThousand];
    for row in Row::durable() {
        for engine in &engines {
            let figure = outcome.median(row, engine);
            assert_eq!(figure.is_some(), *engine != "raw" || limits.contains(&row), "{row:?} {engine}");
            assert!(figure.is_none_or(|figure| figure > 0.0), "{row:?} {engine} {figure:?}");
        }
    }
    assert!(outcome.text().contains("commits_a_sync"));
    // Engines without folders have none of it.
    let memory = run_quietly(plan(&[Row::Open, Row::CommitDurable], &["btreemap"], 100)).unwrap();
    assert_eq!(
        (memory.median(Row::Open, "btreemap"), memory.median(Row::CommitDurable, "btreemap")),
        (None, None)
    );
}

#[test]
fn json_holds_every_sample() {
    let outcome = run_quietly(plan(&[Row::Get, Row::Commit], &["btreemap", "lmdb"], 500)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&outcome.json().unwrap()).unwrap();
    assert_eq!(json["rows"], 500);
    let results = json["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["row"], "get");
    assert_eq!(results[0]["engines"]["lmdb"]["samples"].as_array().unwrap().len(), 2);
    assert!(results[1]["engines"]["btreemap"]["notes"]["p99_ns"].is_array());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "files of the bench, and no engine's")]
fn an_artefact_holds_every_sample_and_is_compared() {
    let outcome = run_quietly(plan(&[Row::Get, Row::Savepoints], &["btreemap", "ese"], 500)).unwrap();
    let artefact = Artefact::of(&outcome);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rkyv");
    std::fs::write(&path, artefact.to_bytes().unwrap()).unwrap();
    let read = Artefact::read(&path).unwrap();
    assert_eq!(read, artefact);
    assert_eq!((read.rows, read.rounds, read.seed), (500, 2, 7));
    // A map has no savepoints.
    let names: Vec<_> = read.results.iter().map(|of| (&*of.row, &*of.engine, of.samples.len())).collect();
    assert_eq!(names, [("get", "btreemap", 2), ("get", "ese", 2), ("savepoints", "ese", 2)]);
    let (both, single) = compare(&read, &artefact);
    assert!(single.is_empty() && both.len() == 3 && both.iter().all(|compared| compared.ratio() == 1.0));
    std::fs::write(&path, &artefact.to_bytes().unwrap()[..100]).unwrap();
    let error = format!("{:#}", Artefact::read(&path).unwrap_err());
    assert!(error.contains("run.rkyv") && error.contains("damaged"), "{error}");
    assert!(Artefact::read(&folder.path().join("none.rkyv")).is_err());
}

#[test]
fn any_row_runs_alone_and_the_fewest_rows_do() {
    for row in Row::memory() {
        run_quietly(plan(&[row], &["btreemap"], 20)).unwrap();
    }
}

#[test]
fn nonsense_is_refused() {
    assert!(run_quietly(plan(&[Row::Get], &["oracle"], 100)).unwrap_err().to_string().contains("oracle"));
    assert!(run_quietly(plan(&[Row::Get], &["btreemap"], 3)).is_err());
    assert!(run_quietly(plan(&[Row::Get], &[], 100)).is_err());
}
