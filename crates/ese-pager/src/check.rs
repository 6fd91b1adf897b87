//! Proves that every page is either reachable or free, and that what is reachable is sound.

use crate::{medium::Shared, meta::META_PAGES, pager::Pager, slots::Slots};
use ese_base::{Result, sync::atomic::Ordering};
use ese_btree::{PageNo, Stretch, check};
use ese_core::Base;
use std::sync::Arc;

/// Walks everything that `base` reaches; of the newest one also the checkpoint's forest, the space map and both meta
/// pages, and compares with what is known to be free.
///
/// # Errors
/// What keeps the walk from going on.
pub(crate) fn check(pager: &Pager, base: &Arc<dyn Base>, fault: &mut dyn FnMut(String)) -> Result<()> {
    let state = pager.own(base)?;
    let mut reached = state.walk(fault);
    let shared = &pager.shared;
    let writer = pager.writer.lock();
    let mut space = shared.space.lock();
    space.collect(shared)?;
    let is_newest = pager.newest_state().number() == state.number();
    // What a merge or a checkpoint under way has taken is nobody's yet.
    if !is_newest || writer.is_between() || shared.merging.load(Ordering::Acquire) {
        check::disjoint(reached, space.not_used(shared)?, fault);
        return Ok(());
    }
    let durable = writer.durable();
    let forest = state.walk_forest(durable.forest, durable.trees, durable.number, fault);
    reached.join(forest.stretches().iter().copied(), fault);
    reached.join(space.map_pages(shared)?, fault);
    let all = [Stretch { page: PageNo(META_PAGES), pages: space.pages() - META_PAGES, birth: 0 }];
    let mut elsewhere = space.not_used(shared)?;
    elsewhere.extend(shared.pins.lock().waiting_pages());
    check::account(reached.clone(), elsewhere, all, &mut |what| fault(format!("in memory: {what}")));
    // What the space map says, or will say at the next checkpoint.
    let unused = space.unused(shared)?;
    check::account(reached, unused, all, &mut |what| fault(format!("space map: {what}")));
    drop(space);
    slots(shared, writer.slots(), fault)
}

/// Whether both meta pages on disk are those that were written or found.
fn slots(shared: &Shared, slots: &Slots, fault: &mut dyn FnMut(String)) -> Result<()> {
    let found = Slots::read(&*shared.file.disk_file)?;
    if found.newest() != slots.newest() {
        fault(format!("the newest meta page of {} is not the one that was written", shared.file.name()));
    }
    if found.other() != slots.other() {
        fault(format!("the older meta page of {} is not the one that was written", shared.file.name()));
    }
    Ok(())
}
