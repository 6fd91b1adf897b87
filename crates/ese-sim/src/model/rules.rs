//! The rules of the engine that the model follows, each with a name and a switch.
//!
//! A rule earns its place here by being needed: with it switched off the model must break, and `tests/it/model.rs` says
//! within how many seeds. A change of a rule of the engine is made here first.

use std::{collections::BTreeSet, fmt, str::FromStr};

macro_rules! rules {
    ($($rule:ident $name:literal $what:literal;)*) => {
        /// A rule that can be switched off.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Rule {
            $(#[doc = $what] $rule,)*
        }

        impl Rule {
            /// Every rule, in the order of the life of a transaction.
            pub const ALL: &'static [Rule] = &[$(Rule::$rule,)*];

            /// Its name on a command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Rule::$rule => $name,)* }
            }

            /// The rule in a sentence.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Rule::$rule => $what,)* }
            }
        }
    };
}

rules! {
    Recheck "recheck" "A begin that finds another current view after it read its snapshot starts over.";
    GatePin "gate-pin" "A view stays while a thread that was inside the gate when it was replaced is still in that entry.";
    Skip "skip" "Readers and merges skip versions whose position lies below the view's L: the base has them.";
    OwnApart "own-apart" "Own writes are read from the write set, and ignored in the overlay.";
    PinnedRead "pinned-read" "Reads use the view pinned at the begin, not the current one.";
    RecencyBelow "recency-below" "Only a recency number below all generations of the view is a miss; one above them says nothing.";
    Gate "gate" "A seal waits until everybody has left the gate.";
    Latch "latch" "Conflict check and insert of a key are one step.";
    AllVersions "all-versions" "The conflict check looks into every generation, not only into the newest that has the key.";
    WindowAlways "window-always" "The conflict check asks the window even when the overlay has versions of the key.";
    WindowFirst "window-first" "Versions enter the window before the view without them is published.";
    WindowKinds "window-kinds" "The window remembers the kind of what was done.";
    TrimBySnapshot "trim-by-snapshot" "A window entry stays while a read-write snapshot below it is open.";
    TrimUnknown "trim-unknown" "A slot that has no snapshot yet counts as the oldest there can be.";
    Floor "floor" "Writers with a snapshot below what the window forgot are refused.";
    RollbackMark "rollback-mark" "A rollback to a savepoint marks its versions.";
    PassRolledBack "pass-rolled-back" "The conflict check passes over versions that are rolled back.";
    MarkInGate "mark-in-gate" "A version that is marked by looking its key up is looked up inside the gate.";
    SecondRecheck "second-recheck" "The second pin of a view is checked again like the first.";
    EscrowSameL "escrow-same-L" "The escrow's old value is computed only when the current view still has the L of the base that was read.";
    EscrowData "escrow-data" "The escrow's old value ends at the first data version.";
    NoSealAtFour "no-seal-at-four" "With four generations the active one is not sealed, and only the budget makes a writer wait.";
    BoundedWait "bounded-wait" "A writer waits for the first merge that began after it asked, and fails when that did not help.";
    ActiveStays "active-stays" "The active generation never leaves a view.";
    AtomicClaim "atomic-claim" "Claim, position in the state and entry in the queue are one step.";
    LockPosition "lock-position" "A transaction with locks only claims a position, too.";
    LockQueue "lock-queue" "A transaction with locks only goes through the publication queue.";
    SyncReady "sync-ready" "A synchronous commit is published only when it is durable.";
    TsFirst "ts-first" "The timestamp is in the state before `last_visible` is raised.";
    DequeueLast "dequeue-last" "An entry leaves the queue only after it was published.";
    CommitVisible "commit-visible" "A commit returns only when it is visible to the next begin.";
    AnyonePublishes "anyone-publishes" "Whoever holds the publication lock publishes for all.";
    WaitQueue "wait-queue" "A merge waits until everything below its L is published.";
    FromCurrent "from-current" "The view after a merge is made from the one then current, not from the one it began with.";
    WroteInOnly "wrote-in-only" "A generation leaves by the L of those databases its transactions wrote in.";
    SlotChoice "slot-choice" "A checkpoint never writes the slot of the newest valid meta page.";
    LogFirst "log-first" "The log is durable up to L before a meta page names L.";
    RetainBoth "retain-both" "The log is kept from the smaller L of both slots.";
    CopySuffix "copy-suffix" "Recovery makes the suffix in doubt durable before anything else.";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Says that no rule has the name that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownRule(String);

impl fmt::Display for UnknownRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no rule is called {:?}", self.0)
    }
}

impl std::error::Error for UnknownRule {}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(name: &str) -> Result<Self, UnknownRule> {
        let found = Rule::ALL.iter().find(|rule| rule.name() == name);
        found.copied().ok_or_else(|| UnknownRule(name.to_owned()))
    }
}

/// The rules that are switched off; by default none is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Off(BTreeSet<Rule>);

impl Off {
    /// Every rule holds.
    #[must_use]
    pub fn none() -> Self {
        Off::default()
    }

    /// Whether `rule` is switched off.
    #[must_use]
    pub fn has(&self, rule: Rule) -> bool {
        self.0.contains(&rule)
    }
}

impl FromIterator<Rule> for Off {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Off(rules.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parse() {
        for (index, &rule) in Rule::ALL.iter().enumerate() {
            assert_eq!(rule.name().parse(), Ok(rule));
            assert!(Rule::ALL[index + 1..].iter().all(|other| other.name() != rule.name()));
        }
        assert_eq!(
            "no-such-rule".parse::<Rule>().unwrap_err().to_string(),
            "no rule is called \"no-such-rule\""
        );
    }
}
