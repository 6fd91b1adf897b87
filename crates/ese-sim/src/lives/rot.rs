//! A stop, and then one byte of one file that is not what it was.
//!
//! A start must say so, with an error of a kind that is there for damage, or hold the right rows. One thing cannot be told
//! apart: damage of what was synced last in the log and a write that was cut short. So of a log with a changed byte the end
//! may be missing; what is there is still a state that the databases were in.

use super::{
    plan::Plan,
    rig::Plain,
    run::{Counts, FOLDER, Wrong, start, stopped},
    state::{State, look},
    truth::Truth,
};
use crate::{disk::SimDisk, seed::Dice};
use ese_base::{Error, ErrorKind, Result};
use ese_io::{Disk, EntryKind};
use std::path::{Path, PathBuf};

/// What damage is told by.
const KINDS: [ErrorKind; 17] = [
    ErrorKind::PageChecksum,
    ErrorKind::DatabaseCorrupted,
    ErrorKind::WrongPage,
    ErrorKind::LostWrite,
    ErrorKind::NotADatabase,
    ErrorKind::InvalidDatabaseVersion,
    ErrorKind::PageSizeMismatch,
    ErrorKind::FileTooShort,
    ErrorKind::DatabaseDirtyShutdown,
    ErrorKind::AttachedDatabaseMismatch,
    ErrorKind::LogCorrupted,
    ErrorKind::LogGap,
    ErrorKind::LogForeign,
    ErrorKind::LogVersion,
    ErrorKind::DiskIo,
    ErrorKind::LogWriteFailed,
    ErrorKind::InstanceUnavailable,
];

/// Changes one byte after the other, each on a disk of its own.
pub(super) fn rot(plan: &Plan, bytes: u64) -> std::result::Result<Counts, Wrong> {
    let wrong = |what: String| Wrong { deeds: plan.deeds.len(), what };
    let dice = Dice::new(plan.seed ^ 0x2075);
    let (disk, truth) = stopped(plan, dice.below(3))?;
    let files = files(&disk).map_err(|error| wrong(format!("listing the files: {error}")))?;
    let mut counts = Counts { trace: disk.shape(), ..Counts::default() };
    if files.is_empty() {
        return Ok(counts);
    }
    let unspoilt = judge(plan, &disk.fork(plan.disk_seed), &truth, FOLDER.as_ref());
    match unspoilt {
        Ok(false) => {}
        Ok(true) => return Err(wrong("damage was seen where there is none".to_owned())),
        Err(what) => return Err(wrong(format!("without rot: {what}"))),
    }
    for number in 0..bytes {
        let spoilt = disk.fork(plan.disk_seed ^ number);
        let (path, length) = &files[dice.index(files.len())];
        // Half of them where the numbers stand that lead to the rest.
        let at = dice.below(if dice.percent(50) { (*length).min(600) } else { *length });
        let old = spoilt.durable(path).and_then(|bytes| bytes.get(usize::try_from(at).ok()?).copied());
        let Some(old) = old else { continue };
        let new = old ^ dice.pick(&[0x01, 0x80, 0xff]);
        spoilt.overwrite(path, at, &[new]).map_err(|error| wrong(error.to_string()))?;
        counts.faults += 1;
        let what = judge(plan, &spoilt, &truth, path);
        let place = || format!("{} byte {at}, {old:#04x} → {new:#04x}", path.display());
        match what {
            Ok(is_seen) => counts.recoveries += u64::from(is_seen),
            Err(what) => return Err(wrong(format!("{}: {what}", place()))),
        }
        counts.starts += 1;
    }
    Ok(counts)
}

/// Whether the damage was seen; an error is wrong data, or an error of another kind.
fn judge(plan: &Plan, disk: &SimDisk, truth: &Truth, path: &Path) -> std::result::Result<bool, String> {
    let told = |error: &Error| {
        if KINDS.contains(&error.kind()) { Ok(true) } else { Err(format!("the engine says {error}")) }
    };
    let found: Result<(State, Vec<String>)> =
        start(plan, disk, &Plain).and_then(|(engine, _)| Ok((look(&*engine)?, engine.check()?)));
    match found {
        Err(error) => told(&error),
        Ok((found, faults)) => {
            let in_log = path.starts_with(Path::new(FOLDER).join("log"));
            if truth.may_be(&found) || in_log && truth.was(&found) {
                Ok(!faults.is_empty())
            } else {
                let from = truth.newest().difference(&found);
                Err(format!("what it holds was never there; from the newest state: {from}; {found:?}"))
            }
        }
    }
}

/// The files of the instance that are worth spoiling, and their lengths.
fn files(disk: &SimDisk) -> Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    for folder in [FOLDER, "/db/log", "/far"] {
        if disk.metadata(folder.as_ref())?.is_none() {
            continue;
        }
        for entry in disk.list(folder.as_ref())? {
            let path = Path::new(folder).join(entry.name);
            let found = disk.metadata(&path)?;
            if let Some(found) = found.filter(|found| found.kind == EntryKind::File && found.len > 0) {
                files.push((path, found.len));
            }
        }
    }
    files.sort();
    Ok(files)
}
