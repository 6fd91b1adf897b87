//! Typed trees, and bytes in them that are not of the types.

use crate::{Checked, instance, kind};
use ese::{
    ErrorKind, LockMode, TypedTree,
    typed::{Rkyv, ValueType, rkyv},
};
use proptest::prelude::*;
use std::{collections::BTreeMap, ops::Bound};

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Debug, Clone, PartialEq)]
#[rkyv(crate = ese::typed::rkyv)]
struct Order {
    customer: String,
    lines: Vec<(u64, Option<String>)>,
    big: u128,
    tags: BTreeMap<String, f64>,
    kind: Kind,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Debug, Clone, PartialEq)]
#[rkyv(crate = ese::typed::rkyv)]
enum Kind {
    Plain,
    Gift { card: String },
}

fn order(lines: u64) -> Order {
    Order {
        customer: "Ada".into(),
        lines: (0..lines).map(|line| (line, (line % 2 == 0).then(|| format!("line {line}")))).collect(),
        big: 1 << 100,
        tags: BTreeMap::from([("weight".into(), 1.5)]),
        kind: Kind::Gift { card: "🍏".into() },
    }
}

fn typed<K: ese::key::KeyType, V: ValueType>() -> (Checked, TypedTree<K, V>) {
    let (db, tree) = instance();
    (db, tree.typed())
}

#[test]
fn keys_and_values_with_types() {
    let (db, tree) = typed::<(String, u32), i64>();
    db.write(|tx| {
        tree.put(tx, ("b", 2), &20)?;
        tree.insert(tx, ("a", 1), &10)?;
        tree.put(tx, (&String::from("b"), 1), &15)?;
        assert_eq!(kind(tree.insert(tx, ("a", 1), &0)), ErrorKind::KeyDuplicate);
        assert!(tree.update(tx, ("a", 1), &11)?);
        assert!(!tree.update(tx, ("z", 1), &11)?);
        tree.lock(tx, ("a", 1), LockMode::Write)?;
        tree.add(tx, ("a", 1), 5)?;
        assert_eq!(tree.fetch_add(tx, ("a", 1), 1)?, 16);
        Ok(())
    })
    .unwrap();
    db.read(|s| {
        assert_eq!(tree.get(s, ("a", 1))?, Some(17));
        assert_eq!(tree.get_with(s, ("a", 1), |value| value + 1)?, Some(18));
        assert_eq!(tree.get(s, ("a", 2))?, None);
        assert!(tree.contains_key(s, ("b", 1))? && !tree.contains_key(s, ("b", 3))?);
        assert_eq!(tree.get_many(s, [("b", 2), ("c", 0), ("a", 1)])?, [Some(20), None, Some(17)]);
        assert_eq!(tree.first(s)?, Some((("a".into(), 1), 17)));
        assert_eq!(tree.last(s)?, Some((("b".into(), 2), 20)));
        Ok(())
    })
    .unwrap();
    assert!(db.write(|tx| tree.delete(tx, ("b", 2))).unwrap());
    assert_eq!(db.write(|tx| tree.remove_range(tx, ("a", 0)..("b", 9))).unwrap(), 2);
}

#[test]
fn ranges_of_typed_keys() {
    let (db, tree) = typed::<i32, ()>();
    db.write(|tx| [-5, -1, 0, 3, 9].iter().try_for_each(|key| tree.put(tx, key, &()))).unwrap();
    db.read(|s| {
        let found =
            |rows: ese::typed::TypedRows<'_, i32, ()>| rows.map(|row| row.unwrap().0).collect::<Vec<_>>();
        assert_eq!(found(tree.range(s, ..)?), [-5, -1, 0, 3, 9]);
        assert_eq!(found(tree.range(s, -1..)?), [-1, 0, 3, 9]);
        assert_eq!(found(tree.range(s, -1..3)?), [-1, 0]);
        assert_eq!(found(tree.range(s, -1..=3)?), [-1, 0, 3]);
        assert_eq!(found(tree.range(s, ..0)?), [-5, -1]);
        assert_eq!(found(tree.range(s, ..=0)?), [-5, -1, 0]);
        assert_eq!(found(tree.range(s, (Bound::Excluded(-1), Bound::Unbounded))?), [0, 3, 9]);
        let (from, to) = (3, -1);
        assert_eq!(found(tree.range(s, from..to)?), Vec::<i32>::new());
        assert_eq!(tree.range(s, ..)?.next_back().unwrap()?.0, 9);
        let mut sum = 0;
        tree.range(s, 0..)?.for_each_row(|key, ()| {
            sum += key;
            Ok(())
        })?;
        assert_eq!(sum, 12);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_range_that_was_iterated_to_its_end_is_empty() {
    let (db, tree) = typed::<u8, ()>();
    db.write(|tx| (1..=255).try_for_each(|key: u8| tree.put(tx, key, &()))).unwrap();
    let mut range = 250..=255;
    assert_eq!(range.by_ref().next(), Some(250));
    assert_eq!(db.read(|s| Ok(tree.range(s, range.clone())?.count())).unwrap(), 5);
    assert_eq!(range.by_ref().count(), 5);
    assert_eq!(db.read(|s| Ok(tree.range(s, range.clone())?.count())).unwrap(), 0);
    assert_eq!(db.write(|tx| tree.remove_range(tx, range.clone())).unwrap(), 0);
    let mut from_behind = 7..=7;
    assert_eq!(from_behind.next_back(), Some(7));
    assert_eq!(db.read(|s| Ok(tree.range(s, from_behind)?.count())).unwrap(), 0);
    assert_eq!(db.read(|s| Ok(tree.range(s, 7..=7)?.count())).unwrap(), 1);
}

#[test]
fn prefixes_of_byte_strings() {
    let (db, tree) = typed::<Vec<u8>, ()>();
    db.write(|tx| [&b"a"[..], b"a\0", b"a\0b", b"b"].iter().try_for_each(|key| tree.put(tx, *key, &())))
        .unwrap();
    db.read(|s| {
        assert_eq!(tree.prefix(s, b"a")?.count(), 3);
        assert_eq!(tree.prefix(s, *b"a\0")?.count(), 2);
        assert_eq!(tree.prefix(s, &b"a\0b"[..])?.count(), 1);
        let (there, absent) = (vec![b'b'], vec![b'c']);
        assert_eq!(tree.prefix(s, &there)?.count(), 1);
        assert_eq!(tree.prefix(s, there)?.count(), 1);
        assert_eq!(tree.prefix(s, absent)?.count(), 0);
        assert_eq!(tree.prefix(s, [])?.count(), 4);
        Ok(())
    })
    .unwrap();
}

#[test]
fn prefixes_of_typed_keys() {
    let (db, tree) = typed::<(u8, String, u8), ()>();
    db.write(|tx| {
        tree.put(tx, (1, "a", 1), &())?;
        tree.put(tx, (1, "a", 2), &())?;
        tree.put(tx, (1, "ab", 1), &())?;
        tree.put(tx, (255, "a", 1), &())
    })
    .unwrap();
    let names: TypedTree<String, ()> = db.typed_tree("names").unwrap();
    db.write(|tx| ["a", "ab", "abc", "b"].iter().try_for_each(|name| names.put(tx, *name, &()))).unwrap();
    db.read(|s| {
        assert_eq!(tree.prefix(s, (1,))?.count(), 3);
        assert_eq!(tree.prefix(s, (1, "a"))?.count(), 2);
        assert_eq!(tree.prefix(s, (255,))?.count(), 1);
        assert_eq!(names.prefix(s, "ab")?.count(), 2);
        assert_eq!(names.prefix(s, "")?.count(), 4);
        let owned = String::from("ab");
        assert_eq!(names.prefix(s, &owned)?.count(), 2);
        assert_eq!(names.prefix(s, owned)?.count(), 2);
        Ok(())
    })
    .unwrap();
}

#[test]
fn archived_values() {
    let (db, tree) = typed::<u64, Rkyv<Order>>();
    // Short ones fit the stack, long ones do not; the odd keys before them vary where they lie.
    for lines in [0, 1, 7, 100] {
        let order = order(lines);
        db.write(|tx| tree.put(tx, lines, &order)).unwrap();
        db.read(|s| {
            assert_eq!(tree.get(s, lines)?, Some(order.clone()));
            let length = tree.get_with(s, lines, |archived| {
                assert_eq!(archived.customer, "Ada");
                archived.lines.len()
            })?;
            assert_eq!(length, Some(order.lines.len()));
            Ok(())
        })
        .unwrap();
    }
    assert_eq!(db.read(|s| Ok(tree.range(s, 1..)?.count())).unwrap(), 3);
}

#[test]
fn archives_are_read_wherever_they_lie() {
    for lines in [0, 5, 60] {
        let order = order(lines);
        let archive = Rkyv::<Order>::store(&order, <[u8]>::to_vec).unwrap();
        for shift in 0..17 {
            let mut shifted = vec![0xAA; shift];
            shifted.extend(&archive);
            assert_eq!(Rkyv::<Order>::load(&shifted[shift..]).unwrap(), order, "shift {shift}");
        }
    }
}

/// Its root is aligned to 4, its elements to 8.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Debug, PartialEq)]
#[rkyv(crate = ese::typed::rkyv)]
struct Tags {
    ids: Vec<u64>,
    one: Box<u64>,
}

#[test]
fn what_an_archive_points_to_may_need_more_alignment_than_its_root() {
    for len in [0, 1, 7, 200] {
        let tags = Tags { ids: (0..len).collect(), one: Box::new(len) };
        let archive = Rkyv::<Tags>::store(&tags, <[u8]>::to_vec).unwrap();
        for shift in 0..17 {
            let mut shifted = vec![0xAA; shift];
            shifted.extend(&archive);
            assert_eq!(Rkyv::<Tags>::load(&shifted[shift..]).unwrap(), tags, "shift {shift}");
        }
    }
}

#[test]
fn bytes_of_another_type_are_an_error_with_the_key() {
    let (db, tree) = instance();
    db.write(|tx| {
        tree.put(tx, 1_u64.to_be_bytes(), "not an order")?;
        tree.put(tx, "short", 7_i64.to_le_bytes())
    })
    .unwrap();
    db.read(|s| {
        let orders = tree.typed::<u64, Rkyv<Order>>();
        let error = orders.get(s, 1).unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::InvalidValue, Some(&1_u64.to_be_bytes()[..])));
        assert_eq!(kind(orders.get_with(s, 1, |_| ())), ErrorKind::InvalidValue);
        assert_eq!(kind(orders.get_many(s, [1, 2])), ErrorKind::InvalidValue);
        assert_eq!(kind(tree.typed::<u64, i32>().get(s, 1)), ErrorKind::InvalidValue);
        assert_eq!(kind(tree.typed::<u64, ()>().first(s)), ErrorKind::InvalidValue);

        let mut rows = tree.typed::<u64, Vec<u8>>().range(s, ..)?;
        assert!(rows.next().unwrap().is_ok());
        let error = rows.next().unwrap().unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::InvalidValue, Some(&b"short"[..])));
        assert!(rows.next().is_none(), "a row of another type does not end the range");
        Ok(())
    })
    .unwrap();
}

/// Stores and loads, and refuses every other length.
fn plain<V: ValueType<Input = V, Owned = V> + PartialEq + std::fmt::Debug>(value: &V, width: usize) {
    let bytes = V::store(value, <[u8]>::to_vec).unwrap();
    assert_eq!(bytes.len(), width);
    assert_eq!(V::load(&bytes).unwrap(), *value);
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(kind(V::load(&longer)), ErrorKind::InvalidValue);
    if let Some(shorter) = width.checked_sub(1) {
        assert_eq!(kind(V::load(&bytes[..shorter])), ErrorKind::InvalidValue);
    }
}

#[test]
fn plain_values() {
    plain(&(), 0);
    plain(&u8::MAX, 1);
    plain(&u16::MAX, 2);
    plain(&u32::MAX, 4);
    plain(&u64::MAX, 8);
    plain(&u128::MAX, 16);
    plain(&i8::MIN, 1);
    plain(&i16::MIN, 2);
    plain(&i32::MIN, 4);
    plain(&i64::MIN, 8);
    plain(&i128::MIN, 16);
    plain(&1.5_f32, 4);
    plain(&-1.5_f64, 8);
    plain(&true, 1);
    plain(&[1_u8, 2, 3], 3);
    assert_eq!(i32::store(&258, <[u8]>::to_vec).unwrap(), [2, 1, 0, 0]);
    assert_eq!(kind(bool::load(&[2])), ErrorKind::InvalidValue);
    assert_eq!(kind(String::load(&[0xFF])), ErrorKind::InvalidValue);
    assert_eq!(kind(String::view(&[0xC3], |_| ())), ErrorKind::InvalidValue);
    assert_eq!(String::load("é".as_bytes()).unwrap(), "é");
    assert_eq!(Vec::<u8>::load(&[1, 2]).unwrap(), [1, 2]);
}

#[test]
fn text_and_bytes_are_given_as_slices() {
    let (db, tree) = instance();
    let (text, bytes) = (tree.typed::<String, String>(), tree.typed::<String, Vec<u8>>());
    db.write(|tx| {
        text.put(tx, "a", "text")?;
        bytes.put(tx, "b", b"bytes")?;
        bytes.put(tx, String::from("c"), &Vec::from([1, 2]))
    })
    .unwrap();
    db.read(|s| {
        assert_eq!(text.get(s, "a")?.as_deref(), Some("text"));
        assert_eq!(text.get_with(s, "a", str::len)?, Some(4));
        assert_eq!(bytes.get(s, "c")?, Some(vec![1, 2]));
        assert_eq!(text.tree(), tree);
        Ok(())
    })
    .unwrap();
}

proptest! {
    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = Rkyv::<Order>::load(&bytes) {
            prop_assert_eq!(error.kind(), ErrorKind::InvalidValue);
        }
        let _ = String::load(&bytes);
        let _ = bool::load(&bytes);
    }

    #[test]
    fn damaged_archives_are_a_value_or_an_error(at in any::<prop::sample::Index>(), bits in 1..=255_u8, cut in any::<prop::sample::Index>()) {
        let whole = Rkyv::<Order>::store(&order(3), <[u8]>::to_vec).unwrap();
        let mut damaged = whole.clone();
        damaged[at.index(whole.len())] ^= bits;
        for bytes in [&damaged[..], &whole[..cut.index(whole.len())], &whole[cut.index(whole.len())..]] {
            if let Err(error) = Rkyv::<Order>::load(bytes) {
                prop_assert_eq!(error.kind(), ErrorKind::InvalidValue);
            }
        }
    }
}
