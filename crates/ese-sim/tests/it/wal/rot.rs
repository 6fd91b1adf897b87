//! Every bit of every byte's neighbourhood: each byte of a small log changed in three ways. An error that says where, or,
//! in the very last batch when nothing stands behind it, that batch gone. Never anything else.

use super::{End, FOLDER, Op, Program, options};
use ese_base::{ErrorKind, Position};
use ese_core::Log;
use ese_io::Disk;
use ese_sim::disk::{Profile, SimDisk};
use ese_wal::{Access, Wal};
use std::{collections::BTreeMap, path::Path, sync::Arc};

const KINDS: [ErrorKind; 4] =
    [ErrorKind::LogCorrupted, ErrorKind::LogGap, ErrorKind::LogForeign, ErrorKind::LogVersion];

fn sweep(ops: &[Op], lost: usize) -> BTreeMap<&'static str, usize> {
    let disk = SimDisk::new(1, Profile::ANY_ORDER);
    let files: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut program = Program::new();
    assert!(matches!(program.run(&disk, &files, ops, &|wal: Wal| wal), End::Done));
    disk.kill();
    let mut outcomes = BTreeMap::new();
    for entry in files.list(FOLDER.as_ref()).unwrap() {
        let path = Path::new(FOLDER).join(entry.name);
        if path.extension().is_none_or(|ending| ending != "log") {
            continue;
        }
        let bytes = disk.durable(&path).unwrap();
        for (offset, byte) in bytes.iter().enumerate() {
            for mask in [0x01, 0x80, 0xff] {
                disk.overwrite(&path, offset as u64, &[byte ^ mask]).unwrap();
                *outcomes.entry(outcome(&files, &program, lost, &path, offset)).or_insert(0) += 1;
            }
            disk.overwrite(&path, offset as u64, &[*byte]).unwrap();
        }
    }
    outcomes
}

fn outcome(
    files: &Arc<dyn Disk>,
    program: &Program,
    lost: usize,
    path: &Path,
    offset: usize,
) -> &'static str {
    let mut found = Vec::new();
    let opened = Wal::open(Arc::clone(files), FOLDER.as_ref(), options(512), Access::Read);
    let read = opened.and_then(|wal| {
        wal.replay(Position::FIRST, &mut |at, frame| {
            found.push((at, frame.to_vec()));
            Ok(())
        })
    });
    let what = format!("{}, offset {offset}", path.display());
    match read {
        Ok(_) if found == program.appended => "whole",
        Ok(_) => {
            let kept = program.appended.len() - lost;
            assert!(found.len() >= kept && found[..] == program.appended[..found.len()], "{what}");
            "cut"
        }
        Err(error) => {
            assert!(KINDS.contains(&error.kind()), "{what}: {error}");
            assert!(error.to_string().contains(".log"), "{what}: {error}");
            "error"
        }
    }
}

#[test]
fn every_byte_of_a_log_that_was_settled() {
    let ops = [Op::Sync(3), Op::Sync(900), Op::Bare, Op::Sync(5000), Op::Die, Op::Sync(400), Op::Reopen];
    let outcomes = sweep(&ops, 0);
    // Rot of the last beginning of an epoch, and of segments that were copied, changes nothing.
    assert!(outcomes["error"] > 20_000 && !outcomes.contains_key("cut"), "{outcomes:?}");
}

#[test]
fn every_byte_of_a_log_that_ends_in_a_commit() {
    let ops = [Op::Sync(3), Op::Sync(900), Op::Die, Op::Sync(400), Op::Sync(30)];
    let outcomes = sweep(&ops, 1);
    // The body and the header of the last batch: a block, three times.
    assert!(outcomes["error"] > 5000 && outcomes["cut"] == 3 * 512, "{outcomes:?}");
}
