//! Closures: what is committed, what is rolled back, what runs again.

use crate::{
    instance, keys, kind,
    odd_engine::{Oddity, odd_instance},
    value, with_keys,
};
use ese::{Durability, Error, ErrorKind, LockMode, Result, Transaction, Tree};
use std::{
    error::Error as _,
    panic::{AssertUnwindSafe, catch_unwind},
};

#[test]
fn ok_commits_and_err_rolls_back() {
    let (db, tree) = instance();
    let made = db.write(|tx| tree.put(tx, "a", "1").map(|()| 7)).unwrap();
    assert_eq!(made, 7);
    let failed: Result<()> = db.write(|tx| {
        tree.put(tx, "b", "1")?;
        Err(ErrorKind::InvalidValue.into())
    });
    assert_eq!(kind(failed), ErrorKind::InvalidValue);
    db.write_with(Durability::Lazy, |tx| tree.put(tx, "c", "1")).unwrap();
    assert_eq!(keys(&db, tree), "a,c");
}

#[test]
fn an_error_without_a_conflict_is_not_run_again() {
    let (db, tree) = with_keys(&["a"]);
    let mut runs = 0;
    let failed = db.write(|tx| {
        runs += 1;
        tree.insert(tx, "a", "2")
    });
    assert_eq!((kind(failed), runs), (ErrorKind::KeyDuplicate, 1));
}

/// Runs a closure that fails as `fail` says after a conflict with a transaction that stays open.
fn against_a_writer(fail: impl Fn(Error) -> Result<()>) -> (Result<()>, u32) {
    let (db, tree) = with_keys(&["a"]);
    let mut session = db.session().unwrap();
    let mut other = session.begin().unwrap();
    tree.put(&mut other, "a", "held").unwrap();
    let mut runs = 0;
    let result = db.write(|tx| {
        runs += 1;
        tree.put(tx, "b", "1")?;
        fail(tree.put(tx, "a", "mine").unwrap_err())
    });
    let committed = result.is_ok();
    other.rollback().unwrap();
    assert_eq!(keys(&db, tree), if committed { "a,b" } else { "a" });
    (result, runs)
}

#[test]
fn ten_tries_then_the_conflict() {
    let (result, runs) = against_a_writer(Err);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), runs), (ErrorKind::WriteConflict, 10, 10));
    assert_eq!(error.key(), Some(&b"a"[..]), "the last conflict itself");
}

#[test]
fn tries_behind_commits_are_free_a_thousand_times() {
    let db = odd_instance(Oddity::AlwaysCommitting);
    let tree = db.tree("t").unwrap();
    let mut session = db.session().unwrap();
    let mut other = session.begin().unwrap();
    tree.put(&mut other, "a", "held").unwrap();
    let mut runs = 0;
    let error = db
        .write(|tx| {
            runs += 1;
            tree.put(tx, "a", "mine")
        })
        .unwrap_err();
    assert_eq!((error.kind(), error.attempts(), runs), (ErrorKind::WriteConflict, 1010, 1010));
}

#[test]
fn whatever_error_the_closure_returned() {
    let (result, runs) = against_a_writer(|_| Err(ErrorKind::InvalidValue.into()));
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), runs), (ErrorKind::WriteConflict, 10, 10));
    assert!(error.source().unwrap().to_string().contains("JET_errInvalidColumnType"));
}

#[test]
fn an_insert_that_never_got_through_is_a_conflict_with_its_place() {
    let (db, tree) = instance();
    let mut session = db.session().unwrap();
    let mut other = session.begin().unwrap();
    tree.insert(&mut other, "a", "held").unwrap();
    let error = db.write(|tx| tree.insert(tx, "a", "mine")).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::WriteConflict, 10));
    assert_eq!((error.tree(), error.key()), (Some("t"), Some(&b"a"[..])));
    assert!(error.source().unwrap().to_string().contains("JET_errKeyDuplicate"));
}

#[test]
fn a_conflict_that_the_closure_dealt_with_is_committed() {
    let (result, runs) = against_a_writer(|_| Ok(()));
    assert_eq!((result.is_ok(), runs), (true, 1));
}

#[test]
fn a_conflict_in_a_savepoint_rolled_back_does_not_count() {
    let (db, tree) = with_keys(&["a"]);
    let mut session = db.session().unwrap();
    let mut other = session.begin().unwrap();
    tree.put(&mut other, "a", "held").unwrap();
    let mut runs = 0;
    let failed: Result<()> = db.write(|tx| {
        runs += 1;
        let mut savepoint = tx.savepoint()?;
        let _ = tree.put(&mut savepoint, "a", "mine");
        savepoint.rollback()?;
        Err(ErrorKind::InvalidValue.into())
    });
    assert_eq!((kind(failed), runs), (ErrorKind::InvalidValue, 1));
}

#[test]
fn a_conflict_with_a_commit_runs_again_on_a_new_snapshot() {
    let (db, tree) = with_keys(&["n"]);
    let mut runs = 0;
    db.write(|tx| {
        runs += 1;
        if runs == 1 {
            db.write(|inner| tree.put(inner, "n", "theirs"))?;
        }
        let seen = value(tree, tx, "n").unwrap();
        tree.put(tx, "n", seen + "+mine")
    })
    .unwrap();
    assert_eq!(runs, 2);
    assert_eq!(db.read(|s| Ok(value(tree, s, "n"))).unwrap().as_deref(), Some("theirs+mine"));
}

#[test]
fn an_insert_conflict_runs_again() {
    let (db, tree) = instance();
    let mut runs = 0;
    let failed = db.write(|tx| {
        runs += 1;
        if runs == 1 {
            db.write(|inner| tree.insert(inner, "k", "theirs"))?;
        }
        tree.insert(tx, "k", "mine")
    });
    let error = failed.unwrap_err();
    assert_eq!((error.kind(), runs), (ErrorKind::KeyDuplicate, 2));
    assert!(!error.is_concurrent(), "on the second run the row exists for it");
}

#[test]
fn increments_of_many_threads_all_count() {
    let (db, tree) = instance();
    db.write(|tx| tree.put(tx, "n", 0_u64.to_le_bytes())).unwrap();
    let (threads, rounds) = (4_u64, 100_u64);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..rounds {
                    // Ten tries may be too few beside three others: the caller's loop goes on where they end.
                    while let Err(error) = db.write(|tx| {
                        let seen = tree.get(tx, "n")?.unwrap();
                        let next = u64::from_le_bytes(seen[..].try_into().unwrap()) + 1;
                        tree.put(tx, "n", next.to_le_bytes())
                    }) {
                        assert_eq!(error.kind(), ErrorKind::WriteConflict);
                    }
                }
            });
        }
    });
    let sum = db.read(|s| Ok(tree.get(s, "n")?.unwrap().to_vec())).unwrap();
    assert_eq!(sum, (threads * rounds).to_le_bytes());
}

#[derive(Debug, PartialEq)]
enum Refused {
    Rule,
    Storage(ErrorKind, u32),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Storage(error.kind(), error.attempts())
    }
}

#[test]
fn closures_with_errors_of_their_own() {
    let (db, tree) = with_keys(&["a"]);
    assert_eq!(db.try_read(|_| Err::<(), _>(Refused::Rule)), Err(Refused::Rule));
    assert_eq!(db.try_read::<_, Refused>(|s| Ok(tree.contains_key(s, "a")?)), Ok(true));
    assert_eq!(db.try_write(|_| Err::<(), _>(Refused::Rule)), Err(Refused::Rule));
    assert_eq!(db.try_write::<_, Refused>(|tx| Ok(tree.put(tx, "b", "1")?)), Ok(()));
    let lazy = db.try_write_with::<_, Refused>(Durability::Lazy, |tx| Ok(tree.delete(tx, "b")?));
    assert_eq!(lazy, Ok(true));
}

/// Runs a closure ten times against a transaction that has put "a" and "new" and is creating a tree "new", and hands out
/// what `try_write` does.
fn refused_ten_times(
    work: impl Fn(&mut Transaction<'_>, Tree) -> std::result::Result<(), Refused>,
) -> std::result::Result<(), Refused> {
    let (db, tree) = with_keys(&["a"]);
    let mut session = db.session().unwrap();
    let mut other = session.begin().unwrap();
    tree.put(&mut other, "a", "held").unwrap();
    tree.put(&mut other, "new", "held").unwrap();
    other.schema().create_tree("new").unwrap();
    let mut runs = 0;
    let refused = db.try_write(|tx| {
        runs += 1;
        work(tx, tree)
    });
    assert_eq!(runs, 10);
    refused
}

#[test]
fn the_last_error_is_handed_out_when_the_tries_are_used_up() {
    let own = refused_ten_times(|tx, tree| tree.put(tx, "a", "mine").map_err(|_| Refused::Rule));
    assert_eq!(own, Err(Refused::Rule), "whatever the closure makes of a conflict");
    let conflict = Err(Refused::Storage(ErrorKind::WriteConflict, 10));
    assert_eq!(refused_ten_times(|tx, tree| Ok(tree.put(tx, "a", "mine")?)), conflict);
    assert_eq!(refused_ten_times(|tx, tree| tree.delete(tx, "a").map(drop).map_err(Into::into)), conflict);
    assert_eq!(refused_ten_times(|tx, tree| Ok(tree.lock(tx, "a", LockMode::Read)?)), conflict);
    assert_eq!(refused_ten_times(|tx, tree| Ok(tree.remove_range(tx, ..).map(drop)?)), conflict);
    let in_savepoint = refused_ten_times(|tx, tree| {
        let mut savepoint = tx.savepoint()?;
        let refused = tree.put(&mut savepoint, "a", "mine");
        savepoint.commit()?;
        Ok(refused?)
    });
    assert_eq!(in_savepoint, conflict);
    let duplicate = refused_ten_times(|tx, tree| Ok(tree.insert(tx, "new", "mine")?));
    assert_eq!(duplicate, Err(Refused::Storage(ErrorKind::KeyDuplicate, 10)));
    let name = refused_ten_times(|tx, _| Ok(tx.schema().create_tree("new").map(drop)?));
    assert_eq!(name, Err(Refused::Storage(ErrorKind::TreeDuplicate, 10)));
}

#[test]
fn a_first_conflict_tells_of_no_tries() {
    let (db, tree) = with_keys(&["a"]);
    let mut session = db.session().unwrap();
    let mut other = session.begin().unwrap();
    tree.put(&mut other, "a", "held").unwrap();
    let mut seen = Vec::new();
    db.write(|tx| {
        let refused = tree.put(tx, "a", "mine").unwrap_err();
        seen.push(refused.attempts());
        if seen.len() < 3 { Err(refused) } else { Ok(()) }
    })
    .unwrap();
    assert_eq!(seen, [0, 2, 3]);
    assert_eq!(tree.put(&mut db.session().unwrap(), "a", "mine").unwrap_err().attempts(), 0);
}

#[test]
fn a_panic_rolls_back_and_the_pool_goes_on() {
    let (db, tree) = instance();
    for round in 0..100 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            db.write(|tx| -> Result<()> {
                tree.put(tx, "a", "1")?;
                let mut savepoint = tx.savepoint()?;
                tree.put(&mut savepoint, "b", "1")?;
                panic!("round {round}");
            })
        }));
        let message = panicked.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(*message, format!("round {round}"));
    }
    let panicked = catch_unwind(AssertUnwindSafe(|| db.read(|_| -> Result<()> { panic!("read") })));
    assert!(panicked.is_err());
    assert_eq!(keys(&db, tree), "");
    assert_eq!(db.stats().transactions, 0);
    db.write(|tx| tree.put(tx, "a", "2")).unwrap();
    assert!(db.stats().sessions <= 2, "sessions are used again");
}

#[test]
fn closures_nest_deeper_than_the_pool() {
    fn nest(db: &ese::Instance, tree: ese::Tree, depth: u32) -> u32 {
        db.read(|s| Ok(tree.range(s, ..)?.count() + 1))
            .and_then(|_| db.read(|_| Ok(if depth == 0 { 0 } else { 1 + nest(db, tree, depth - 1) })))
            .unwrap()
    }
    let (db, tree) = with_keys(&["a"]);
    assert_eq!(nest(&db, tree, 150), 150);
    assert_eq!(db.stats().transactions, 0);
    assert!(db.stats().sessions <= 64, "those made beyond the pool are gone");
}

#[test]
fn a_read_closure_has_one_snapshot() {
    let (db, tree) = with_keys(&["a"]);
    db.read(|s| {
        db.write(|tx| tree.put(tx, "a", "2"))?;
        assert_eq!(value(tree, s, "a").as_deref(), Some("a"));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_leaked_guard_inside_a_closure_is_rolled_back() {
    let (db, tree) = instance();
    db.write(|tx| {
        tree.put(tx, "a", "1")?;
        let mut leaked = tx.savepoint()?;
        tree.put(&mut leaked, "leaked", "1")?;
        std::mem::forget(leaked);
        Ok(())
    })
    .unwrap();
    assert_eq!(keys(&db, tree), "a");
}
