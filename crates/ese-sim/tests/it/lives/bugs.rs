//! Known bugs, switched on between the engine and its log or its disk: the driver finds each, and where it is the
//! reordering of a disk that shows it, finds nothing on a disk without. A log that replays past a hole stands in `wal::bugs`.

mod disk;
mod log;

use ese_core::Backend;
use ese_io::Disk;
use ese_sim::{
    disk::{Profile, SimDisk, Torn},
    lives::{Effort, Kind, Rig, run_kind},
};
use std::sync::Arc;

/// What is done wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    /// Nothing: the control.
    None,
    /// A commit is acknowledged, and synced with the next one.
    AcknowledgesBeforeTheSync,
    /// The sync between pages and meta page is left out.
    MetaBeforePages,
    /// Segments go before the meta page says that they are needed no more.
    RecyclesBeforeTheMetaPage,
    /// Names are not made durable.
    SyncsNoDirectory,
    /// There is one slot for meta pages.
    OneSlot,
}

/// Puts the bug between.
struct Buggy {
    bug: Bug,
}

impl Rig for Buggy {
    fn disk(&self, disk: &SimDisk) -> Arc<dyn Disk> {
        Arc::new(disk::BuggyDisk { below: disk.clone(), bug: self.bug })
    }

    fn backend(&self, backend: Arc<dyn Backend>, _: &SimDisk) -> Arc<dyn Backend> {
        Arc::new(log::BuggyBackend::new(backend, self.bug))
    }
}

/// Seeds that may pass before a bug is found; a second or two in a build for tests.
const SEEDS: u64 = 40;
/// Seeds in which nothing is found.
const SEEDS_FOR_NOTHING: u64 = 6;

/// What is found first.
fn first(bug: Bug, profile: Profile, seeds: u64) -> Option<String> {
    let rig = Buggy { bug };
    let effort = Effort { stops: 60, tries: 0, profile: Some(profile) };
    (0..seeds)
        .find_map(|seed| run_kind(seed, Kind::Small, effort, &rig).err().map(|failure| failure.to_string()))
}

#[test]
fn without_a_bug_nothing_is_found() {
    assert_eq!(first(Bug::None, Profile::ANY_ORDER, SEEDS_FOR_NOTHING), None);
}

#[test]
fn every_known_bug_is_found() {
    for bug in [
        Bug::AcknowledgesBeforeTheSync,
        Bug::MetaBeforePages,
        Bug::RecyclesBeforeTheMetaPage,
        Bug::SyncsNoDirectory,
    ] {
        assert!(first(bug, Profile::ANY_ORDER, SEEDS).is_some(), "{bug:?} goes unnoticed");
    }
    let torn = Profile::ANY_ORDER.with_torn(Torn::Anything);
    assert!(first(Bug::OneSlot, torn, SEEDS).is_some(), "a single slot goes unnoticed");
}

#[test]
fn without_reordering_what_needs_it_goes_unnoticed() {
    for bug in [Bug::MetaBeforePages, Bug::SyncsNoDirectory] {
        assert_eq!(first(bug, Profile::IN_ORDER, SEEDS_FOR_NOTHING), None, "{bug:?}");
    }
}
