//! A drop of a tree and a detach of a database beside the first writer, in every order within the model checker's bound.

use super::directory::{DirectoryWord, standing_key};
use crate::{
    overlay::fixtures::{MapBase, Party, overlay, row, tree_id},
    seam::{transaction::LockMode, version_store::VersionStore},
    txn::Kind,
};
use ese_base::{
    TreeId,
    sync::atomic::{AtomicBool, Ordering},
};
use loom::{model::Builder, thread};
use std::sync::Arc;

/// Tries every order with as many switches of threads against their will as the environment says, else `switches`.
fn check(switches: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(switches));
    builder.max_branches = 50_000;
    builder.check(model);
}

/// The writer sees the drop, by the word or by the row, or the drop sees the writer.
///
/// Protects the fence in `Slot::use_tree`, and the order of both sides: the writer notes its tree before it looks whether
/// that stands, the drop does it the other way round. (The drop has passed a fence in the gate.)
#[test]
fn loom_first_write_beside_a_drop() {
    check(3, || {
        let overlay = overlay(2, 1 << 20, [Arc::new(MapBase::default()) as _]);
        let word = Arc::new(DirectoryWord::default());
        let (id, directory) = (tree_id(1, 5), TreeId::directory(tree_id(1, 5).attachment));
        let (tree, rows) = (overlay.tree(id), overlay.tree(directory));
        let key = standing_key(id.number);
        let (mut writer, mut dropper) = (Party::begun(&overlay, 1), Party::begun(&overlay, 2));
        let found_at = word.quiet();
        let dropping = {
            let (word, overlay, tree, rows) =
                (Arc::clone(&word), Arc::clone(&overlay), Arc::clone(&tree), Arc::clone(&rows));
            thread::spawn(move || {
                word.begin_change();
                dropper.write(&row(&overlay, &rows, &key), Kind::DELETE, &[]).unwrap();
                (overlay.user_of(&dropper.slot, &tree).is_none(), dropper)
            })
        };
        overlay.use_tree(&mut writer.slot, &tree);
        let row = row(&overlay, &rows, &key);
        let stands = word.quiet() == found_at
            || overlay.probe(&mut writer.slot, &row, Kind::lock(LockMode::Read)).is_ok();
        let (drops, dropper) = dropping.join().unwrap();
        assert!(!(stands && drops), "rows are written in a tree that is dropped");
        drop(dropper);
    });
}

/// The writer sees that the database is leaving, or the detach sees the writer.
///
/// Protects the fences in `Slot::use_tree` and `Overlay::user_of_database`.
#[test]
fn loom_first_write_beside_a_detach() {
    check(3, || {
        let overlay = overlay(2, 1 << 20, [Arc::new(MapBase::default()) as _]);
        let leaving = Arc::new(AtomicBool::new(false));
        let id = tree_id(1, 5);
        let tree = overlay.tree(id);
        let mut writer = Party::begun(&overlay, 1);
        let detaching = {
            let (leaving, overlay) = (Arc::clone(&leaving), Arc::clone(&overlay));
            thread::spawn(move || {
                leaving.swap(true, Ordering::SeqCst);
                overlay.user_of_database(id.attachment).is_none()
            })
        };
        overlay.use_tree(&mut writer.slot, &tree);
        let stands = !leaving.load(Ordering::SeqCst);
        let leaves = detaching.join().unwrap();
        assert!(!(stands && leaves), "rows are written in a database that leaves");
    });
}
