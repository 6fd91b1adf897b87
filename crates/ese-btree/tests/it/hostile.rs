//! Any bytes at all: parsed or refused, and what is parsed can be read in every way.

use ese_btree::{ChildRef, NodeView, PageNo, RUN_HEADER_BYTES, RunRef, Verify, dump, node::Cell, parse_run};
use proptest::prelude::*;

use crate::pages::{Disk, TREE};
use ese_btree::{Change, Pages};

/// Reads all of a node that was accepted.
fn read_all(node: &NodeView<&[u8]>, probes: &[Vec<u8>]) {
    let mut text = String::new();
    dump::node(node, &mut text).unwrap();
    let mut before: Option<Vec<u8>> = None;
    for index in 0..node.count() {
        let mut key = Vec::new();
        node.append_key(index, &mut key);
        assert_eq!(node.search(&key), Ok(index));
        assert!(before.is_none_or(|before| before < key), "keys ascend");
        if node.level() == 0 {
            if let Cell::Inline(range) = node.cell(index) {
                assert!(node.bytes().get(range).is_some());
            }
        } else {
            assert_eq!(node.child_index(&key), index + 1);
            assert!(node.child(index + 1).page <= PageNo::MAX);
        }
        before = Some(key);
    }
    for probe in probes {
        assert!(node.search(probe).unwrap_or_else(|index| index) <= node.count());
        assert!(node.child_index(probe) <= node.count());
    }
}

/// A leaf and an inner node as a merge writes them.
fn samples() -> Vec<(Vec<u8>, ChildRef, u8)> {
    let mut disk = Disk::default();
    let long = vec![1; 9_000];
    disk.merge((0..3_000_u32).map(|number| {
        let key = [b"prefix", &number.to_be_bytes()[..], &vec![b'k'; number as usize % 20]].concat();
        (key, Change::Put(if number % 9 == 1 { &long } else { &[7; 30] }))
    }));
    let root = disk.forest.root(TREE).unwrap();
    let node = disk.node(root.node, root.level()).unwrap();
    let child = node.child(node.count() / 2);
    let below = disk.node(child, root.level() - 1).unwrap();
    vec![(node.bytes().to_vec(), root.node, root.level()), (below.bytes().to_vec(), child, root.level() - 1)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn mutated_nodes_are_refused_or_sound(
        which in 0_usize..2,
        // Header and arrays more often than the rest.
        changes in proptest::collection::vec((prop_oneof![0_usize..48, 0_usize..4096, 0_usize..1024], any::<u8>()), 1..6),
        probes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..6),
    ) {
        thread_local!(static SAMPLES: Vec<(Vec<u8>, ChildRef, u8)> = samples());
        let (mut bytes, at, level) = SAMPLES.with(|samples| samples[which].clone());
        read_all(&NodeView::parse(&bytes[..], at, level, Verify::Checksum).unwrap(), &probes);
        let before = bytes.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if bytes != before {
            prop_assert!(NodeView::parse(&bytes[..], at, level, Verify::Checksum).is_err());
        }
        if let Ok(node) = NodeView::parse(&bytes[..], at, level, Verify::Structure) {
            read_all(&node, &probes);
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_sound(
        start in proptest::collection::vec(any::<u8>(), 0..200),
        count in 0_u16..40,
        prefix in 0_u16..40,
        end in any::<u16>(),
        kind in 0_u8..4,
        size in prop_oneof![Just(0_usize), Just(31), Just(4095), Just(4096), Just(8192)],
    ) {
        let mut bytes = vec![0; size];
        for (to, from) in bytes.iter_mut().skip(32).zip(&start) {
            *to = *from;
        }
        if let Some(header) = bytes.get_mut(..32) {
            header[4] = kind;
            header[5] = u8::from(kind == 2);
            header[6..8].copy_from_slice(&count.to_le_bytes());
            header[8..10].copy_from_slice(&prefix.to_le_bytes());
            header[10..12].copy_from_slice(&(end % 4096).to_le_bytes());
            header[12..16].copy_from_slice(b"ESE1");
        }
        let at = ChildRef { page: PageNo(0), checksum: 0 };
        if let Ok(node) = NodeView::parse(&bytes[..], at, u8::from(kind == 2), Verify::Structure) {
            read_all(&node, std::slice::from_ref(&start));
        }
        let run = RunRef { page: PageNo(0), checksum: 0, len: u32::from(end), birth: 0 };
        if let Ok(value) = parse_run(&bytes, run, Verify::Structure) {
            prop_assert_eq!(value.len() + RUN_HEADER_BYTES, usize::from(end) + RUN_HEADER_BYTES);
        }
    }
}
