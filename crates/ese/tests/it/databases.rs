//! Several databases in one instance.

use crate::{Checked, instance, kind};
use ese::{Database, ErrorKind, Result};

#[test]
fn databases_are_groups_of_trees() {
    let (db, tree) = instance();
    let archive = db.create_database("archive").unwrap();
    let copy = archive;
    let log = copy.tree(&db, "t").unwrap();
    assert_ne!(log, tree, "one name, two databases");
    assert_eq!(archive.tree(&db, "t").unwrap(), log);
    assert_eq!(archive.tree_names(&db).unwrap(), ["t"]);
    assert_eq!(db.main_database().tree_names(&db).unwrap(), ["t"]);
    assert_eq!(db.database("archive").unwrap().tree(&db, "t").unwrap(), log);
    assert_eq!(db.database("archive"), Some(archive));
    assert_ne!(archive, db.main_database());
    assert!(db.database("absent").is_none());
    assert_eq!(db.database_names().len(), 2);
    assert!(db.database_names().contains(&"archive".to_owned()));
}

#[test]
fn one_transaction_spans_databases() {
    let (db, tree) = instance();
    let log = db.create_database("archive").unwrap().tree(&db, "log").unwrap();
    let failed: Result<()> = db.write(|tx| {
        tree.put(tx, "a", "1")?;
        log.put(tx, "a", "1")?;
        Err(ErrorKind::InvalidValue.into())
    });
    assert!(failed.is_err());
    assert!(db.read(|s| Ok(tree.first(s)?.is_none() && log.first(s)?.is_none())).unwrap());
    db.write(|tx| {
        tree.put(tx, "a", "1")?;
        log.put(tx, "a", "1")
    })
    .unwrap();
    assert!(db.read(|s| Ok(tree.contains_key(s, "a")? && log.contains_key(s, "a")?)).unwrap());
}

#[test]
fn schemas_of_databases() {
    let (db, tree) = instance();
    let archive = db.create_database("archive").unwrap();
    db.write(|tx| {
        let made = tx.schema_in(archive)?.create_tree("made")?;
        assert_eq!(tx.tree_in(archive, "made")?, Some(made));
        assert_eq!(tx.tree("made")?, None);
        assert_eq!(kind(tx.schema().drop_tree(made)), ErrorKind::InvalidHandle);
        assert_eq!(kind(tx.schema_in(archive)?.rename_tree(tree, "x")), ErrorKind::InvalidHandle);
        Ok(())
    })
    .unwrap();
    assert_eq!(archive.tree_names(&db).unwrap(), ["made"]);
}

#[test]
fn a_detached_database_comes_back_by_its_name() {
    let (db, _) = instance();
    let archive = db.create_database("archive").unwrap();
    let log = archive.tree(&db, "log").unwrap();
    db.write(|tx| log.put(tx, "a", "1")).unwrap();
    db.detach_database("archive").unwrap();
    assert!(db.database("archive").is_none());
    assert!(db.read(|s| log.get(s, "a").map(drop)).is_err(), "its handles are dead");
    assert_eq!(kind(db.detach_database("archive")), ErrorKind::DatabaseNotFound);
    assert_eq!(kind(db.create_database("archive")), ErrorKind::DatabaseDuplicate);
    let again = db.attach_database("archive").unwrap().tree(&db, "log").unwrap();
    assert_ne!(again, log);
    assert!(db.read(|s| again.contains_key(s, "a")).unwrap());
    assert_eq!(kind(archive.tree(&db, "log")), ErrorKind::DatabaseNotFound, "its number is not used again");
    assert_eq!(kind(archive.tree_names(&db)), ErrorKind::DatabaseNotFound);
    assert_eq!(kind(db.attach_database("archive")), ErrorKind::DatabaseAttached);
    assert_eq!(kind(db.attach_database("absent")), ErrorKind::DatabaseNotFound);
}

#[test]
fn the_main_database_stays() {
    let (db, _) = instance();
    for name in db.database_names() {
        assert_eq!(kind(db.detach_database(&name)), ErrorKind::InvalidParameter);
    }
}

#[test]
fn a_handle_outlives_the_borrow_of_its_instance() {
    struct Shop {
        db: Checked,
        archive: Database,
    }
    let (db, _) = instance();
    let archive = db.create_database("archive").unwrap();
    let shop = Shop { db, archive };
    let log = shop.archive.tree(&shop.db, "log").unwrap();
    std::thread::scope(|threads| {
        threads.spawn(move || assert_eq!(shop.archive.tree_names(&shop.db).unwrap(), ["log"]));
    });
    assert!(format!("{archive:?} {log:?}").starts_with("Database("));
}
