//! Operations on one tree.

use crate::{instance, kind, value, with_keys};
use ese::{ErrorKind, LockMode, Result};

#[test]
fn put_insert_update_delete() {
    let (db, tree) = instance();
    db.write(|tx| {
        tree.put(tx, "a", "1")?;
        tree.put(tx, "a", "2")?;
        assert_eq!(value(tree, tx, "a").as_deref(), Some("2"));
        assert_eq!(kind(tree.insert(tx, "a", "3")), ErrorKind::KeyDuplicate);
        tree.insert(tx, "b", "1")?;
        assert!(tree.update(tx, "b", "5")?);
        assert!(!tree.update(tx, "c", "5")?);
        assert!(!tree.contains_key(tx, "c")?);
        assert!(tree.delete(tx, "b")?);
        assert!(!tree.delete(tx, "b")?);
        Ok(())
    })
    .unwrap();
    assert_eq!(crate::keys(&db, tree), "a");
}

#[test]
fn keys_and_values_are_any_bytes_given_in_any_way() {
    let (db, tree) = instance();
    db.write(|tx| {
        tree.put(tx, "text", String::from("owned"))?;
        tree.put(tx, b"array", [1_u8, 2])?;
        tree.put(tx, vec![0_u8, 255], b"".as_slice())?;
        tree.put(tx, "", "")?;
        assert_eq!(tree.get(tx, [0_u8, 255])?.as_deref(), Some(&b""[..]));
        assert_eq!(tree.get(tx, b"")?.as_deref(), Some(&b""[..]));
        assert_eq!(tree.get(tx, "array")?.as_deref(), Some(&[1, 2][..]));
        let (first, _) = tree.first(tx)?.unwrap();
        assert_eq!(&*first, b"");
        assert!(tree.delete(tx, &first)?, "a key that was read is a key");
        Ok(())
    })
    .unwrap();
}

#[test]
fn get_many_keeps_the_order_of_the_keys() {
    let (db, tree) = with_keys(&["a", "b", "d"]);
    db.read(|s| {
        let found = tree.get_many(s, ["d", "c", "a", "d"])?;
        let found: Vec<_> = found.iter().map(|value| value.as_deref()).collect();
        assert_eq!(found, [Some(&b"d"[..]), None, Some(b"a"), Some(b"d")]);
        assert!(tree.get_many(s, Vec::<String>::new())?.is_empty());
        assert_eq!(tree.get_many(s, vec![b"a".to_vec()])?.len(), 1);
        assert_eq!(tree.get_many(s, ["a", "b"].iter().rev())?[0].as_deref(), Some(&b"b"[..]));

        let mut seen = [0; 3];
        tree.get_many_with(s, &[b"a", b"x", b"b"], |index, value| {
            seen[index] += 1;
            assert_eq!(value.is_some(), index != 1);
        })?;
        assert_eq!(seen, [1, 1, 1]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn first_and_last() {
    let (db, tree) = with_keys(&["a", "b", "c"]);
    let (_, empty) = (&db, db.tree("empty").unwrap());
    db.read(|s| {
        assert_eq!(&*tree.first(s)?.unwrap().0, b"a");
        assert_eq!(&*tree.last(s)?.unwrap().1, b"c");
        assert!(empty.first(s)?.is_none() && empty.last(s)?.is_none());
        Ok(())
    })
    .unwrap();
}

#[test]
fn counters_add_wrap_and_answer_the_old_value() {
    let (db, tree) = instance();
    db.write(|tx| {
        tree.put(tx, "n", [0; 12])?;
        tree.add(tx, "n", 4, 5_i64)?;
        assert_eq!(tree.fetch_add(tx, "n", 4, -7_i64)?, 5);
        assert_eq!(tree.fetch_add(tx, "n", 4, 0_i64)?, -2);
        Ok(())
    })
    .unwrap();
    db.write(|tx| {
        tree.put(tx, "m", i32::MAX.to_le_bytes())?;
        assert_eq!(tree.fetch_add(tx, "m", 0, 1_i32)?, i32::MAX);
        assert_eq!(tree.get(tx, "m")?.as_deref(), Some(&i32::MIN.to_le_bytes()[..]));
        Ok(())
    })
    .unwrap();
}

#[test]
fn counters_need_a_row_and_their_whole_width() {
    let (db, tree) = instance();
    db.write(|tx| {
        tree.put(tx, "n", [0; 8])?;
        assert_eq!(kind(tree.add(tx, "absent", 0, 1_i64)), ErrorKind::NoCurrentRecord);
        assert_eq!(kind(tree.add(tx, "n", 1, 1_i64)), ErrorKind::InvalidBufferSize);
        assert_eq!(kind(tree.add(tx, "n", u32::MAX, 1_i32)), ErrorKind::InvalidBufferSize);
        tree.add(tx, "n", 4, 1_i32)
    })
    .unwrap();
}

#[test]
fn counters_of_two_transactions_add_up() {
    let (db, tree) = instance();
    db.write(|tx| tree.put(tx, "n", 0_i64.to_le_bytes())).unwrap();
    let (mut one, mut two) = (db.session().unwrap(), db.session().unwrap());
    let mut first = one.begin().unwrap();
    let mut second = two.begin().unwrap();
    tree.add(&mut first, "n", 0, 3_i64).unwrap();
    tree.add(&mut second, "n", 0, 4_i64).unwrap();
    second.rollback().unwrap();
    let mut second = two.begin().unwrap();
    tree.add(&mut second, "n", 0, 5_i64).unwrap();
    second.commit().unwrap();
    first.commit().unwrap();
    assert_eq!(db.read(|s| Ok(tree.get(s, "n")?.unwrap().to_vec())).unwrap(), 8_i64.to_le_bytes());
}

#[test]
fn locks_conflict_at_once() {
    let (db, tree) = with_keys(&["a"]);
    let (mut one, mut two) = (db.session().unwrap(), db.session().unwrap());
    let mut first = one.begin().unwrap();
    let mut second = two.begin().unwrap();
    tree.lock(&mut first, "a", LockMode::Write).unwrap();
    let conflict = tree.put(&mut second, "a", "x").unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::WriteConflict);
    assert!(second.has_conflict() && !first.has_conflict());
    first.rollback().unwrap();
    tree.put(&mut second, "a", "x").unwrap();
    second.commit().unwrap();
}

#[test]
fn remove_range_counts_what_it_deletes() {
    let (db, tree) = with_keys(&["a", "b", "c", "d", "e"]);
    assert_eq!(db.write(|tx| tree.remove_range(tx, "b".."d")).unwrap(), 2);
    assert_eq!(crate::keys(&db, tree), "a,d,e");
    assert_eq!(db.write(|tx| tree.remove_range(tx, "z"..)).unwrap(), 0);
    assert_eq!(db.write(|tx| tree.remove_range(tx, "d".."a")).unwrap(), 0);
    assert_eq!(db.write(|tx| tree.remove_range(tx, ..)).unwrap(), 3);
    assert_eq!(crate::keys(&db, tree), "");
}

#[test]
fn remove_range_goes_on_over_many_batches() {
    let (db, tree) = instance();
    let key = |number: u32| number.to_be_bytes();
    db.write(|tx| (0..1000).try_for_each(|number| tree.put(tx, key(number), "v"))).unwrap();
    let removed = db.write(|tx| {
        tree.put(tx, key(5000), "own")?;
        tree.delete(tx, key(20))?;
        tree.remove_range(tx, key(10)..)
    });
    assert_eq!(removed.unwrap(), 990);
    assert_eq!(db.read(|s| Ok(tree.range(s, ..)?.count())).unwrap(), 10);
}

#[test]
fn remove_range_with_large_keys() {
    let (db, tree) = instance();
    db.write(|tx| {
        for number in 0..200_u32 {
            let mut key = vec![b'k'; 900];
            key.extend(number.to_be_bytes());
            tree.put(tx, key, "")?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(db.write(|tx| tree.remove_range(tx, ..)).unwrap(), 200);
}

#[test]
fn remove_range_is_all_or_nothing_and_keeps_its_conflict() {
    let (db, tree) = with_keys(&["a", "b", "c"]);
    let (mut one, mut two) = (db.session().unwrap(), db.session().unwrap());
    let mut first = one.begin().unwrap();
    tree.lock(&mut first, "b", LockMode::Write).unwrap();
    let mut second = two.begin().unwrap();
    tree.put(&mut second, "d", "mine").unwrap();
    assert_eq!(kind(tree.remove_range(&mut second, ..)), ErrorKind::WriteConflict);
    assert!(second.has_conflict(), "the statement was undone, its conflict counts");
    assert!(tree.contains_key(&second, "a").unwrap() && tree.contains_key(&second, "d").unwrap());
    first.rollback().unwrap();
    assert_eq!(tree.remove_range(&mut second, ..).unwrap(), 4);
    second.commit().unwrap();
    assert_eq!(crate::keys(&db, tree), "");
}

#[test]
fn a_conflict_of_remove_range_goes_with_its_savepoint() {
    let (db, tree) = with_keys(&["a"]);
    let (mut one, mut two) = (db.session().unwrap(), db.session().unwrap());
    let mut first = one.begin().unwrap();
    tree.lock(&mut first, "a", LockMode::Write).unwrap();
    let mut second = two.begin().unwrap();
    {
        let mut savepoint = second.savepoint().unwrap();
        assert_eq!(kind(tree.remove_range(&mut savepoint, ..)), ErrorKind::WriteConflict);
        assert!(savepoint.has_conflict());
        savepoint.rollback().unwrap();
    }
    assert!(!second.has_conflict());
    {
        let mut savepoint = second.savepoint().unwrap();
        assert_eq!(kind(tree.remove_range(&mut savepoint, ..)), ErrorKind::WriteConflict);
        savepoint.commit().unwrap();
    }
    assert!(second.has_conflict(), "committed with the savepoint, it is the parent's");
    second.rollback().unwrap();
    assert!(!two.begin().unwrap().has_conflict());
}

#[test]
fn a_statement_that_fails_changes_nothing_and_the_transaction_goes_on() {
    let (db, tree) = with_keys(&["a"]);
    let result: Result<()> = db.write(|tx| {
        assert_eq!(kind(tree.put(tx, vec![0; 5000], "v")), ErrorKind::KeyTooLarge);
        assert_eq!(kind(tree.insert(tx, "a", "x")), ErrorKind::KeyDuplicate);
        tree.put(tx, "b", "2")
    });
    result.unwrap();
    assert_eq!(crate::keys(&db, tree), "a,b");
}
