//! Trees created, dropped and renamed inside transactions, and found or created outside.

use crate::{instance, kind, with_keys};
use ese::{ErrorKind, Instance};

#[test]
fn a_tree_is_created_once() {
    let (db, tree) = instance();
    assert_eq!(db.tree("t").unwrap(), tree);
    assert_ne!(db.tree("u").unwrap(), tree);
    assert_eq!(db.read(|s| s.tree_names()).unwrap(), ["t", "u"]);
    assert_eq!(db.read(|s| s.tree("t")).unwrap(), Some(tree));
    assert_eq!(db.read(|s| s.tree("absent")).unwrap(), None);
    assert_eq!(kind(db.tree("")), ErrorKind::InvalidName);
    assert_eq!(kind(db.tree(&"x".repeat(65))), ErrorKind::InvalidName);
}

#[test]
fn threads_that_create_one_tree_get_the_same() {
    for _ in 0..20 {
        let db = Instance::in_memory().unwrap();
        let trees: Vec<_> = std::thread::scope(|scope| {
            let spawned: Vec<_> = (0..4).map(|_| scope.spawn(|| db.tree("t").unwrap())).collect();
            spawned.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(trees.iter().all(|tree| *tree == trees[0]), "{trees:?}");
    }
}

#[test]
fn a_tree_that_somebody_is_creating_is_no_duplicate() {
    let (db, _) = instance();
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    let theirs = tx.schema().create_tree("u").unwrap();
    let error = db.tree("u").unwrap_err();
    assert_eq!((error.kind(), error.tree()), (ErrorKind::WriteConflict, Some("u")));
    assert!(error.is_concurrent() && error.attempts() == 10);
    tx.commit().unwrap();
    assert_eq!(db.tree("u").unwrap(), theirs);
}

#[test]
fn schema_changes_belong_to_their_transaction() {
    let (db, tree) = with_keys(&["a"]);
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    let made = tx.schema().create_tree("made").unwrap();
    made.put(&mut tx, "x", "1").unwrap();
    tx.schema().rename_tree(tree, "renamed").unwrap();
    assert_eq!(tx.schema().tree_names().unwrap(), ["made", "renamed"]);
    assert_eq!(tx.schema().tree("renamed").unwrap(), Some(tree));
    assert_eq!(db.read(|s| s.tree_names()).unwrap(), ["t"]);
    tx.rollback().unwrap();
    assert_eq!(db.read(|s| s.tree_names()).unwrap(), ["t"]);
    assert_eq!(kind(db.read(|s| made.get(s, "x").map(drop))), ErrorKind::ObjectNotFound);
}

#[test]
fn drops_undo_with_their_savepoint() {
    let (db, tree) = with_keys(&["a"]);
    db.write(|tx| {
        let mut savepoint = tx.savepoint()?;
        savepoint.schema().drop_tree(tree)?;
        assert_eq!(kind(tree.get(&savepoint, "a")), ErrorKind::ObjectNotFound);
        savepoint.rollback()?;
        assert!(tree.contains_key(tx, "a")?);
        Ok(())
    })
    .unwrap();
    db.write(|tx| tx.schema().drop_tree(tree)).unwrap();
    assert_eq!(kind(db.write(|tx| tx.schema().drop_tree(tree))), ErrorKind::ObjectNotFound);
    let again = db.tree("t").unwrap();
    assert_ne!(again, tree, "numbers are not used twice");
    assert_eq!(crate::keys(&db, again), "");
}

#[test]
fn an_older_snapshot_keeps_a_dropped_tree() {
    let (db, tree) = with_keys(&["a"]);
    let mut session = db.session().unwrap();
    let tx = session.begin().unwrap();
    db.write(|tx| tx.schema().drop_tree(tree)).unwrap();
    assert!(tree.contains_key(&tx, "a").unwrap());
    assert_eq!(tx.tree("t").unwrap(), Some(tree));
}

#[test]
fn names_are_unique() {
    let (db, tree) = instance();
    db.write(|tx| {
        let duplicate = tx.schema().create_tree("t").unwrap_err();
        assert_eq!((duplicate.kind(), duplicate.is_concurrent()), (ErrorKind::TreeDuplicate, false));
        let other = tx.schema().create_tree("u")?;
        assert_eq!(kind(tx.schema().rename_tree(other, "t")), ErrorKind::TreeDuplicate);
        tx.schema().rename_tree(tree, "v")?;
        tx.schema().rename_tree(other, "t")
    })
    .unwrap();
    assert_eq!(db.read(|s| s.tree_names()).unwrap(), ["t", "v"]);
    assert_eq!(db.tree("v").unwrap(), tree, "a handle follows its tree");
}
