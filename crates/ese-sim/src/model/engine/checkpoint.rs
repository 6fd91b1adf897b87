//! Checkpoint: log, meta slot, recycling.

use super::Engine;
use crate::model::{DATABASES, Run, Stop, disk::Meta, pause, rules::Rule};
use std::rc::Rc;

impl Engine {
    pub(in crate::model) async fn checkpoint(&self) -> Run<()> {
        let chosen = self.view();
        pause().await;
        let highest = chosen.l.iter().copied().max().unwrap_or(0);
        while self.on(Rule::LogFirst) && self.disk.borrow().durable < highest {
            self.sync().await;
        }
        for database in 0..DATABASES {
            let (place, seq) = self.slot_to_write(database);
            self.disk.borrow_mut().slots[database][place].valid = false; // Torn until the write is complete.
            pause().await;
            if self.dice.percent(10) {
                return Err(Stop::PowerCut);
            }
            let (l, root) = (chosen.l[database], Rc::clone(&chosen.roots[database]));
            self.disk.borrow_mut().slots[database][place] = Meta { seq, l, root, valid: true };
            pause().await;
        }
        self.recycle();
        self.count(|counts| counts.checkpoints += 1);
        Ok(())
    }

    /// Never the newest valid one; with a sequence number two above.
    fn slot_to_write(&self, database: usize) -> (usize, u64) {
        let disk = self.disk.borrow();
        let slots = &disk.slots[database];
        let order = |place: &usize| (slots[*place].valid && self.on(Rule::SlotChoice), slots[*place].seq);
        let place = if order(&0) <= order(&1) { 0 } else { 1 };
        (place, slots[0].seq.max(slots[1].seq) + 2)
    }

    /// Gives back the log that no slot needs.
    fn recycle(&self) {
        let mut disk = self.disk.borrow_mut();
        let mut needed = u64::MAX;
        for slots in &disk.slots {
            let valid = slots.iter().filter(|meta| meta.valid);
            let l = if self.on(Rule::RetainBoth) {
                valid.map(|meta| meta.l).min()
            } else {
                valid.max_by_key(|meta| meta.seq).map(|meta| meta.l)
            };
            needed = needed.min(l.unwrap_or(u64::MAX));
        }
        disk.recycled = disk.recycled.max(needed);
    }
}
