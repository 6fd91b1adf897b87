//! The overlay's account of its memory, after every step and at the end.

use super::{SESSIONS, Txn, World, named_rows};
use crate::seam::{merges::Merges, session::Mode, version_store::VersionStore};
use ese_base::Position;

impl World {
    pub(super) fn check_accounts(&mut self) {
        let open: Vec<&Txn> = self.sessions.iter().filter_map(|session| session.txn.as_ref()).collect();
        assert_eq!(self.overlay.open_transactions(), open.len());
        for mode in [Mode::ReadOnly, Mode::ReadWrite] {
            let counted = open.iter().filter(|txn| txn.mode == Mode::ReadWrite || mode == Mode::ReadOnly);
            let oldest = self.overlay.oldest(mode).map(|culprit| culprit.snapshot);
            assert_eq!(oldest, counted.map(|txn| txn.snapshot).min());
        }
        let merged = self.attached.values().map(|attached| attached.l).min().unwrap();
        assert_eq!(self.overlay.usage().merged_below, Position(merged));
        self.watcher.begin(Mode::ReadOnly);
        let view = self.watcher.slot.view();
        let bytes: u64 = view.generations.iter().map(|generation| generation.bytes()).sum();
        assert_eq!(self.overlay.budget_bytes(), bytes + self.overlay.window.bytes());
        let held = self.overlay.views.held_bytes(view, |_| true);
        self.watcher.end();
        assert_eq!(self.overlay.reader_bytes(), held);
    }

    /// Everybody ends; nothing stays behind.
    pub(super) fn finish(mut self) {
        for at in 0..SESSIONS {
            while let Some(txn) = self.sessions[at].txn.take() {
                if txn.committing.is_some() {
                    self.sessions[at].txn = Some(txn);
                    self.session_step(at);
                } else {
                    self.end(at, txn);
                }
            }
        }
        while !self.queue.is_empty() {
            self.publish_one();
        }
        self.merge_all();
        self.merge_all();
        self.overlay.free_views();
        self.check_accounts();
        let usage = self.overlay.usage();
        assert_eq!((usage.views, usage.window_entries), (1, 0));
        assert!(
            usage.generations <= 2,
            "the active one, and one that was sealed when it was empty of others"
        );
        assert_eq!(self.overlay.reader_bytes(), 0);
        let newest = self.oracle.newest();
        for (attachment, attached) in &self.attached {
            for (row, value) in named_rows(*attachment, &attached.rows) {
                assert_eq!(self.oracle.value(newest, row), Some(value));
            }
        }
        let states = std::mem::take(&mut self.states);
        drop(self);
        let kept = states.iter().filter(|state| state.strong_count() > 0).count();
        assert_eq!(kept, 0, "each reference of a transaction's state was given back");
    }
}
