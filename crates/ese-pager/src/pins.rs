//! Which states are needed, and when a page that was replaced may be used again.
//!
//! States and checkpoints are numbered in one sequence. A page born with number b and not part of what number d made is
//! in the states b .. d; it may be used again once no number of that stretch is *live*. Live are the states that somebody
//! holds, the newest one, the checkpoints of both meta pages, and a checkpoint under way from its beginning.
//!
//! How that is kept: a dead page waits in the list of the youngest live number that has it. When that one goes, the page
//! moves on to the next older one if that has it, too, and is [`Gone`] otherwise. So a reader left open holds the pages
//! of its own state and nothing replaced since.

use crate::medium::Shared;
use ese_btree::Stretch;
use std::{collections::BTreeMap, sync::Arc};

/// Pages that nothing needs: no live number has them, so nobody reads them. Made in this module only.
#[derive(Debug)]
pub(crate) struct Gone(Stretch);

impl Gone {
    /// Which pages.
    pub(crate) fn stretch(&self) -> Stretch {
        self.0
    }
}

/// The live numbers.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    live: BTreeMap<u64, Pinned>,
    /// Waiting for whoever gives out pages.
    gone: Vec<Gone>,
    waiting: u64,
}

#[derive(Debug, Default)]
struct Pinned {
    holders: usize,
    /// The dead pages that this is the youngest live number to have.
    dead: Vec<Stretch>,
}

impl Pins {
    /// One holder more for a number.
    pub(crate) fn pin(&mut self, number: u64) {
        self.live.entry(number).or_default().holders += 1;
    }

    /// One holder less.
    pub(crate) fn unpin(&mut self, number: u64) {
        let Some(pinned) = self.live.get_mut(&number) else { return };
        pinned.holders = pinned.holders.saturating_sub(1);
        if pinned.holders == 0
            && let Some(pinned) = self.live.remove(&number)
        {
            self.waiting -= pages(&pinned.dead);
            self.settle(number, pinned.dead);
        }
    }

    /// These pages are part of states before `number` and not of what `number` made.
    pub(crate) fn die(&mut self, number: u64, dead: Vec<Stretch>) {
        self.settle(number, dead);
    }

    /// Finds for each dead page the youngest live number below `number` that has it.
    fn settle(&mut self, number: u64, dead: Vec<Stretch>) {
        let older = self.live.range_mut(..number).next_back();
        // Usually all pages wait for the state before.
        let (kept, gone): (Vec<_>, Vec<_>) = match &older {
            Some((older, _)) => dead.into_iter().partition(|stretch| stretch.birth <= **older),
            None => (Vec::new(), dead),
        };
        self.waiting += pages(&kept);
        if let Some((_, pinned)) = older {
            if pinned.dead.is_empty() {
                pinned.dead = kept;
            } else {
                pinned.dead.extend(kept);
            }
        }
        self.gone.extend(gone.into_iter().map(Gone));
    }

    /// The pages that nothing needs any more, each once.
    pub(crate) fn take_gone(&mut self) -> Vec<Gone> {
        std::mem::take(&mut self.gone)
    }

    /// How many pages only older states need.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// The pages that only older states need.
    pub(crate) fn waiting_pages(&self) -> impl Iterator<Item = Stretch> + '_ {
        self.live.values().flat_map(|pinned| pinned.dead.iter().copied())
    }
}

fn pages(stretches: &[Stretch]) -> u64 {
    stretches.iter().map(|stretch| stretch.pages).sum()
}

/// Holding it proves that its state is live: none of the pages that the state reaches is written meanwhile.
pub(crate) struct Live {
    number: u64,
    shared: Arc<Shared>,
}

impl Live {
    pub(crate) fn new(number: u64, shared: &Arc<Shared>) -> Arc<Live> {
        shared.pins.lock().pin(number);
        Arc::new(Live { number, shared: Arc::clone(shared) })
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.pins.lock().unpin(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ese_btree::PageNo;

    fn stretch(page: u64, birth: u64) -> Stretch {
        Stretch { page: PageNo(page), pages: 1, birth }
    }

    fn gone(pins: &mut Pins) -> Vec<u64> {
        pins.take_gone().iter().map(|gone| gone.stretch().page.0).collect()
    }

    #[test]
    fn a_dead_page_waits_for_every_number_that_has_it() {
        let mut pins = Pins::default();
        for number in 0..5 {
            pins.pin(number);
        }
        // Born in 1, dead in 4: in 1, 2 and 3.
        pins.die(4, vec![stretch(9, 1)]);
        for number in [0, 3, 1] {
            pins.unpin(number);
            assert_eq!((gone(&mut pins), pins.waiting()), (vec![], 1), "{number}");
        }
        pins.unpin(2);
        assert_eq!((gone(&mut pins), pins.waiting()), (vec![9], 0));
    }

    #[test]
    fn a_number_is_live_until_its_last_holder_goes() {
        let mut pins = Pins::default();
        pins.pin(7);
        pins.pin(7);
        pins.pin(8);
        pins.die(8, vec![stretch(3, 5)]);
        pins.unpin(7);
        assert!(gone(&mut pins).is_empty());
        pins.unpin(7);
        assert_eq!(gone(&mut pins), [3]);
    }

    #[test]
    fn a_page_that_no_live_number_has_is_gone_at_once() {
        let mut pins = Pins::default();
        pins.pin(0);
        pins.pin(3);
        pins.die(3, vec![stretch(4, 2), stretch(5, 0)]);
        assert_eq!((gone(&mut pins), pins.waiting()), (vec![4], 1));
    }
}
