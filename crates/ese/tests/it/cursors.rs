//! Cursors: plain positions that rows come and go under.

use crate::{instance, kind, text, with_keys};
use ese::{Cursor, ErrorKind, Read};

fn at(cursor: &Cursor) -> Option<String> {
    cursor.key().map(text)
}

fn walk(cursor: &mut Cursor, s: &(impl Read + ?Sized)) -> String {
    let mut seen = String::new();
    while cursor.next(s).unwrap().is_some() {
        seen += &at(cursor).unwrap();
    }
    seen
}

#[test]
fn seeks_and_steps() {
    let (db, tree) = with_keys(&["b", "d", "f"]);
    db.read(|s| {
        let mut cursor = tree.cursor();
        assert_eq!(cursor.key(), None);
        assert_eq!(walk(&mut cursor, s), "bdf");
        assert_eq!(cursor.key(), None, "after the last row");
        assert!(cursor.next(s)?.is_none());
        assert_eq!(cursor.prev(s)?.as_deref(), Some(&b"f"[..]));
        assert!(cursor.seek_ge(s, "c")?.is_some());
        assert_eq!(at(&cursor).as_deref(), Some("d"));
        assert!(cursor.seek_le(s, "c")?.is_some());
        assert_eq!(at(&cursor).as_deref(), Some("b"));
        assert!(cursor.seek_ge(s, "g")?.is_none());
        assert!(cursor.prev(s)?.is_some());
        assert_eq!(at(&cursor).as_deref(), Some("f"));
        assert!(cursor.seek_le(s, "a")?.is_none());
        assert!(cursor.next(s)?.is_some());
        assert_eq!(at(&cursor).as_deref(), Some("b"));
        assert!(cursor.last(s)?.is_some() && cursor.next(s)?.is_none());
        assert!(cursor.first(s)?.is_some() && cursor.prev(s)?.is_none());
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_exact_seek_stands_between_rows_when_there_is_none() {
    let (db, tree) = with_keys(&["b", "d"]);
    db.read(|s| {
        let mut cursor = tree.cursor();
        assert!(cursor.seek_exact(s, "d")?.is_some());
        assert!(cursor.seek_exact(s, "c")?.is_none());
        assert_eq!(at(&cursor).as_deref(), Some("c"));
        assert!(cursor.value(s)?.is_none());
        let mut back = cursor.clone();
        assert!(cursor.next(s)?.is_some() && back.prev(s)?.is_some());
        assert_eq!((at(&cursor).as_deref(), at(&back).as_deref()), (Some("d"), Some("b")));
        Ok(())
    })
    .unwrap();
}

#[test]
fn writes_at_the_cursor() {
    let (db, tree) = with_keys(&["a", "b"]);
    db.write(|tx| {
        let mut cursor = tree.cursor();
        assert_eq!(kind(cursor.put(tx, "x")), ErrorKind::NoCurrentRecord);
        assert_eq!(kind(cursor.delete(tx)), ErrorKind::NoCurrentRecord);
        cursor.first(tx)?;
        cursor.put(tx, "new")?;
        assert_eq!(cursor.value(tx)?.as_deref(), Some(&b"new"[..]));
        cursor.delete(tx)?;
        assert_eq!(kind(cursor.put(tx, "x")), ErrorKind::NoCurrentRecord);
        assert_eq!(kind(cursor.delete(tx)), ErrorKind::NoCurrentRecord);
        assert_eq!(at(&cursor).as_deref(), Some("a"), "it keeps its place");
        cursor.insert(tx, "ab", "1")?;
        assert_eq!(at(&cursor).as_deref(), Some("ab"));
        assert_eq!(kind(cursor.insert(tx, "b", "1")), ErrorKind::KeyDuplicate);
        assert_eq!(at(&cursor).as_deref(), Some("ab"));
        assert_eq!(walk(&mut cursor, tx), "b");
        Ok(())
    })
    .unwrap();
    assert_eq!(crate::keys(&db, tree), "ab,b");
}

#[test]
fn a_cursor_outlives_transactions() {
    let (db, tree) = with_keys(&["a", "c", "e"]);
    let mut cursor = tree.cursor();
    db.read(|s| cursor.seek_ge(s, "c").map(drop)).unwrap();
    db.write(|tx| tree.delete(tx, "c")).unwrap();
    db.write(|tx| tree.put(tx, "d", "")).unwrap();
    db.read(|s| {
        assert!(cursor.value(s)?.is_none());
        assert!(cursor.next(s)?.is_some());
        assert_eq!(at(&cursor).as_deref(), Some("d"));
        assert!(cursor.prev(s)?.is_some());
        assert_eq!(at(&cursor).as_deref(), Some("a"));
        Ok(())
    })
    .unwrap();
}

#[test]
fn many_cursors_share_a_transaction() {
    let (db, tree) = with_keys(&["a", "b"]);
    db.write(|tx| {
        let (mut one, mut two) = (tree.cursor(), tree.cursor());
        one.first(tx)?;
        two.last(tx)?;
        one.put(tx, "1")?;
        two.put(tx, "2")?;
        two.prev(tx)?;
        assert_eq!(two.value(tx)?.as_deref(), Some(&b"1"[..]));
        assert_eq!(one.tree(), tree);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_cursor_steps_on_a_session_outside_a_transaction() {
    let (db, tree) = instance();
    let mut session = db.session().unwrap();
    tree.put(&mut session, "a", "1").unwrap();
    let mut cursor = tree.cursor();
    assert!(cursor.first(&session).unwrap().is_some());
    tree.put(&mut session, "b", "2").unwrap();
    assert!(cursor.next(&session).unwrap().is_some());
    cursor.put(&mut session, "3").unwrap();
    assert_eq!(crate::value(tree, &session, "b").as_deref(), Some("3"));
}
