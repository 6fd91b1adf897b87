//! Writers on different keys and readers at once: what was inserted before an operation began is seen by it.

use super::*;
use ese_base::sync::thread;
use std::sync::Arc;

const WRITERS: usize = 3;

/// A map, and how many keys each writer has inserted.
struct Shared<const N: usize> {
    map: Map<N>,
    done: [AtomicU64; WRITERS],
    count: u64,
}

/// Key number `n` of a writer: spread over all the key space, without a pattern.
fn key(writer: usize, n: u64) -> Vec<u8> {
    let spread = (n * WRITERS as u64 + writer as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut key = b"shared".to_vec();
    key.extend_from_slice(&(spread >> 40).to_be_bytes()[4..]);
    key.extend_from_slice(&n.to_be_bytes());
    key.push(u8::try_from(writer).unwrap());
    key
}

fn write<const N: usize>(shared: &Shared<N>, writer: usize) {
    for n in 0..shared.count {
        assert_eq!(shared.map.insert(&key(writer, n), n + 1), Ok(()));
        shared.done[writer].store(n + 1, Ordering::Release);
    }
}

/// What must be seen by whatever begins now.
fn floor<const N: usize>(shared: &Shared<N>) -> [u64; WRITERS] {
    std::array::from_fn(|writer| shared.done[writer].load(Ordering::Acquire))
}

fn is_all<const N: usize>(shared: &Shared<N>, floor: &[u64]) -> bool {
    floor.iter().all(|done| *done == shared.count)
}

fn look_up<const N: usize>(shared: &Shared<N>) {
    let mut round = 0_u64;
    loop {
        let floor = floor(shared);
        for (done, writer) in floor.into_iter().zip(0..) {
            // The newest, and one somewhere.
            for n in [done.wrapping_sub(1), round.wrapping_mul(31) % done.max(1)] {
                if n < done {
                    assert_eq!(shared.map.get(&key(writer, n)), Some(n + 1), "writer {writer}, key {n}");
                }
            }
        }
        if is_all(shared, &floor) {
            return;
        }
        round += 1;
    }
}

/// Walks one way over and over. Each entry was inserted by its time, and all that were there before are met.
fn walk<const N: usize>(
    shared: &Shared<N>,
    mut step: impl FnMut(&mut Cursor<'_, AtomicU64, N>) -> Option<Vec<u8>>,
    is_before: fn(&[u8], &[u8]) -> bool,
) {
    loop {
        let floor = floor(shared);
        let mut met = [0_u64; WRITERS];
        let mut cursor = shared.map.index.cursor();
        let mut last: Option<Vec<u8>> = None;
        while let Some(key) = step(&mut cursor) {
            assert!(last.is_none_or(|last| is_before(&last, &key)), "strictly in order");
            let (n, writer) = key[key.len() - 9..].split_at(8);
            let n = u64::from_be_bytes(n.try_into().unwrap());
            let writer = usize::from(writer[0]);
            met[writer] += u64::from(n < floor[writer]);
            last = Some(key);
        }
        assert_eq!(met, floor, "all that was there when the walk began");
        if is_all(shared, &floor) {
            return;
        }
    }
}

/// Steps to and fro about the place where a key was just inserted: each step sees all that was there when it began.
fn hover<const N: usize>(shared: &Shared<N>) {
    let mut cursor = shared.map.index.cursor();
    let mut here = key(0, 0);
    loop {
        let floor = floor(shared);
        for (done, writer) in floor.into_iter().zip(0..) {
            let Some(n) = done.checked_sub(1) else { continue };
            let newest = key(writer, n);
            // One step from the cursor's old place must not jump over the newest key.
            let stepped = if newest > here { cursor.next() } else { cursor.prev() };
            if let Some(entry) = stepped {
                let between =
                    if newest > here { entry.key() <= &newest[..] } else { entry.key() >= &newest[..] };
                assert!(between || newest == here, "jumped over an entry that was there");
            }
            here = cursor.seek_ge(&newest).expect("it is there").key().to_vec();
            assert_eq!(here, newest);
        }
        if is_all(shared, &floor) {
            return;
        }
    }
}

fn stress<const N: usize>(count: u64) {
    let shared = Arc::new(Shared::<N> { map: Map::new(), done: Default::default(), count });
    let spawn = |work: Box<dyn FnOnce(&Shared<N>) + Send>| {
        let shared = Arc::clone(&shared);
        thread::Builder::new().spawn(move || work(&shared)).unwrap()
    };
    let mut threads: Vec<_> =
        (0..WRITERS).map(|writer| spawn(Box::new(move |shared| write(shared, writer)))).collect();
    threads.push(spawn(Box::new(look_up)));
    threads.push(spawn(Box::new(hover)));
    threads.push(spawn(Box::new(|shared| {
        walk(shared, |cursor| Some(cursor.next()?.key().to_vec()), |last, key| last < key);
    })));
    threads.push(spawn(Box::new(|shared| {
        walk(shared, |cursor| Some(cursor.prev()?.key().to_vec()), |last, key| last > key);
    })));
    for thread in threads {
        thread.join().unwrap();
    }
    let mut model = Model::new();
    for writer in 0..WRITERS {
        model.extend((0..count).map(|n| (key(writer, n), n + 1)));
    }
    let probes: Vec<&[u8]> = model.keys().map(Vec::as_slice).collect();
    compare(&shared.map, &model, &probes);
}

#[test]
fn readers_see_what_was_there_while_narrow_nodes_split() {
    stress::<3>(4000);
    stress::<4>(4000);
}

#[test]
fn readers_see_what_was_there_at_full_width() {
    stress::<14>(6000);
}

/// All threads insert the same keys: each key is inserted once, and all get the same entry.
#[test]
fn writers_of_the_same_keys_share_the_entries() {
    let map = Arc::new(Map::<3>::new());
    let threads: Vec<_> = (0..4_usize)
        .map(|writer| {
            let map = Arc::clone(&map);
            let work = move || {
                let mut inserted = 0_u64;
                for n in 0..4000 {
                    match map.index.get_or_insert(&map.arena, &key(0, n * (writer as u64 * 2 + 1) % 4000)) {
                        Placed::Inserted(entry) => {
                            entry.payload().fetch_add(1, Ordering::Relaxed);
                            inserted += 1;
                        }
                        Placed::Found(entry) => {
                            entry.payload().fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
                inserted
            };
            thread::Builder::new().spawn(work).unwrap()
        })
        .collect();
    let inserted: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(inserted, 4000);
    map.check();
    let mut cursor = map.index.cursor();
    let payloads: Vec<u64> = std::iter::from_fn(|| cursor.next().map(value)).collect();
    assert_eq!(payloads.len(), 4000);
    assert_eq!(payloads.iter().sum::<u64>(), 4 * 4000);
}
