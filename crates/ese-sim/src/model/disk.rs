//! What survives a power cut: the synced part of the log, perhaps more, and two meta slots per database.

use super::{
    DATABASES, Run,
    oracle::Oracle,
    rules::{Off, Rule},
    state::{Op, Rows},
};
use crate::seed::Dice;
use std::rc::Rc;

/// A meta page.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    pub(super) seq: u64,
    pub(super) l: u64,
    pub(super) root: Rc<Rows>,
    pub(super) valid: bool,
}

/// A frame of the log.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) pos: u64,
    pub(super) ops: Rc<[Op]>,
}

/// The disk.
#[derive(Debug)]
pub(super) struct Disk {
    /// The position that is claimed next.
    pub(super) next: u64,
    /// Everything below is durable.
    pub(super) durable: u64,
    /// Everything below is gone.
    pub(super) recycled: u64,
    pub(super) frames: Vec<Frame>,
    /// Replayed and not made durable by recovery: (first, end). Only with the rule off.
    doubt: Option<(u64, u64)>,
    pub(super) slots: [[Meta; 2]; DATABASES],
}

impl Disk {
    pub(super) fn new() -> Self {
        let meta = |seq| Meta { seq, l: 1, root: Rc::default(), valid: true };
        let slots = std::array::from_fn(|_| [meta(1), meta(2)]);
        Disk { next: 1, durable: 1, recycled: 1, frames: Vec::new(), doubt: None, slots }
    }

    /// Cuts the power: anything above what is durable may be lost.
    pub(super) fn crash(&mut self, dice: &Dice, oracle: &Oracle, off: &Off) -> Run<()> {
        let cut = dice.between(self.durable, self.next);
        let lost = match self.doubt {
            Some((first, end)) if dice.percent(50) => dice.between(first, end)..end,
            _ => u64::MAX..u64::MAX,
        };
        self.frames.retain(|frame| frame.pos < cut && !lost.contains(&frame.pos));
        oracle.crash(cut)?;
        for slots in &mut self.slots {
            // Now and then the newest of two good slots rots.
            if slots.iter().all(|meta| meta.valid)
                && let Some(newest) = slots.iter_mut().max_by_key(|meta| meta.seq)
            {
                newest.valid = dice.percent(70);
            }
        }
        self.doubt = off.has(Rule::CopySuffix).then_some((self.durable, cut));
        // Positions go on above every number that was ever seen.
        self.durable = self.next;
        Ok(())
    }
}
