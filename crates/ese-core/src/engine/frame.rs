//! The frame of a transaction: what the log keeps of it, one after the other, in the order it was written.
//!
//! ```text
//! kind u8 | attachment u32 | tree u64 | key length u32 | payload length u32 | key | payload     (little-endian)
//! ```
//! Redo only: values, deletions and escrow deltas, without locks and without what was rolled back.

use super::core::Core;
use crate::{
    overlay::is_delta,
    seam::version_store::{OwnWrite, VersionStore},
    txn::Kind,
};
use ese_base::{
    AttachmentNo, Error, ErrorKind, Result, TreeId, TreeNo,
    limits::{PAGE_SIZE_MAX_BYTES, VALUE_MAX_BYTES, key_max_bytes},
};

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
        let changes_rows = core.versions.changes_rows(slot);
        if !changes_rows || core.publication.log().is_none() {
            return Ok(Frame { changes_rows, bytes: None });
        }
        let mut size = 0_usize;
        core.versions.each_written(slot, &mut |write| {
            size = size.saturating_add(HEAD_BYTES + write.key.len() + write.payload.len());
        });
        let mut bytes = buffer(size)?;
        core.versions.each_written(slot, &mut |write| encode(&mut bytes, &write));
        debug_assert_eq!(bytes.len(), size, "the buffer has not grown");
        Ok(Frame { changes_rows, bytes: Some(bytes.into_boxed_slice()) })
    }

    /// Makes room for it in the log, before a position is claimed.
    pub(super) fn make_room<V: VersionStore>(self, core: &Core<V>) -> Result<Frame> {
        if let (Some(log), Some(bytes)) = (core.publication.log(), &self.bytes) {
            log.room(bytes.len() as u64).inspect_err(|error| {
                // Short of space the log is as it was; it may also have failed while it made some.
                let kinds = [ErrorKind::DiskFull, ErrorKind::LogFull, ErrorKind::TransactionTooLong];
                if !kinds.contains(&error.kind()) {
                    core.poison(error);
                }
            })?;
        }
        Ok(self)
    }
}

/// Gives back the room of a frame that will not be appended.
pub(super) fn give_back<V: VersionStore>(core: &Core<V>, frame: &Frame) {
    if let (Some(bytes), Some(log)) = (&frame.bytes, core.publication.log()) {
        log.give_back(bytes.len() as u64);
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

/// The changes in a frame, in the order they were written.
///
/// A frame is as the log hands it out, which proves by checksums that it was written so; it is looked at like any bytes
/// of a file all the same.
pub(super) struct Changes<'f>(&'f [u8]);

impl<'f> Changes<'f> {
    pub(super) fn of(frame: &'f [u8]) -> Self {
        Changes(frame)
    }

    /// Takes the next change off the front; `None` when the bytes are not one.
    fn take(&mut self) -> Option<OwnWrite<'f>> {
        let (kind, rest) = self.0.split_first()?;
        let (attachment, rest) = rest.split_first_chunk()?;
        let (tree, rest) = rest.split_first_chunk()?;
        let (key_len, rest) = rest.split_first_chunk()?;
        let (payload_len, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*key_len)).ok()?)?;
        let (payload, rest) =
            rest.split_at_checked(usize::try_from(u32::from_le_bytes(*payload_len)).ok()?)?;
        let kind = Kind::from_number(*kind).filter(|kind| kind.is_data())?;
        let is_sound = match kind {
            Kind::PUT => payload.len() <= VALUE_MAX_BYTES,
            Kind::DELETE => payload.is_empty(),
            _ => is_delta(kind, payload),
        };
        if !is_sound || key.len() > key_max_bytes(PAGE_SIZE_MAX_BYTES) {
            return None;
        }
        self.0 = rest;
        let attachment = AttachmentNo(u32::from_le_bytes(*attachment));
        let tree = TreeId { attachment, number: TreeNo(u64::from_le_bytes(*tree)) };
        Some(OwnWrite { tree, key, kind, payload })
    }
}

impl<'f> Iterator for Changes<'f> {
    type Item = Result<OwnWrite<'f>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let left = self.0.len();
        let change = self.take().ok_or_else(|| {
            self.0 = &[];
            Error::new(
                ErrorKind::LogCorrupted,
                format!("no change where one should begin, {left} bytes before the end"),
            )
        });
        Some(change)
    }
}

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests {
    use super::*;
    use crate::overlay::{encode_delta, fixtures::tree_id};
    use crate::seam::transaction::Delta;

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

    fn sample() -> Vec<u8> {
        let mut frame = Vec::new();
        encode(&mut frame, &OwnWrite { tree: tree_id(1, 2), key: b"", kind: Kind::DELETE, payload: b"" });
        let delta = (Kind::delta(8, Delta::I64(-3)), encode_delta(8, Delta::I64(-3)));
        encode(&mut frame, &OwnWrite { tree: tree_id(3, 4), key: b"key", kind: delta.0, payload: &delta.1 });
        encode(
            &mut frame,
            &OwnWrite { tree: tree_id(1, 9), key: &[7; 300], kind: Kind::PUT, payload: b"value" },
        );
        frame
    }

    #[test]
    fn changes_come_back_as_they_were_written() {
        let frame = sample();
        let mut again = Vec::new();
        for change in Changes::of(&frame) {
            encode(&mut again, &change.unwrap());
        }
        assert_eq!(again, frame);
        assert_eq!(Changes::of(&frame).count(), 3);
    }

    #[test]
    fn bytes_that_are_no_frame_end_in_an_error() {
        let frame = sample();
        let whole =
            |bytes: &[u8]| Changes::of(bytes).collect::<Result<Vec<_>>>().map(|changes| changes.len());
        let ends: Vec<usize> = (0..frame.len()).filter(|len| whole(&frame[..*len]).is_ok()).collect();
        assert_eq!(ends.len(), 3, "a frame cut off is one only between two changes: {ends:?}");
        for at in 0..frame.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = frame.clone();
                bytes[at] ^= flip;
                if let Err(error) = whole(&bytes) {
                    assert_eq!(error.kind(), ErrorKind::LogCorrupted);
                }
            }
        }
        // A lock is in no frame.
        let lock = Kind::lock(crate::seam::transaction::LockMode::Read);
        let mut bytes = Vec::new();
        encode(&mut bytes, &OwnWrite { tree: tree_id(1, 2), key: b"k", kind: lock, payload: b"" });
        assert_eq!(whole(&bytes).unwrap_err().kind(), ErrorKind::LogCorrupted);
    }
}
