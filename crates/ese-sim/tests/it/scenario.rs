//! The scenario files on the reference engine: what they expect is what the plain rules say.

use ese_sim::{reference::ReferenceEngine, scenario};

#[test]
fn the_reference_passes_every_scenario() {
    let ran = scenario::run_all(&scenario::folder(), &|options, _| ReferenceEngine::start(options));
    assert!(ran.cases > 150, "{ran:?}");
}
