//! The two slots for meta pages: which of them counts, and which is written next.
//!
//! Invariants:
//! - The slot that holds the newest valid meta page is never written.
//! - Sequences only go up; after a slot was found bad they go up by two, so that nothing it held before can be as new.
//! - What a slot holds is known only after its sync: a failed write or sync of a meta page is final for the file.

use crate::{
    file::PageFile,
    meta::{Found, META_BYTES, Meta},
    options::is_page_size,
};
use ese_base::{Error, ErrorKind, Position, Result, limits};
use ese_io::DiskFile;

/// What the slots of an open file hold.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    metas: [Option<Meta>; 2],
    /// The slot whose state is open.
    newest: usize,
    /// At least as high as any sequence ever written.
    sequence: u64,
}

impl Slots {
    /// The slots of a new file, both written in order.
    pub(crate) fn of_new(metas: [Meta; 2]) -> Slots {
        let sequence = metas[1].sequence;
        Slots { metas: metas.map(Some), newest: 1, sequence }
    }

    /// The state that is open, as it is on disk.
    pub(crate) fn newest(&self) -> &Meta {
        let [first, second] = &self.metas;
        let (here, other) = if self.newest == 0 { (first, second) } else { (second, first) };
        // A file without any valid meta page is not opened.
        here.as_ref().or(other.as_ref()).unwrap_or_else(|| unreachable!("one slot is valid"))
    }

    /// What the other slot holds, if that is sound.
    pub(crate) fn other(&self) -> Option<&Meta> {
        self.metas.get(1 - self.newest)?.as_ref()
    }

    /// The numbers of the checkpoints that the slots hold.
    pub(crate) fn numbers(&self) -> [Option<u64>; 2] {
        self.metas.each_ref().map(|meta| meta.as_ref().map(|meta| meta.number))
    }

    /// Takes the state of the other slot for the one that is open, because that of the newest is damaged.
    pub(crate) fn fall_back(&mut self) {
        if let Some(bad) = self.metas.get_mut(self.newest) {
            *bad = None;
        }
        self.newest = 1 - self.newest;
        self.sequence = self.sequence.saturating_add(1);
    }

    /// The lowest L that a slot names in the log of the newest.
    pub(crate) fn needed_from(&self) -> Option<Position> {
        let log = self.newest().point.map(|(_, point)| point.log);
        let points = self.metas.iter().flatten().filter_map(|meta| meta.point).map(|(_, point)| point);
        points.filter(|point| Some(point.log) == log).map(|point| point.at).min()
    }

    /// Writes a state into the slot that does not hold the newest one, and makes it durable. Returns the slot.
    pub(crate) fn write(&mut self, file: &PageFile, mut meta: Meta) -> Result<usize> {
        let slot = 1 - self.newest;
        let sequence = self.sequence.checked_add(1);
        meta.sequence = sequence.ok_or_else(|| file.corrupted("there is no further sequence"))?;
        file.write_meta(slot, &page(&meta, slot))?;
        // No failure past this line.
        self.sequence = meta.sequence;
        if let Some(place) = self.metas.get_mut(slot) {
            *place = Some(meta);
        }
        self.newest = slot;
        Ok(slot)
    }

    /// Reads both slots of a file.
    ///
    /// # Errors
    /// `NotADatabase`, `InvalidDatabaseVersion`, `DatabaseCorrupted` (both damaged, or they do not belong together), and
    /// what a read reports.
    pub(crate) fn read(file: &dyn DiskFile) -> Result<Slots> {
        let named = |error: Error| Error::new(error.kind(), format!("{}: {error}", file.path().display()));
        let mut is_ours = false;
        let mut read = |offset: usize, slot: usize| -> Result<Option<Meta>> {
            let mut bytes = [0; META_BYTES];
            let offset = crate::file::wide(offset);
            let len = file.read_at(&mut bytes, offset)?;
            match Meta::decode(bytes.get(..len).unwrap_or_default(), slot).map_err(named)? {
                Found::Meta(meta) => Ok(Some(*meta)),
                Found::Bad { is_ours: ours } => {
                    is_ours |= ours;
                    Ok(None)
                }
            }
        };
        let first = read(0, 0)?;
        let second = match &first {
            Some(first) => read(first.page_size, 1)?.filter(|second| second.page_size == first.page_size),
            None => {
                let mut found = None;
                let mut size = limits::PAGE_SIZE_MIN_BYTES;
                while found.is_none() && is_page_size(size) {
                    found = read(size, 1)?.filter(|second| second.page_size == size);
                    size *= 2;
                }
                found
            }
        };
        let fault = |kind, what: &str| Error::new(kind, format!("{}: {what}", file.path().display()));
        let newest = match (&first, &second) {
            (None, None) if is_ours => {
                return Err(fault(ErrorKind::DatabaseCorrupted, "both meta pages are damaged"));
            }
            (None, None) => return Err(fault(ErrorKind::NotADatabase, "it has no meta page")),
            (Some(first), Some(second)) if first.identity != second.identity => {
                return Err(fault(ErrorKind::DatabaseCorrupted, "its meta pages are of two files"));
            }
            (Some(first), Some(second)) if first.sequence == second.sequence => {
                return Err(fault(ErrorKind::DatabaseCorrupted, "its meta pages have one sequence"));
            }
            (Some(first), Some(second)) => usize::from(second.sequence > first.sequence),
            (Some(_), None) => 0,
            (None, Some(_)) => 1,
        };
        let metas = [first, second];
        let highest = metas.iter().flatten().map(|meta| meta.sequence).max().unwrap_or(0);
        // What a damaged slot held may have been one above.
        let sequence = highest.saturating_add(u64::from(metas.iter().any(Option::is_none)));
        Ok(Slots { metas, newest, sequence })
    }
}

/// What is written of a meta page: the sector with the meta data and zeros up to the smallest page.
pub(crate) fn page(meta: &Meta, slot: usize) -> Vec<u8> {
    let mut page = meta.encode(slot).to_vec();
    page.resize(limits::PAGE_SIZE_MIN_BYTES, 0);
    page
}
