//! A log's ordinary life: append, flush, reopen, recycle, close.

use crate::support::{
    assert_same, begin, create, disk, files, frame_of, log_of, read, reopen, replay, small, small_blocks,
    snapshot, tempdir,
};
use ese_base::{ErrorKind, Position};
use ese_core::Log;
use ese_wal::{Access, Wal, WalOptions};

#[test]
fn what_was_flushed_is_there_in_order_and_exact() {
    for options in [small(), small_blocks(), WalOptions::default()] {
        let folder = tempdir();
        let mut log = create(folder.path(), options);
        assert_eq!(log.next, Position::FIRST);
        let mut expected = Vec::new();
        // Frames shorter and longer than blocks, buffers and segments, several a batch, gaps between positions.
        for length in [0, 1, 100, 4000, 5000, 40_000, 3, 17_000, 0, 70_000, 8] {
            log.skip();
            let lazy = log.lazy(length);
            let sync = log.sync(length / 2);
            expected.push((lazy, frame_of(lazy, length).to_vec()));
            expected.push((sync, frame_of(sync, length / 2).to_vec()));
        }
        let lost = log.lazy(5);
        assert_eq!(log.wal.durable(), lost);
        drop(log);
        assert_same(&read(folder.path(), options, Position::FIRST).unwrap(), &expected, "read");
        let from = expected[9].0;
        let (log, found) = reopen(folder.path(), options, from).unwrap();
        assert_same(&found, &expected[9..], "from the middle");
        assert!(log.next > lost, "a position is never given twice");
        assert_eq!(log.wal.durable(), log.next);
        drop(log);
        assert_same(&read(folder.path(), options, Position::FIRST).unwrap(), &expected, "read");
    }
}

#[test]
fn epochs_follow_each_other_with_and_without_commits() {
    let folder = tempdir();
    let mut log = create(folder.path(), small());
    let mut expected = Vec::new();
    for round in 0..12 {
        for _ in 0..round % 4 {
            log.noted(round * 300, &mut expected);
        }
        if round % 3 == 0 {
            log.lazy(9);
        } else if round % 5 == 4 {
            log.noted(1, &mut expected);
            log.wal.close(log.next).unwrap();
            let next = log.next;
            let (again, found) = reopen(folder.path(), small(), Position::FIRST).unwrap();
            assert_same(&found, &expected, &format!("round {round}"));
            assert_eq!(again.next, next, "a close in good order leaves no gap");
            log = again;
            continue;
        }
        let (again, found) = reopen(folder.path(), small(), Position::FIRST).unwrap();
        assert_same(&found, &expected, &format!("round {round}"));
        assert!(again.next > log.next);
        log = again;
    }
}

#[test]
fn positions_without_frames_become_durable_and_are_told_once_settled() {
    let folder = tempdir();
    let mut log = create(folder.path(), small());
    log.sync(10);
    let syncs = log.wal.stats().syncs;
    let bare = log.skip();
    assert_eq!(log.wal.flush(bare).unwrap(), log.next);
    assert_eq!(log.wal.stats().syncs, syncs, "there was nothing to write");
    let point = log.wal.settle(log.next).unwrap();
    assert_eq!((point.at, point.log, point.epoch), (log.next, log.wal.identity(), 1));
    let syncs = log.wal.stats().syncs;
    log.wal.settle(log.next).unwrap();
    assert_eq!(log.wal.stats().syncs, syncs, "it was said before");
    let next = log.next;
    drop(log);
    assert_eq!(read(folder.path(), small(), next).unwrap(), []);
    let beyond = read(folder.path(), small(), next.next()).unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::LogGap, "{beyond}");
}

#[test]
fn segments_are_recycled_and_only_what_nobody_needs() {
    let folder = tempdir();
    let mut log = create(folder.path(), small());
    let mut expected = Vec::new();
    for round in 0..200 {
        log.noted(3000, &mut expected);
        if round % 10 == 9 {
            let below = Position(log.next.0 - 5);
            log.wal.settle(log.next).unwrap();
            log.wal.recycle(below).unwrap();
            let kept = read(folder.path(), small(), below).unwrap();
            assert_same(&kept, &expected[expected.len() - 5..], "what is needed");
            let error = read(folder.path(), small(), Position::FIRST).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LogGap, "{error}");
        }
        while log.wal.prepare().unwrap() {}
    }
    assert!(files(folder.path(), ".log").len() <= 5, "{:?}", files(folder.path(), ""));
    assert!(files(folder.path(), "").len() <= 14, "{:?}", files(folder.path(), ""));
    let next = log.next;
    log.wal.close(next).unwrap();
    let (mut log, found) = reopen(folder.path(), small(), next).unwrap();
    assert_eq!(found, []);
    log.wal.recycle(next).unwrap();
    assert_eq!(files(folder.path(), ".log").len(), 1);
    let at = log.sync(7);
    drop(log);
    assert_eq!(read(folder.path(), small(), next).unwrap(), [(at, frame_of(at, 7).to_vec())]);
}

#[test]
fn a_log_for_reads_changes_nothing_and_takes_nothing() {
    let folder = tempdir();
    let mut log = create(folder.path(), small());
    log.sync(100);
    log.sync(20_000);
    drop(log);
    let before = snapshot(folder.path());
    let wal = Wal::open(disk(), &log_of(folder.path()), small(), Access::Read).unwrap();
    assert_eq!(replay(&wal, Position::FIRST).unwrap().len(), 2);
    assert_eq!(wal.begin_epoch().unwrap_err().kind(), ErrorKind::InvalidParameter);
    assert_eq!(wal.room(1).unwrap_err().kind(), ErrorKind::InvalidParameter);
    assert_eq!(wal.flush(Position(100)).unwrap_err().kind(), ErrorKind::InvalidParameter);
    assert!(!wal.prepare().unwrap());
    drop(wal);
    assert_eq!(snapshot(folder.path()), before);
}

#[test]
fn an_epoch_begins_after_a_replay_and_once() {
    let folder = tempdir();
    drop(create(folder.path(), small()));
    let wal = Wal::open(disk(), &log_of(folder.path()), small(), Access::ReadWrite).unwrap();
    assert_eq!(wal.begin_epoch().unwrap_err().kind(), ErrorKind::InvalidParameter);
    assert_eq!(wal.room(1).unwrap_err().kind(), ErrorKind::InvalidParameter);
    replay(&wal, Position::FIRST).unwrap();
    let log = begin(wal);
    assert_eq!(log.wal.begin_epoch().unwrap_err().kind(), ErrorKind::InvalidParameter);
    assert_eq!(replay(&log.wal, Position::FIRST).unwrap_err().kind(), ErrorKind::InvalidParameter);
}

#[test]
fn a_log_is_made_once_and_only_where_there_is_none() {
    let folder = tempdir();
    let path = log_of(folder.path());
    assert!(!Wal::exists(&disk(), &path).unwrap());
    drop(Wal::create(disk(), &path, small()).unwrap());
    assert!(!Wal::exists(&disk(), &path).unwrap(), "its epoch has not begun");
    let error = Wal::open(disk(), &path, small(), Access::ReadWrite).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LogGap, "{error}");
    drop(create(folder.path(), small()));
    assert!(Wal::exists(&disk(), &path).unwrap());
    assert_eq!(Wal::create(disk(), &path, small()).unwrap_err().kind(), ErrorKind::FileExists);
    let missing = Wal::open(disk(), &path.join("nowhere"), small(), Access::Read).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::FileNotFound);
    let new = Wal::create(disk(), &path.join("inner"), small()).unwrap();
    assert_eq!(replay(&new, Position(2)).unwrap_err().kind(), ErrorKind::LogGap);
}

#[test]
fn a_transaction_is_too_long_or_the_log_is_full_before_anything_is_claimed() {
    let folder = tempdir();
    let mut options = small();
    options.log_max_bytes = 12 * options.segment_max_bytes;
    let mut log = create(folder.path(), options);
    let error = log.wal.room(200_000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TransactionTooLong, "{error}");
    let longest = log.sync(8 * (16384 - 8192 - 104) - 16 - 8 - 104 - 4096);
    let mut count = 0;
    let error = loop {
        match log.wal.room(7000) {
            Ok(()) => log.wal.give_back(7000),
            Err(error) => break error,
        }
        log.sync(7000 - 8);
        count += 1;
        assert!(count < 100);
    };
    assert_eq!(error.kind(), ErrorKind::LogFull, "{error}");
    let total: u64 = files(folder.path(), "").iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(total <= options.log_max_bytes);
    // What recovery, checkpoints and the close need is still there.
    log.wal.settle(log.next).unwrap();
    log.wal.recycle(longest.next()).unwrap();
    log.sync(7000);
    log.wal.close(log.next).unwrap();
}

#[test]
fn an_existing_log_keeps_its_blocks_and_grows_by_the_new_options() {
    let folder = tempdir();
    let mut log = create(folder.path(), small_blocks());
    log.sync(10);
    drop(log);
    let mut options = small();
    options.segment_max_bytes = 64 << 10;
    let (mut log, _) = reopen(folder.path(), options, Position::FIRST).unwrap();
    for _ in 0..20 {
        log.sync(9000);
        while log.wal.prepare().unwrap() {}
    }
    drop(log);
    let lengths: Vec<_> = files(folder.path(), ".log").iter().map(|p| p.metadata().unwrap().len()).collect();
    assert!(lengths.contains(&(64 << 10)), "{lengths:?}");
    assert_eq!(read(folder.path(), small(), Position::FIRST).unwrap().len(), 21);
}

#[test]
fn settings_are_checked() {
    let bad: [fn(&mut WalOptions); 6] = [
        |o| o.block_bytes = 1024,
        |o| o.segment_min_bytes = 8192,
        |o| o.segment_min_bytes = 1 << 21 | 512,
        |o| o.segment_max_bytes = 1 << 19,
        |o| o.buffer_bytes = 100,
        |o| o.log_max_bytes = 7 * o.segment_max_bytes,
    ];
    WalOptions::default().validate().unwrap();
    for change in bad {
        let mut options = WalOptions::default();
        change(&mut options);
        assert_eq!(options.validate().unwrap_err().kind(), ErrorKind::InvalidSettings, "{options:?}");
    }
}
