//! What a power cut leaves of what was not synced, as data.
//!
//! Each unsynced change has a *fate*: lost, kept, or kept in part. Which one follows from the profile and the disk's seed.

use crate::seed::Dice;

/// Which of the changes survive that were not synced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Survival {
    /// None.
    Nothing,
    /// All.
    Everything,
    /// Those before a random moment; the one that was under way then, by its first sectors. Nothing overtakes anything, so
    /// a sync of anything makes durable whatever was done before it. A kind disk, on which most missing syncs go
    /// unnoticed: it is there to show that a test needs [`Survival::AnyOrder`].
    InOrder,
    /// Each by itself: lost, kept, or kept in part. Of a write any sectors, and its length apart from its bytes. How many
    /// are lost and how many are torn differs from one power cut to the next, from nearly none to nearly all; one in four
    /// is as with [`Survival::InOrder`].
    AnyOrder,
    /// The change of number `i`, oldest first, if bit `i` is set: for trying every subset. Those behind the 64th are lost.
    Chosen(u64),
}

/// How many bytes are written as one: a sector has its old or its new bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sector {
    /// 512 bytes.
    Small,
    /// 4096 bytes.
    Large,
}

impl Sector {
    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Sector::Small => 512,
            Sector::Large => 4096,
        }
    }
}

/// What a sector may hold whose write was interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Torn {
    /// Its old bytes or its new ones.
    OldOrNew,
    /// Zeros or garbage as well, in one sector of every second write that survives in part: in all of it, also where the
    /// write did not reach. What is durable already is safe only in sectors that nobody writes to.
    Anything,
}

/// How the power goes.
///
/// ```
/// use ese_sim::disk::{Profile, Sector};
/// let profile = Profile::ANY_ORDER.with_sector(Sector::Large);
/// assert_eq!(profile.sector.bytes(), 4096);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Profile {
    /// Which changes survive.
    pub survival: Survival,
    /// How many bytes are written as one.
    pub sector: Sector,
    /// What an interrupted sector holds.
    pub torn: Torn,
}

impl Profile {
    /// Everything that a program has to bear: any order, sectors of 512 bytes, old or new.
    pub const ANY_ORDER: Profile = Profile::of(Survival::AnyOrder);
    /// Reordering switched off.
    pub const IN_ORDER: Profile = Profile::of(Survival::InOrder);
    /// Only what was synced survives.
    pub const NOTHING: Profile = Profile::of(Survival::Nothing);
    /// All survives.
    pub const EVERYTHING: Profile = Profile::of(Survival::Everything);

    /// Sectors of 512 bytes, old or new.
    #[must_use]
    pub const fn of(survival: Survival) -> Self {
        Profile { survival, sector: Sector::Small, torn: Torn::OldOrNew }
    }

    /// The same with other sectors.
    #[must_use]
    pub const fn with_sector(mut self, sector: Sector) -> Self {
        self.sector = sector;
        self
    }

    /// The same with other contents of interrupted sectors.
    #[must_use]
    pub const fn with_torn(mut self, torn: Torn) -> Self {
        self.torn = torn;
        self
    }
}

/// How much of a change reaches the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Its first sectors, up to a random one.
    Front,
    /// Any of its sectors, and its length or not.
    Sectors,
}

/// The fates of a number of changes, given out oldest first.
pub(super) struct Fates<'a> {
    dice: &'a Dice,
    mood: Mood,
    index: usize,
}

/// What one power cut is like.
enum Mood {
    Chosen(u64),
    Front { moment: usize },
    Random { lost_percent: u64, torn_percent: u64 },
}

impl<'a> Fates<'a> {
    pub(super) fn new(survival: Survival, changes: usize, dice: &'a Dice) -> Self {
        let in_order = || Mood::Front { moment: dice.index(changes + 1) };
        let mood = match survival {
            Survival::Nothing => Mood::Random { lost_percent: 100, torn_percent: 0 },
            Survival::Everything => Mood::Random { lost_percent: 0, torn_percent: 0 },
            Survival::Chosen(mask) => Mood::Chosen(mask),
            Survival::InOrder => in_order(),
            Survival::AnyOrder if dice.below(4) == 0 => in_order(),
            // What a missing sync breaks may show only if nearly all is kept, or nearly all is lost.
            Survival::AnyOrder => Mood::Random {
                lost_percent: dice.pick(&[5, 35, 65, 95]),
                torn_percent: dice.pick(&[5, 35, 65, 95]),
            },
        };
        Fates { dice, mood, index: 0 }
    }

    /// What becomes of the next change; `None` for nothing.
    pub(super) fn next(&mut self) -> Option<Part> {
        let index = self.index;
        self.index += 1;
        match self.mood {
            Mood::Chosen(mask) => (index < 64 && mask >> index & 1 == 1).then_some(Part::Whole),
            Mood::Front { moment } if index < moment => Some(Part::Whole),
            Mood::Front { moment } => (index == moment).then_some(Part::Front),
            Mood::Random { lost_percent, .. } if self.dice.percent(lost_percent) => None,
            Mood::Random { torn_percent, .. } if self.dice.percent(torn_percent) => Some(Part::Sectors),
            Mood::Random { .. } => Some(Part::Whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(survival: Survival, seed: u64) -> [Option<Part>; 4] {
        let dice = Dice::new(seed);
        let mut fates = Fates::new(survival, 4, &dice);
        [(); 4].map(|()| fates.next())
    }

    #[test]
    fn chosen_changes_are_kept_and_no_others() {
        let (kept, lost) = (Some(Part::Whole), None);
        assert_eq!(fates(Survival::Chosen(0b0101), 1), [kept, lost, kept, lost]);
        assert_eq!(fates(Survival::Everything, 1), [kept; 4]);
        assert_eq!(fates(Survival::Nothing, 1), [lost; 4]);
    }

    #[test]
    fn in_order_a_front_is_kept_of_every_length() {
        let mut seen = [false; 5];
        for seed in 0..100 {
            let fates = fates(Survival::InOrder, seed);
            let whole = fates.iter().take_while(|fate| **fate == Some(Part::Whole)).count();
            if let Some(next) = fates.get(whole) {
                assert_eq!(*next, Some(Part::Front));
            }
            assert!(fates.iter().skip(whole + 1).all(Option::is_none));
            seen[whole] = true;
        }
        assert_eq!(seen, [true; 5]);
    }

    #[test]
    fn in_any_order_each_has_every_fate() {
        let all: Vec<_> = (0..2000).map(|seed| fates(Survival::AnyOrder, seed)).collect();
        let seen: std::collections::BTreeSet<_> =
            all.iter().map(|fates| fates.map(|fate| fate.map(|part| part == Part::Whole))).collect();
        assert_eq!(seen.len(), 81);
    }

    #[test]
    fn of_many_changes_a_single_one_may_be_lost_torn_or_kept() {
        let many = |seed| {
            let dice = Dice::new(seed);
            let mut fates = Fates::new(Survival::AnyOrder, 40, &dice);
            let count = |part, fates: &[Option<Part>]| fates.iter().filter(|fate| **fate == part).count();
            let fates: Vec<_> = (0..40).map(|_| fates.next()).collect();
            [None, Some(Part::Sectors), Some(Part::Whole)].map(|part| count(part, &fates))
        };
        let all: Vec<_> = (0..2000).map(many).collect();
        for one in 0..3 {
            assert!(all.iter().any(|counts| counts[one] == 1), "fate {one}");
            assert!(all.iter().any(|counts| counts[one] > 30), "fate {one}");
        }
        assert!(all.contains(&[1, 0, 39]), "lost, and all others are whole");
    }
}
