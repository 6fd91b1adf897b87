//! The model of the engine's rules: it never breaks with all rules on, and always with one off.

use ese_sim::model::{Counts, Off, Rule, run, run_counted};

/// How many seeds run with every rule on.
const SEEDS: u64 = 20_000;

#[test]
fn no_schedule_breaks_the_rules() {
    let mut counts = Counts::default();
    for seed in 1..=SEEDS {
        if let Some(violation) = run_counted(seed, &Off::none(), &mut counts) {
            panic!("{violation}");
        }
    }
    // The runs met what they are there to meet.
    assert!(counts.commits > 10 * SEEDS, "{counts:?}");
    assert!(counts.conflicts > 30 * SEEDS, "{counts:?}");
    assert!(counts.merges > 4 * SEEDS, "{counts:?}");
    assert!(counts.generations_left > usize::try_from(4 * SEEDS).unwrap(), "{counts:?}");
    assert!(counts.checkpoints > 5 * SEEDS, "{counts:?}");
    assert!(counts.version_store_full > SEEDS / 20, "{counts:?}");
    assert!(counts.disk_full > 3 * SEEDS, "{counts:?}");
}

/// A rule, the first seed to try without it, and how many seeds may pass before it is missed. One rule is broken by one
/// schedule in 100,000 only; its seed stands here, and has to be looked for again when the model changes.
const NEEDED: &[(Rule, u64, u64)] = &[
    (Rule::Recheck, 1, 100),
    (Rule::GatePin, 1, 200),
    (Rule::Skip, 1, 50),
    (Rule::OwnApart, 1, 20),
    (Rule::PinnedRead, 1, 50),
    (Rule::RecencyBelow, 1, 20),
    (Rule::Gate, 1, 100),
    (Rule::Latch, 1, 100),
    (Rule::AllVersions, 1, 50),
    (Rule::WindowAlways, 1, 400),
    (Rule::WindowFirst, 1, 1200),
    (Rule::WindowKinds, 1, 200),
    (Rule::TrimBySnapshot, 1, 100),
    (Rule::TrimUnknown, 23_719, 1),
    (Rule::Floor, 1, 2000),
    (Rule::RollbackMark, 1, 50),
    (Rule::PassRolledBack, 1, 20),
    (Rule::MarkInGate, 1, 700),
    (Rule::SecondRecheck, 1, 1500),
    (Rule::EscrowSameL, 1, 100),
    (Rule::EscrowData, 1, 20),
    (Rule::NoSealAtFour, 1, 500),
    (Rule::BoundedWait, 1, 1000),
    (Rule::ActiveStays, 1, 20),
    (Rule::AtomicClaim, 1, 100),
    (Rule::LockPosition, 1, 50),
    (Rule::LockQueue, 1, 2000),
    (Rule::SyncReady, 1, 50),
    (Rule::TsFirst, 1, 50),
    (Rule::DequeueLast, 1, 3000),
    (Rule::CommitVisible, 1, 10),
    (Rule::AnyonePublishes, 1, 1000),
    (Rule::WaitQueue, 1, 150),
    (Rule::FromCurrent, 1, 150),
    (Rule::WroteInOnly, 1, 100),
    (Rule::SlotChoice, 1, 150),
    (Rule::LogFirst, 1, 150),
    (Rule::RetainBoth, 1, 100),
    (Rule::CopySuffix, 1, 200),
];

#[test]
fn every_rule_is_needed() {
    for &(rule, first, tries) in NEEDED {
        let off = Off::from_iter([rule]);
        let found = (first..first + tries).any(|seed| run(seed, &off).is_some());
        assert!(found, "without {rule} nothing broke in {tries} seeds from {first}");
    }
    let named = |rule: &Rule| NEEDED.iter().any(|(needed, ..)| needed == rule);
    assert!(Rule::ALL.iter().all(named), "a rule is missing in the table");
}

#[test]
fn a_seed_replays() {
    let off = Off::from_iter([Rule::Latch]);
    let first = (1..500).find_map(|seed| run(seed, &off)).expect("the latch is needed");
    assert_eq!(run(first.seed, &off), Some(first));
}
