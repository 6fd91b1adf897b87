//! Versions without end: who waits, who fails, whom errors name, and what is kept for whom.

use super::{BUDGET, fill, key, put, small, stage};
use ese_base::ErrorKind;
use ese_core::{Background, Durability, LockMode, Mode, Options, Put, Step};

#[test]
fn an_open_writer_fills_the_version_store_and_is_named() {
    let stage = stage(small());
    let (mut slow, mut load, mut reader) =
        (stage.session("slow"), stage.session("load"), stage.session("reader"));
    put(&mut *load, stage.tree, 0).unwrap();
    reader.begin(Mode::ReadOnly).unwrap();
    slow.begin(Mode::ReadWrite).unwrap();
    // One transaction that writes more than there is room for gets the error itself, naming itself.
    let error = (1..).find_map(|row| put(&mut *slow, stage.tree, row).err()).unwrap();
    assert_eq!(error.kind(), ErrorKind::VersionStoreFull);
    assert!(error.to_string().contains("slow"), "{error}");
    // Others fail as well now, and the error names the culprit, too.
    let (_, error) = fill(&mut *load, stage.tree, 100_000..200_000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::VersionStoreFull);
    assert!(error.to_string().contains("slow"), "{error}");
    // Readers do not care, and the transaction is there: it reads its own writes, and can be rolled back.
    assert!(reader.get(stage.tree, &key(0)).unwrap().is_some());
    assert!(reader.get(stage.tree, &key(1)).unwrap().is_none());
    assert_eq!(slow.get(stage.tree, &key(1)).unwrap().as_deref(), Some(&[7; 1000][..]));
    slow.rollback_to(0).unwrap();
    fill(&mut *load, stage.tree, 200_000..202_000).unwrap();
    assert!(reader.get(stage.tree, &key(1)).unwrap().is_none());
    reader.commit(Durability::Sync).unwrap();
    assert!(load.get(stage.tree, &key(1)).unwrap().is_none(), "what was rolled back is not there");
    assert!(load.get(stage.tree, &key(201_999)).unwrap().is_some());
    stage.ends_well();
}

#[test]
fn a_full_transaction_can_still_be_committed() {
    let stage = stage(small());
    let mut session = stage.session("big");
    session.begin(Mode::ReadWrite).unwrap();
    let failed = (0..).find(|row| put(&mut *session, stage.tree, *row).is_err()).unwrap();
    assert!(failed > 100, "only {failed} rows went into a megabyte");
    session.commit(Durability::Sync).unwrap();
    for row in 0..failed {
        assert!(session.get(stage.tree, &key(row)).unwrap().is_some(), "row {row}");
    }
    assert!(session.get(stage.tree, &key(failed)).unwrap().is_none());
    stage.ends_well();
}

#[test]
fn a_load_of_many_times_the_budget_goes_through() {
    let stage = stage(small());
    fill(&mut *stage.session("load"), stage.tree, 0..10_000).unwrap();
    let stats = stage.engine.stats();
    assert!(stats.version_store_bytes <= BUDGET + (64 << 10), "{stats:?}");
    assert!(stats.merges > 2, "{stats:?}");
    stage.ends_well();
}

#[test]
fn four_slow_writers_and_one_load() {
    let stage = stage(small());
    let mut slow: Vec<_> = (0..4).map(|number| stage.session(&format!("slow {number}"))).collect();
    let mut load = stage.session("load");
    // Each wrote in a generation of its own, and stays open.
    for (number, session) in (0..).zip(&mut slow) {
        session.begin(Mode::ReadWrite).unwrap();
        put(&mut **session, stage.tree, 1_000_000 + number).unwrap();
        fill(&mut *load, stage.tree, number * 100..number * 100 + 100).unwrap();
        stage.engine.merge().unwrap();
    }
    // The load goes on or is refused; nobody waits for ever, and there are never more than four generations.
    let refused = fill(&mut *load, stage.tree, 10_000..13_000);
    let stats = stage.engine.stats();
    assert!(stats.generations <= 4, "{stats:?}");
    if let Err((_, error)) = refused {
        assert_eq!(error.kind(), ErrorKind::VersionStoreFull);
        assert!(error.to_string().contains("slow"), "{error}");
    }
    // Their next statements end as well.
    for (number, session) in (0..).zip(&mut slow) {
        match put(&mut **session, stage.tree, 2_000_000 + number) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::VersionStoreFull),
        }
        session.commit(Durability::Sync).unwrap();
    }
    fill(&mut *load, stage.tree, 20_000..23_000).unwrap();
    for number in 0..4 {
        assert!(load.get(stage.tree, &key(1_000_000 + number)).unwrap().is_some());
    }
    stage.ends_well();
}

#[test]
fn readers_that_hold_too_much_are_named_and_never_fail() {
    let stage = stage(small());
    let (mut load, mut readers) = (stage.session("load"), Vec::new());
    let mut refused = None;
    for round in 0..200 {
        let mut reader = stage.session(&format!("reader {round}"));
        reader.begin(Mode::ReadOnly).unwrap();
        readers.push(reader);
        if let Err((_, error)) = fill(&mut *load, stage.tree, 0..200) {
            refused = Some(error);
            break;
        }
    }
    let error = refused.expect("two hundred views of a megabyte are beyond the bound");
    assert_eq!(error.kind(), ErrorKind::VersionStoreFull);
    assert!(error.to_string().contains("reader"), "{error}");
    let stats = stage.engine.stats();
    assert!(stats.reader_held_bytes <= 3 * BUDGET, "{stats:?}");
    for (round, reader) in readers.iter().enumerate() {
        assert_eq!(reader.get(stage.tree, &key(0)).unwrap().is_some(), round > 0, "reader {round}");
    }
    drop(readers);
    fill(&mut *load, stage.tree, 0..2000).unwrap();
    stage.ends_well();
}

#[test]
fn one_long_reader_costs_no_more_as_it_grows_older() {
    let stage = stage(small());
    let (mut load, mut reader) = (stage.session("load"), stage.session("reader"));
    // As the applier's thread would: a step of background work for each row.
    let mut work = |rows| {
        for row in rows {
            put(&mut *load, stage.tree, row).unwrap();
            stage.engine.step().unwrap();
        }
        stage.engine.stats()
    };
    work(0..100);
    reader.begin(Mode::ReadOnly).unwrap();
    let young = work(0..3000);
    work(0..3000);
    let old = work(0..3000);
    assert!(young.merges > 0 && old.merges > young.merges, "{young:?}\n{old:?}");
    assert!(old.reader_held_bytes <= young.reader_held_bytes.max(128 << 10), "{young:?}\n{old:?}");
    assert!(old.views <= 4, "{old:?}");
    assert!(reader.get(stage.tree, &key(99)).unwrap().is_some());
    assert!(reader.get(stage.tree, &key(100)).unwrap().is_none());
    reader.commit(Durability::Sync).unwrap();
    stage.ends_well();
}

#[test]
fn a_forgotten_transaction_is_named() {
    let stage = stage(small());
    let mut forgotten = stage.session("forgotten");
    forgotten.begin(Mode::ReadWrite).unwrap();
    put(&mut *forgotten, stage.tree, 1).unwrap();
    std::mem::forget(forgotten);
    let error = stage.engine.close().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyActiveUsers);
    assert!(error.to_string().contains("forgotten"), "{error}");
    // The others go on: what it wrote stays locked, and nothing else is.
    let mut session = stage.session("other");
    assert_eq!(put(&mut *session, stage.tree, 1).unwrap_err().kind(), ErrorKind::WriteConflict);
    fill(&mut *session, stage.tree, 2..200).unwrap();
    assert_eq!(stage.engine.check().unwrap(), Vec::<String>::new());
}

#[test]
fn idle_sessions_keep_nothing() {
    let stage = stage(small());
    let mut idle: Vec<_> = (0..50).map(|number| stage.session(&format!("idle {number}"))).collect();
    let mut load = stage.session("load");
    for (number, session) in (0..).zip(&mut idle) {
        session.begin(Mode::ReadWrite).unwrap();
        put(&mut **session, stage.tree, number).unwrap();
        session.commit(Durability::Lazy).unwrap();
        fill(&mut *load, stage.tree, 100..150).unwrap();
        stage.engine.merge().unwrap();
    }
    while stage.engine.step().unwrap() != Step::Idle {}
    let stats = stage.engine.stats();
    assert_eq!((stats.views, stats.reader_held_bytes, stats.window_entries), (1, 0, 0), "{stats:?}");
    drop(idle);
    stage.ends_well();
}

/// Who waits for room stands outside the gate, which the merge that makes the room has to close.
#[test]
fn writers_that_wait_for_room_let_the_gate_be_closed() {
    for background in [Background::Manual, Background::Threads] {
        let stage = stage(Options { background, ..small() });
        let work = |number: u32| {
            let mut session = stage.session(&format!("thread {number}"));
            for row in number * 10_000..number * 10_000 + 1000 {
                // Others may take the room that a merge has made before this one looks; it asks again then.
                while let Err(error) = put(&mut *session, stage.tree, row) {
                    assert_eq!(error.kind(), ErrorKind::VersionStoreFull);
                }
            }
        };
        std::thread::scope(|scope| {
            for number in 0..4 {
                scope.spawn(move || work(number));
            }
        });
        let stats = stage.engine.stats();
        assert!(stats.merges > 2, "{stats:?}");
        let session = stage.session("reader");
        for number in 0..4 {
            for row in number * 10_000..number * 10_000 + 1000 {
                assert!(session.get(stage.tree, &key(row)).unwrap().is_some(), "row {row}");
            }
        }
        stage.ends_well();
    }
}

/// What conflict checks remember is bounded: the transaction that would need more is told that it is too old, by its own
/// name, whatever it writes; nobody else is, and it reads on.
#[test]
fn a_transaction_older_than_what_conflict_checks_remember_is_told_so() {
    let stage = stage(small());
    let (mut old, mut load) = (stage.session("old"), stage.session("load"));
    put(&mut *load, stage.tree, 0).unwrap();
    old.begin(Mode::ReadWrite).unwrap();
    put(&mut *old, stage.tree, 1_000_000).unwrap();
    for round in 0..20 {
        for row in round * 1000..round * 1000 + 1000 {
            load.put(stage.tree, &key(row + 1), b"v", Put::Upsert).unwrap();
        }
        stage.engine.merge().unwrap();
    }
    let error = put(&mut *old, stage.tree, 2_000_000).unwrap_err();
    assert!(error.to_string().contains("old") && error.is_concurrent(), "{error}");
    let insert = old.put(stage.tree, &key(3_000_000), b"", Put::Insert).unwrap_err();
    let lock = old.lock(stage.tree, &key(4_000_000), LockMode::Read).unwrap_err();
    assert_eq!([error, insert, lock].map(|error| error.kind()), [ErrorKind::VersionStoreFull; 3]);
    // It reads what it read before, what it wrote is there, and the young ones write where they like.
    assert!(old.get(stage.tree, &key(0)).unwrap().is_some());
    assert!(old.get(stage.tree, &key(1_000_000)).unwrap().is_some());
    assert!(old.get(stage.tree, &key(1)).unwrap().is_none());
    put(&mut *load, stage.tree, 0).unwrap();
    // Run again, it goes through.
    old.rollback_to(0).unwrap();
    old.begin(Mode::ReadWrite).unwrap();
    put(&mut *old, stage.tree, 2_000_000).unwrap();
    old.commit(Durability::Lazy).unwrap();
    stage.ends_well();
}
