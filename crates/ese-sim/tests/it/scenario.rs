//! The scenario files on the reference engine: what they expect is what the plain rules say.

use ese_sim::{backends, scenario};

#[test]
fn the_reference_passes_every_scenario() {
    let ran = scenario::run_all(&scenario::folder(), &backends::reference);
    assert!(ran.cases > 200, "{ran:?}");
}

#[test]
fn the_memory_backend_passes_every_scenario() {
    let ran = scenario::run_all(&scenario::folder(), &backends::memory);
    assert!(ran.cases > 200 && ran.skipped == 0, "{ran:?}");
}

#[test]
fn the_durable_backend_passes_every_scenario() {
    let ran = scenario::run_all(&scenario::folder(), &backends::durable);
    assert!(ran.cases > 200 && ran.skipped == 0, "{ran:?}");
}
