//! Scans of half-merged trees from both ends, beside an ordered map.

use ese_base::{TreeId, clock::ManualClock};
use ese_core::{
    Background, CursorPos, Delete, Delta, Durability, Engine, LocalEngine, Mode, Move, Options, Put, Session,
    SessionOptions, Side,
};
use ese_mem::MemoryBackend;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn key(rng: &mut SmallRng, keys: u32) -> Vec<u8> {
    let n = rng.random_range(0..keys);
    // Prefixes of each other, equal heads, long common prefixes.
    let mut key = match n % 4 {
        0 => b"".to_vec(),
        1 => b"common prefix of many/".to_vec(),
        2 => vec![b'c'; (n % 23) as usize],
        _ => b"common".to_vec(),
    };
    if n % 5 != 0 {
        key.extend((n / 7).to_be_bytes());
    }
    if n % 3 == 0 {
        key.extend(std::iter::repeat_n(0, (n % 11) as usize));
    }
    key
}

fn value(rng: &mut SmallRng) -> Vec<u8> {
    let kinds = if rng.random_bool(0.1) { 8 } else { 6 };
    let len = [8, 8, 12, 40, 300, 900, 1500, 9000][rng.random_range(0..kinds)];
    let mut value = vec![rng.random::<u8>(); len];
    value[..4].copy_from_slice(&rng.random::<u32>().to_le_bytes());
    value
}

fn bound(rng: &mut SmallRng, keys: u32) -> Bound<Vec<u8>> {
    match rng.random_range(0..3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(key(rng, keys)),
        _ => Bound::Excluded(key(rng, keys)),
    }
}

fn inside(range: &(Bound<Vec<u8>>, Bound<Vec<u8>>), key: &[u8]) -> bool {
    (match &range.0 {
        Bound::Unbounded => true,
        Bound::Included(low) => key >= &low[..],
        Bound::Excluded(low) => key > &low[..],
    }) && match &range.1 {
        Bound::Unbounded => true,
        Bound::Included(high) => key <= &high[..],
        Bound::Excluded(high) => key < &high[..],
    }
}

struct Tested {
    session: Box<dyn Session>,
    rows: Rows,
}

fn scan(rng: &mut SmallRng, tested: &Tested, t: TreeId, keys: u32, counts: &mut [u64; 4]) {
    let range = (bound(rng, keys), bound(rng, keys));
    let lent = (range.0.as_ref().map(Vec::as_slice), range.1.as_ref().map(Vec::as_slice));
    let mut expected: std::collections::VecDeque<_> =
        tested.rows.iter().filter(|(key, _)| inside(&range, key)).collect();
    let mut scan = tested.session.scan(t, lent).unwrap();
    let mut from_back = [0.0, 0.0, 1.0, 1.0, 0.5, 0.1, 0.9][rng.random_range(0..7)];
    let switch = rng.random_bool(0.3);
    counts[0] += 1;
    let most = if rng.random_bool(0.2) { rng.random_range(0..20) } else { usize::MAX };
    for _ in 0..most {
        if switch && rng.random_bool(0.02) {
            from_back = rng.random_range(0..3) as f64 / 2.0;
        }
        let back = rng.random_bool(from_back);
        let (got, wanted) = if back {
            (scan.next_back().unwrap(), expected.pop_back())
        } else {
            (scan.next().unwrap(), expected.pop_front())
        };
        let got = got.map(|(key, value)| (key.to_vec(), value.to_vec()));
        let wanted = wanted.map(|(key, value)| (key.clone(), value.clone()));
        if got != wanted {
            panic!("{range:?} back {back}: {:?} instead of {:?}", got.map(|g| g.0), wanted.map(|w| w.0));
        }
        counts[1] += 1;
        if got.is_none() {
            assert!(scan.next().unwrap().is_none());
            assert!(scan.next_back().unwrap().is_none());
            assert!(scan.next().unwrap().is_none());
            break;
        }
    }
}

fn reads(rng: &mut SmallRng, tested: &Tested, t: TreeId, keys: u32) {
    let asked: Vec<Vec<u8>> = (0..8).map(|_| key(rng, keys)).collect();
    for key in &asked {
        assert_eq!(tested.session.get(t, key).unwrap().as_deref(), tested.rows.get(key).map(|v| &v[..]));
        let mut at = CursorPos { key: key.clone(), side: Side::On };
        let (how, wanted) = match rng.random_range(0..4) {
            0 => (Move::SeekGe(key), tested.rows.range(key.clone()..).next()),
            1 => (Move::SeekLe(key), tested.rows.range(..=key.clone()).next_back()),
            2 => (
                Move::Next,
                tested.rows.range::<[u8], _>((Bound::Excluded(&key[..]), Bound::Unbounded)).next(),
            ),
            _ => (Move::Prev, tested.rows.range(..key.clone()).next_back()),
        };
        let got = tested.session.step(t, &mut at, how).unwrap().map(|value| value.to_vec());
        assert_eq!(got.as_ref(), wanted.map(|row| row.1));
        if let Some((wanted, _)) = wanted {
            assert_eq!(&at.key, wanted);
        }
    }
    let lent: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
    let mut seen = 0;
    tested
        .session
        .get_many(t, &lent, &mut |at, value| {
            seen += 1;
            assert_eq!(value.as_deref(), tested.rows.get(lent[at]).map(|v| &v[..]));
        })
        .unwrap();
    assert_eq!(seen, lent.len());
}

#[expect(clippy::too_many_lines, reason = "one schedule, read from top to bottom")]
fn run(seed: u64, counts: &mut [u64; 4]) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let rng = &mut rng;
    let options = Options {
        background: Background::Manual,
        generation_bytes: [16 << 10, 64 << 10, 1 << 20][rng.random_range(0..3)],
        version_store_bytes: 64 << 20,
        ..Options::default()
    };
    let backend = Arc::new(MemoryBackend::new(4096).unwrap());
    let engine: Arc<dyn Engine> =
        LocalEngine::start(options, backend, Arc::new(ManualClock::default())).unwrap();
    let new_session = || engine.session(SessionOptions::default()).unwrap();
    let mut writer = Tested { session: new_session(), rows: Rows::new() };
    let t = writer.session.create_tree(engine.main_database(), "t").unwrap();
    let keys = [6, 60, 600, 3000][rng.random_range(0..4)];
    let mut readers: Vec<Tested> = Vec::new();
    for _ in 0..rng.random_range(5..60) {
        let before = writer.rows.clone();
        writer.session.begin(Mode::ReadWrite).unwrap();
        let writes = [1, 3, 30, 300][rng.random_range(0..4)];
        let mut savepoint: Option<Rows> = None;
        for _ in 0..writes {
            let at = key(rng, keys);
            match rng.random_range(0..10) {
                0..5 => {
                    let value = value(rng);
                    writer.session.put(t, &at, &value, Put::Upsert).unwrap();
                    writer.rows.insert(at, value);
                }
                5..7 => {
                    let existed = writer.session.delete(t, &at, Delete::IfPresent).unwrap();
                    assert_eq!(existed, writer.rows.remove(&at).is_some());
                }
                7 => {
                    writer.session.delete(t, &at, Delete::Blind).unwrap();
                    writer.rows.remove(&at);
                }
                _ => {
                    if let Some(value) = writer.rows.get_mut(&at) {
                        let by = rng.random::<i32>();
                        writer.session.add(t, &at, 0, Delta::I32(by)).unwrap();
                        let counter = i32::from_le_bytes(value[..4].try_into().unwrap()).wrapping_add(by);
                        value[..4].copy_from_slice(&counter.to_le_bytes());
                    }
                }
            }
            if rng.random_bool(0.05) {
                engine.step().unwrap();
            }
            if rng.random_bool(0.02) {
                match savepoint.take() {
                    None => {
                        writer.session.begin(Mode::ReadWrite).unwrap();
                        savepoint = Some(writer.rows.clone());
                    }
                    Some(rows) if rng.random_bool(0.5) => {
                        writer.session.rollback_to(1).unwrap();
                        writer.rows = rows;
                    }
                    Some(_) => drop(writer.session.commit(Durability::Lazy).unwrap()),
                }
            }
            if rng.random_bool(0.02) {
                scan(rng, &writer, t, keys, counts);
                reads(rng, &writer, t, keys);
                counts[2] += 1;
            }
        }
        scan(rng, &writer, t, keys, counts);
        if savepoint.is_some() {
            writer.session.commit(Durability::Lazy).unwrap();
        }
        if rng.random_bool(0.2) {
            writer.session.rollback_to(0).unwrap();
            writer.rows = before;
        } else {
            writer.session.commit(Durability::Lazy).unwrap();
        }
        if rng.random_bool(0.4) {
            engine.request_merge();
        }
        for _ in 0..rng.random_range(0..12) {
            engine.step().unwrap();
        }
        if rng.random_bool(0.3) && readers.len() < 4 {
            let mut session = new_session();
            session.begin(Mode::ReadOnly).unwrap();
            readers.push(Tested { session, rows: writer.rows.clone() });
        }
        if rng.random_bool(0.2) && !readers.is_empty() {
            readers.swap_remove(rng.random_range(0..readers.len()));
        }
        for reader in &readers {
            scan(rng, reader, t, keys, counts);
            reads(rng, reader, t, keys);
        }
    }
    let faults = engine.check().unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    counts[3] += engine.stats().merges;
}

#[test]
fn half_merged_trees_are_scanned_from_both_ends() {
    let mut counts = [0; 4];
    for seed in 0..100 {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed, &mut counts)));
        assert!(result.is_ok(), "seed {seed}");
    }
    println!("scans, rows, scans amid writes, merges: {counts:?}");
}
