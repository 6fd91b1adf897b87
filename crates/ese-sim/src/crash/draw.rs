//! The settings of one opening, drawn from a seed.

use crate::seed::Dice;
use ese::{Builder, Instance, Reading};
use std::time::Duration;

/// Whether a folder was there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Folder {
    /// No: the size of pages is chosen.
    New,
    /// Perhaps: what its files say holds.
    Old,
}

/// The settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draw {
    page_size: Option<usize>,
    segment_bytes: u64,
    checkpoint_depth_bytes: u64,
    checkpoint_age: Duration,
    flush_interval: Duration,
    merge_rows: u64,
    merge_idle: Duration,
    generation_bytes: u64,
    reading: Reading,
    /// Threads that write at once.
    pub writers: usize,
    /// How many of a hundred commits are lazy.
    pub lazy_percent: u64,
    /// How many transactions each writer commits before the child closes the folder.
    pub transactions: u64,
}

impl Draw {
    /// The settings that follow from a seed.
    #[must_use]
    pub fn new(seed: u64, folder: Folder) -> Draw {
        let dice = Dice::new(seed);
        let milliseconds = |choices: &[u64]| Duration::from_millis(dice.pick(choices));
        let page = dice.pick(&[4096, 8192, 16384, 32768]);
        Draw {
            page_size: (folder == Folder::New).then_some(page),
            segment_bytes: dice.pick(&[16 << 10, 64 << 10, 1 << 20, 64 << 20]),
            checkpoint_depth_bytes: dice.pick(&[64 << 10, 256 << 10, 4 << 20, 256 << 20]),
            checkpoint_age: milliseconds(&[20, 1_000, 30_000]),
            flush_interval: milliseconds(&[1, 10, 100]),
            merge_rows: dice.pick(&[20, 500, 100_000]),
            merge_idle: milliseconds(&[1, 20, 200]),
            generation_bytes: dice.pick(&[64 << 10, 1 << 20, 8 << 20]),
            reading: dice.pick(&[Reading::Map, Reading::Copy]),
            writers: dice.pick(&[1, 2, 4]),
            lazy_percent: dice.pick(&[0, 50, 95, 100]),
            transactions: dice.pick(&[20, 200, 2_000]),
        }
    }

    /// A builder with these settings.
    pub fn builder(&self) -> Builder {
        let builder = Instance::builder()
            .segment_bytes(self.segment_bytes)
            .checkpoint_depth_bytes(self.checkpoint_depth_bytes)
            .checkpoint_age(self.checkpoint_age)
            .flush_interval(self.flush_interval)
            .merge_rows(self.merge_rows)
            .merge_idle(self.merge_idle)
            .version_store_bytes(64 << 20)
            .generation_bytes(self.generation_bytes)
            .reading(self.reading);
        match self.page_size {
            Some(bytes) => builder.page_size(bytes),
            None => builder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_follow_from_the_seed() {
        assert_eq!(Draw::new(7, Folder::Old), Draw::new(7, Folder::Old));
        assert!((0..20).any(|seed| Draw::new(seed, Folder::Old) != Draw::new(7, Folder::Old)));
        assert!(Draw::new(7, Folder::New).page_size.is_some());
        assert_eq!(Draw::new(7, Folder::Old).page_size, None);
    }
}
