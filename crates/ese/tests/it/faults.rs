//! What the calls that merge and close report when there is no room: as their documents say.

use crate::{Checked, keys, kind};
use ese::{Backend, Background, ErrorKind, Instance, Result, Step};
use ese_base::TreeNo;
use ese_core::{Base, Merge, Store, StoreStats};
use ese_mem::MemoryBackend;
use std::sync::Arc;

#[test]
fn a_merge_that_readers_are_in_the_way_of_says_so() {
    let builder = Instance::builder().background(Background::Manual);
    let db = Checked(builder.sessions_max(2000).version_store_bytes(1 << 30).in_memory().unwrap());
    let tree = db.tree("t").unwrap();
    let mut sessions: Vec<_> = (0..1500).map(|_| db.session().unwrap()).collect();
    let mut readers = Vec::new();
    let mut refused = None;
    for session in &mut sessions {
        readers.push(session.begin_read_only().unwrap());
        db.write(|tx| tree.put(tx, "a", "1")).unwrap();
        if let Err(error) = db.merge() {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused.map(|error| error.kind()), Some(ErrorKind::VersionStoreFull));
    assert_eq!(db.step().unwrap(), Step::Waited, "a step only waits for them");
    assert_eq!(kind(db.create_database("archive")), ErrorKind::VersionStoreFull);
    drop(readers);
    db.merge().unwrap();
    db.create_database("archive").unwrap();
    assert_eq!(kind(db.attach_database("archive")), ErrorKind::DatabaseAttached);
}

#[test]
fn a_database_without_space_takes_no_writes_until_there_is_some() {
    let backend = Arc::new(MemoryBackend::with_limit(64 << 10));
    let builder = Instance::builder().background(Background::Manual);
    let db = Checked(builder.backend(Arc::clone(&backend) as _).unwrap());
    let tree = db.tree("t").unwrap();
    let log = db.create_database("archive").unwrap().tree(&db, "log").unwrap();
    db.write(|tx| tree.put(tx, "a", vec![7; 200 << 10])).unwrap();
    db.request_merge();
    while db.step().unwrap() != Step::Idle {}
    assert_eq!(kind(db.merge()), ErrorKind::DiskFull, "steps report nothing, a merge does");
    assert_eq!(kind(db.write(|tx| tree.put(tx, "b", "1"))), ErrorKind::DiskFull);
    assert_eq!(kind(db.write(|tx| tx.schema().create_tree("u"))), ErrorKind::DiskFull);
    assert_eq!(kind(db.tree("u")), ErrorKind::DiskFull);
    assert_eq!(keys(&db, tree), "a", "what is committed can be read");
    backend.set_database_limit("archive", None).unwrap();
    db.write(|tx| log.put(tx, "b", vec![7; 200 << 10])).unwrap();
    assert_eq!(kind(db.merge()), ErrorKind::DiskFull);
    db.write(|tx| log.put(tx, "c", "other databases go on")).unwrap();
    assert_eq!(keys(&db, log), "b,c");
    backend.set_limit(None);
    db.merge().unwrap();
    db.write(|tx| tree.put(tx, "b", "1")).unwrap();
    backend.set_limit(Some(4096));
    db.write(|tx| tree.put(tx, "c", vec![7; 200 << 10])).unwrap();
    assert_eq!(kind(db.close()), ErrorKind::DiskFull);
    assert_eq!(kind(db.session()), ErrorKind::NotInitialized, "closed all the same");
    db.close().unwrap();
}

/// Databases in memory that cannot be merged.
struct Broken(MemoryBackend);

struct BrokenStore(Arc<dyn Store>);

impl Backend for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(BrokenStore(self.0.create(database)?)))
    }

    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(BrokenStore(self.0.attach(database)?)))
    }

    fn detach(&self, database: &str) -> Result<()> {
        self.0.detach(database)
    }
}

impl Store for BrokenStore {
    fn newest(&self) -> Arc<dyn Base> {
        self.0.newest()
    }

    fn begin_merge(self: Arc<Self>) -> Result<Box<dyn Merge>> {
        Err(ErrorKind::DiskIo.into())
    }

    fn reserve_tree_numbers(&self, count: u64) -> Result<TreeNo> {
        self.0.reserve_tree_numbers(count)
    }

    fn key_max_bytes(&self) -> usize {
        self.0.key_max_bytes()
    }

    fn check(&self, base: &Arc<dyn Base>, fault: &mut dyn FnMut(String)) -> Result<()> {
        self.0.check(base, fault)
    }

    fn stats(&self) -> StoreStats {
        self.0.stats()
    }
}

#[test]
fn a_store_that_fails_leaves_an_instance_to_read_from() {
    let backend = Arc::new(Broken(MemoryBackend::new(4096).unwrap()));
    let db = Checked(Instance::builder().background(Background::Manual).backend(backend).unwrap());
    let tree = db.tree("t").unwrap();
    db.write(|tx| tree.put(tx, "a", "1")).unwrap();
    let (mut one, mut two) = (db.session().unwrap(), db.session().unwrap());
    let mut tx = one.begin().unwrap();
    tree.put(&mut tx, "b", "1").unwrap();
    assert_eq!(kind(db.merge()), ErrorKind::DiskIo);
    assert_eq!(kind(db.merge()), ErrorKind::InstanceUnavailable);
    assert_eq!(kind(db.step()), ErrorKind::InstanceUnavailable);
    assert_eq!(kind(db.create_database("archive")), ErrorKind::InstanceUnavailable);
    assert_eq!(kind(tree.put(&mut tx, "c", "1")), ErrorKind::InstanceUnavailable);
    assert_eq!(kind(tx.commit()), ErrorKind::InstanceUnavailable);
    assert_eq!(kind(two.begin()), ErrorKind::InstanceUnavailable);
    assert_eq!(kind(tree.put(&mut two, "c", "1")), ErrorKind::InstanceUnavailable);
    assert_eq!(kind(db.write(|_| Ok(()))), ErrorKind::InstanceUnavailable);
    assert_eq!(kind(db.tree("u")), ErrorKind::InstanceUnavailable);
    assert_eq!(db.tree("t").unwrap(), tree);
    assert_eq!(keys(&db, tree), "a");
    drop((one, two));
    assert_eq!(kind(db.close()), ErrorKind::InstanceUnavailable);
    db.close().unwrap();
}
