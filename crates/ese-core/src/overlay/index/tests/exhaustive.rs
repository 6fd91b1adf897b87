//! All orders of few keys that are hard to tell apart, at every width; and long runs in the orders programs use.

use super::*;

/// Calls `visit` with every order of `items`.
fn orders<T: Copy>(items: &mut Vec<T>, fixed: usize, visit: &mut impl FnMut(&[T])) {
    if fixed == items.len() {
        return visit(items);
    }
    for at in fixed..items.len() {
        items.swap(fixed, at);
        orders(items, fixed + 1, visit);
        items.swap(fixed, at);
    }
}

fn all_orders<const N: usize>(keys: &[&[u8]], others: &[&[u8]]) {
    let probes: Vec<&[u8]> = keys.iter().chain(others).copied().collect();
    orders(&mut keys.to_vec(), 0, &mut |order| {
        let map = Map::<N>::new();
        let mut model = Model::new();
        for (key, number) in order.iter().zip(1..) {
            assert_eq!(map.insert(key, number), Ok(()));
            assert_eq!(map.insert(key, 99), Err(number));
            model.insert(key.to_vec(), number);
        }
        compare(&map, &model, &probes);
    });
}

const NASTY: [&[u8]; 7] =
    [b"", b"\0", b"ab", b"ab\0", b"ab\0\0\0\0\0\0", b"ab\0\0\0\0\0\0\0", b"\xff\xff\xff\xff\xff\xff\xff\xff"];
const NEAR_NASTY: [&[u8]; 7] = [
    b"\0\0",
    b"a",
    b"ab\0\0",
    b"ab\0\0\0\0\0\0\x01",
    b"abc",
    b"\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",
];

#[test]
fn keys_whose_heads_tie_in_all_orders() {
    all_orders::<2>(&NASTY, &NEAR_NASTY);
    all_orders::<3>(&NASTY, &NEAR_NASTY);
    all_orders::<4>(&NASTY, &NEAR_NASTY);
}

#[test]
fn keys_with_long_common_prefixes_in_all_orders() {
    let keys: Vec<Vec<u8>> = [&b""[..], b"\0", b"a", b"ab", b"ab\0", b"abcdefgh", b"abcdefghi"]
        .iter()
        .map(|end| [&b"tree/7/customer/"[..], end].concat())
        .collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let others: [&[u8]; 6] = [b"", b"t", b"tree/7/", b"tree/7/customer/ab\0\0", b"tree/7/customer0", b"u"];
    all_orders::<2>(&keys, &others);
    all_orders::<3>(&keys, &others);
}

/// Inserts in this order at one width and compares at the end and at a few points between.
fn run<const N: usize>(keys: &[Vec<u8>]) -> (u32, usize) {
    let map = Map::<N>::new();
    let mut model = Model::new();
    for (key, number) in keys.iter().zip(1..) {
        assert_eq!(map.insert(key, number), Ok(()));
        model.insert(key.clone(), number);
        if number.is_power_of_two() {
            compare(&map, &model, &[key, b"", b"\xff"]);
        }
    }
    let probes: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    compare(&map, &model, &probes);
    map.check()
}

fn numbers(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|number| [b"prefix of more than a head ", &number.to_be_bytes()[..]].concat()).collect()
}

#[test]
fn ascending_and_descending_runs_leave_full_nodes() {
    let ascending = numbers(3000);
    let descending: Vec<_> = ascending.iter().rev().cloned().collect();
    run::<3>(&ascending);
    run::<3>(&descending);
    for keys in [&ascending, &descending] {
        let (height, nodes) = run::<14>(keys);
        assert_eq!(height, 3);
        let leaves = 3000_usize.div_ceil(14);
        assert!(nodes < leaves + leaves / 10, "{nodes} nodes for {leaves} leaves");
    }
}

#[test]
fn runs_from_both_ends_and_from_the_middle() {
    let keys = numbers(1200);
    let (low, high) = keys.split_at(600);
    let outwards: Vec<_> =
        low.iter().rev().zip(high).flat_map(|(low, high)| [low.clone(), high.clone()]).collect();
    let inwards: Vec<_> =
        low.iter().zip(high.iter().rev()).flat_map(|(low, high)| [low.clone(), high.clone()]).collect();
    let scattered: Vec<_> = (0..1200).map(|number| keys[number * 7 % 1200].clone()).collect();
    for keys in [outwards, inwards, scattered] {
        run::<3>(&keys);
        run::<4>(&keys);
        let (_, nodes) = run::<14>(&keys);
        assert!(nodes < 1200 / 5, "{nodes} nodes");
    }
}

#[test]
fn keys_before_a_full_leaf_do_not_get_a_leaf_each() {
    // Fourteen to a leaf, then ever lesser keys between two of the leaves.
    let mut keys: Vec<Vec<u8>> =
        (0..15_u32).map(|number| (number * 1_000_000).to_be_bytes().to_vec()).collect();
    keys.extend((1..2000_u32).rev().map(|number| (13_000_000 + number).to_be_bytes().to_vec()));
    let (_, nodes) = run::<14>(&keys);
    assert!(nodes < 2000 / 5, "{nodes} nodes");
}
