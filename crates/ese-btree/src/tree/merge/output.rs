//! The new tree of a merge: what is pending of each level, and when it becomes pages.

use super::{TreeMerge, below_level, push_row};
use crate::{
    limits::{HEIGHT_MAX, value_inline_max_bytes},
    node::{
        build::{Payload, Pending, Split, Stamp, seal},
        layout::encode_run_ref,
        parse::checksum_of,
    },
    pages::{ChildRef, Pages, Sink, Stretch},
    tree::{Root, overflow},
};
use ese_base::{Error, ErrorKind, Result};

impl<P: Pages> TreeMerge<P> {
    /// Adds a row of this merge.
    pub(super) fn add<S: Sink>(&mut self, sink: &mut S, key: &[u8], value: &[u8]) -> Result<()> {
        let put_key = |out: &mut Vec<u8>| out.extend_from_slice(key);
        if value.len() <= value_inline_max_bytes(self.page_size) {
            self.pending[0].push(Payload::Inline, put_key, value);
        } else {
            let run = overflow::write(sink, value, self.page_size)?;
            self.pending[0].push(Payload::Run, put_key, &encode_run_ref(run));
        }
        self.write_ready(sink, 0)
    }

    /// An old node, untouched, comes next at the level below `level`.
    pub(super) fn pass<S: Sink>(
        &mut self,
        pages: &P,
        sink: &mut S,
        level: usize,
        low: &[u8],
        child: ChildRef,
    ) -> Result<()> {
        for below in 0..level - 1 {
            self.flush(pages, sink, below)?;
        }
        if self.pending[level - 1].is_underfull() && !self.pending[level - 1].is_empty() {
            return self.take_in(pages, sink, level - 1, low, child);
        }
        self.flush(pages, sink, level - 1)?;
        self.pending[level].push_child(low, child, Payload::Old);
        self.write_ready(sink, level)
    }

    /// Takes an old node apart: its items become pending ones.
    fn take_in<S: Sink>(
        &mut self,
        pages: &P,
        sink: &mut S,
        level: usize,
        low: &[u8],
        at: ChildRef,
    ) -> Result<()> {
        let node = pages.held(at, below_level(level + 1))?;
        sink.free(Stretch { page: at.page, pages: 1, birth: node.birth() })?;
        if level == 0 {
            self.pending[0].set_low(low);
            for index in 0..node.count() {
                push_row(&mut self.pending[0], &node, index);
                self.write_ready(sink, 0)?;
            }
            return Ok(());
        }
        let mut key = low.to_vec();
        for index in 0..=node.count() {
            if index > 0 {
                key.clear();
                node.append_key(index - 1, &mut key);
            }
            self.pending[level].push_child(&key, node.child(index), Payload::Old);
            self.write_ready(sink, level)?;
        }
        Ok(())
    }

    /// Writes all that is pending at `level`, split evenly; too little takes in its neighbour before.
    fn flush<S: Sink>(&mut self, pages: &P, sink: &mut S, level: usize) -> Result<()> {
        if self.pending[level].is_empty() {
            return Ok(());
        }
        if self.pending[level].is_underfull()
            && let Some(above) = self.pending.get_mut(level + 1)
            && let Some((low, before)) = above.pop_old_child()
        {
            let own = std::mem::replace(
                &mut self.pending[level],
                Pending::new(below_level(level + 1), self.page_size),
            );
            self.take_in(pages, sink, level, &low, before)?;
            let mut pending = std::mem::replace(
                &mut self.pending[level],
                Pending::new(below_level(level + 1), self.page_size),
            );
            pending.append(&own, |pending| self.write_first(sink, pending, Split::Even))?;
            self.pending[level] = pending;
        }
        self.write_all(sink, level, Split::Even)
    }

    /// The end of the tree: writes level by level until one node is left.
    pub(super) fn write_rest<S: Sink>(&mut self, pages: &P, sink: &mut S) -> Result<Option<Root>> {
        let mut level = 0;
        loop {
            let is_top = self.pending.iter().skip(level + 1).all(Pending::is_empty);
            let Some(here) = self.pending.get(level).filter(|here| !(is_top && here.is_empty())) else {
                return Ok(None);
            };
            if let Some(node) = here.only_child().filter(|_| is_top) {
                return Ok(u8::try_from(level).ok().and_then(|height| Root::new(node, height)));
            }
            if self.appending {
                self.write_all(sink, level, Split::Brim)?;
            } else {
                self.flush(pages, sink, level)?;
            }
            level += 1;
        }
    }

    fn write_all<S: Sink>(&mut self, sink: &mut S, level: usize, split: Split) -> Result<()> {
        let mut pending =
            std::mem::replace(&mut self.pending[level], Pending::new(below_level(level + 1), self.page_size));
        while !pending.is_empty() {
            self.write_first(sink, &mut pending, split)?;
        }
        self.pending[level] = pending;
        Ok(())
    }

    /// Writes the first page of `level` if a third one has begun.
    #[inline]
    pub(super) fn write_ready<S: Sink>(&mut self, sink: &mut S, level: usize) -> Result<()> {
        if !self.pending[level].is_ready() {
            return Ok(());
        }
        let mut pending =
            std::mem::replace(&mut self.pending[level], Pending::new(below_level(level + 1), self.page_size));
        self.write_first(sink, &mut pending, Split::Even)?;
        self.pending[level] = pending;
        Ok(())
    }

    /// Writes the first page of `pending` and passes it up.
    fn write_first<S: Sink>(&mut self, sink: &mut S, pending: &mut Pending, split: Split) -> Result<()> {
        let cut = pending.cut(split);
        let page = sink.allocate(1)?;
        let stamp = Stamp { page, birth: sink.birth(), identity: sink.identity() };
        let mut checksum = 0;
        sink.write(page, |bytes| {
            pending.encode(cut, stamp, bytes);
            if S::CHECKSUMS {
                checksum = checksum_of(&bytes[4..], &[]);
                seal(bytes, checksum);
            }
        })?;
        let above = usize::from(pending.level()) + 1;
        if above >= usize::from(HEIGHT_MAX) {
            return Err(Error::new(
                ErrorKind::DatabaseCorrupted,
                format!("the tree has {HEIGHT_MAX} levels"),
            ));
        }
        while self.pending.len() <= above {
            let level = u8::try_from(self.pending.len()).unwrap_or(HEIGHT_MAX);
            self.pending.push(Pending::new(level, self.page_size));
        }
        self.pending[above].push_child(pending.low(), ChildRef { page, checksum }, Payload::New);
        pending.advance(cut);
        self.write_ready(sink, above)
    }
}
