//! Guards whose transaction has ended without them: nothing is written through them, in no transaction at all.

use crate::{
    Checked, keys, kind,
    odd_engine::{Oddity, odd_instance},
};
use ese::{
    Backend, Background, ErrorKind, Instance, LockMode, Position, Result, Transaction, Tree,
    clock::SystemClock,
};
use ese_base::sync::atomic::{AtomicU64, Ordering};
use ese_core::{Log, LogPoint, Store};
use ese_mem::MemoryBackend;
use std::sync::Arc;

/// Every way to write through a guard, each of which must say that there is no transaction.
fn is_refused(tx: &mut Transaction<'_>, tree: Tree) {
    assert_eq!(kind(tree.put(tx, "x", "1")), ErrorKind::NotInTransaction);
    assert_eq!(kind(tree.insert(tx, "x", "1")), ErrorKind::NotInTransaction);
    assert_eq!(kind(tree.update(tx, "a", "1")), ErrorKind::NotInTransaction);
    assert_eq!(kind(tree.delete(tx, "a")), ErrorKind::NotInTransaction);
    assert_eq!(kind(tree.remove_range(tx, ..)), ErrorKind::NotInTransaction);
    assert_eq!(kind(tree.add(tx, "n", 0, 1_i64)), ErrorKind::NotInTransaction);
    assert_eq!(kind(tree.fetch_add(tx, "n", 0, 1_i64)), ErrorKind::NotInTransaction);
    assert_eq!(kind(tree.lock(tx, "a", LockMode::Write)), ErrorKind::NotInTransaction);
    assert_eq!(kind(tx.schema().create_tree("u")), ErrorKind::NotInTransaction);
    assert_eq!(kind(tx.schema().rename_tree(tree, "u")), ErrorKind::NotInTransaction);
    assert_eq!(kind(tx.schema().drop_tree(tree)), ErrorKind::NotInTransaction);
    assert_eq!(kind(tx.savepoint()), ErrorKind::NotInTransaction);
    let mut cursor = tree.cursor();
    assert_eq!(kind(cursor.insert(tx, "x", "1")), ErrorKind::NotInTransaction);
}

/// An odd instance with a tree of the rows "a" and "n", a counter.
fn odd_tree(oddity: Oddity) -> (Instance, Tree) {
    let db = odd_instance(oddity);
    let tree = db.tree("t").unwrap();
    db.write(|tx| {
        tree.put(tx, "a", "a")?;
        tree.put(tx, "n", 0_i64.to_le_bytes())
    })
    .unwrap();
    (db, tree)
}

fn nothing_happened(db: &Instance, tree: Tree) {
    assert_eq!(keys(db, tree), "a,n");
    assert_eq!(db.read(|s| s.tree_names()).unwrap(), ["t"]);
    assert_eq!(db.stats().transactions, 0);
}

#[test]
fn after_a_savepoint_whose_commit_ended_all() {
    let (db, tree) = odd_tree(Oddity::SavepointsEndAll);
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "b", "1").unwrap();
    let savepoint = tx.savepoint().unwrap();
    assert_eq!(kind(savepoint.commit()), ErrorKind::DiskFull);
    is_refused(&mut tx, tree);
    assert_eq!(kind(tx.commit()), ErrorKind::NotInTransaction);
    nothing_happened(&db, tree);
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "c", "1").unwrap();
    tx.commit().unwrap();
    assert_eq!(keys(&db, tree), "a,c,n", "the session goes on");
}

#[test]
fn after_a_statement_that_ended_all() {
    let (db, tree) = odd_tree(Oddity::FullEndsAll);
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "b", "1").unwrap();
    {
        let mut savepoint = tx.savepoint().unwrap();
        assert_eq!(kind(tree.put(&mut savepoint, "full", "1")), ErrorKind::VersionStoreFull);
        is_refused(&mut savepoint, tree);
        assert_eq!(kind(savepoint.commit()), ErrorKind::NotInTransaction);
    }
    is_refused(&mut tx, tree);
    tx.rollback().unwrap();
    nothing_happened(&db, tree);

    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "b", "1").unwrap();
    assert_eq!(kind(tree.put(&mut tx, "full", "1")), ErrorKind::VersionStoreFull);
    drop(tx);
    nothing_happened(&db, tree);
}

#[test]
fn closures_tell_the_error_that_ended_all() {
    let (db, tree) = odd_tree(Oddity::FullEndsAll);
    let told = db.write(|tx| tree.put(tx, "full", "1"));
    assert_eq!(kind(told), ErrorKind::VersionStoreFull);
    let ignored = db.write(|tx| {
        tree.put(tx, "b", "1")?;
        let _ = tree.put(tx, "full", "1");
        Ok(())
    });
    assert_eq!(kind(ignored), ErrorKind::NotInTransaction, "there is nothing to commit");
    nothing_happened(&db, tree);
}

/// A log without room for frames of 4,000 bytes.
#[derive(Default)]
struct NarrowLog {
    durable: AtomicU64,
}

impl Log for NarrowLog {
    fn room(&self, bytes: u64) -> Result<()> {
        if bytes < 4000 { Ok(()) } else { Err(ErrorKind::TransactionTooLong.into()) }
    }

    fn append(&self, _: Position, _: Box<[u8]>) {}

    fn durable(&self) -> Position {
        Position(self.durable.load(Ordering::SeqCst))
    }

    fn flush(&self, up_to: Position) -> Result<Position> {
        self.durable.fetch_max(up_to.next().0, Ordering::SeqCst);
        Ok(self.durable())
    }

    fn identity(&self) -> u128 {
        1
    }

    fn first(&self) -> Position {
        Position::FIRST
    }

    fn replay(&self, from: Position, _: &mut dyn FnMut(Position, &[u8]) -> Result<()>) -> Result<LogPoint> {
        Ok(LogPoint { log: 1, epoch: 1, at: from })
    }

    fn settle(&self, _: Position) -> Result<LogPoint> {
        Err(ErrorKind::InvalidParameter.into())
    }

    fn begin_epoch(&self) -> Result<LogPoint> {
        Ok(LogPoint { log: 1, epoch: 1, at: Position::FIRST })
    }

    fn recycle(&self, _: Position) -> Result<()> {
        Ok(())
    }
}

struct WithNarrowLog(MemoryBackend, Arc<NarrowLog>);

impl Backend for WithNarrowLog {
    fn name(&self) -> &'static str {
        "memory with a narrow log"
    }

    fn log(&self) -> Option<Arc<dyn Log>> {
        Some(Arc::clone(&self.1) as Arc<dyn Log>)
    }

    fn create(&self, database: &str) -> Result<Arc<dyn Store>> {
        self.0.create(database)
    }

    fn attach(&self, database: &str) -> Result<Arc<dyn Store>> {
        self.0.attach(database)
    }

    fn detach(&self, database: &str) -> Result<()> {
        self.0.detach(database)
    }
}

#[test]
fn a_commit_that_fails_has_rolled_back() {
    let backend = WithNarrowLog(MemoryBackend::new(4096).unwrap(), Arc::default());
    let builder = Instance::builder().background(Background::Manual).clock(Arc::new(SystemClock::new()));
    let db = Checked(builder.backend(Arc::new(backend)).unwrap());
    let tree = db.tree("t").unwrap();
    let mut session = db.session().unwrap();
    let mut tx = session.begin().unwrap();
    tree.put(&mut tx, "long", [0; 5000]).unwrap();
    assert_eq!(kind(tx.commit()), ErrorKind::TransactionTooLong);
    assert_eq!(db.stats().transactions, 0);
    assert_eq!(kind(tree.put(&mut session, "long", [0; 5000])), ErrorKind::TransactionTooLong);
    assert_eq!(kind(tree.lock(&mut session, "long", LockMode::Write)), ErrorKind::NotInTransaction);
    let mut runs = 0;
    let closure = db.write(|tx| {
        runs += 1;
        tree.put(tx, "long", [0; 5000])
    });
    assert_eq!((kind(closure), runs), (ErrorKind::TransactionTooLong, 1));
    db.write(|tx| tree.put(tx, "short", "1")).unwrap();
    assert_eq!(keys(&db, tree), "short");
}
