//! Sessions beside a merge, step by step.

use super::{fill, key, put, small, stage};
use ese_core::{Background, Delta, Durability, Mode, Options, Put, Session, Step};

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
