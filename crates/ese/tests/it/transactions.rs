//! Guards: transactions, savepoints, and what happens to those that are dropped or leaked.

use crate::{Checked, instance, keys, kind, value, with_keys};
use ese::{Durability, ErrorKind, Instance, LockMode, Transaction, TypedTree};
use std::mem;

#[test]
fn a_snapshot_is_taken_at_begin() {
    let (db, tree) = with_keys(&["a"]);
    let mut session = db.session().unwrap();
    let tx = session.begin().unwrap();
    db.write(|tx| {
        tree.put(tx, "a", "new")?;
        tree.put(tx, "b", "new")
    })
    .unwrap();
    assert_eq!(value(tree, &tx, "a").as_deref(), Some("a"));
    assert_eq!(value(tree, &tx, "b"), None);
    drop(tx);
    assert_eq!(value(tree, &session.begin().unwrap(), "a").as_deref(), Some("new"));
}

#[test]
fn dropping_and_rolling_back_undo() {
    let (db, tree) = instance();
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "a", "1").unwrap();
    drop(tx);
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "b", "1").unwrap();
    tx.rollback().unwrap();
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "c", "1").unwrap();
    tx.commit().unwrap();
    assert_eq!(keys(&db, tree), "c");
    assert_eq!(db.stats().transactions, 0);
}

#[test]
fn dropping_a_session_rolls_back() {
    let (db, tree) = instance();
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "a", "1").unwrap();
    mem::forget(tx);
    drop(session);
    assert_eq!(keys(&db, tree), "");
    db.write(|tx| tree.put(tx, "a", "2")).unwrap();
}

#[test]
fn savepoints_nest() {
    let (db, tree) = instance();
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    assert_eq!(tx.level(), 1);
    tree.put(&mut tx, "a", "1").unwrap();
    {
        let mut outer = tx.savepoint().unwrap();
        assert_eq!(outer.level(), 2);
        tree.put(&mut outer, "b", "1").unwrap();
        {
            let mut inner = outer.savepoint().unwrap();
            assert_eq!(inner.level(), 3);
            tree.put(&mut inner, "c", "1").unwrap();
            tree.delete(&mut inner, "a").unwrap();
            assert_eq!(inner.commit().unwrap(), None);
        }
        assert_eq!(value(tree, &outer, "a"), None);
        outer.rollback().unwrap();
    }
    assert_eq!(value(tree, &tx, "a").as_deref(), Some("1"));
    {
        let mut dropped = tx.savepoint().unwrap();
        tree.put(&mut dropped, "d", "1").unwrap();
    }
    {
        let mut kept = tx.savepoint().unwrap();
        tree.put(&mut kept, "e", "1").unwrap();
        kept.commit().unwrap();
    }
    tx.commit().unwrap();
    assert_eq!(keys(&db, tree), "a,e");
}

#[test]
fn a_helper_for_transactions_takes_savepoints() {
    fn put_two(tx: &mut Transaction<'_>, tree: ese::Tree) -> ese::Result<()> {
        tree.put(tx, "a", "1")?;
        let mut savepoint = tx.savepoint()?;
        tree.put(&mut savepoint, "b", "2")?;
        savepoint.commit().map(drop)
    }
    let (db, tree) = instance();
    db.write(|tx| {
        put_two(tx, tree)?;
        put_two(&mut tx.savepoint()?, tree)
    })
    .unwrap();
    assert_eq!(keys(&db, tree), "a,b");
}

#[test]
fn deep_savepoints() {
    fn nest(tx: &mut Transaction<'_>, tree: ese::Tree, depth: u32) {
        if depth > 0 {
            let mut savepoint = tx.savepoint().unwrap();
            tree.put(&mut savepoint, depth.to_be_bytes(), "").unwrap();
            nest(&mut savepoint, tree, depth - 1);
            if depth.is_multiple_of(2) {
                savepoint.commit().unwrap();
            }
        }
    }
    let (db, tree) = instance();
    db.write(|tx| {
        nest(tx, tree, 101);
        Ok(())
    })
    .unwrap();
    assert_eq!(keys(&db, tree), "", "the outermost was dropped");
    db.write(|tx| {
        nest(tx, tree, 100);
        Ok(())
    })
    .unwrap();
    assert_eq!(
        db.read(|s| Ok(tree.range(s, ..)?.count())).unwrap(),
        1,
        "100 is kept, 99 and all below it are not"
    );
}

#[test]
fn levels_can_be_limited() {
    let db = Checked(Instance::builder().levels_max(2).in_memory().unwrap());
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    let mut savepoint = tx.savepoint().unwrap();
    assert_eq!(kind(savepoint.savepoint()), ErrorKind::TransTooDeep);
    savepoint.commit().unwrap();
    tx.commit().unwrap();
}

#[test]
fn a_leaked_savepoint_is_rolled_back_by_its_parent() {
    let (db, tree) = instance();
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "a", "1").unwrap();
    let mut leaked = tx.savepoint().unwrap();
    tree.put(&mut leaked, "leaked", "1").unwrap();
    mem::forget(leaked);
    tree.put(&mut tx, "b", "1").unwrap();
    assert_eq!(value(tree, &tx, "leaked"), None);
    let mut leaked = tx.savepoint().unwrap();
    tree.put(&mut leaked, "leaked", "2").unwrap();
    mem::forget(leaked);
    tx.commit().unwrap();
    assert_eq!(keys(&db, tree), "a,b");
}

#[test]
fn a_leaked_transaction_is_rolled_back_by_the_next_one() {
    let (db, tree) = instance();
    let mut session = db.session().unwrap();
    let mut leaked = session.begin().unwrap();
    tree.put(&mut leaked, "a", "1").unwrap();
    mem::forget(leaked);
    tree.put(&mut session, "b", "1").unwrap();
    let mut leaked = session.begin_read_only().unwrap();
    let _ = leaked.savepoint().map(mem::forget);
    mem::forget(leaked);
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "c", "1").unwrap();
    tx.commit().unwrap();
    assert_eq!(keys(&db, tree), "b,c");
}

#[test]
fn a_read_only_transaction_refuses_writes_and_goes_on() {
    let (db, tree) = with_keys(&["a"]);
    let mut session = db.session().unwrap();
    let mut tx = session.begin_read_only().unwrap();
    assert_eq!(kind(tree.put(&mut tx, "b", "1")), ErrorKind::TransReadOnly);
    assert_eq!(kind(tree.delete(&mut tx, "a")), ErrorKind::TransReadOnly);
    assert_eq!(kind(tree.lock(&mut tx, "a", LockMode::Read)), ErrorKind::TransReadOnly);
    assert_eq!(kind(tx.schema().create_tree("x")), ErrorKind::TransReadOnly);
    {
        let mut savepoint = tx.savepoint().unwrap();
        assert_eq!(kind(tree.put(&mut savepoint, "b", "1")), ErrorKind::TransReadOnly);
    }
    assert!(tree.contains_key(&tx, "a").unwrap());
    assert_eq!(tx.commit().unwrap(), None);
    tree.put(&mut session, "b", "1").unwrap();
}

/// Whatever the range, and whether or not anything lies in it.
#[test]
fn a_range_without_rows_is_removed_by_writers_only() {
    let (db, tree) = with_keys(&["a"]);
    let typed: TypedTree<u8, ()> = db.typed_tree("typed").unwrap();
    let (mut session, mut dropper) = (db.session().unwrap(), db.session().unwrap());
    let mut tx = session.begin_read_only().unwrap();
    for range in ["x".."z", "z".."x", "a".."b"] {
        assert_eq!(kind(tree.remove_range(&mut tx, range)), ErrorKind::TransReadOnly);
    }
    assert_eq!(kind(tree.remove_range(&mut tx.savepoint().unwrap(), "x"..)), ErrorKind::TransReadOnly);
    assert_eq!(kind(typed.remove_range(&mut tx, ..)), ErrorKind::TransReadOnly);
    assert_eq!(kind(typed.remove_range(&mut tx, 7..=9)), ErrorKind::TransReadOnly);
    assert_eq!((tx.level(), tx.has_conflict()), (1, false), "it goes on");
    assert!(tree.contains_key(&tx, "a").unwrap());
    tx.commit().unwrap();
    let mut tx = session.begin().unwrap();
    assert_eq!(tree.remove_range(&mut tx, "x"..).unwrap(), 0);
    assert_eq!(typed.remove_range(&mut tx, ..).unwrap(), 0);
    assert_eq!(tx.commit().unwrap(), None, "nothing was written");
    // Outside a transaction it is one of its own.
    assert_eq!(tree.remove_range(&mut session, "x"..).unwrap(), 0);
    let mut tx = dropper.begin().unwrap();
    tx.schema().drop_tree(tree).unwrap();
    assert_eq!(kind(tree.remove_range(&mut session, "x"..)), ErrorKind::WriteConflict);
    tx.commit().unwrap();
    assert_eq!(kind(tree.remove_range(&mut session, "x"..)), ErrorKind::ObjectNotFound);
}

#[test]
fn commits_can_be_waited_for() {
    let (db, tree) = instance();
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "a", "1").unwrap();
    let commit = tx.commit_with(Durability::Lazy).unwrap();
    db.wait_durable(commit).unwrap();
    if let Some(commit) = commit {
        db.wait_durable(commit).unwrap();
    }
    assert_eq!(session.begin().unwrap().commit().unwrap(), None, "nothing was written");
    db.wait_durable(None).unwrap();
}

#[test]
fn conflicts_go_with_the_savepoint_they_happened_in() {
    let (db, tree) = with_keys(&["a"]);
    let (mut one, mut two) = (db.session().unwrap(), db.session().unwrap());
    let mut first = one.begin().unwrap();
    tree.put(&mut first, "a", "1").unwrap();
    let mut second = two.begin().unwrap();
    {
        let mut savepoint = second.savepoint().unwrap();
        assert_eq!(kind(tree.put(&mut savepoint, "a", "2")), ErrorKind::WriteConflict);
        assert!(savepoint.has_conflict());
    }
    assert!(!second.has_conflict());
    let duplicate = tree.insert(&mut second, "a", "2").unwrap_err();
    assert!(duplicate.kind() == ErrorKind::KeyDuplicate, "{duplicate}");
}
