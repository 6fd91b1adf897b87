//! The space map of a checkpoint: its pages are taken first, then all of it is made at once.
//!
//! The pages of the map are in the map. Taking one for the leaf of a chunk, and giving up the page that the leaf had
//! before, changes other chunks, whose leaves have to be written as well: so pages are taken until nothing changes any
//! more, and only then is a leaf made. If the disk is full meanwhile all of it is taken back.

use super::Space;
use crate::{
    chunk::Mark,
    file::wide,
    medium::{Own, Shared},
    sink::Made,
    space_map::{
        Entry, MapPage, MapRoot, Stamp, chunk_pages, encode_index, encode_leaf, fanout, leaves_below,
        level_of,
    },
};
use ese_base::Result;
use ese_btree::{PageNo, Stretch};
use std::collections::BTreeMap;

/// What has to be written for the map of a checkpoint.
pub(crate) struct MapWrite {
    /// Pages in a row, and their bytes.
    pub(crate) writes: Vec<(Own, Vec<u8>)>,
    /// Where the map begins then.
    pub(crate) root: Option<MapRoot>,
    /// Pages that only older maps need.
    pub(crate) dead: Vec<Stretch>,
    /// Pages of the file.
    pub(crate) pages: u64,
    /// Those that are free under this map.
    pub(crate) free: u64,
}

/// A page of the map by its level and its place in the level.
type Place = (u8, usize);

/// The pages of a map to be written.
struct Plan {
    level: u8,
    nodes: BTreeMap<Place, Node>,
    owns: Vec<Own>,
    dead: Vec<Stretch>,
    /// Pages taken that no node has yet.
    spare: Vec<PageNo>,
}

#[derive(Default)]
struct Node {
    page: Option<PageNo>,
    old: Option<MapPage>,
}

impl Space {
    /// Makes what the checkpoint of that number has to write. The map counts as written for what comes, but pages are
    /// still looked up in the one before until [`Space::written`].
    ///
    /// # Errors
    /// `DiskFull`, and what reading the map reports; nothing has changed then.
    pub(crate) fn write_map(&mut self, shared: &Shared, number: u64) -> Result<MapWrite> {
        self.collect(shared)?;
        // A map gets no lower, even where the file was cut.
        let level = level_of(self.chunks.len(), self.page_size).max(self.map.map_or(0, |map| map.level));
        let mut plan =
            Plan { level, nodes: BTreeMap::new(), owns: Vec::new(), dead: Vec::new(), spare: Vec::new() };
        if let Err(error) = self.fill_plan(shared, &mut plan) {
            self.put_back(&[], &plan.dead);
            for own in &plan.owns {
                self.mark(Stretch { page: own.page(), pages: own.pages(), birth: 0 }, Mark::Cleared);
                self.give_back(own);
            }
            return Err(error);
        }
        // No failure past this line.
        let mut images = BTreeMap::new();
        let root = self.encode(shared, number, &plan, &mut images);
        for place in plan.nodes.keys().filter(|(level, _)| *level == 0) {
            if let Some(Some(chunk)) = self.chunks.get_mut(place.1) {
                chunk.is_dirty = false;
            }
        }
        let writes = plan.owns.into_iter().map(|own| {
            let pages = own.page().0..own.page().0 + own.pages();
            let bytes = pages.filter_map(|page| images.remove(&page)).flatten().collect();
            (own, bytes)
        });
        Ok(MapWrite {
            writes: writes.collect(),
            root: root.or(self.map),
            dead: plan.dead,
            pages: self.pages,
            free: self.pages.saturating_sub(self.used),
        })
    }

    /// As [`Space::write_map`], with what the forest of the checkpoint wrote and replaced.
    ///
    /// # Errors
    /// As [`Space::write_map`]; what the forest wrote is given back.
    pub(crate) fn checkpoint(&mut self, shared: &Shared, number: u64, forest: Made) -> Result<MapWrite> {
        let Made { born, mut dead } = forest;
        let checked = self.check_dead(shared, &mut dead);
        let map = checked.and_then(|()| {
            self.replace(&born, &dead);
            self.write_map(shared, number).inspect_err(|_| self.put_back(&born, &dead))
        });
        match map {
            Ok(mut map) => {
                map.dead.append(&mut dead);
                Ok(map)
            }
            Err(error) => {
                born.iter().for_each(|own| self.give_back(own));
                Err(error)
            }
        }
    }

    /// The pages of the map are in the file.
    pub(crate) fn written(&mut self, root: Option<MapRoot>, pages: u64) {
        self.map = root;
        self.map_pages = pages;
    }

    /// Whether the map on disk is not what would be written.
    pub(crate) fn is_changed(&self) -> bool {
        self.chunks.iter().flatten().any(|chunk| chunk.is_dirty)
    }

    /// Takes pages until nothing changes any more.
    fn fill_plan(&mut self, shared: &Shared, plan: &mut Plan) -> Result<()> {
        loop {
            let dirty: Vec<usize> = (0..self.chunks.len())
                .filter(|index| self.chunks[*index].as_ref().is_some_and(|chunk| chunk.is_dirty))
                .filter(|index| !plan.nodes.contains_key(&(0, *index)))
                .collect();
            if dirty.is_empty() && plan.nodes.values().all(|node| node.page.is_some()) {
                return Ok(());
            }
            for chunk in dirty {
                for level in 0..=plan.level {
                    self.plan_node(shared, plan, (level, chunk / leaves_below(level, self.page_size)))?;
                }
            }
            // A map that gets higher keeps the root it had, under the new one.
            if let Some(map) = self.map
                && plan.nodes.contains_key(&(plan.level, 0))
            {
                for level in map.level..=plan.level {
                    self.plan_node(shared, plan, (level, 0))?;
                }
            }
            self.take_for(shared, plan)?;
        }
    }

    /// Adds a page to the plan; the one that it replaces is given up.
    fn plan_node(&mut self, shared: &Shared, plan: &mut Plan, place: Place) -> Result<()> {
        if plan.nodes.contains_key(&place) {
            return Ok(());
        }
        let old = self.old(shared, place)?;
        if let Some((at, page)) = &old {
            let mut dead = [Stretch { page: at.page, pages: 1, birth: page.birth().min(shared.number()) }];
            self.check_dead(shared, &mut dead)?;
            self.replace(&[], &dead);
            plan.dead.extend(dead);
        }
        plan.nodes.insert(place, Node { page: None, old: old.map(|(_, page)| page) });
        Ok(())
    }

    /// The page of the present map at a place.
    fn old(&self, shared: &Shared, (level, index): Place) -> Result<Option<(Entry, MapPage)>> {
        let Some(map) = self.map.filter(|map| level <= map.level) else { return Ok(None) };
        let leaf = index * leaves_below(level, self.page_size);
        if leaf >= leaves_below(map.level, self.page_size) {
            return Ok(None);
        }
        let mut at = map.entry();
        let mut page = MapPage::read(&shared.file, at, map.level)?;
        for above in (level + 1..=map.level).rev() {
            let Some(entry) = page.entry(crate::space_map::place(leaf, above, self.page_size)) else {
                return Ok(None);
            };
            at = entry;
            page = MapPage::read(&shared.file, at, above - 1)?;
        }
        Ok(Some((at, page)))
    }

    /// Takes pages for the nodes that have none.
    fn take_for(&mut self, shared: &Shared, plan: &mut Plan) -> Result<()> {
        loop {
            let missing = plan.nodes.values().filter(|node| node.page.is_none()).count();
            if plan.spare.len() >= missing {
                break;
            }
            let own = self.take(shared, wide(missing - plan.spare.len()))?;
            self.mark(Stretch { page: own.page(), pages: own.pages(), birth: 0 }, Mark::Set);
            plan.spare.extend((0..own.pages()).rev().map(|index| own.page().plus(index)));
            plan.owns.push(own);
        }
        for node in plan.nodes.values_mut().filter(|node| node.page.is_none()) {
            node.page = plan.spare.pop();
        }
        Ok(())
    }

    /// Makes the pages, from the leaves up.
    fn encode(
        &self,
        shared: &Shared,
        number: u64,
        plan: &Plan,
        images: &mut BTreeMap<u64, Box<[u8]>>,
    ) -> Option<MapRoot> {
        let mut entries: BTreeMap<Place, Entry> = BTreeMap::new();
        for (place, node) in &plan.nodes {
            let (level, index) = *place;
            let page = node.page?;
            let stamp = Stamp { page, level, birth: number, identity: shared.identity };
            let (image, entry) = if level == 0 {
                let chunk = self.chunks.get(index).and_then(Option::as_ref)?;
                debug_assert_eq!(chunk_pages(self.page_size) % 64, 0, "chunks are whole words");
                encode_leaf(self.page_size, &stamp, &chunk.unused(self.exist(index)))
            } else {
                let below = (0..fanout(self.page_size)).map(|at| {
                    let place = (level - 1, index * fanout(self.page_size) + at);
                    let old = || node.old.as_ref().and_then(|old| old.entry(at));
                    entries.get(&place).copied().or_else(old)
                });
                encode_index(self.page_size, &stamp, &below.collect::<Vec<_>>())
            };
            images.insert(page.0, image);
            entries.insert(*place, entry);
        }
        let top = entries.get(&(plan.level, 0))?;
        Some(MapRoot { page: top.page, checksum: top.checksum, level: plan.level })
    }

    /// The pages of the map that is written; for checks.
    pub(crate) fn map_pages(&self, shared: &Shared) -> Result<Vec<Stretch>> {
        let Some(map) = self.map else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let mut entries = vec![map.entry()];
        for level in (0..=map.level).rev() {
            let mut below = Vec::new();
            for entry in entries {
                found.push(Stretch { page: entry.page, pages: 1, birth: 0 });
                let page = MapPage::read(&shared.file, entry, level)?;
                if level > 0 {
                    below.extend((0..fanout(self.page_size)).filter_map(|index| page.entry(index)));
                }
            }
            entries = below;
            if wide(found.len() + entries.len()) > self.pages {
                return Err(shared.file.corrupted("the space map leads in a circle"));
            }
        }
        Ok(found)
    }
}
