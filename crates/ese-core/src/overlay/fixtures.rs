//! What the overlay's tests stand on: bases and a store on an ordered map, and short ways to make rows and states.

use super::{
    pin::OverlaySlot,
    store::{Limits, Overlay},
    tree::SharedTree,
    view::{Database, Databases},
};
use crate::{
    seam::{
        scan::BaseScan,
        session::Mode,
        store::{Base, Merge, Store, StoreStats},
        transaction::{Delta, KeyRange},
        version_store::{Refusal, Row, VersionStore},
    },
    txn::{Kind, Owner, TxnState},
};
use ese_base::{
    AttachmentNo, CommitTs, Error, ErrorKind, Position, Result, SessionId, TreeId, TreeNo, Value,
    limits::DATABASES_MAX,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The rows of a base.
pub(crate) type Rows = BTreeMap<(TreeNo, Vec<u8>), Vec<u8>>;

/// A base on a map.
#[derive(Default)]
pub(crate) struct MapBase(pub(crate) Rows);

/// A store that has one base and never makes another: the tests do that themselves.
pub(crate) struct TestStore(pub(crate) Arc<dyn Base>);

fn not_here() -> Error {
    Error::new(ErrorKind::OutOfMemory, "the overlay's tests do not use it")
}

impl Base for MapBase {
    fn get<'b>(&'b self, tree: TreeNo, key: &[u8]) -> Result<Option<Value<'b>>> {
        Ok(self.0.get(&(tree, key.to_vec())).map(|value| Value::Borrowed(value)))
    }

    fn scan<'b>(&'b self, _tree: TreeNo, _range: KeyRange<'_>) -> Result<Box<dyn BaseScan<'b> + 'b>> {
        Err(not_here())
    }

    fn trees(&self) -> Vec<TreeNo> {
        let mut trees: Vec<TreeNo> = self.0.keys().map(|(tree, _)| *tree).collect();
        trees.dedup();
        trees
    }
}

impl Store for TestStore {
    fn newest(&self) -> Arc<dyn Base> {
        Arc::clone(&self.0)
    }

    fn begin_merge(self: Arc<Self>) -> Result<Box<dyn Merge>> {
        Err(not_here())
    }

    fn reserve_tree_numbers(&self, _count: u64) -> Result<TreeNo> {
        Err(not_here())
    }

    fn key_max_bytes(&self) -> usize {
        100
    }

    fn check(&self, _base: &Arc<dyn Base>, _fault: &mut dyn FnMut(String)) -> Result<()> {
        Ok(())
    }

    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }
}

/// The databases of an overlay with these bases, numbered from 1, each with L = 1.
pub(crate) fn databases(bases: impl IntoIterator<Item = Arc<dyn Base>>) -> Databases {
    let mut databases: Databases = [const { None }; DATABASES_MAX];
    for (at, base) in bases.into_iter().enumerate() {
        databases[at] = Some(Database {
            attachment: AttachmentNo(u32::try_from(at).unwrap() + 1),
            l: Position::FIRST,
            base: Arc::clone(&base),
            store: Arc::new(TestStore(base)),
        });
    }
    databases
}

/// An overlay over these bases.
pub(crate) fn overlay(
    slots: usize,
    generation_bytes: u64,
    bases: impl IntoIterator<Item = Arc<dyn Base>>,
) -> Arc<Overlay> {
    let limits = Limits { slots, generation_bytes, window_bytes: 1 << 20 };
    Arc::new(Overlay::new(limits, databases(bases)))
}

/// The tree of that number in the database attached as `attachment`.
pub(crate) const fn tree_id(attachment: u32, number: u64) -> TreeId {
    TreeId { attachment: AttachmentNo(attachment), number: TreeNo(number) }
}

/// A row of an overlay's tree.
pub(crate) fn row<'k>(
    overlay: &Overlay,
    tree: &'k Arc<SharedTree>,
    key: &'k [u8],
) -> Row<'k, Arc<SharedTree>> {
    Row { tree, key, hash: overlay.hash(tree.id, key) }
}

/// A session: a slot, and the transaction it runs.
pub(crate) struct Party {
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) slot: OverlaySlot,
}

impl Party {
    /// A session without a transaction.
    pub(crate) fn new(overlay: &Arc<Overlay>, number: u64) -> Self {
        let slot = overlay.slot(owner(number)).expect("the test has slots enough");
        Party { overlay: Arc::clone(overlay), slot }
    }

    /// A session with a transaction that may write.
    pub(crate) fn begun(overlay: &Arc<Overlay>, number: u64) -> Self {
        let mut party = Party::new(overlay, number);
        party.begin(Mode::ReadWrite);
        party
    }

    pub(crate) fn begin(&mut self, mode: Mode) -> CommitTs {
        let snapshot = self.overlay.pin(&mut self.slot, mode);
        if mode == Mode::ReadWrite {
            let state = TxnState::new(owner(0), Duration::ZERO);
            self.overlay.begin_writes(&mut self.slot, Arc::new(state));
        }
        snapshot
    }

    pub(crate) fn write(
        &mut self,
        row: &Row<'_, Arc<SharedTree>>,
        kind: Kind,
        payload: &[u8],
    ) -> Result<(), Refusal> {
        self.overlay.write(&mut self.slot, row, kind, payload)
    }

    /// An escrow add; the counter as it stood before.
    pub(crate) fn fetch_add(
        &mut self,
        row: &Row<'_, Arc<SharedTree>>,
        place: (u32, Delta),
    ) -> Result<i64, Refusal> {
        self.overlay.write_delta(&mut self.slot, row, place).expect("the bases of tests do not fail")
    }

    /// Claims a position; the transaction writes no more.
    pub(crate) fn claim(&mut self, position: u64) -> Arc<TxnState> {
        let state = self.overlay.end_writes(&mut self.slot).expect("a transaction that may write");
        state.claim(Position(position));
        state
    }

    /// Claims a position, becomes visible and ends.
    pub(crate) fn commit(&mut self, position: u64) -> CommitTs {
        let state = self.claim(position);
        let ts = self.overlay.publish(&state);
        self.end();
        ts
    }

    /// Takes everything back and ends.
    pub(crate) fn abort(&mut self) {
        self.overlay.end_writes(&mut self.slot).expect("a transaction that may write").abort();
        self.end();
    }

    /// Ends a transaction that only read, or whose position is claimed.
    pub(crate) fn end(&mut self) {
        self.overlay.unpin(&mut self.slot);
    }
}

/// Somebody.
pub(crate) fn owner(number: u64) -> Arc<Owner> {
    Arc::new(Owner::new(SessionId(number), String::new()))
}
