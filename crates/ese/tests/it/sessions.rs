//! Sessions, statements outside a transaction, and the end of an instance.

use crate::{Checked, instance, keys, kind, value, with_keys};
use ese::{Durability, ErrorKind, Instance, LockMode, SessionOptions};

#[test]
fn statements_on_a_session_commit_by_themselves() {
    let (db, tree) = instance();
    let mut session = db.session().unwrap();
    tree.put(&mut session, "a", "1").unwrap();
    tree.insert(&mut session, "b", "1").unwrap();
    assert!(tree.update(&mut session, "b", "2").unwrap());
    assert!(tree.delete(&mut session, "a").unwrap());
    assert_eq!(keys(&db, tree), "b");
    assert_eq!(kind(tree.insert(&mut session, "b", "1")), ErrorKind::KeyDuplicate);
    tree.put(&mut session, "c", "1").unwrap();
    assert_eq!(tree.remove_range(&mut session, "b"..).unwrap(), 2);
    assert_eq!(keys(&db, tree), "");
}

#[test]
fn reads_on_a_session_see_the_newest_commit() {
    let (db, tree) = with_keys(&["a"]);
    let session = db.session().unwrap();
    assert_eq!(value(tree, &session, "a").as_deref(), Some("a"));
    db.write(|tx| tree.put(tx, "a", "2")).unwrap();
    assert_eq!(value(tree, &session, "a").as_deref(), Some("2"));
    assert_eq!(tree.get_many(&session, ["a", "z"]).unwrap().len(), 2);
    assert_eq!(&*tree.first(&session).unwrap().unwrap().0, b"a");
}

#[test]
fn what_needs_a_transaction_says_so() {
    let (db, tree) = with_keys(&["a"]);
    let mut session = db.session().unwrap();
    assert_eq!(kind(tree.range(&session, ..)), ErrorKind::NotInTransaction);
    assert_eq!(kind(tree.range(&session, "b".."a")), ErrorKind::NotInTransaction);
    assert_eq!(kind(tree.prefix(&session, "a")), ErrorKind::NotInTransaction);
    assert_eq!(kind(tree.add(&mut session, "a", 0, 1_i64)), ErrorKind::NotInTransaction);
    assert_eq!(kind(tree.fetch_add(&mut session, "a", 0, 1_i32)), ErrorKind::NotInTransaction);
    assert_eq!(kind(tree.lock(&mut session, "a", LockMode::Write)), ErrorKind::NotInTransaction);
}

#[test]
fn names_and_durabilities() {
    let db = Checked(Instance::builder().durability(Durability::Lazy).in_memory().unwrap());
    let mut session = db.session().unwrap();
    assert_eq!((session.name(), session.durability()), ("", Durability::Lazy));
    session.set_name("import");
    session.set_durability(Durability::Sync);
    assert_eq!((session.name(), session.durability()), ("import", Durability::Sync));
    let other = SessionOptions { name: "export".into(), durability: Durability::Lazy };
    let other = db.session_with(other).unwrap();
    assert_eq!(other.name(), "export");
    assert_ne!(session.id(), other.id());
    assert_eq!(format!("{:?}", session.instance()), format!("{:?}", *db));
}

#[test]
fn a_conflict_names_the_other_session() {
    let (db, tree) = with_keys(&["a"]);
    let (mut one, mut two) = (db.session().unwrap(), db.session().unwrap());
    one.set_name("import");
    let id = one.id().to_string();
    let mut first = one.begin().unwrap();
    tree.put(&mut first, "a", "1").unwrap();
    let conflict = tree.put(&mut two, "a", "2").unwrap_err().to_string();
    assert!(
        conflict.contains("import") && conflict.contains(&id) && conflict.contains("\"t\""),
        "{conflict}"
    );
}

#[test]
fn sessions_are_limited_and_the_pool_gives_way() {
    let db = Checked(Instance::builder().sessions_max(2).in_memory().unwrap());
    let tree = db.tree("t").unwrap(); // leaves a session in the pool
    let one = db.session().unwrap();
    let two = db.session().unwrap();
    assert_eq!(kind(db.session()), ErrorKind::OutOfSessions);
    assert_eq!(kind(db.read(|_| Ok(()))), ErrorKind::OutOfSessions);
    drop(one);
    db.write(|tx| tree.put(tx, "a", "1")).unwrap();
    drop(two);
    let _again = (db.session().unwrap(), db.session().unwrap());
}

#[test]
fn a_closure_in_use_is_not_given_up() {
    let db = Checked(Instance::builder().sessions_max(1).in_memory().unwrap());
    db.read(|_| {
        assert_eq!(kind(db.session()), ErrorKind::OutOfSessions);
        Ok(())
    })
    .unwrap();
    db.session().unwrap();
}

#[test]
fn an_open_transaction_keeps_the_instance_open() {
    let (db, tree) = instance();
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    assert_eq!(kind(db.close()), ErrorKind::TooManyActiveUsers);
    tree.put(&mut tx, "a", "1").unwrap();
    tx.commit().unwrap();
    db.close().unwrap();
    db.close().unwrap();
    assert_eq!(kind(session.begin()), ErrorKind::NotInitialized);
    assert_eq!(kind(tree.put(&mut session, "a", "1")), ErrorKind::NotInitialized);
    assert_eq!(kind(db.session()), ErrorKind::NotInitialized);
    assert_eq!(kind(db.read(|_| Ok(()))), ErrorKind::NotInitialized);
    assert_eq!(kind(db.write(|_| Ok(()))), ErrorKind::NotInitialized);
    assert_eq!(kind(db.tree("other")), ErrorKind::NotInitialized);
    assert_eq!(kind(db.merge()), ErrorKind::NotInitialized);
}

#[test]
fn a_close_inside_a_closure_is_refused() {
    let (db, _) = instance();
    db.write(|_| {
        assert_eq!(kind(db.close()), ErrorKind::TooManyActiveUsers);
        Ok(())
    })
    .unwrap();
    db.close().unwrap();
}

#[test]
fn a_session_keeps_its_instance_alive() {
    let (db, tree) = instance();
    let mut session = db.session().unwrap();
    drop(db);
    tree.put(&mut session, "a", "1").unwrap();
    assert_eq!(value(tree, &session, "a").as_deref(), Some("1"));
}

#[test]
fn two_instances_share_nothing() {
    let (one, in_one) = instance();
    let (two, in_two) = instance();
    one.write(|tx| in_one.put(tx, "a", "1")).unwrap();
    assert_eq!(keys(&two, in_two), "");
    one.close().unwrap();
    two.write(|tx| in_two.put(tx, "b", "1")).unwrap();
}

#[test]
fn merges_steps_and_checks() {
    let (db, tree) = with_keys(&["a", "b"]);
    db.request_merge();
    while db.step().unwrap() != ese::Step::Idle {}
    db.merge().unwrap();
    assert_eq!(db.check().unwrap(), Vec::<String>::new());
    assert_eq!(keys(&db, tree), "a,b");
    assert!(db.stats().commits >= 2, "the tree and its rows");
}
