//! Runs everything small and looks at the report.

use ese_bench::{
    row::Row,
    run::{ENGINES_DEFAULT, Outcome, Plan, run},
};

fn plan(only: &[Row], engines: &[&str], rows: usize) -> Plan {
    Plan {
        rows,
        rounds: 2,
        seed: 7,
        only: only.to_vec(),
        engines: engines.iter().map(|&name| name.to_owned()).collect(),
        directory: std::env::temp_dir(),
    }
}

fn run_quietly(plan: Plan) -> anyhow::Result<Outcome> {
    run(plan, |_| {})
}

#[test]
fn every_row_runs_on_every_engine() {
    let mut engines = ENGINES_DEFAULT.to_vec();
    engines.push("redb-file");
    let outcome = run_quietly(plan(&Row::ALL, &engines, 2_000)).unwrap();
    for row in Row::ALL {
        for engine in &engines {
            let figure = outcome.median(row, engine);
            let has = row != Row::Savepoints || matches!(*engine, "ese" | "lmdb" | "sqlite");
            assert_eq!(figure.is_some(), has, "{row:?} {engine}");
            assert!(figure.is_none_or(|figure| figure > 0.0), "{row:?} {engine} {figure:?}");
        }
    }
    let text = outcome.text();
    for row in Row::ALL {
        assert!(text.contains(row.title()), "{text}");
    }
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
fn any_row_runs_alone_and_the_fewest_rows_do() {
    for row in Row::ALL {
        run_quietly(plan(&[row], &["btreemap"], 20)).unwrap();
    }
}

#[test]
fn nonsense_is_refused() {
    assert!(run_quietly(plan(&[Row::Get], &["oracle"], 100)).unwrap_err().to_string().contains("oracle"));
    assert!(run_quietly(plan(&[Row::Get], &["btreemap"], 3)).is_err());
    assert!(run_quietly(plan(&[Row::Get], &[], 100)).is_err());
}
