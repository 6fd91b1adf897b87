//! From ascending items to pages: what is still to be written at one level of a tree in the making.
//!
//! A [`Pending`] holds the content of up to two pages. Once a third one begins, the first is written full to the brim;
//! so a long ascending run gives full pages, and when the run ends the two that are left can still be split evenly.
//! Each page gets the longest prefix its keys share; what an item takes therefore depends on its neighbours, and a
//! [`Fill`] keeps count.
//!
//! Items come from pages each of which was found sound, but nobody looked whether these fit together. So their order is
//! compared on the way, where it costs next to nothing, and a merge whose items did not ascend is not to be published.

use super::layout::{
    CHILD_BYTES, HEADER_BYTES, Header, KEY_BYTES, KIND_INNER, KIND_LEAF, MAGIC, OVERFLOW, TRAILER_BYTES,
    Trailer, beyond_head, decode_child, encode_child, head_of, padded,
};
use crate::pages::{ChildRef, PageNo};
use std::ops::Range;
use zerocopy::{FromBytes, IntoBytes};

/// What an item's payload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Payload {
    /// A value of a leaf.
    Inline,
    /// A leaf's reference to a run.
    Run,
    /// A child that was there before this merge.
    Old,
    /// A child that this merge wrote.
    New,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    /// Where its key begins in `bytes`; the payload lies behind it.
    at: usize,
    key_len: usize,
    payload_len: usize,
    payload: Payload,
}

/// How a page is stamped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) page: PageNo,
    pub(crate) birth: u64,
    pub(crate) identity: [u8; 16],
}

/// How the last pages of a run are cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Split {
    /// Two pages of about the same fill: there is room for more to come in between.
    Even,
    /// The first full, the rest in the second: more is to come behind.
    Brim,
}

/// Items of one level that no page holds yet.
#[derive(Debug)]
pub(crate) struct Pending {
    level: u8,
    page_size: usize,
    /// What separates the first item from what lies before it.
    low: Vec<u8>,
    bytes: Vec<u8>,
    items: Vec<Item>,
    /// The items of the first page …
    first: Fill,
    /// … and of the second.
    second: Fill,
    is_ascending: bool,
}

impl Pending {
    pub(crate) fn new(level: u8, page_size: usize) -> Self {
        let (first, second) = (Fill::from(0), Fill::from(0));
        let (low, bytes, items) = (Vec::new(), Vec::new(), Vec::new());
        Pending { level, page_size, low, bytes, items, first, second, is_ascending: true }
    }

    /// Whether all items that went into pages were above the one before.
    pub(crate) fn is_ascending(&self) -> bool {
        self.is_ascending
    }

    pub(crate) fn level(&self) -> u8 {
        self.level
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Says what separates a leaf's first row from what lies before; kept while there are rows.
    pub(crate) fn set_low(&mut self, low: &[u8]) {
        if self.items.is_empty() {
            self.low.clear();
            self.low.extend_from_slice(low);
        }
    }

    /// Whether it is too little for a page of its own, where it has a neighbour.
    pub(crate) fn is_underfull(&self) -> bool {
        self.second.items == 0 && self.first.page_bytes(self.level) < self.page_size / 3
    }

    /// Adds an item whose key `key` puts together; its payload is the parts of `payload`, one behind the other.
    #[inline]
    pub(crate) fn push(&mut self, kind: Payload, key: impl FnOnce(&mut Vec<u8>), payload: &[u8]) {
        let at = self.bytes.len();
        key(&mut self.bytes);
        let key_len = self.bytes.len() - at;
        self.bytes.extend_from_slice(payload);
        if self.level > 0 && self.items.is_empty() {
            self.low.clear();
            self.low.extend_from_slice(&self.bytes[at..at + key_len]);
        }
        self.items.push(Item { at, key_len, payload_len: payload.len(), payload: kind });
        self.count_last();
    }

    /// Adds a child and what separates it from the one before.
    pub(crate) fn push_child(&mut self, low: &[u8], child: ChildRef, kind: Payload) {
        self.push(kind, |key| key.extend_from_slice(low), &encode_child(child));
    }

    /// Takes the last child back, if an earlier merge wrote it.
    pub(crate) fn pop_old_child(&mut self) -> Option<(Vec<u8>, ChildRef)> {
        let item = *self.items.last()?;
        if item.payload != Payload::Old {
            return None;
        }
        let low = self.bytes[item.at..item.at + item.key_len].to_vec();
        let child = self.child(item);
        self.bytes.truncate(item.at);
        self.items.pop();
        self.recount();
        Some((low, child))
    }

    /// The only child, when there is nothing else.
    pub(crate) fn only_child(&self) -> Option<ChildRef> {
        match self.items[..] {
            [item] if self.level > 0 => Some(self.child(item)),
            _ => None,
        }
    }

    /// Moves all items of `other`, which come behind those of `self`; `full` is called whenever a page is ready.
    pub(crate) fn append<E>(
        &mut self,
        other: &Pending,
        mut full: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.is_ascending &= other.is_ascending;
        for item in &other.items {
            let (key, payload) = other.bytes[item.at..].split_at(item.key_len);
            self.push(item.payload, |out| out.extend_from_slice(key), &payload[..item.payload_len]);
            if self.is_ready() {
                full(self)?;
            }
        }
        Ok(())
    }

    /// Whether a third page has begun, so that the first is to be written.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        self.first.items + self.second.items < self.items.len()
    }

    /// How many items go into the next page, the content having ended or a third page having begun.
    pub(crate) fn cut(&self, split: Split) -> usize {
        if self.second.items == 0 || self.is_ready() || split == Split::Brim {
            return self.first.items;
        }
        self.even_cut().unwrap_or(self.first.items)
    }

    /// What separates the first page from what lies before it.
    pub(crate) fn low(&self) -> &[u8] {
        &self.low
    }

    /// Writes the first `cut` items as a page into `page`, all of it but the checksum.
    pub(crate) fn encode(&mut self, cut: usize, stamp: Stamp, page: &mut [u8]) {
        let fill = if cut == self.first.items { self.first } else { self.filled(0..cut) };
        let keys = fill.keys(self.level);
        let prefix_len = if keys.is_empty() { 0 } else { fill.prefix };
        let prefix_at = HEADER_BYTES;
        let heads_at = prefix_at + padded(prefix_len);
        let children_at = heads_at + super::layout::HEAD_BYTES * keys.len();
        let children = if self.level > 0 { fill.items } else { 0 };
        let slots_at = children_at + CHILD_BYTES * children;
        let mut end = slots_at + super::layout::SLOT_BYTES * keys.len();

        page[prefix_at..heads_at].fill(0);
        if let Some(first) = keys.clone().next() {
            page[prefix_at..prefix_at + prefix_len].copy_from_slice(&self.key(first)[..prefix_len]);
        }
        for (index, item) in self.items[..children].iter().enumerate() {
            let at = children_at + CHILD_BYTES * index;
            page[at..at + CHILD_BYTES].copy_from_slice(&self.bytes[item.at + item.key_len..][..CHILD_BYTES]);
        }
        let (heads, slots) = page[heads_at..].split_at_mut(slots_at - heads_at);
        let (heads, _) = heads.as_chunks_mut::<8>();
        let (slots, cells) = slots.split_at_mut(end - slots_at);
        let (slots, _) = slots.as_chunks_mut::<4>();
        let cells_at = end;
        // The first separator is above the low end of the first child.
        let mut before = None;
        let mut is_ascending = self.level == 0 || keys.is_empty() || self.key(0) < self.key(1);
        for ((index, head), slot) in keys.clone().zip(heads).zip(slots) {
            let item = self.items[index];
            let suffix_at = item.at + prefix_len;
            let suffix_len = item.key_len - prefix_len;
            let number = head_of(&self.bytes[suffix_at..suffix_at + suffix_len]);
            is_ascending &=
                before < Some(number) || (before == Some(number) && self.key(index - 1) < self.key(index));
            before = Some(number);
            *head = number.to_le_bytes();
            let flag = if item.payload == Payload::Run { OVERFLOW } else { 0 };
            let [o0, o1] = u16_of(end).to_le_bytes();
            let [l0, l1] = (u16_of(suffix_len) | flag).to_le_bytes();
            *slot = [o0, o1, l0, l1];
            // What is beyond the head and a leaf's payload lie one behind the other here as there.
            let beyond = beyond_head(suffix_len);
            let payload = if self.level == 0 { item.payload_len } else { 0 };
            let from = suffix_at + suffix_len - beyond;
            let cell = &self.bytes[from..from + beyond + payload];
            cells[end - cells_at..end - cells_at + cell.len()].copy_from_slice(cell);
            end += cell.len();
        }
        self.is_ascending &= is_ascending;
        let trailer_at = page.len() - TRAILER_BYTES;
        page[end..trailer_at].fill(0);
        let header = Header {
            checksum: 0.into(),
            kind: if self.level == 0 { KIND_LEAF } else { KIND_INNER },
            level: self.level,
            count: u16_of(keys.len()).into(),
            prefix_len: u16_of(prefix_len).into(),
            end: u16_of(end).into(),
            magic: MAGIC,
            page: stamp.page.0.into(),
            birth: stamp.birth.into(),
        };
        page[..HEADER_BYTES].copy_from_slice(header.as_bytes());
        let trailer = Trailer { identity: stamp.identity, spare: [0; 40] };
        page[trailer_at..].copy_from_slice(trailer.as_bytes());
    }

    /// Forgets the first `cut` items, which a page holds now; what separates them from the next becomes the low end.
    pub(crate) fn advance(&mut self, cut: usize) {
        self.low.clear();
        if cut < self.items.len() {
            let next = self.items[cut];
            let (before, key) = (self.key(cut - 1), &self.bytes[next.at..next.at + next.key_len]);
            let is_ascending = before < key;
            let len = if self.level > 0 { key.len() } else { (shared(before, key) + 1).min(key.len()) };
            self.low.extend_from_slice(&key[..len]);
            self.is_ascending &= is_ascending;
        }
        let from = self.items.get(cut).map_or(self.bytes.len(), |item| item.at);
        self.bytes.drain(..from);
        self.items.drain(..cut);
        for item in &mut self.items {
            item.at -= from;
        }
        if cut == self.first.items {
            // The second page is the first one now, and what did not fit begins the second.
            self.first = Fill { start: 0, ..self.second };
            self.second = Fill::from(self.first.items);
            for index in self.first.items..self.items.len() {
                self.second.add(self.level, &self.items, &self.bytes, index);
            }
        } else {
            self.recount();
        }
    }

    fn key(&self, index: usize) -> &[u8] {
        let item = self.items[index];
        &self.bytes[item.at..item.at + item.key_len]
    }

    fn child(&self, item: Item) -> ChildRef {
        let bytes =
            self.bytes[item.at + item.key_len..].first_chunk().expect("a child's payload is a reference");
        decode_child(bytes)
    }

    #[inline]
    fn count_last(&mut self) {
        let index = self.items.len() - 1;
        if self.second.items == 0 {
            if self.first.try_add(self.level, self.page_size, &self.items, &self.bytes, index) {
                return;
            }
            self.second = Fill::from(index);
        }
        // When it does not fit the second page either, the first one is ready.
        self.second.try_add(self.level, self.page_size, &self.items, &self.bytes, index);
    }

    fn recount(&mut self) {
        self.first = Fill::from(0);
        self.second = Fill::from(0);
        let len = self.items.len();
        while self.first.items < len
            && self.first.try_add(self.level, self.page_size, &self.items, &self.bytes, self.first.items)
        {
        }
        self.second = Fill::from(self.first.items);
        for index in self.first.items..len {
            self.second.try_add(self.level, self.page_size, &self.items, &self.bytes, index);
        }
    }

    fn filled(&self, range: Range<usize>) -> Fill {
        let mut fill = Fill::from(range.start);
        for index in range {
            fill.add(self.level, &self.items, &self.bytes, index);
        }
        fill
    }

    /// Where two pages of about the same fill are cut, if both halves fit.
    fn even_cut(&self) -> Option<usize> {
        let weight = |item: &Item| KEY_BYTES + item.key_len + item.payload_len;
        let total: usize = self.items.iter().map(weight).sum();
        let mut left = 0;
        let mut cut = 0;
        while cut < self.items.len() && 2 * left < total {
            left += weight(&self.items[cut]);
            cut += 1;
        }
        let cut = cut.clamp(1, self.items.len().saturating_sub(1).max(1));
        let fits = |range| self.filled(range).page_bytes(self.level) <= self.page_size;
        (fits(0..cut) && fits(cut..self.items.len())).then_some(cut)
    }
}

/// What a page of some items in a row takes.
#[derive(Clone, Copy, Debug)]
struct Fill {
    start: usize,
    items: usize,
    /// What the page's keys share.
    prefix: usize,
    /// Bytes of keys beyond prefix and head.
    beyond: usize,
    /// Bytes of payloads.
    payload: usize,
}

impl Fill {
    fn from(start: usize) -> Self {
        Fill { start, items: 0, prefix: 0, beyond: 0, payload: 0 }
    }

    /// The items whose keys the page holds: an inner node leaves out its first one, which its parent holds.
    fn keys(&self, level: u8) -> Range<usize> {
        self.start + usize::from(level > 0 && self.items > 0)..self.start + self.items
    }

    fn page_bytes(&self, level: u8) -> usize {
        let keys = self.keys(level).len();
        let children = if level > 0 { CHILD_BYTES * self.items } else { self.payload };
        HEADER_BYTES + padded(self.prefix) + KEY_BYTES * keys + children + self.beyond + TRAILER_BYTES
    }

    #[inline]
    fn try_add(&mut self, level: u8, page_size: usize, items: &[Item], bytes: &[u8], index: usize) -> bool {
        let before = *self;
        if index != self.start + self.items {
            return false;
        }
        self.add(level, items, bytes, index);
        if self.page_bytes(level) > page_size {
            *self = before;
            return false;
        }
        true
    }

    #[inline]
    fn add(&mut self, level: u8, items: &[Item], bytes: &[u8], index: usize) {
        debug_assert_eq!(index, self.start + self.items, "items are counted in a row");
        let item = items[index];
        self.items += 1;
        self.payload += item.payload_len;
        let keys = self.keys(level);
        match keys.len() {
            0 => {}
            1 => self.prefix = item.key_len,
            _ => {
                let first = items[keys.start];
                let key = &bytes[item.at..item.at + item.key_len];
                let prefix = shared(&bytes[first.at..first.at + self.prefix], key);
                if prefix < self.prefix {
                    self.prefix = prefix;
                    self.beyond =
                        items[keys.start..index].iter().map(|i| beyond_head(i.key_len - prefix)).sum();
                }
                self.beyond += beyond_head(item.key_len - prefix);
            }
        }
    }
}

/// How many bytes two keys share at their start.
#[inline]
fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// A length or an offset inside a page.
#[inline]
fn u16_of(len: usize) -> u16 {
    u16::try_from(len).expect("pages have at most 32 KiB")
}

/// Writes the checksum of a page or a run's header into its first bytes.
pub(crate) fn seal(page: &mut [u8], checksum: u32) {
    if let Ok((first, _)) = zerocopy::U32::<zerocopy::LE>::mut_from_prefix(page) {
        first.set(checksum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Cell, NodeView, parse::Verify};

    const SIZE: usize = 4096;
    const STAMP: Stamp = Stamp { page: PageNo(7), birth: 3, identity: [9; 16] };

    /// One leaf of these keys, each with its index as the value.
    fn leaf(keys: &[Vec<u8>]) -> Vec<u8> {
        let mut pending = Pending::new(0, SIZE);
        for (index, key) in keys.iter().enumerate() {
            pending.push(Payload::Inline, |out| out.extend_from_slice(key), &index.to_le_bytes());
        }
        page(&mut pending, keys.len())
    }

    /// One inner node with these separators.
    fn inner(separators: &[Vec<u8>]) -> Vec<u8> {
        let mut pending = Pending::new(1, SIZE);
        pending.push_child(b"", ChildRef { page: PageNo(0), checksum: 0 }, Payload::New);
        for (index, separator) in (1..).zip(separators) {
            pending.push_child(separator, ChildRef { page: PageNo(index), checksum: 5 }, Payload::Old);
        }
        page(&mut pending, separators.len() + 1)
    }

    fn page(pending: &mut Pending, items: usize) -> Vec<u8> {
        assert_eq!(pending.cut(Split::Brim), items, "all fits one page");
        let mut page = vec![0xEE; SIZE];
        pending.encode(items, STAMP, &mut page);
        // An inner node made of such separators has a first one that is not above its low end.
        assert!(pending.is_ascending() || pending.key(0) == pending.key(1));
        page
    }

    fn parse(page: &[u8], level: u8) -> NodeView<&[u8]> {
        let at = ChildRef { page: STAMP.page, checksum: 0 };
        NodeView::parse(page, at, level, Verify::Structure).unwrap()
    }

    fn assert_finds(keys: &[Vec<u8>], probes: &[Vec<u8>]) {
        let page = leaf(keys);
        let node = parse(&page, 0);
        let mut out = vec![0; SIZE];
        for (index, key) in keys.iter().enumerate() {
            let mut found = Vec::new();
            node.append_key(index, &mut found);
            assert_eq!(&found, key);
            let prefix = node.prefix().len();
            out[..prefix].copy_from_slice(node.prefix());
            let row = node.row(&node.row_parts(), index);
            node.copy_suffix(&row, &mut out, prefix);
            let (len, cell) = (row.key_len, node.row_cell(&row));
            assert_eq!((&out[..prefix + len], cell), (&key[..], node.cell(index)));
            let Cell::Inline(range) = node.cell(index) else { panic!("no run") };
            assert_eq!(page[range], index.to_le_bytes());
        }
        let page = inner(keys);
        let node = parse(&page, 1);
        for probe in probes {
            let expected = keys.binary_search(probe);
            assert_eq!(parse(&leaf(keys), 0).search(probe), expected, "{probe:?} in {keys:?}");
            let child = keys.partition_point(|key| key <= probe);
            assert_eq!(node.child_index(probe), child, "{probe:?} in {keys:?}");
            assert_eq!(node.child(child).page, PageNo(child as u64));
        }
    }

    /// All strings of up to `len` of these bytes, ascending.
    fn words(alphabet: &[u8], len: usize) -> Vec<Vec<u8>> {
        let mut words: Vec<Vec<u8>> = vec![Vec::new()];
        let mut from = 0;
        for _ in 0..len {
            let end = words.len();
            for index in from..end {
                for byte in alphabet {
                    words.push([&words[index][..], &[*byte]].concat());
                }
            }
            from = end;
        }
        words.sort();
        words
    }

    #[test]
    fn every_set_of_short_keys() {
        let all = words(&[0, b'a', 255], 2);
        let probes = words(&[0, b'a', 254, 255], 3);
        for start in [&b""[..], b"p", b"1234567", b"12345678", b"123456789"] {
            let with = |word: &Vec<u8>| [start, word].concat();
            let mut probes: Vec<Vec<u8>> = probes.iter().map(with).collect();
            probes.extend([
                vec![],
                vec![0],
                vec![255],
                start[..start.len() / 2].to_vec(),
                [start, b"zzz"].concat(),
            ]);
            // All sets of the first words and a sample of those that hold the last ones.
            for set in (1_u32..1 << all.len()).filter(|set| set.count_ones() <= 3 || set % 29 == 0) {
                let keys: Vec<Vec<u8>> = all
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| set >> index & 1 == 1)
                    .map(|(_, word)| with(word))
                    .collect();
                assert_finds(&keys, &probes);
            }
        }
    }

    #[test]
    fn many_keys_with_one_head() {
        let keys: Vec<Vec<u8>> = (0..60_u8).map(|index| [&b"a12345678"[..], &[index]].concat()).collect();
        let mut with_other = vec![b"0".to_vec()];
        with_other.extend(keys);
        with_other.push(b"b".to_vec());
        let probes: Vec<Vec<u8>> = (0..=255_u8).map(|index| [&b"a12345678"[..], &[index]].concat()).collect();
        assert_finds(&with_other, &probes);
    }

    #[test]
    fn longest_keys_fit_two_to_an_inner_node() {
        let max = crate::limits::tree_key_max_bytes(SIZE);
        assert_finds(
            &[vec![1; max], vec![2; max]],
            &[vec![], vec![1; max], vec![1; max - 1], vec![2; max], vec![3]],
        );
        let key = |last: u8| [&vec![7; max - 1][..], &[last]].concat();
        assert_finds(&[key(1), key(2), key(3)], &[key(0), key(1), key(2), key(4), vec![7; max - 1], vec![8]]);
    }

    #[test]
    fn nothing_of_what_was_there_before_is_left() {
        let page = leaf(&[b"abcdefghij".to_vec(), b"abd".to_vec()]);
        assert!(!page.contains(&0xEE));
        assert_eq!(page[SIZE - TRAILER_BYTES..][..16], [9; 16]);
        let node = parse(&page, 0);
        assert_eq!((node.page(), node.birth(), node.level(), node.count()), (PageNo(7), 3, 0, 2));
        assert_eq!(node.prefix(), b"ab");
    }

    #[test]
    fn pages_are_cut_full_or_evenly() {
        let mut pending = Pending::new(0, SIZE);
        let mut pages = Vec::new();
        for index in 0..500_u32 {
            pending.push(Payload::Inline, |out| out.extend_from_slice(&index.to_be_bytes()), &[1; 20]);
            if pending.is_ready() {
                let cut = pending.cut(Split::Even);
                pages.push(cut);
                pending.advance(cut);
                assert_eq!(pending.low(), index_low(u32::try_from(pages.iter().sum::<usize>()).unwrap()));
            }
        }
        // All but the last two hold as many as fit …
        assert!(pages.iter().all(|cut| *cut == pages[0]) && pages[0] > 110, "{pages:?}");
        // … and those are about the same.
        let left = 500 - pages.iter().sum::<usize>();
        let cut = pending.cut(Split::Even);
        assert!(cut.abs_diff(left / 2) <= 1, "{cut} of {left}");
    }

    #[test]
    fn items_out_of_order_are_noticed() {
        let ascending = |level: u8, keys: &[&[u8]], cut: usize| {
            let mut pending = Pending::new(level, SIZE);
            for key in keys {
                pending.push(Payload::Inline, |out| out.extend_from_slice(key), &[0; CHILD_BYTES]);
            }
            pending.encode(cut, STAMP, &mut [0; SIZE]);
            pending.advance(cut);
            pending.is_ascending()
        };
        for level in [0, 1] {
            assert!(ascending(level, &[b"a", b"b", b"c"], 3) && ascending(level, &[b"", b"a", b"a\0"], 2));
            // Within a page, by the heads and where heads are equal, and between two pages.
            for keys in [[b"b", b"a", b"c"], [b"a", b"c", b"b"], [b"a", b"b", b"b"], [b"a", b"a", b"b"]] {
                assert!(!ascending(level, &keys.map(|key| &key[..]), 3), "{level} {keys:?}");
                assert!(!ascending(level, &keys.map(|key| &key[..]), 2), "{level} {keys:?}");
            }
            assert!(!ascending(level, &[b"0", b"a\0", b"a"], 3));
            assert!(!ascending(level, &[b"0", b"123456789", b"12345678"], 3));
            assert!(!ascending(level, &[b"0", b"ab", b"a"], 2), "a key that the one before begins with");
        }
    }

    fn index_low(index: u32) -> Vec<u8> {
        // Up to the first byte that differs from the key before.
        let (before, here) = ((index - 1).to_be_bytes(), index.to_be_bytes());
        here[..=shared(&before, &here)].to_vec()
    }
}
