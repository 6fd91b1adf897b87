//! The frame of a transaction: what the log keeps of it, one after the other, in the order it was written.
//!
//! ```text
//! kind u8 | attachment u32 | tree u64 | key length u32 | payload length u32 | key | payload     (little-endian)
//! ```
//! Redo only: values, deletions and escrow deltas, without locks and without what was rolled back.

use super::core::Core;
use crate::seam::version_store::{OwnWrite, VersionStore};
use ese_base::Result;

/// A transaction about to claim a position.
pub(super) struct Frame {
    /// Whether it changes any row; a transaction of locks alone does not.
    pub(super) changes_rows: bool,
    /// For the log; `None` without one, or when there is nothing to log.
    pub(super) bytes: Option<Box<[u8]>>,
}

impl Frame {
    /// The frame of everything the slot's transaction has written.
    pub(super) fn of<V: VersionStore>(core: &Core<V>, slot: &V::Slot) -> Result<Frame> {
        core.state.check_writes()?;
        let mut changes_rows = false;
        if core.publication.log().is_none() {
            core.versions.each_written(slot, &mut |_| changes_rows = true);
            return Ok(Frame { changes_rows, bytes: None });
        }
        let mut bytes = Vec::new();
        core.versions.each_written(slot, &mut |write| encode(&mut bytes, &write));
        let bytes = (!bytes.is_empty()).then(|| bytes.into_boxed_slice());
        Ok(Frame { changes_rows: bytes.is_some(), bytes })
    }

    /// Makes room for it in the log, before a position is claimed.
    pub(super) fn make_room<V: VersionStore>(self, core: &Core<V>) -> Result<Frame> {
        if let (Some(log), Some(bytes)) = (core.publication.log(), &self.bytes) {
            log.room(bytes.len() as u64)?;
        }
        Ok(self)
    }
}

fn encode(frame: &mut Vec<u8>, write: &OwnWrite<'_>) {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("keys and values are limited to 2 GiB − 1");
    frame.push(write.kind.number());
    frame.extend_from_slice(&write.tree.attachment.0.to_le_bytes());
    frame.extend_from_slice(&write.tree.number.0.to_le_bytes());
    frame.extend_from_slice(&length(write.key).to_le_bytes());
    frame.extend_from_slice(&length(write.payload).to_le_bytes());
    frame.extend_from_slice(write.key);
    frame.extend_from_slice(write.payload);
}
