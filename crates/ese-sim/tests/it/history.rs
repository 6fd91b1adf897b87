//! Histories made by hand, for the two checks.

mod exact;
mod inferred;

use ese_sim::history::{Event, Stamp, Written};

/// A read; 0: there was no row.
fn r(key: &str, stamp: u64) -> Event {
    Event::Read(key.into(), (stamp != 0).then_some(Stamp(stamp)))
}

fn over(stamp: u64, replaced: u64) -> Written {
    Written { stamp: Stamp(stamp), replaced: (replaced != 0).then_some(Stamp(replaced)) }
}

/// A write of `stamp` over `replaced`; 0: there was no row.
fn w(key: &str, stamp: u64, replaced: u64) -> Event {
    Event::Write(key.into(), over(stamp, replaced))
}

/// A delete of `replaced`; 0: there was no row.
fn d(key: &str, stamp: u64, replaced: u64) -> Event {
    Event::Delete(key.into(), over(stamp, replaced))
}
