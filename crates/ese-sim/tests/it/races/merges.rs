//! Sessions beside a merge, step by step.

use super::{Stage, fill, key, put, small, stage};
use ese_core::{Background, Delta, Durability, Mode, Options, Put, Session, Step};
use std::time::Duration;

/// Transactions of a thousand adds each.
const ADDERS: i64 = 1000;

/// With the applier's thread: it keeps a hot counter's chain of adds short.
#[test]
fn a_million_adds_then_a_read() {
    let stage = stage(Options { background: Background::Threads, ..Options::default() });
    let (mut session, mut reader) = (stage.session("adder"), stage.session("reader"));
    session.put(stage.tree, b"c", &0_i64.to_le_bytes(), Put::Insert).unwrap();
    reader.begin(Mode::ReadOnly).unwrap();
    for _ in 0..ADDERS {
        session.begin(Mode::ReadWrite).unwrap();
        for _ in 0..1000 {
            session.add(stage.tree, b"c", 0, Delta::I64(3)).unwrap();
        }
        session.commit(Durability::Lazy).unwrap();
    }
    let counter = |session: &dyn Session| {
        let value = session.get(stage.tree, b"c").unwrap().expect("the row is there").to_vec();
        i64::from_le_bytes(value.try_into().expect("eight bytes"))
    };
    assert_eq!(counter(&*session), 3000 * ADDERS);
    assert_eq!(counter(&*reader), 0);
    stage.engine.merge().unwrap();
    assert_eq!(counter(&*session), 3000 * ADDERS);
    assert_eq!(counter(&*reader), 0);
    drop(reader);
    stage.ends_well();
}

/// A merge is paused at each of its steps in turn; at each, a thread of its own begins, writes, commits and reads.
#[test]
fn a_commit_returns_while_a_merge_is_paused() {
    let stage = stage(small());
    fill(&mut *stage.session("rows"), stage.tree, 0..300).unwrap();
    stage.engine.request_merge();
    let (mut steps, mut row) = (Vec::new(), 1000);
    loop {
        let step = stage.engine.step().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut session = stage.session("thread");
                put(&mut *session, stage.tree, row).unwrap();
                assert!(session.get(stage.tree, &key(row)).unwrap().is_some());
            });
        });
        row += 1;
        steps.push(step);
        if step == Step::Published {
            break;
        }
    }
    assert!(steps.contains(&Step::Sealed) && steps.contains(&Step::Merged), "{steps:?}");
    let session = stage.session("reader");
    for written in 1000..row {
        assert!(session.get(stage.tree, &key(written)).unwrap().is_some(), "row {written}");
    }
    stage.ends_well();
}

/// The background work that there is to do; how many merges it did.
fn work(stage: &Stage) -> u64 {
    let before = stage.engine.stats().merges;
    while stage.engine.step().expect("a step goes through") != Step::Idle {}
    stage.engine.stats().merges - before
}

/// Nobody asks for a merge; each of the four reasons alone brings one about, and nothing does when there is nothing new.
#[test]
fn merges_begin_by_rows_bytes_age_and_idleness() {
    let begun = |options: Options| {
        let stage = stage(Options { background: Background::Manual, ..options });
        stage.engine.merge().unwrap();
        assert_eq!(work(&stage), 0, "what is merged is not merged again");
        let session = stage.session("writer");
        (stage, session)
    };
    let (day, second) = (Duration::from_secs(86_400), Duration::from_secs(1));
    let never = Options { merge_age: day, merge_idle: day, ..Options::default() };

    let (stage, mut session) = begun(Options { merge_rows: 10, ..never.clone() });
    fill(&mut *session, stage.tree, 0..9).unwrap();
    assert_eq!(work(&stage), 0);
    fill(&mut *session, stage.tree, 9..10).unwrap();
    assert_eq!(work(&stage), 1, "ten rows");

    let (stage, mut session) = begun(Options { generation_bytes: 64 << 10, ..never.clone() });
    fill(&mut *session, stage.tree, 0..10).unwrap();
    assert_eq!(work(&stage), 0);
    fill(&mut *session, stage.tree, 10..100).unwrap();
    assert_eq!(work(&stage), 1, "a generation's bytes");

    let (stage, mut session) = begun(Options { merge_age: 5 * second, ..never.clone() });
    for row in 0..5 {
        put(&mut *session, stage.tree, row).unwrap();
        assert_eq!(work(&stage), 0, "{row} s");
        stage.clock.advance(second);
    }
    assert_eq!(work(&stage), 1, "the oldest is five seconds old");

    let (stage, mut session) = begun(Options { merge_idle: second, ..never });
    for row in 0..5 {
        put(&mut *session, stage.tree, row).unwrap();
        assert_eq!(work(&stage), 0, "row {row}");
        stage.clock.advance(second * 9 / 10);
    }
    assert_eq!(work(&stage), 0, "not idle for long enough");
    stage.clock.advance(second / 10);
    assert_eq!(work(&stage), 1, "nothing came for a second");
    stage.clock.advance(day);
    assert_eq!(work(&stage), 0, "nothing is new");
}

/// Views have one maker: what is sealed while a merge is under way is in the view that the merge publishes.
#[test]
fn a_generation_is_sealed_between_two_steps_of_a_merge() {
    let stage =
        stage(Options { background: Background::Manual, generation_bytes: 32 << 10, ..Options::default() });
    let (mut load, mut reader) = (stage.session("load"), stage.session("reader"));
    fill(&mut *load, stage.tree, 0..5000).unwrap();
    stage.engine.request_merge();
    let (mut row, mut most, mut steps) = (5000, 0, 0);
    while stage.engine.step().unwrap() != Step::Published {
        let before = stage.engine.stats();
        steps += 1;
        fill(&mut *load, stage.tree, row..row + 60).unwrap();
        row += 60;
        if steps == 3 {
            reader.begin(Mode::ReadOnly).unwrap();
        }
        most = most.max(before.generations);
    }
    assert!(steps > 4 && most > 2, "{most} generations in {steps} steps");
    for written in 0..row {
        assert!(load.get(stage.tree, &key(written)).unwrap().is_some(), "row {written}");
        assert_eq!(reader.get(stage.tree, &key(written)).unwrap().is_some(), written < 5180, "row {written}");
    }
    drop(reader);
    stage.ends_well();
}

/// A row that a transaction wrote itself, or read, lies in memory that goes with a generation, a page or a view. Others
/// merge, overwrite and free what they can while it is looked at.
#[test]
fn rows_are_looked_at_while_what_holds_them_is_merged_and_freed() {
    let stage = stage(small());
    let (mut own, mut load) = (stage.session("own"), stage.session("load"));
    fill(&mut *load, stage.tree, 0..50).unwrap();
    stage.engine.merge().unwrap();
    fill(&mut *load, stage.tree, 50..60).unwrap();
    own.begin(Mode::ReadWrite).unwrap();
    own.put(stage.tree, b"own", &[1; 3000], Put::Insert).unwrap();
    let rows = [
        own.get(stage.tree, b"own").unwrap().expect("its own row"),
        own.get(stage.tree, &key(7)).unwrap().expect("a row of the base"),
        own.get(stage.tree, &key(57)).unwrap().expect("a row of a generation"),
    ];
    for round in 0..20 {
        for row in 0..100 {
            load.put(stage.tree, &key(row), &[round; 900], Put::Upsert).unwrap();
        }
        stage.engine.merge().unwrap();
        while stage.engine.step().unwrap() != Step::Idle {}
    }
    assert!(stage.engine.stats().merges > 20);
    assert_eq!(&*rows[0], &[1; 3000][..]);
    assert_eq!((&*rows[1], &*rows[2]), (&[7; 1000][..], &[7; 1000][..]));
    // What was written when the views were others is still its own, and the one commit of it.
    assert_eq!(own.get(stage.tree, b"own").unwrap().as_deref(), Some(&[1; 3000][..]));
    own.commit(Durability::Lazy).unwrap();
    assert_eq!(load.get(stage.tree, b"own").unwrap().as_deref(), Some(&[1; 3000][..]));
    stage.ends_well();
}

/// New roots are made one at a time, whoever asks: merges, steps and drops of trees from several threads at once.
#[test]
fn merges_that_many_ask_for_at_once() {
    for background in [Background::Manual, Background::Threads] {
        let stage = stage(Options { background, ..small() });
        let work = |number: u32| {
            let mut session = stage.session(&format!("thread {number}"));
            for round in 0..15 {
                let name = format!("tree {number}");
                let tree = session.create_tree(stage.engine.main_database(), &name).unwrap();
                fill(&mut *session, tree, 0..30).unwrap();
                fill(&mut *session, stage.tree, number * 1000 + round * 10..number * 1000 + round * 10 + 10)
                    .unwrap();
                stage.engine.merge().unwrap();
                session.drop_tree(tree).unwrap();
                stage.engine.step().unwrap();
            }
        };
        std::thread::scope(|scope| {
            for number in 0..4 {
                scope.spawn(move || work(number));
            }
        });
        let session = stage.session("reader");
        for number in 0..4 {
            for row in 0..150 {
                assert!(session.get(stage.tree, &key(number * 1000 + row)).unwrap().is_some());
            }
        }
        assert_eq!(session.tree_names(stage.engine.main_database()).unwrap(), ["t"]);
        stage.ends_well();
    }
}
