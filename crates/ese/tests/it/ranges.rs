//! Ranges, prefixes, and both ends of them.

use crate::{kind, text, with_keys};
use ese::{ErrorKind, Range, Result};
use std::ops::Bound::{self, Excluded, Included, Unbounded};

fn joined(rows: Result<Range<'_>>) -> String {
    rows.unwrap().map(|row| text(&row.unwrap().0)).collect::<Vec<_>>().join("")
}

#[test]
fn every_way_to_write_a_range() {
    let (db, tree) = with_keys(&["a", "b", "c", "d"]);
    db.read(|s| {
        let (b, d) = (b"b".to_vec(), b"d".to_vec());
        assert_eq!(joined(tree.range(s, ..)), "abcd");
        assert_eq!(joined(tree.range(s, b"b"..)), "bcd");
        assert_eq!(joined(tree.range(s, b"b".as_slice()..)), "bcd");
        assert_eq!(joined(tree.range(s, b"b".as_slice()..b"dd")), "bcd");
        assert_eq!(joined(tree.range(s, "b".."d")), "bc");
        assert_eq!(joined(tree.range(s, "b"..="d")), "bcd");
        assert_eq!(joined(tree.range(s, .."c")), "ab");
        assert_eq!(joined(tree.range(s, ..="c")), "abc");
        assert_eq!(joined(tree.range(s, b.clone()..d.clone())), "bc");
        assert_eq!(joined(tree.range(s, &b..&d)), "bc");
        assert_eq!(joined(tree.range(s, &b..=&d)), "bcd");
        assert_eq!(joined(tree.range(s, (Excluded("a"), Included("c")))), "bc");
        assert_eq!(joined(tree.range(s, (Excluded(b"a"), Unbounded))), "bcd");
        assert_eq!(joined(tree.range(s, (Bound::<&[u8]>::Unbounded, Unbounded))), "abcd");
        let (first, _) = tree.first(s)?.unwrap();
        assert_eq!(joined(tree.range(s, (Excluded(first), Unbounded))), "bcd");
        Ok(())
    })
    .unwrap();
}

#[test]
fn inverted_ranges_are_empty() {
    let (db, tree) = with_keys(&["a", "b", "c"]);
    db.read(|s| {
        assert_eq!(joined(tree.range(s, "c".."a")), "");
        assert_eq!(joined(tree.range(s, "c"..="a")), "");
        assert_eq!(joined(tree.range(s, "b".."b")), "");
        assert_eq!(joined(tree.range(s, (Excluded("b"), Excluded("b")))), "");
        assert_eq!(joined(tree.range(s, (Excluded("b"), Included("b")))), "");
        assert_eq!(joined(tree.range(s, "b"..="b")), "b");
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_is_checked_does_not_depend_on_the_bounds() {
    let (db, tree) = with_keys(&["a", "b"]);
    let archive = db.create_database("archive").unwrap().tree(&db, "log").unwrap();
    db.write(|tx| tx.schema().drop_tree(tree)).unwrap();
    db.detach_database("archive").unwrap();
    let (_other, foreign) = with_keys(&[]);
    let bounds = [
        (Unbounded, Unbounded),
        (Included("a"), Included("b")),
        (Included("b"), Included("a")),
        (Included("a"), Excluded("a")),
        (Excluded("a"), Excluded("a")),
        (Unbounded, Excluded("")),
    ];
    for range in bounds {
        db.read(|s| {
            assert_eq!(kind(tree.range(s, range)), ErrorKind::ObjectNotFound, "{range:?}");
            assert_eq!(kind(archive.range(s, range)), ErrorKind::DatabaseNotFound, "{range:?}");
            assert_eq!(kind(foreign.range(s, range)), ErrorKind::InvalidHandle, "{range:?}");
            Ok(())
        })
        .unwrap();
        let removed = |tree: ese::Tree| db.write(|tx| tree.remove_range(tx, range));
        assert_eq!(kind(removed(tree)), ErrorKind::ObjectNotFound, "{range:?}");
        assert_eq!(kind(removed(archive)), ErrorKind::DatabaseNotFound, "{range:?}");
        assert_eq!(kind(removed(foreign)), ErrorKind::InvalidHandle, "{range:?}");
        let outside = db.session().unwrap();
        assert_eq!(kind(tree.range(&outside, range)), ErrorKind::NotInTransaction, "{range:?}");
        assert_eq!(kind(foreign.range(&outside, range)), ErrorKind::InvalidHandle, "{range:?}");
    }
}

#[test]
fn both_ends_meet() {
    let (db, tree) = with_keys(&["a", "b", "c", "d", "e"]);
    db.read(|s| {
        assert_eq!(tree.range(s, ..)?.rev().map(|row| text(&row.unwrap().0)).collect::<String>(), "edcba");
        let mut rows = tree.range(s, "a".."e")?;
        let mut order = String::new();
        while let Some(row) = rows.next() {
            order += &text(&row?.0);
            if let Some(row) = rows.next_back() {
                order += &text(&row?.0);
            }
        }
        assert_eq!(order, "adbc");
        assert!(rows.next().is_none() && rows.next_back().is_none(), "the end stays the end");
        Ok(())
    })
    .unwrap();
}

#[test]
fn prefixes() {
    let (db, tree) = with_keys(&["a", "ab", "abc", "b"]);
    db.write(|tx| {
        tree.put(tx, b"\xFF", "")?;
        tree.put(tx, b"\xFF\xFF", "")?;
        tree.put(tx, b"\xFF\xFFz", "")
    })
    .unwrap();
    db.read(|s| {
        assert_eq!(joined(tree.prefix(s, "ab")), "ababc");
        assert_eq!(tree.prefix(s, "")?.count(), 7);
        assert_eq!(tree.prefix(s, b"\xFF")?.count(), 3);
        assert_eq!(tree.prefix(s, b"\xFF\xFF")?.rev().count(), 2);
        assert_eq!(tree.prefix(s, "c")?.count(), 0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn lent_rows_are_the_same_rows() {
    let (db, tree) = with_keys(&["a", "b", "c"]);
    db.read(|s| {
        let mut rows = tree.range(s, ..)?;
        let (key, value) = rows.next_row()?.unwrap();
        assert_eq!((key, &*value), (&b"a"[..], &b"a"[..]));
        let (key, _) = rows.next_back_row()?.unwrap();
        assert_eq!(key, b"c");
        let mut rest = Vec::new();
        rows.for_each_row(|key, value| {
            rest.push((key.to_vec(), value.to_vec()));
            Ok(())
        })?;
        assert_eq!(rest, [(b"b".to_vec(), b"b".to_vec())]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn for_each_row_stops_at_the_first_error() {
    let (db, tree) = with_keys(&["a", "b", "c"]);
    let mut seen = 0;
    let stopped = db.read(|s| {
        tree.range(s, ..)?.for_each_row(|_, _| {
            seen += 1;
            if seen == 2 { Err(ErrorKind::InvalidValue.into()) } else { Ok(()) }
        })
    });
    assert_eq!((kind(stopped), seen), (ErrorKind::InvalidValue, 2));
}

#[test]
fn a_range_sees_own_writes_and_outlives_its_bounds() {
    let (db, tree) = with_keys(&["a", "c"]);
    db.write(|tx| {
        tree.put(tx, "b", "own")?;
        tree.delete(tx, "c")?;
        let rows = {
            let from = String::from("a");
            tree.range(tx, from.as_str()..)?
        };
        assert_eq!(rows.count(), 2);
        Ok(())
    })
    .unwrap();
}

#[test]
fn long_keys_come_whole() {
    let (db, tree) = with_keys(&[]);
    for length in [0, 1, 23, 24, 25, 26, 1000] {
        let key = vec![b'k'; length];
        db.write(|tx| tree.put(tx, &key, "")).unwrap();
        db.read(|s| {
            let (found, _) = tree.range(s, &key..)?.next().unwrap()?;
            assert_eq!(found, key[..]);
            assert_eq!(found.into_vec(), key);
            Ok(())
        })
        .unwrap();
    }
}
