//! The frame of a transaction: what the log keeps of it, one after the other, in the order it was written.
//!
//! ```text
//! kind u8 | attachment u32 | tree u64 | key length u32 | payload length u32 | key | payload     (little-endian)
//! ```
//! Redo only: values, deletions and escrow deltas, without locks and without what was rolled back.

use super::core::Core;
use crate::seam::version_store::{OwnWrite, VersionStore};
use ese_base::{Error, ErrorKind, Result};

/// The part before the key.
const HEAD_BYTES: usize = 1 + 4 + 8 + 4 + 4;

/// A transaction about to claim a position.
pub(super) struct Frame {
    /// Whether it changes any row; a transaction of locks alone does not.
    pub(super) changes_rows: bool,
    /// For the log; `None` without one, or when there is nothing to log.
    pub(super) bytes: Option<Box<[u8]>>,
}

impl Frame {
    /// The frame of everything the slot's transaction has written. Memory for it is asked for once, for the whole:
    /// where there is none the commit fails, and the process lives on.
    pub(super) fn of<V: VersionStore>(core: &Core<V>, slot: &V::Slot) -> Result<Frame> {
        core.state.check_writes()?;
        let (mut changes_rows, mut size) = (false, 0_usize);
        core.versions.each_written(slot, &mut |write| {
            changes_rows = true;
            size = size.saturating_add(HEAD_BYTES + write.key.len() + write.payload.len());
        });
        if !changes_rows || core.publication.log().is_none() {
            return Ok(Frame { changes_rows, bytes: None });
        }
        let mut bytes = buffer(size)?;
        core.versions.each_written(slot, &mut |write| encode(&mut bytes, &write));
        debug_assert_eq!(bytes.len(), size, "the buffer has not grown");
        Ok(Frame { changes_rows, bytes: Some(bytes.into_boxed_slice()) })
    }

    /// Makes room for it in the log, before a position is claimed.
    pub(super) fn make_room<V: VersionStore>(self, core: &Core<V>) -> Result<Frame> {
        if let (Some(log), Some(bytes)) = (core.publication.log(), &self.bytes) {
            log.room(bytes.len() as u64)?;
        }
        Ok(self)
    }
}

/// An empty buffer that takes `size` bytes and not one more without growing.
fn buffer(size: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match bytes.try_reserve_exact(size) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            let what = format!("the log needs {size} bytes for what the transaction has written");
            Err(Error::new(ErrorKind::OutOfMemory, what).caused_by(error))
        }
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

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests {
    use super::*;
    use crate::{overlay::fixtures::tree_id, txn::Kind};

    #[test]
    fn a_frame_that_does_not_fit_memory_is_an_error() {
        assert_eq!(buffer(usize::MAX).unwrap_err().kind(), ErrorKind::OutOfMemory);
        assert_eq!(buffer(isize::MAX.unsigned_abs()).unwrap_err().kind(), ErrorKind::OutOfMemory);
    }

    #[test]
    fn the_size_is_known_before_the_bytes_are() {
        let writes: [(&[u8], Kind, &[u8]); 3] =
            [(b"", Kind::DELETE, b""), (b"key", Kind::PUT, &[7; 300]), (b"k", Kind::PUT, b"")];
        for (key, kind, payload) in writes {
            let size = HEAD_BYTES + key.len() + payload.len();
            let mut bytes = buffer(size).unwrap();
            let room = bytes.capacity();
            encode(&mut bytes, &OwnWrite { tree: tree_id(1, 2), key, kind, payload });
            assert_eq!((bytes.len(), bytes.capacity()), (size, room));
        }
    }
}
