//! Slots, the views they pin, and the ring of views.

use crate::{
    overlay::{
        fixtures::{self, MapBase, Party, TestStore, owner, row, tree_id},
        slot::Slots,
        store::Overlay,
    },
    seam::{merges::Merges, session::Mode, store::Base, version_store::VersionStore},
    txn::Kind,
};
use ese_base::{AttachmentNo, CommitTs, Position, SessionId};
use std::sync::Arc;

/// Views that fit the ring.
const RING: usize = 1024;

fn overlay(slots: usize) -> Arc<Overlay> {
    fixtures::overlay(slots, 1 << 20, [Arc::new(MapBase::default()) as Arc<dyn Base>])
}

#[test]
fn slots_are_handed_out_taken_back_and_used_again() {
    let slots = Slots::new(3);
    let indices: Vec<usize> = (0..3).map(|number| slots.open(owner(number)).unwrap()).collect();
    assert_eq!(indices, [0, 1, 2]);
    assert!(slots.open(owner(3)).is_none(), "all are in use");
    slots.line(1).name_view(7, true);
    slots.line(1).use_tree(5);
    slots.close(1);
    assert!(slots.line(1).pinned().is_none() && !slots.line(1).uses_tree(5), "a line is taken back clean");
    assert!(slots.owner(1).is_none());
    assert_eq!(slots.open(owner(4)), Some(1));
    assert_eq!(slots.owner(1).unwrap().session(), SessionId(4));
    assert_eq!(slots.lines().count(), 3);
    assert!(slots.open(owner(5)).is_none());
}

#[test]
fn a_session_that_is_dropped_pins_nothing() {
    let overlay = overlay(2);
    let (first, mut second) = (overlay.slot(owner(1)), overlay.slot(owner(2)).unwrap());
    assert!(overlay.slot(owner(3)).is_none());
    overlay.pin(&mut second, Mode::ReadOnly);
    assert_eq!(overlay.open_transactions(), 1);
    drop((first, second));
    assert_eq!(overlay.open_transactions(), 0);
    assert!(overlay.slot(owner(3)).is_some() && overlay.oldest(Mode::ReadOnly).is_none());
}

/// A slot between its view and its snapshot stands for the oldest snapshot there is.
#[test]
fn a_snapshot_not_yet_read_counts_as_the_oldest() {
    let slots = Slots::new(1);
    let line = slots.line(slots.open(owner(1)).unwrap());
    line.name_view(9, true);
    let pinned = line.pinned().unwrap();
    assert_eq!((pinned.snapshot, pinned.writes), (CommitTs(0), true));
    line.name_snapshot(CommitTs(44));
    assert_eq!(line.pinned().unwrap().snapshot, CommitTs(44));
    assert_eq!(line.named(), [9, 0]);
    line.clear();
    assert!(line.pinned().is_none() && line.named() == [0, 0]);
}

/// More trees than places: the slot stands for all trees.
#[test]
fn many_used_trees() {
    let slots = Slots::new(1);
    let line = slots.line(slots.open(owner(1)).unwrap());
    line.name_view(1, true);
    for ordinal in 1..=6 {
        line.use_tree(ordinal);
        line.use_tree(ordinal);
    }
    assert!((1..=6).all(|ordinal| line.uses_tree(ordinal)));
    assert!(!line.uses_tree(7), "six have a place each");
    line.use_tree(7);
    assert!((1..=9).all(|ordinal| line.uses_tree(ordinal)));
    line.use_tree(8);
    line.clear();
    assert!((1..=9).all(|ordinal| !line.uses_tree(ordinal)), "the next transaction begins anew");
    line.name_view(1, true);
    line.use_tree(2);
    assert!(line.uses_tree(2) && !line.uses_tree(1));
}

#[test]
fn users_of_trees_and_databases() {
    let overlay = overlay(3);
    let (mut one, mut two) = (Party::begun(&overlay, 11), Party::begun(&overlay, 22));
    let (tree, other) = (overlay.tree(tree_id(1, 1)), overlay.tree(tree_id(2, 1)));
    overlay.use_tree(&mut one.slot, &tree);
    assert!(overlay.user_of(&one.slot, &tree).is_none(), "one's own use does not count");
    assert_eq!(overlay.user_of(&two.slot, &tree).unwrap().session(), SessionId(11));
    assert!(overlay.user_of(&two.slot, &other).is_none());
    assert_eq!(overlay.user_of_database(AttachmentNo(1)).unwrap().session(), SessionId(11));
    assert!(overlay.user_of_database(AttachmentNo(2)).is_none());
    one.abort();
    assert!(overlay.user_of(&two.slot, &tree).is_none());
    two.abort();
}

/// Publishes a view like the newest one.
fn publish(overlay: &Overlay) -> bool {
    overlay.install(&[], &[])
}

#[test]
fn a_view_goes_when_nobody_names_it() {
    let overlay = overlay(2);
    let mut reader = Party::new(&overlay, 1);
    assert_eq!(overlay.free_views(), 0, "the newest one stays");
    reader.begin(Mode::ReadOnly);
    assert!(publish(&overlay) && publish(&overlay));
    assert_eq!(overlay.usage().views, 3);
    assert_eq!(overlay.free_views(), 1, "the one between them");
    assert_eq!(overlay.free_views(), 0);
    reader.end();
    assert_eq!((overlay.free_views(), overlay.usage().views), (1, 1));
}

/// Who was inside the gate when a view was replaced holds it until he was seen outside.
#[test]
fn a_view_goes_when_nobody_is_inside_the_gate_with_it() {
    let overlay = overlay(2);
    let _session = overlay.slot(owner(1)).unwrap();
    let line = overlay.slots.line(0);
    let entered = overlay.gate.enter(line);
    assert_eq!(overlay.views.current(&entered).number, overlay.newest_view());
    assert!(publish(&overlay));
    assert_eq!(overlay.free_views(), 0);
    drop(entered);
    let again = overlay.gate.enter(line);
    assert_eq!(overlay.free_views(), 1, "he is inside again, but with a newer view");
    drop(again);
}

/// Readers of all views that fit the ring: nothing is replaced until one of them ends, whichever.
#[test]
fn a_full_ring() {
    let overlay = overlay(RING + 1);
    let mut writer = Party::begun(&overlay, 0);
    let tree = overlay.tree(tree_id(1, 1));
    let mut readers = Vec::new();
    while {
        let mut reader = Party::new(&overlay, readers.len() as u64);
        reader.begin(Mode::ReadOnly);
        readers.push(reader);
        publish(&overlay)
    } {
        assert_eq!(overlay.free_views(), 0);
    }
    assert_eq!(readers.len(), RING);
    assert_eq!(overlay.usage().views, RING as u64);
    let newest = overlay.newest_view();
    let store = || Arc::new(TestStore(Arc::new(MapBase::default())));
    assert!(!overlay.attach(AttachmentNo(2), store(), Position(1)));
    assert!(overlay.detach(AttachmentNo(1)).is_none());
    // Writers go on, in the generation that cannot be sealed.
    writer.write(&row(&overlay, &tree, b"k"), Kind::PUT, b"v").unwrap();
    let cut = overlay.cut(&mut || Position(1));
    assert!(cut.unsealed);
    assert_eq!(overlay.newest_view(), newest);
    readers[RING / 2].end();
    assert_eq!(overlay.free_views(), 1);
    assert!(!overlay.cut(&mut || Position(1)).unsealed);
    assert!(!publish(&overlay), "that was the only place");
    drop(readers);
    assert_eq!(overlay.free_views(), RING - 2, "all but the newest and the writer's");
    assert!(
        overlay.attach(AttachmentNo(2), store(), Position(1)) && overlay.detach(AttachmentNo(2)).is_some()
    );
    overlay.check(&mut |fault| panic!("{fault}"));
}

/// An attached database is seen by those who begin afterwards, a detached one by those who began before.
#[test]
fn databases_come_and_go_with_views() {
    let overlay = overlay(3);
    let (mut before, mut between, mut after) =
        (Party::new(&overlay, 1), Party::new(&overlay, 2), Party::new(&overlay, 3));
    let second = AttachmentNo(2);
    before.begin(Mode::ReadOnly);
    assert!(overlay.attach(second, Arc::new(TestStore(Arc::new(MapBase::default()))), Position(7)));
    between.begin(Mode::ReadOnly);
    assert!(overlay.detach(second).is_some());
    assert!(overlay.detach(second).is_none(), "it is not there any more");
    after.begin(Mode::ReadOnly);
    assert!(overlay.base(&before.slot, second).is_none());
    assert!(overlay.base(&between.slot, second).is_some());
    assert!(overlay.base(&after.slot, second).is_none());
    assert_eq!(overlay.pinned_before(overlay.newest_view()).unwrap().session(), SessionId(1));
}

#[test]
fn seven_databases_are_the_most() {
    let overlay = overlay(1);
    for number in 2..=7 {
        assert!(overlay.attach(
            AttachmentNo(number),
            Arc::new(TestStore(Arc::new(MapBase::default()))),
            Position(1)
        ));
    }
    let eighth = Arc::new(TestStore(Arc::new(MapBase::default())));
    assert!(!overlay.attach(AttachmentNo(8), eighth.clone(), Position(1)));
    assert!(overlay.detach(AttachmentNo(3)).is_some());
    assert!(overlay.attach(AttachmentNo(8), eighth, Position(1)));
}
